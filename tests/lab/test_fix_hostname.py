"""`mailfix fix` names a host whose name is short, wrong or not kept, and takes it back."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from .breakages import BREAKAGES
from .lab import Lab, running_lab
from .names import HOST_IPV4, HOST_NAME

pytestmark = pytest.mark.usefixtures("lab_machine")

FILES = "/etc/hostname /etc/hosts /etc/mailname /etc/exim4/update-exim4.conf.conf"


@pytest.fixture(scope="module")
def named(lab_machine: None) -> Iterator[Lab]:
    """One host for all tests here: each breaks it anew and takes back what it fixed."""
    with running_lab() as lab:
        yield lab


def state(lab: Lab) -> str:
    """The kernel's name, exim's, and the files with all that they have."""
    return lab.host.sh(
        f"uname -n; exim4 -bP primary_hostname; stat -c '%n %a %U %G %Y' {FILES}; cat {FILES};"
        "ls -A /etc/systemd/system /etc/systemd/system/sysinit.target.wants"
    )


def fix(lab: Lab, rule: str) -> dict[str, list[str]]:
    """Fix one rule's finding without a question and confirm it; what was applied, what is left."""
    done = lab.host.run(["mailfix", "fix", "--yes", "--only", rule, "--format", "json"])
    assert done.stdout, done.stderr
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def failing(lab: Lab) -> set[str]:
    return {
        each["rule"] for each in lab.host.audit().report["findings"] if each["status"] == "fail"
    }


def test_the_one_name_that_fits_is_set_kept_and_taken_back_to_the_byte(named: Lab) -> None:
    host, rule = named.host, "hostname-unresolvable"
    BREAKAGES[rule].apply(host, named.internet)
    host.write("/etc/mailname", "srv7.example.com\n")
    before = state(named)
    assert rule in failing(named)

    assert len(fix(named, rule)["applied"]) == 1
    host.sh("mailfix confirm")
    assert failing(named) == set()
    assert host.sh("uname -n; cat /etc/hostname /etc/mailname").split() == [HOST_NAME] * 3
    assert host.sh("hostnamectl --static; hostnamectl --transient").split() == [HOST_NAME] * 2
    hosts = host.read("/etc/hosts").splitlines()
    assert f"127.0.1.1 {HOST_NAME} mail srv7.example.com srv7" in hosts
    assert HOST_NAME in named.internet.connect(HOST_IPV4, 25).banner

    host.reboot()
    assert failing(named) == set()
    host.sh("mailfix undo --yes")
    host.sh("mailfix confirm")
    assert state(named) == before


def test_a_restart_before_the_confirmation_gives_the_host_its_old_name_back(named: Lab) -> None:
    host = named.host
    BREAKAGES["short-hostname"].apply(host, named.internet)
    before = state(named)
    fix(named, "hostname-not-qualified")
    assert host.sh("uname -n").strip() == HOST_NAME
    host.cut_power()
    assert state(named) == before


def test_without_exactly_one_name_that_fits_nothing_is_changed_and_the_choice_is_told(
    named: Lab,
) -> None:
    BREAKAGES["short-hostname"].apply(named.host, named.internet)
    before = state(named)
    names = named.internet.names
    other = names.with_set("mx.example.com", "A", HOST_IPV4)
    named.internet.publish(other.with_ptr(HOST_IPV4, HOST_NAME, "mx.example.com"))
    named.internet.set_ptr("2001:db8:113::10")
    several = fix(named, "hostname-not-qualified")
    named.internet.publish(names.with_ptr(HOST_IPV4).with_ptr("2001:db8:113::10"))
    none = fix(named, "hostname-not-qualified")
    named.internet.publish(names)
    assert "several names fit this host: mail.example.com, mx.example.com" in str(several["left"])
    assert "no name has both" in str(none["left"])
    assert several["applied"] == none["applied"] == []
    assert state(named) == before
