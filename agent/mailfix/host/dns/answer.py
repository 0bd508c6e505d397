"""From a reply to the record set: down its CNAMEs, past everything that nobody asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace

from mailfix.host.dns.question import Question
from mailfix.host.dns.reply import MAX_CHAIN, MAX_RECORDS, NXDOMAIN, Record, Reply
from mailfix.model import Fact, Known, Unknown
from mailfix.record_set import RecordSet

_SHARED_LENGTH = 64
NO_SUCH_NAME = Known(RecordSet((), exists=False))
NO_SUCH_RECORD = Known(RecordSet((), exists=True))


@dataclass(frozen=True, slots=True)
class Bogus(Unknown):
    """The resolver answers only when told not to validate (RFC 4035 sections 3.2.2 and 5.5)."""


@dataclass(frozen=True, slots=True)
class Alias:
    """The chain of CNAMEs leads out of the reply: ``target`` is to be asked for.

    ``ttl`` is the least of the chain, in seconds.
    """

    target: str
    ttl: int
    secure: bool


def of_reply(reply: Reply, question: Question) -> Fact[RecordSet] | Alias:
    """Follow the whole chain that the reply holds (RFC 1034 section 4.3.2, RFC 2308 2.1, 2.2).

    Only records of the name that was asked, and of the names that its CNAMEs lead to, count.
    """
    links = list(_links(reply, question))
    owner = links[-1].text if links else question.name
    if len(links) > MAX_CHAIN or owner in {link.owner for link in links}:
        return Unknown(f"DNS answered {question} with CNAMEs that lead nowhere")
    ttls = [link.ttl for link in links]
    own = [each for each in reply.records if each.owner == owner and each.code == question.code]
    if own:
        return _record_set(reply, question, own, "" if not links else owner, ttls)
    if reply.rcode == NXDOMAIN:
        return nothing(exists=False, owner=owner if links else "", secure=reply.secure)
    if links and not reply.has_soa:
        return Alias(owner, min(ttls), reply.secure)
    if reply.is_referral:
        return Unknown(f"DNS answered {question} with a referral instead of an answer")
    return nothing(exists=True, owner=owner if links else "", secure=reply.secure)


def through(alias: Alias, further: Fact[RecordSet]) -> Fact[RecordSet]:
    """Return what the alias's target holds, as the answer to the name that leads there."""
    if isinstance(further, Unknown):
        return further
    found = further.value
    return Known(
        replace(
            found,
            ttl=min(alias.ttl, found.ttl),
            owner=found.owner or alias.target,
            secure=alias.secure and found.secure,
        )
    )


def of_name(reply: Reply, question: Question) -> Fact[RecordSet] | Alias:
    """Tell what the reply says of the very name that was asked, not what its CNAME leads to."""
    link = next(_links(reply, question), None)
    if link is not None:
        return Alias(link.text, link.ttl, reply.secure)
    return of_reply(reply, question)


def _links(reply: Reply, question: Question) -> Iterator[Record]:
    """The CNAMEs from the question on, one more than allowed at most."""
    name = question.name
    for _ in range(MAX_CHAIN + 1):
        if any(each.owner == name and each.code == question.code for each in reply.records):
            return
        link = next((r for r in reply.records if r.owner == name and r.is_alias), None)
        if link is None:
            return
        yield link
        name = link.text


def _record_set(
    reply: Reply, question: Question, own: list[Record], owner: str, ttls: list[int]
) -> Fact[RecordSet]:
    texts = [_shared(text) for text, _ in sorted({(each.text, each.octets) for each in own})]
    if len(texts) > MAX_RECORDS:
        return Unknown(f"DNS answered {question} with {len(texts)} records")
    ttl = min([*ttls, *(each.ttl for each in own)])
    return Known(RecordSet(tuple(texts), True, ttl, owner, reply.secure))


def nothing(exists: bool, owner: str, secure: bool) -> Fact[RecordSet]:
    """The answer without records: there is no such name, or nothing of the type at it."""
    if owner or secure:
        return Known(RecordSet((), exists, owner=owner, secure=secure))
    return NO_SUCH_RECORD if exists else NO_SUCH_NAME


def _shared(text: str) -> str:
    """Thousands of domains name the same few servers."""
    return sys.intern(text) if len(text) <= _SHARED_LENGTH else text
