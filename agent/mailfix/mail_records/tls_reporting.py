"""Where senders report failures of TLS to (TLS-RPT, RFC 8460)."""

from __future__ import annotations

import re

SHOWN = 60
_RECORD = re.compile(r"v=TLSRPTv1[ \t]*;")
_URI = re.compile(
    r"(mailto:[^\s@,;!\"<>]{1,64}@([a-z0-9_-]{1,63}\.)+[a-z0-9-]{1,63}"
    r"|https://[a-z0-9_.-]{1,253}(:[0-9]{1,5})?(/[^\s,;!\"<>]{0,500})?)",
    re.IGNORECASE,
)


def is_record(text: str) -> bool:
    """Tell whether senders take a text at ``_smtp._tls`` for the record: others do not count."""
    return _RECORD.match(text) is not None


def fault_of(text: str) -> str:
    """Say why senders cannot follow the record (RFC 8460 section 3), "" where they can."""
    if not is_record(text):
        return f"it must begin with v=TLSRPTv1; but begins with {text[:SHOWN]}"
    uris = _uris(text)
    if not uris:
        return "it names nobody to report to: rua= is missing"
    wrong = next((uri for uri in uris if not _URI.fullmatch(uri)), None)
    return "" if wrong is None else f"{wrong[:SHOWN]} is neither a mailto: nor an https: address"


def repaired(text: str) -> str | None:
    """Return a record with the addresses that can be kept, None where there is none."""
    wholes = (uri if ":" in uri else f"mailto:{uri}" for uri in _uris(text))
    good = [uri for uri in wholes if _URI.fullmatch(uri)]
    return f"v=TLSRPTv1; rua={','.join(good)}" if good else None


def _uris(text: str) -> list[str]:
    for part in text.split(";"):
        name, _, value = part.partition("=")
        if name.strip() == "rua":
            return [uri.strip() for uri in value.split(",") if uri.strip()]
    return []
