"""``check_host()``: what receivers make of mail from an address (RFC 7208 section 4)."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from mailfix.mail_records.clipping import clipped
from mailfix.mail_records.domain_name import is_within
from mailfix.mail_records.spf.macros import (
    NAME_LENGTH,
    MacroString,
    parse_explanation,
    shortened_name,
)
from mailfix.mail_records.spf.problem import DnsFailure, SpfError
from mailfix.mail_records.spf.record import (
    ASKING,
    Kind,
    Mechanism,
    Modifier,
    Qualifier,
    Record,
    is_spf,
    parse,
)
from mailfix.model import Unknown
from mailfix.record_set import Lookup, RecordSet

MAX_LOOKUPS = 10
MAX_VOIDS = 2
MAX_NAMES = 10
"""Of MX and of PTR records, each (section 4.6.4)."""

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


class Result(StrEnum):
    """The results of ``check_host()`` (section 2.6)."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


RESULTS = {
    Qualifier.PASS: Result.PASS,
    Qualifier.FAIL: Result.FAIL,
    Qualifier.SOFTFAIL: Result.SOFTFAIL,
    Qualifier.NEUTRAL: Result.NEUTRAL,
}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A result and how it came about.

    ``mechanism`` is the term that decided, with the way that led to it (``include:a.example →
    ip4:192.0.2.1``); "" where none matched. ``lookups`` and ``voids`` are those that count
    (section 4.6.4). ``problem`` says why the result is an error.
    """

    result: Result
    mechanism: str = ""
    lookups: int = 0
    voids: int = 0
    explanation: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Mail:
    """What a receiver knows of a mail when it checks SPF; ``now`` is in seconds since 1970."""

    address: str
    sender: str
    helo: str
    receiver: str = "unknown"
    now: int = 0


async def check_host(lookup: Lookup, mail: Mail, domain: str) -> Evaluation:
    """Judge a mail by the SPF record of a domain.

    What the lookup cannot find out makes the result "temperror". Raises ValueError for an address
    that is none.
    """
    check = _Check(lookup, mail)
    try:
        decision = await check.decide(domain)
    except SpfError as error:
        return check.told(Result.PERMERROR, problem=str(error))
    except DnsFailure as failure:
        return check.told(Result.TEMPERROR, problem=str(failure))
    explanation = await check.explain(decision) if decision.result is Result.FAIL else ""
    return check.told(decision.result, decision.mechanism, explanation=explanation)


async def spf_texts(lookup: Lookup, domain: str) -> tuple[str, ...]:
    """Return the SPF records of a name (sections 4.3 to 4.5); raises :class:`DnsFailure`."""
    if not _is_name(domain) or "." not in domain:
        return ()
    found = await lookup.lookup(domain, "TXT")
    if isinstance(found, Unknown):
        raise DnsFailure(found.reason)
    return tuple(text for text in found.value.records if is_spf(text))


async def record_of(lookup: Lookup, domain: str) -> Record | None:
    """Read the record of a name, None where it has none.

    Raises :class:`SpfError` for several records and for a syntax error, and :class:`DnsFailure`.
    """
    texts = await spf_texts(lookup, domain)
    if len(texts) > 1:
        raise SpfError(f"{clipped(domain)} has {len(texts)} SPF records")
    return parse(texts[0]) if texts else None


@dataclass(frozen=True, slots=True)
class _Decision:
    result: Result
    mechanism: str = ""
    explanation: Modifier | None = None
    domain: str = ""


class _Check:
    """One evaluation, and what it has used up of its limits."""

    def __init__(self, lookup: Lookup, mail: Mail) -> None:
        self._lookup = lookup
        self._mail = mail
        self._address = plain_address(mail.address)
        self._rdtype = "A" if self._address.version == 4 else "AAAA"
        self._lookups = 0
        self._voids = 0
        self._counts_voids = True
        self._validated: tuple[str, ...] | None = None

    def told(
        self, result: Result, mechanism: str = "", *, explanation: str = "", problem: str = ""
    ) -> Evaluation:
        return Evaluation(result, mechanism, self._lookups, self._voids, explanation, problem)

    async def decide(self, domain: str) -> _Decision:
        """Find the first mechanism that matches (section 4.6)."""
        record = await record_of(self._lookup, domain)
        if record is None:
            return _Decision(Result.NONE)
        for mechanism in record.mechanisms:
            way = await self._match(mechanism, domain)
            if way is not None:
                result = RESULTS[mechanism.qualifier]
                return _Decision(result, way, record.explanation, domain)
        if record.redirect:
            return await self._redirected(record.redirect, domain)
        return _Decision(Result.NEUTRAL)

    async def explain(self, decision: _Decision) -> str:
        """Fetch the explanation of a "fail"; whatever goes wrong there is none (section 6.2)."""
        if decision.explanation is None:
            return ""
        self._counts_voids = False
        try:
            name = await self._name(decision.explanation.value, decision.domain)
            found = await self._ask(name, "TXT")
            if len(found.records) != 1:
                return ""
            text = parse_explanation(found.records[0])
            return text.expand(await self._values(text, decision.domain))
        except (SpfError, DnsFailure):
            return ""

    async def _redirected(self, redirect: Modifier, domain: str) -> _Decision:
        self._count_lookup()
        decision = await self._decide_within(
            redirect.text, await self._name(redirect.value, domain)
        )
        if decision.result is Result.NONE:
            raise SpfError(f"{clipped(redirect.text)} leads to a name without an SPF record")
        way = _way(redirect.text, decision.mechanism)
        return _Decision(decision.result, way, decision.explanation, decision.domain)

    async def _decide_within(self, term: str, name: str) -> _Decision:
        try:
            return await self.decide(name)
        except SpfError as error:
            raise SpfError(f"{clipped(term)} → {error}") from None

    async def _match(self, mechanism: Mechanism, domain: str) -> str | None:
        """Return the way to what matched, None where the mechanism does not match."""
        if mechanism.kind is Kind.INCLUDE:
            return await self._included(mechanism, domain)
        matches = await self._matches(mechanism, domain)
        return clipped(mechanism.text) if matches else None

    async def _included(self, mechanism: Mechanism, domain: str) -> str | None:
        self._count_lookup()
        name = await self._target(mechanism, domain)
        decision = await self._decide_within(mechanism.text, name)
        if decision.result is Result.NONE:
            raise SpfError(f"{clipped(mechanism.text)} leads to a name without an SPF record")
        if decision.result is Result.PASS:
            return _way(mechanism.text, decision.mechanism)
        return None

    async def _matches(self, mechanism: Mechanism, domain: str) -> bool:
        if mechanism.kind is Kind.ALL:
            return True
        if mechanism.network is not None:
            return self._address in mechanism.network
        self._count_lookup()
        name = await self._target(mechanism, domain)
        match mechanism.kind:
            case Kind.A:
                return self._is_near(mechanism, await self._addresses(name))
            case Kind.MX:
                return await self._is_near_mx(mechanism, name)
            case Kind.PTR:
                return any(is_within(each, name.lower()) for each in await self._validated_names())
            case _:
                return bool((await self._ask(name, "A")).records)

    async def _is_near_mx(self, mechanism: Mechanism, name: str) -> bool:
        """Tell whether an MX host is near; as section 5.4 puts it, all are asked for first."""
        records = (await self._ask(name, "MX")).records
        if len(records) > MAX_NAMES:
            raise SpfError(
                f"{clipped(mechanism.text)}: {len(records)} MX records, over {MAX_NAMES}"
            )
        found = [await self._addresses(host) for host in mx_hosts(records)]
        return any(self._is_near(mechanism, addresses) for addresses in found)

    def _is_near(self, mechanism: Mechanism, addresses: tuple[str, ...]) -> bool:
        bits = self._address.max_prefixlen
        prefix = mechanism.ipv4_prefix if bits == 32 else mechanism.ipv6_prefix
        own = int(self._address) >> (bits - prefix)
        return any(int(ipaddress.ip_address(each)) >> (bits - prefix) == own for each in addresses)

    async def _validated_names(self) -> tuple[str, ...]:
        """Return the PTR names that lead back to the address (section 5.5)."""
        try:
            found = (await self._ask(self._address.reverse_pointer, "PTR")).records
        except DnsFailure:
            return ()
        names = [name.lower().removesuffix(".") for name in found[:MAX_NAMES]]
        return tuple([name for name in names if await self._leads_back(name)])

    async def _leads_back(self, name: str) -> bool:
        try:
            addresses = await self._addresses(name)
        except DnsFailure:
            return False
        return any(ipaddress.ip_address(each) == self._address for each in addresses)

    async def _target(self, mechanism: Mechanism, domain: str) -> str:
        return domain if mechanism.target is None else await self._name(mechanism.target, domain)

    async def _name(self, spec: MacroString, domain: str) -> str:
        if not spec.letters:
            return shortened_name(spec.expand({}))
        return shortened_name(spec.expand(await self._values(spec, domain)))

    async def _values(self, spec: MacroString, domain: str) -> Mapping[str, str]:
        """Return the values of the macros (section 7.2); the PTR name is asked for where it is."""
        local, _, sender_domain = self._mail.sender.rpartition("@")
        local = local or "postmaster"
        values = {
            "s": f"{local}@{sender_domain}",
            "l": local,
            "o": sender_domain,
            "d": domain,
            "i": _dotted(self._address),
            "v": "in-addr" if self._address.version == 4 else "ip6",
            "h": self._mail.helo,
            "c": str(self._address),
            "r": self._mail.receiver,
            "t": str(self._mail.now),
        }
        if "p" in spec.letters:
            values["p"] = await self._validated_name(domain)
        return values

    async def _validated_name(self, domain: str) -> str:
        if self._validated is None:
            self._validated = await self._validated_names()
        return _preferred(self._validated, domain)

    async def _addresses(self, name: str) -> tuple[str, ...]:
        return (await self._ask(name, self._rdtype)).records

    async def _ask(self, name: str, rdtype: str) -> RecordSet:
        if not _is_name(name):
            return RecordSet((), exists=False)
        found = await self._lookup.lookup(name, rdtype)
        if isinstance(found, Unknown):
            raise DnsFailure(found.reason)
        if not found.value.records and self._counts_voids:
            self._count_void()
        return found.value

    def _count_lookup(self) -> None:
        self._lookups += 1
        if self._lookups > MAX_LOOKUPS:
            raise SpfError(f"more than {MAX_LOOKUPS} DNS lookups")

    def _count_void(self) -> None:
        self._voids += 1
        if self._voids > MAX_VOIDS:
            raise SpfError(f"more than {MAX_VOIDS} DNS lookups without an answer")


def plain_address(address: str) -> Address:
    """Read an address; an IPv4-mapped one is IPv4 (section 5)."""
    parsed = ipaddress.ip_address(address)
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return mapped or parsed


def mx_hosts(records: tuple[str, ...]) -> list[str]:
    """Return the hosts of MX records; the null MX (RFC 7505) has none."""
    hosts = [record.rpartition(" ")[2].removesuffix(".") for record in records]
    return [host for host in hosts if host]


def asks(term: Mechanism | Modifier) -> bool:
    """Tell whether a term counts as a DNS lookup."""
    return term.kind in ASKING if isinstance(term, Mechanism) else term.name == "redirect"


def _way(term: str, inner: str) -> str:
    return f"{clipped(term)} → {inner}" if inner else clipped(term)


def _is_name(name: str) -> bool:
    """Tell whether DNS can be asked for it (RFC 1035 section 2.3.4)."""
    return len(name) <= NAME_LENGTH and all(0 < len(label) < 64 for label in name.split("."))


def _dotted(address: Address) -> str:
    if address.version == 4:
        return str(address)
    return ".".join(address.packed.hex().upper())


def _preferred(validated: tuple[str, ...], domain: str) -> str:
    """Choose the value of ``%{p}`` (section 7.3)."""
    within = [name for name in validated if is_within(name, domain.lower())]
    own = [name for name in within if name == domain.lower()]
    return next(iter((*own, *within, *validated)), "unknown")
