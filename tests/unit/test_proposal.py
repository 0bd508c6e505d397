"""A proposed record set can be pasted into a zone file or a panel as it stands."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from mailfix.mail_records.proposal import ProposedSet, presented

KEY = "v=DKIM1; k=rsa; p=" + "A" * 400


def test_a_text_record_is_quoted() -> None:
    proposed = ProposedSet("_dmarc.example.com", "TXT", ("v=DMARC1; p=none",))
    assert proposed.zone_lines() == ('_dmarc.example.com. 3600 IN TXT "v=DMARC1; p=none"',)


def test_a_long_text_becomes_several_strings() -> None:
    (line,) = ProposedSet("x._domainkey.example.com", "TXT", (KEY,)).zone_lines()
    strings = line.split("TXT ")[1].strip('"').split('" "')
    assert [len(string) for string in strings] == [255, len(KEY) - 255]
    assert "".join(strings) == KEY


def test_quotes_backslashes_and_bytes_are_escaped() -> None:
    assert presented("TXT", 'a"b\\c\x1b\xff') == '"a\\"b\\\\c\\027\\255"'
    assert presented("TXT", "") == '""'


@pytest.mark.parametrize(
    ("rdtype", "record", "line"),
    [
        ("MX", "10 mail.example.com", "10 mail.example.com."),
        ("MX", "0 .", "0 ."),
        ("MX", "0", "0 ."),
        ("CNAME", "mail.example.com", "mail.example.com."),
        ("A", "203.0.113.10", "203.0.113.10"),
        ("TLSA", "3 1 1 00ff", "3 1 1 00ff"),
    ],
)
def test_names_in_records_have_their_last_dot(rdtype: str, record: str, line: str) -> None:
    assert presented(rdtype, record) == line


def test_advice_has_the_record_for_a_file_and_for_a_panel() -> None:
    old = "v=spf1 -all"
    proposed = ProposedSet("example.com", "TXT", ("v=spf1 mx -all",), (old,))
    assert proposed.told().split("\n") == [
        '  zone file: example.com. 3600 IN TXT "v=spf1 mx -all"',
        "  panel: name @ (in full example.com), type TXT, value v=spf1 mx -all",
        '  remove: example.com. 3600 IN TXT "v=spf1 -all"',
    ]


def test_a_panel_wants_the_name_without_the_zone() -> None:
    proposed = ProposedSet("_dmarc.shop.example.com", "TXT", ("v=DMARC1; p=none",))
    assert "name _dmarc (in full _dmarc.shop.example.com)" in proposed.told()
    assert "name _dmarc.shop (in full" in proposed.told("example.com")


def test_a_panel_wants_the_priority_apart() -> None:
    told = ProposedSet("example.com", "MX", ("10 mail.example.com",)).told()
    assert "type MX, priority 10, value mail.example.com" in told


def test_a_difference_names_removals_first() -> None:
    proposed = ProposedSet("example.com", "MX", ("10 mail.example.com",), ("10 gone.example.com",))
    assert proposed.difference() == (
        "- example.com. 3600 IN MX 10 gone.example.com.",
        "+ example.com. 3600 IN MX 10 mail.example.com.",
    )


def test_what_others_wrote_is_bounded_in_advice() -> None:
    proposed = ProposedSet("example.com", "TXT", (), tuple(f"{n}" * 60_000 for n in range(10)) * 3)
    assert len(proposed.told()) < 8000
    assert "18 more like these" in proposed.told()


def test_a_text_cannot_break_out_of_its_line() -> None:
    told = ProposedSet("example.com", "TXT", ("a\n\nremove: b\x1b[2J",)).told()
    assert len(told.splitlines()) == 2
    assert "\x1b" not in told


@pytest.mark.skipif(not shutil.which("named-checkzone"), reason="needs BIND's named-checkzone")
def test_bind_takes_the_lines(tmp_path: Path) -> None:
    sets = [
        ProposedSet("example.com", "TXT", ('quote " backslash \\ and \x00\xff', "")),
        ProposedSet("x._domainkey.example.com", "TXT", (KEY,)),
        ProposedSet("example.com", "MX", ("10 mail.example.net",)),
        ProposedSet("null.example.com", "MX", ("0 .",)),
    ]
    apex = "example.com. 3600 IN SOA ns.example.net. x.example.net. 1 2 3 4 5\n"
    lines = [line for each in sets for line in each.zone_lines()]
    zone = tmp_path / "zone"
    zone.write_text(apex + "example.com. IN NS ns.example.net.\n" + "\n".join(lines) + "\n")
    told = subprocess.run(
        ["named-checkzone", "-i", "none", "example.com", str(zone)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert told.returncode == 0, told.stdout
