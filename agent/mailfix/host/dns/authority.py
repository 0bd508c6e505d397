"""Asking the name servers that hold a record, so that no cache and no bad resolver is believed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TypeAlias

from mailfix.host.clock import Deadline
from mailfix.host.dns import answer
from mailfix.host.dns.answer import Alias, Bogus
from mailfix.host.dns.asking import SILENCE, Failure
from mailfix.host.dns.cuts import Cut, Cuts, Place
from mailfix.host.dns.name_servers import PATIENCE, NameServers
from mailfix.host.dns.question import NotAName, Question
from mailfix.host.dns.reply import Reply
from mailfix.host.dns.server import DNS_PORT
from mailfix.host.dns.shared import Shared
from mailfix.mail_records.public_address import is_public
from mailfix.mail_records.zone import Disagreement, NameServer, Zone
from mailfix.model import Fact, Known, Unknown
from mailfix.record_set import Lookup, RecordSet

MAX_ALIASES = 8
MAX_DEPTH = 5
LAME = "not authoritative (lame)"
PRIVATE = "its address {} cannot be reached from the Internet"
MUTE = f"gave no answer in {len(PATIENCE)} tries, nor over TCP"
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Lower:
    """The server names others, further down the tree, that hold the name."""


Saying: TypeAlias = RecordSet | Alias | Lower | Unknown
Step: TypeAlias = Fact[RecordSet] | Alias


class Authority:
    """All name servers of the zone that holds a name, in the place of a resolver.

    Names, zones, servers and answers are found out once and shared.
    """

    def __init__(self, resolver: Lookup, deadline: Deadline, port: int = DNS_PORT) -> None:
        self._resolver = resolver
        self._servers = NameServers(deadline, port)
        self._cuts = Cuts(resolver, self._servers)
        self._zones: Shared[str, Zone] = Shared()
        self._steps: Shared[tuple[str, str], Step] = Shared()
        self._disagreements: defaultdict[str, list[Disagreement]] = defaultdict(list)

    async def zone_of(self, name: str) -> Fact[Zone]:
        """Return the zone that holds a name, each of its servers asked for its SOA record.

        Left out are servers to which this host has no route, and those that answer nothing where
        none of the same family ever answered anything. Disagreements are those that
        :meth:`lookup` has met so far.
        """
        cut = await self._cuts.above(_plain(name))
        if isinstance(cut, Unknown):
            return cut
        zone = await self._zone(cut.value)
        heard = tuple(server for server in zone.servers if not self._is_doubtful(server))
        if zone.servers and not heard:
            labels = ", ".join(server.label for server in zone.servers)
            return Unknown(f"no name server answers this host, neither {labels} nor any other")
        return Known(Zone(zone.apex, heard, self.disagreements(zone.apex)))

    def _is_doubtful(self, server: NameServer) -> bool:
        asked_in_vain = server.address and server.trouble
        return bool(asked_in_vain) and not self._servers.was_heard(server.address)

    def disagreements(self, apex: str) -> tuple[Disagreement, ...]:
        """Return on what the servers of a zone were found to differ."""
        return tuple(self._disagreements[apex]) if apex in self._disagreements else ()

    async def lookup(self, name: str, rdtype: str) -> Fact[RecordSet]:
        """Return the record set on which all servers that answer agree, CNAMEs followed.

        Unknown where they do not. The resolver's answer where no server of the zone can be
        reached; ``servers`` tells which it is.
        """
        return await self._follow(_plain(name), rdtype, MAX_ALIASES)

    async def _follow(self, name: str, rdtype: str, aliases: int) -> Fact[RecordSet]:
        step = await self._steps.get((name, rdtype), lambda: self._step(name, rdtype))
        if not isinstance(step, Alias):
            return step
        if aliases == 0:
            return Unknown(f"DNS answered {rdtype} {name} with CNAMEs that lead nowhere")
        return answer.through(step, await self._follow(step.target, rdtype, aliases - 1))

    async def _step(self, name: str, rdtype: str) -> Step:
        try:
            question = Question.about(name, rdtype)
        except NotAName:
            return answer.NO_SUCH_NAME
        cut = await self._cuts.above(name)
        if isinstance(cut, Unknown):
            return await self._resolver.lookup(name, rdtype)
        return await self._in_zone(cut.value, question, MAX_DEPTH)

    async def _in_zone(self, cut: Cut, question: Question, depth: int) -> Step:
        zone = await self._zone(cut)
        working = [server for server in zone.servers if not server.trouble]
        told = await asyncio.gather(*(self._saying(server, question) for server in working))
        said = dict(zip(working, told, strict=True))
        if depth and any(isinstance(saying, Lower) for saying in said.values()):
            lower = await self._cuts.below(cut, question.name)
            if lower.apex != cut.apex:
                return await self._in_zone(lower, question, depth - 1)
        heard = {s: saying for s, saying in said.items() if isinstance(saying, RecordSet | Alias)}
        if not heard:
            return await self._second_hand(zone, question, said)
        if len({_gist(saying) for saying in heard.values()}) > 1:
            return self._differing(zone, question, heard)
        return _agreed(heard)

    async def _saying(self, server: NameServer, question: Question) -> Saying:
        heard = await self._servers.ask(server.address, question)
        if isinstance(heard, Failure):
            return Unknown(_trouble(heard))
        if heard.reply.is_referral:
            return Lower()
        if not heard.reply.authoritative:
            return Unknown(LAME)
        said = answer.of_name(heard.reply, question)
        return said.value if isinstance(said, Known) else said

    def _differing(
        self, zone: Zone, question: Question, heard: dict[NameServer, RecordSet | Alias]
    ) -> Unknown:
        answers = tuple(f"{s.label} says {_shown(saying)}" for s, saying in heard.items())
        found = Disagreement(question.name, question.rdtype, answers)
        self._disagreements[zone.apex].append(found)
        told = "; ".join(answers)
        return Unknown(f"the name servers of {zone.apex} do not agree on {question}: {told}")

    async def _second_hand(
        self, zone: Zone, question: Question, said: dict[NameServer, Saying]
    ) -> Fact[RecordSet]:
        """The resolver's answer; where it has none, with what the servers did instead."""
        told = await self._resolver.lookup(question.name, question.rdtype)
        if isinstance(told, Known | Bogus):
            return told
        troubles = [f"{s.label}: {s.trouble}" for s in zone.servers if s.trouble]
        troubles += [f"{s.label}: {x.reason}" for s, x in said.items() if isinstance(x, Unknown)]
        return Unknown("; ".join([told.reason, *troubles]))

    async def _zone(self, cut: Cut) -> Zone:
        return await self._zones.get(cut.apex, lambda: self._look(cut))

    async def _look(self, cut: Cut) -> Zone:
        question = Question.about(cut.apex, "SOA")
        servers = await asyncio.gather(*(self._state(place, question) for place in cut.places))
        return Zone(cut.apex, tuple(servers))

    async def _state(self, place: Place, question: Question) -> NameServer:
        if not place.address:
            return NameServer(place.name, "", trouble=place.trouble, fault=place.fault)
        heard = await self._servers.ask(place.address, question)
        if isinstance(heard, Failure):
            nowhere = heard.is_unheard and not is_public(place.address)
            fault = place.fault or (PRIVATE.format(place.address) if nowhere else "")
            return NameServer(place.name, place.address, trouble=_trouble(heard), fault=fault)
        serial = _serial(heard.reply, question)
        trouble = LAME if serial is None else ""
        return NameServer(place.name, place.address, serial, trouble, place.fault)


def _plain(name: str) -> str:
    return name.rstrip(".").lower()


def _trouble(failure: Failure) -> str:
    trouble = failure.troubles[0][1]
    return MUTE if trouble == SILENCE else trouble


def _serial(reply: Reply, question: Question) -> int | None:
    """The serial number of the zone (RFC 1035 section 3.3.13), None from who does not hold it."""
    told = answer.of_name(reply, question)
    if not reply.authoritative or not isinstance(told, Known) or not told.value.records:
        return None
    return int(told.value.records[0].split(" ")[2])


def _gist(saying: RecordSet | Alias) -> tuple[str, ...]:
    if isinstance(saying, Alias):
        return ("CNAME", saying.target)
    return ("records", str(saying.exists), *saying.records)


def _shown(saying: RecordSet | Alias) -> str:
    if isinstance(saying, Alias):
        return f"CNAME {saying.target}"
    if not saying.exists:
        return "there is no such name"
    text = ", ".join(saying.records) or "there is no such record"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _agreed(heard: dict[NameServer, RecordSet | Alias]) -> Step:
    """What all say, with the least TTL and those who say it."""
    first = next(iter(heard.values()))
    ttl = min(saying.ttl for saying in heard.values())
    if isinstance(first, Alias):
        return replace(first, ttl=ttl)
    return Known(replace(first, ttl=ttl, servers=tuple(server.label for server in heard)))
