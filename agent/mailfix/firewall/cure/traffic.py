"""Packets that a rule is to spare or to let through, and port ranges without one port."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from mailfix.model import Family

PortRange: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Traffic:
    """The packets of one service: of connections as a whole, the ``answer``, or what is ``later``.

    The connections come in, or without ``incoming`` go out. ``port`` is the server's as the chain
    sees it; where a redirect has changed it, ``asked`` is the one before. ``tracked`` packets
    belong to a known connection. ``own`` are only those to or from the host itself, or that it has
    sent on, never those in transit. ``uid`` is the sending user, None for any. ``far`` is the
    network at the other end, as the backend writes it, "" for any.
    """

    family: Family
    protocol: str
    port: int
    answer: bool = False
    later: bool = False
    tracked: bool = True
    incoming: bool = True
    own: bool = False
    uid: int | None = None
    asked: int | None = None
    far: str = ""

    @property
    def far_is_source(self) -> bool:
        """Whether the packets come from the network at the other end."""
        return self.incoming is not self.answer

    @property
    def established(self) -> bool:
        """Whether all of these packets belong to connections that are known by then."""
        return self.tracked and (self.answer or self.later)


def without(ranges: Iterable[PortRange], port: int) -> Iterator[PortRange]:
    """The ranges (both ends included) with one port cut out."""
    for low, high in ranges:
        if not low <= port <= high:
            yield low, high
            continue
        if low < port:
            yield low, port - 1
        if port < high:
            yield port + 1, high


def contains(ranges: Iterable[PortRange], port: int) -> bool:
    return any(low <= port <= high for low, high in ranges)
