"""A zone in memory, to be asked like DNS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any, TypeVar

from mailfix.model import Fact, Known, Unknown
from mailfix.record_set import RecordSet

MAX_CNAMES = 8
T = TypeVar("T")


class Zone:
    """Answers from ``records``, the records of each name and type in presentation form.

    A name that has no records at all does not exist (NXDOMAIN), as long as none lies below it
    (RFC 8020). ``failing`` names the questions that get no answer, and why. ``asked`` counts the
    questions. All answers have the same ``ttl``; they are DNSSEC-signed at and below ``secure``.
    """

    def __init__(
        self,
        records: Mapping[tuple[str, str], Iterable[str]],
        failing: Mapping[tuple[str, str], str] | None = None,
        *,
        ttl: int = 3600,
        secure: Iterable[str] = (),
    ) -> None:
        self.records = {(plain(name), kind): tuple(held) for (name, kind), held in records.items()}
        self.failing = {(plain(name), kind): why for (name, kind), why in (failing or {}).items()}
        self._names = {part for name, _ in self.records for part in _with_ancestors(name)}
        self._ttl = ttl
        self._secure = tuple(plain(name) for name in secure)
        self.asked: Counter[tuple[str, str]] = Counter()

    async def lookup(self, name: str, rdtype: str) -> Fact[RecordSet]:
        """Answer as :class:`mailfix.record_set.Lookup` does."""
        asked = owner = plain(name)
        self.asked[asked, rdtype] += 1
        for _ in range(MAX_CNAMES):
            if (owner, rdtype) in self.failing:
                return Unknown(self.failing[owner, rdtype])
            target = self.records.get((owner, "CNAME"))
            if target is None or rdtype == "CNAME":
                return Known(self._held(owner, rdtype, "" if owner == asked else owner))
            owner = plain(target[0])
        return Unknown(f"DNS failed on {rdtype} {asked}: a chain of CNAMEs without end")

    def _held(self, name: str, rdtype: str, owner: str) -> RecordSet:
        records = tuple(sorted(self.records.get((name, rdtype), ())))
        secure = any(f".{name}".endswith(f".{apex}") for apex in self._secure)
        ttl = self._ttl if records else 0
        return RecordSet(records, name in self._names, ttl, owner, secure)


def plain(name: str) -> str:
    return name.lower().removesuffix(".")


def _with_ancestors(name: str) -> list[str]:
    labels = name.split(".")
    return [".".join(labels[start:]) for start in range(len(labels))]


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """Run what waits for nothing but a :class:`Zone`, without an event loop."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    raise AssertionError("it waits for something else than a zone")
