"""The look from outside, for people and as a document (schema ``mailfix.probe/1``)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import mailfix
from mailfix.model import Known, Status, Unknown
from mailfix.outside import names
from mailfix.outside.judge import exit_code
from mailfix.outside.model import FamilyAddresses, PortResult, ProbeReport, State, Target, Tls
from mailfix.report.escape import clip, escape

__all__ = ["document", "exit_code", "text"]

SCHEMA = "mailfix.probe/1"
TEXT_LIMIT = 300

_WORD = {Status.FAIL: "FAIL", Status.UNKNOWN: "unknown", Status.PASS: "ok"}
_COLOUR = {Status.FAIL: "\x1b[31m", Status.UNKNOWN: "\x1b[33m", Status.PASS: "\x1b[32m"}
_PLAIN = "\x1b[0m"
_INDENT = " " * 16
_STATE_WIDTH = max(map(len, State))


def text(report: ProbeReport, colour: bool) -> str:
    """The report for people, worst first, one line for every port of every address."""
    lines = [f"{_clean(report.target.host)} from outside: {_verdict(report)}", ""]
    if not report.target.is_address:
        lines += [*map(_family_line, report.families), ""]
    lines += [f"{_status(status, colour)} {_clean(why)}" for status, why in report.complaints]
    lines += _table(report.results, colour)
    return "\n".join(lines).rstrip() + "\n"


def document(report: ProbeReport) -> dict[str, Any]:
    """The report as plain data for JSON; text from outside has its control characters escaped."""
    return {
        "schema": SCHEMA,
        "version": mailfix.__version__,
        "target": _clean(report.target.host),
        "started": report.started.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "duration_s": round(report.duration_s, 3),
        "summary": _summary(report),
        "complaints": [
            {"status": status.value, "message": _clean(why)} for status, why in report.complaints
        ],
        "addresses": [_family_document(family) for family in report.families],
        "ports": [_port_document(result, report.target) for result in report.results],
    }


def _clean(outside: str) -> str:
    return clip(escape(outside), TEXT_LIMIT)


def _clean_lines(outside: str) -> str:
    return "\n".join(escape(line) for line in outside.split("\n"))


def _counts(report: ProbeReport) -> dict[Status, int]:
    told = [result.status for result in report.results]
    told += [status for status, _ in report.complaints]
    return {status: told.count(status) for status in _WORD}


def _summary(report: ProbeReport) -> dict[str, int]:
    warnings = sum(len(result.warnings) for result in report.results)
    counts = {status.value: count for status, count in _counts(report).items()}
    return {**counts, "warnings": warnings}


def _verdict(report: ProbeReport) -> str:
    counts = _counts(report)
    told = []
    if counts[Status.FAIL]:
        told.append(f"{counts[Status.FAIL]} wrong")
    if counts[Status.UNKNOWN]:
        told.append(f"{counts[Status.UNKNOWN]} unknown")
    if not told:
        told.append("nothing wrong")
    warnings = _summary(report)["warnings"]
    if warnings:
        told.append(f"{warnings} warning{'s' if warnings > 1 else ''}")
    return ", ".join(told)


def _status(status: Status, colour: bool) -> str:
    word = f"{_WORD[status]:<8}"
    return f"{_COLOUR[status]}{word}{_PLAIN}" if colour else word


def _family_line(family: FamilyAddresses) -> str:
    if isinstance(family.addresses, Unknown):
        told = "unknown"
    else:
        told = ", ".join(family.addresses.value) or "no address"
    more = f" and {family.left_out} more, not looked at" if family.left_out else ""
    return f"  {family.family.label}  {_clean(told)}{more}"


def _table(results: Sequence[PortResult], colour: bool) -> list[str]:
    width = max((len(result.dialogue.address) for result in results), default=0)
    lines = []
    for result in results:
        place = f"{result.dialogue.port:>5}  {result.dialogue.address:<{width}}"
        told = f"{result.state:<{_STATE_WIDTH}}  {_clean(result.meaning)}"
        lines.append(f"{_status(result.status, colour)} {place}  {told}")
        lines += [f"{_INDENT}warning: {_clean(warning)}" for warning in result.warnings]
        lines += [f"{_INDENT}{_clean(note)}" for note in result.notes]
    return lines


def _family_document(family: FamilyAddresses) -> dict[str, Any]:
    known = isinstance(family.addresses, Known)
    return {
        "family": family.family.value,
        "addresses": list(family.addresses.value) if isinstance(family.addresses, Known) else [],
        "left_out": family.left_out,
        "unknown": None if known else _clean(getattr(family.addresses, "reason", "")),
    }


def _port_document(result: PortResult, target: Target) -> dict[str, Any]:
    dialogue = result.dialogue
    return {
        "address": dialogue.address,
        "family": dialogue.family.value,
        "port": dialogue.port,
        "state": result.state.value,
        "status": result.status.value,
        "meaning": _clean(result.meaning),
        "speaks": None if dialogue.speech is None else dialogue.speech.value,
        "banner": None if dialogue.banner is None else _clean_lines(dialogue.banner),
        "ehlo": [_clean(capability) for capability in dialogue.capabilities],
        "starttls": dialogue.starttls_offered,
        "tls": None if dialogue.tls is None else _tls_document(dialogue.tls, target),
        "notes": [_clean(note) for note in result.notes],
        "warnings": [_clean(warning) for warning in result.warnings],
    }


def _tls_document(tls: Tls, target: Target) -> dict[str, Any]:
    certificate = tls.certificate
    told: dict[str, Any] = {
        "version": tls.version,
        "verified": tls.verified,
        "complaint": _clean(tls.complaint),
        "certificate": None,
    }
    if certificate is not None:
        told["certificate"] = {
            "common_name": _clean(certificate.common_name),
            "names": [_clean(name) for name in certificate.names],
            "issuer": _clean(certificate.issuer),
            "not_before": _moment(certificate.not_before),
            "not_after": _moment(certificate.not_after),
            "self_signed": certificate.self_signed,
            "matches": names.is_for(certificate, target),
        }
    return told


def _moment(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
