"""A domain's policy that mail to it goes over verified TLS (MTA-STS, RFC 8461)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

MAX_PATTERNS = 500
MAX_AGE_S = 31_557_600
SHOWN = 60
_RECORD = re.compile(r"v=STSv1[ \t]*;")
_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_PATTERN = re.compile(r"(\*\.)?([a-z0-9_-]{1,63}\.)*[a-z0-9-]{1,63}\.?", re.IGNORECASE)
_MODES = ("enforce", "testing", "none")


class BadPolicy(ValueError):
    """A record or policy that senders do not follow; the message says why."""


@dataclass(frozen=True, slots=True)
class StsPolicy:
    """What the policy file says; ``patterns`` name the mail servers, ``max_age`` is in seconds."""

    mode: str
    patterns: tuple[str, ...]
    max_age: int

    def covers(self, name: str) -> bool:
        """Tell whether a mail server's name is one of those (RFC 8461 section 4.1)."""
        parent = name.partition(".")[2]
        return any(
            pattern[2:] == parent if pattern.startswith("*.") else pattern == name
            for pattern in self.patterns
        )


def is_record(text: str) -> bool:
    """Tell whether senders take a text at ``_mta-sts`` for the record: others do not count."""
    return _RECORD.match(text) is not None


def check_record(text: str) -> None:
    """Check the record's text (RFC 8461 section 3.1); raises :class:`BadPolicy`."""
    if not is_record(text):
        raise BadPolicy(f"the record must begin with v=STSv1; but begins with {text[:SHOWN]}")
    identities = [
        value.strip()
        for name, _, value in (part.partition("=") for part in text.split(";"))
        if name.strip() == "id"
    ]
    if len(identities) != 1 or not _ID.fullmatch(identities[0]):
        raise BadPolicy("the record needs one id= of 1 to 32 letters and digits")


def repaired(text: str) -> str:
    """Return a record that senders follow, with the id of this one where it can be kept."""
    match = re.search(r"id[ \t]*=[ \t]*([A-Za-z0-9]{1,32})", text[:500])
    return f"v=STSv1; id={match[1] if match else '1'}"


@lru_cache(maxsize=256)
def read_policy(text: str) -> StsPolicy:
    """Read the policy file (RFC 8461 section 3.2); raises :class:`BadPolicy`."""
    fields: dict[str, str] = {}
    patterns = []
    for line in text.splitlines():
        name, colon, value = (piece.strip() for piece in line.partition(":"))
        if line.strip() and not colon:
            raise BadPolicy(f"the policy has a line without a colon: {line[:SHOWN]}")
        if name == "mx":
            patterns.append(value.lower().rstrip("."))
        else:
            fields.setdefault(name, value)
    if fields.get("version") != "STSv1":
        raise BadPolicy("the policy has no line version: STSv1")
    return _checked(fields, patterns)


def _checked(fields: dict[str, str], patterns: list[str]) -> StsPolicy:
    mode, age = fields.get("mode", ""), fields.get("max_age", "")
    if mode not in _MODES:
        raise BadPolicy(f"the policy's mode {mode[:SHOWN]} is none of {', '.join(_MODES)}")
    if not re.fullmatch("[0-9]{1,10}", age) or int(age) > MAX_AGE_S:
        raise BadPolicy(f"the policy's max_age {age[:SHOWN]} is no number up to {MAX_AGE_S}")
    if mode != "none" and not patterns:
        raise BadPolicy("the policy names no mail server (mx:)")
    for pattern in patterns:
        if not _PATTERN.fullmatch(pattern):
            raise BadPolicy(f"the policy's mx {pattern[:SHOWN]} is no host name")
    return StsPolicy(mode, tuple(patterns[:MAX_PATTERNS]), int(age))
