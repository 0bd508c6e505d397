"""What the administrator sees: worst first, nothing hidden, nothing that a terminal would obey."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from mailfix import rulebook
from mailfix.model import Finding, FixOffer, Part, Severity, Status
from mailfix.report import document, text
from mailfix.report.summary import Report

RULE7 = "rule 7 of INPUT (iptables-nft, filter): -A INPUT -p tcp --dport 25 -j DROP"
BLOCKED = Finding(
    rule="firewall-inbound-blocked",
    title="The firewall blocks the SMTP port",
    status=Status.FAIL,
    severity=Severity.CRITICAL,
    subject={"port": 25, "family": "ipv4"},
    message=f"tcp/25 over IPv4 is blocked for the whole Internet by {RULE7}",
    why="Mail servers on the Internet cannot connect.",
    part=Part.FIREWALL,
    evidence=(f"100 % drop: {RULE7}",),
    fix=FixOffer("open-port", True, "open tcp/25 over IPv4 by the smallest change"),
)
PTR = Finding(
    rule="ptr-missing",
    title="The sending address has no PTR record",
    status=Status.FAIL,
    severity=Severity.ERROR,
    subject={"family": "ipv4", "address": "203.0.113.10"},
    message="203.0.113.10, from which mail leaves, has no PTR record",
    why="Gmail refuses such mail.",
    part=Part.DNS,
    advice='Write to the provider:\n\n"Please set the PTR record of 203.0.113.10."',
)
SILENT = replace(
    PTR,
    rule="helo-mismatch",
    status=Status.UNKNOWN,
    message="cannot tell: DNS gave no answer to A mail.example.com: 192.0.2.53 kept silent",
    advice=None,
)
FINE = replace(
    PTR, rule="smtp-not-listening", status=Status.PASS, message="something listens", advice=None
)


def report(*findings: Finding, host: str = "mail.example.com") -> Report:
    started = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
    passed = [each for each in findings if each.status is Status.PASS]
    others = tuple(each for each in findings if each.status is not Status.PASS)
    return Report("0.1.0", host, started, 0.412, others, len(passed), lambda: iter(passed))


def shown(*findings: Finding, every: bool = False, colour: bool = False) -> str:
    return text.write(report(*findings), every=every, colour=colour)


def as_told(report: Report) -> dict[str, Any]:
    told = json.loads("".join(document.write(report)))
    assert isinstance(told, dict)
    return told


def test_the_first_line_says_how_the_host_stands() -> None:
    first = shown(BLOCKED, PTR, SILENT, FINE).splitlines()[0]
    assert first == ("mail.example.com: 2 things wrong, 1 not found out, 1 checks passed (0.4 s)")
    assert shown(FINE).startswith("mail.example.com: nothing wrong, ")
    assert shown(PTR).startswith("mail.example.com: 1 thing wrong, ")


def test_a_failure_tells_what_why_by_which_rule_and_what_will_be_done() -> None:
    told = " ".join(shown(BLOCKED).split())
    assert f"CRITICAL tcp/25 over IPv4 is blocked for the whole Internet by {RULE7}" in told
    assert "why Mail servers on the Internet cannot connect." in told
    assert f"evidence 100 % drop: {RULE7}" in told
    assert "fix mailfix fix will: open tcp/25 over IPv4 by the smallest change" in told
    assert "rule firewall-inbound-blocked" in told


def test_a_fix_that_needs_a_decision_says_so() -> None:
    asking = replace(BLOCKED, fix=FixOffer("open-port", False, "open tcp/25"))
    assert "mailfix fix will, after asking: open tcp/25" in shown(asking)


def test_the_letter_to_the_provider_stands_in_a_paragraph_of_its_own() -> None:
    lines = [line.strip() for line in shown(PTR).splitlines()]
    assert '"Please set the PTR record of 203.0.113.10."' in lines


def test_a_record_to_publish_is_in_one_line_however_long_it_is() -> None:
    line = f"zone file: mail._domainkey.example.com. 3600 IN TXT {'A' * 200} {'B' * 200}"
    told = shown(replace(PTR, advice=f"Publish this record:\n\n  {line}\n  panel: name mail"))
    assert f"{line}\n" in told
    assert "            panel: name mail\n" in told


def test_failures_stand_before_what_was_not_found_out_and_both_before_passes() -> None:
    told = shown(BLOCKED, SILENT, FINE)
    assert told.index("CRITICAL") < told.index("UNKNOWN") < told.index("something listens")


def test_checks_with_the_same_unknown_are_told_together() -> None:
    told = shown(SILENT, replace(SILENT, rule="hostname-unresolvable"))
    assert told.count("kept silent") == 1
    assert "helo-mismatch, hostname-unresolvable" in told


def test_many_passes_are_counted_and_listed_only_when_asked() -> None:
    many = [replace(FINE, message=f"check {number} is fine") for number in range(40)]
    assert "check 7 is fine" not in shown(*many)
    assert "40 checks passed; mailfix audit --all lists them." in shown(*many)
    assert "check 7 is fine" in shown(*many, every=True)


def test_what_was_ignored_by_choice_is_still_told() -> None:
    assert "Ignored by choice: 203.0.113.10, from which" in shown(
        replace(PTR, status=Status.IGNORED)
    )


def test_long_evidence_is_cut_and_says_so() -> None:
    told = shown(replace(BLOCKED, evidence=tuple(f"line {n}" for n in range(30))))
    assert "line 11" in told
    assert "line 12" not in told
    assert "and 18 more" in told
    assert max(map(len, shown(replace(PTR, evidence=("x" * 9999,))).splitlines())) < 500


def test_of_many_domains_with_one_failure_a_few_are_told_and_the_others_counted() -> None:
    wrong = [
        replace(PTR, subject={"domain": f"d{number}.example"}, message=f"d{number}.example: no SPF")
        for number in range(1000)
    ]
    told = shown(*wrong)
    assert "d0.example: no SPF" in told
    assert "and 988 more: mailfix audit --all lists them" in told
    assert len(told.splitlines()) < 60
    assert "d999.example: no SPF" in shown(*wrong, every=True)


def test_of_many_things_that_were_not_found_out_a_few_are_told() -> None:
    silent = [replace(SILENT, message=f"cannot tell: d{number}.example") for number in range(1000)]
    told = shown(*silent)
    assert "and 976 more that were not found out: mailfix audit --all lists them" in told
    assert "d999.example" in shown(*silent, every=True)


def test_no_escape_sequence_without_colour_and_some_with_it() -> None:
    assert "\x1b" not in shown(BLOCKED, SILENT, FINE)
    assert "\x1b[31m" in shown(BLOCKED, colour=True)


HOSTILE = "\x1b]0;owned\x07 \x9b31m \r\u202etxt.exe \udcff \x00"


@pytest.mark.parametrize("colour", [True, False])
def test_what_came_from_outside_cannot_steer_the_terminal(colour: bool) -> None:
    bad = replace(
        PTR,
        message=f"banner: {HOSTILE}",
        evidence=(HOSTILE,),
        advice=f"a\n\n{HOSTILE}",
        fix=FixOffer("x", True, HOSTILE),
    )
    told = text.write(
        report(bad, replace(bad, status=Status.UNKNOWN), host=HOSTILE), every=True, colour=colour
    )
    for character in "\x07\x9b\r\u202e\udcff\x00":
        assert character not in told
    assert "\x1b]" not in told
    assert r"\x1b]0;owned\x07" in told


SCHEMA = json.loads(document.SCHEMA_FILE.read_text("utf-8"))


def test_the_document_is_as_the_shipped_schema_says() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    told = as_told(report(BLOCKED, PTR, SILENT, FINE, replace(PTR, status=Status.IGNORED)))
    Draft202012Validator(SCHEMA).validate(told)
    assert told["schema"] == "mailfix.report/1"
    assert told["started"] == "2026-11-22T10:00:00Z"
    assert told["duration_s"] == 0.412
    assert told["summary"] == {"fail": 2, "unknown": 1, "pass": 1, "ignored": 1}
    first = told["findings"][0]
    assert first["subject"] == {"port": 25, "family": "ipv4"}
    assert first["fix"] == {
        "action": "open-port",
        "automatic": True,
        "preview": "open tcp/25 over IPv4 by the smallest change",
    }
    assert told["findings"][1]["fix"] is None


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "mailfix.report/2"},
        {"started": "22 Nov"},
        {"summary": {"fail": 0}},
        {"more": 1},
        {"findings": [{}]},
    ],
    ids=str,
)
def test_the_schema_refuses_another_shape(change: dict[str, object]) -> None:
    told = {**as_told(report(BLOCKED)), **change}
    assert not Draft202012Validator(SCHEMA).is_valid(told)


def test_the_document_escapes_what_came_from_outside() -> None:
    bad = replace(PTR, message=HOSTILE, evidence=(HOSTILE,), subject={"helo": HOSTILE})
    written = "".join(document.write(report(bad, host=HOSTILE)))
    finding = json.loads(written)["findings"][0]
    for value in (finding["message"], finding["evidence"][0], finding["subject"]["helo"]):
        assert value.isprintable()
    written.encode("utf-8")


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ((), 0),
        ((FINE,), 0),
        ((FINE, replace(PTR, status=Status.IGNORED)), 0),
        ((FINE, SILENT), 2),
        ((FINE, SILENT, PTR), 1),
        ((PTR,), 1),
    ],
)
def test_the_exit_code_says_how_the_host_stands(findings: tuple[Finding, ...], code: int) -> None:
    assert report(*findings).exit_code == code


def test_the_list_of_rules_has_each_in_one_line_and_one_rule_is_told_in_full() -> None:
    book = rulebook.load(rulebook.shipped_folder(), Path("/nonexistent"))
    listed = text.write_rules(book, colour=False).splitlines()
    assert len(listed) == len(book)
    ptr = next(rule for rule in book if rule.id == "ptr-missing")
    told = " ".join(text.write_rule(ptr, colour=False).split())
    for part in ("ptr-missing", ptr.title, ptr.why, "critical", "mta, reverse_dns", "RFC 1912"):
        assert part in told
