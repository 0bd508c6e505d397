"""What an audit takes from the administrator, and what it offers to repair."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from mailfix.audit import without_effect
from mailfix.auditor import PUBLISH, Examination, rules, settings
from mailfix.facts import Facts
from mailfix.model import FixOffer, Refusal
from mailfix.settings import DnsUpdate, Settings
from tests.unit.bulletins import BLOCKED, bulletin

OPEN_PORT = replace(BLOCKED, fix=FixOffer("open-port", True, "open it"))
SPF = replace(
    BLOCKED,
    rule="spf-missing",
    subject={"domain": "mail.example.com"},
    fix=FixOffer(PUBLISH, False, "publish it"),
)


@pytest.mark.parametrize(
    ("zones", "offered"),
    [
        ((), False),
        (("example.net",), False),
        (("ample.com",), False),
        (("example.net", "example.com"), True),
        (("mail.example.com",), True),
        (("_dmarc.mail.example.com",), True),
    ],
)
def test_to_publish_is_offered_where_a_zone_is_set(zones: tuple[str, ...], offered: bool) -> None:
    updates = tuple(DnsUpdate(each, "192.0.2.53", "/etc/key") for each in zones)
    report = bulletin(OPEN_PORT, SPF).report
    told = Examination(Settings(dns_updates=updates), Facts(), report, (), ()).told
    assert [each.fix is not None for each in told.findings] == [True, offered]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    found = tmp_path / "etc" / "mailfix.yml"
    found.parent.mkdir(mode=0o755)
    found.write_text("audit_seconds: 5\n")
    found.chmod(0o644)
    return found


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="the settings must belong to root")


@needs_root
def test_settings_that_are_roots_own_are_taken(file: Path) -> None:
    assert settings(str(file)).audit_seconds == 5
    assert settings(str(file.with_name("none.yml"))) == Settings()


@needs_root
@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_settings_that_others_can_write_are_refused_with_what_to_do(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(Refusal, match=rf"chown root {file}; chmod go-w {file}"):
        settings(str(file))


@needs_root
def test_settings_in_a_folder_or_of_a_user_that_is_not_roots_are_refused(file: Path) -> None:
    os.chown(file, 65534, 65534)
    with pytest.raises(Refusal, match="must belong to root"):
        settings(str(file))
    os.chown(file, 0, 0)
    file.parent.chmod(0o777)
    with pytest.raises(Refusal, match=rf"^{file.parent}: must belong"):
        settings(str(file))


def test_an_entry_of_ignore_that_can_hide_nothing_is_told() -> None:
    entries = (
        {"rule": "ptr-generic", "family": "ipv6"},
        {"rule": "ptr-generic"},
        {"rule": "ptr-generics"},
        {"rule": "ptr-generic", "famly": "ipv6"},
    )
    assert list(without_effect(entries, rules())) == [
        "there is no rule ptr-generics; 'mailfix rules' lists them",
        "ptr-generic tells nothing apart by famly, so the entry hides nothing",
    ]
