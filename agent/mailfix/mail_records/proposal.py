"""A record set as it ought to be, in forms that can be pasted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mailfix.mail_records.clipping import clipped

STRING_BYTES = 255
MAX_TOLD = 12
TOLD_LENGTH = 600
_ENDS_IN_A_NAME = frozenset({"CNAME", "DNAME", "MX", "NS", "PTR", "SRV"})
_PLAIN = range(0x20, 0x7F)


@dataclass(frozen=True, slots=True)
class ProposedSet:
    """What a name should hold: ``add`` and ``remove`` are records of one type.

    Records are written as in :class:`mailfix.record_set.RecordSet`: a TXT record is its text,
    unquoted, one character for each byte; host names have no last dot. ``remove`` are records that
    are there now and must go. ``alias_of`` is where a CNAME leads that stands at the name now, and
    must go too: beside a CNAME there is no other record (RFC 1034 section 3.6.2). ``ttl`` is in
    seconds.
    """

    name: str
    type: str
    add: tuple[str, ...]
    remove: tuple[str, ...] = ()
    ttl: int = 3600
    alias_of: str = ""

    def zone_lines(self) -> tuple[str, ...]:
        """Return the records to add as lines of a zone file (RFC 1035 section 5.1)."""
        return tuple(self._line(record) for record in self.add)

    def difference(self) -> tuple[str, ...]:
        """Return one zone-file line for each record, after ``- `` or ``+ ``, removals first."""
        going = tuple(f"- {self._line(record)}" for record in self.remove)
        return going + tuple(f"+ {line}" for line in self.zone_lines())

    def told(self, zone: str = "") -> str:
        """Return each record in both forms, as lines that are indented: they are not to be wrapped.

        ``zone`` is the zone that holds the name, where it is known: panels want the name without
        it. Elsewhere the mail domain is taken for it.
        """
        return "\n".join(f"  {line}" for line in self._told_lines(zone))

    def _told_lines(self, zone: str) -> Iterator[str]:
        short = _relative(self.name, zone or _mail_domain(self.name))
        name = f"name {short} (in full {self.name})"
        if self.alias_of:
            yield f"remove: {_dotted(self.name)} {self.ttl} IN CNAME {_dotted(self.alias_of)}"
            yield f"keep: what else is wanted of {self.alias_of}, such as its A and AAAA records"
        for record, line in zip(self.add, self.zone_lines(), strict=True):
            yield f"zone file: {line}"
            yield f"panel: {name}, type {self.type}, {self._panel_value(record)}"
        for record in self.remove[:MAX_TOLD]:
            yield f"remove: {clipped(self._line(record), TOLD_LENGTH)}"
        if len(self.remove) > MAX_TOLD:
            yield f"remove: {len(self.remove) - MAX_TOLD} more like these"

    def _panel_value(self, record: str) -> str:
        if self.type == "MX":
            preference, _, target = record.partition(" ")
            return f"priority {preference}, value {target or '.'}"
        return "value " + "".join(_printable(byte) for byte in _bytes(record))

    def _line(self, record: str) -> str:
        return f"{_dotted(self.name)} {self.ttl} IN {self.type} {presented(self.type, record)}"


def presented(rdtype: str, record: str) -> str:
    """Return the RDATA of a record as a zone file has it: strings quoted, names with their dot."""
    if rdtype in ("TXT", "SPF"):
        return " ".join(_quoted(part) for part in _strings(record))
    if rdtype in _ENDS_IN_A_NAME:
        before, space, name = record.strip().rpartition(" ")
        if rdtype in ("MX", "SRV") and not space:
            return f"{name} ."
        return f"{before}{space}{_dotted(name)}"
    return record


def _strings(text: str) -> list[bytes]:
    content = _bytes(text)
    starts = range(0, max(len(content), 1), STRING_BYTES)
    return [content[start : start + STRING_BYTES] for start in starts]


def _bytes(text: str) -> bytes:
    return text.encode("latin-1", "backslashreplace")


def _quoted(string: bytes) -> str:
    return '"' + "".join(_escaped(byte) for byte in string) + '"'


def _escaped(byte: int) -> str:
    return f"\\{chr(byte)}" if byte in b'"\\' else _printable(byte)


def _printable(byte: int) -> str:
    return chr(byte) if byte in _PLAIN else f"\\{byte:03d}"


def _dotted(name: str) -> str:
    return name if name.endswith(".") else f"{name}."


def _mail_domain(name: str) -> str:
    """The domain that a record is about: the part after the labels with an underscore."""
    labels = name.split(".")
    marked = [place for place, label in enumerate(labels) if label.startswith("_")]
    return ".".join(labels[marked[-1] + 1 :]) if marked else name


def _relative(name: str, zone: str) -> str:
    if name == zone:
        return "@"
    return name.removesuffix(f".{zone}") if zone else name
