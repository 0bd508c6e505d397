"""How exim signs the mail of each domain, as exim itself tells (RFC 6376).

The options ``dkim_*`` belong to the transport that carries mail to other hosts (specification,
chapter 58.1). They are expanded for each message, so exim is asked to expand them for a message
from each domain: one by one where the domains are few. Of many, all are expanded in one go and a
sample one by one; where the two differ, the domains that were not asked are unknown.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from mailfix.facts import MailUser
from mailfix.host import Host, accounts, private_keys
from mailfix.host.private_keys import KeyFile
from mailfix.mail_records.dkim import Signature, Signing
from mailfix.model import Fact, Known, Unknown
from mailfix.probes import exim_expansion
from mailfix.probes.exim import Told, split_list
from mailfix.probes.exim_expansion import Expanded
from mailfix.probes.signing_recipe import Recipe, recipe

FEW = 12
SAMPLE = 3
MAX_KINDS = 8
MAX_SIGNATURES = 8
MAX_SETTING = 200
UNSIGNED = frozenset({"", "0", "false"})


@dataclass(frozen=True, slots=True)
class Planned:
    """A signature before its key is read: ``key`` is a file, or the key itself in PEM.

    ``refusal`` is exim's complaint where it would not open the file.
    """

    domain: str
    selector: str
    key: str
    identity: str = ""
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What exim would do for the mail of a domain; ``failure`` is its complaint if it gives up."""

    planned: tuple[Planned, ...] = ()
    failure: str = ""


async def read(host: Host, told: Told, domains: Sequence[str]) -> dict[str, Fact[Signing | None]]:
    """Return for each domain how its mail is signed, None where exim is not set to sign."""
    found = recipe(told)
    if isinstance(found, Unknown):
        return dict.fromkeys(domains, found)
    if found.value is None:
        return dict.fromkeys(domains, Known(None))
    if not host.is_root:
        return dict.fromkeys(domains, Unknown("only root may ask exim how it signs"))
    plans = await _plans(host, told.program, found.value, domains)
    keys = await _read_keys(host, told, found.value, plans.values())
    return {domain: _signing(plans[domain], keys, found.value) for domain in domains}


async def _plans(
    host: Host, program: str, found: Recipe, domains: Sequence[str]
) -> dict[str, Fact[Plan]]:
    if len(domains) <= FEW:
        return await _asked(host, program, found, domains, alone=True)
    rough = await _asked(host, program, found, domains, alone=False)
    kinds = by_kind(rough)
    sampled = [domain for kind in kinds[:MAX_KINDS] for domain in spread(kind, SAMPLE)]
    exact = await _asked(host, program, found, sampled, alone=True)
    return {domain: plan for kind in kinds for domain, plan in settled(kind, rough, exact).items()}


def by_kind(rough: Mapping[str, Fact[Plan]]) -> list[list[str]]:
    """Group the domains whose answers differ in nothing but the domain's own name."""
    kinds: dict[object, list[str]] = defaultdict(list)
    for domain, plan in rough.items():
        kinds[_kind(domain, plan)].append(domain)
    return sorted(kinds.values(), key=len, reverse=True)


def _kind(domain: str, plan: Fact[Plan]) -> object:
    if isinstance(plan, Unknown):
        return plan
    shapes = tuple(
        tuple(text.replace(domain, "*") for text in (each.domain, each.selector, each.key))
        for each in plan.value.planned
    )
    return shapes, plan.value.failure.replace(domain, "*")


def spread(domains: Sequence[str], count: int) -> list[str]:
    """Return up to ``count`` of the domains: the first, the last, and some between."""
    last = len(domains) - 1
    places = {round(last * step / max(count - 1, 1)) for step in range(count)}
    return [domains[place] for place in sorted(places)]


def settled(
    kind: Sequence[str], rough: Mapping[str, Fact[Plan]], exact: Mapping[str, Fact[Plan]]
) -> dict[str, Fact[Plan]]:
    """Return the plans of a group, those that were not asked one by one as their sample has it."""
    asked = {domain: exact[domain] for domain in kind if domain in exact}
    doubt = _doubt(asked, rough)
    return {
        domain: asked.get(domain) or _as_sampled(domain, rough[domain], asked, doubt)
        for domain in kind
    }


def _doubt(asked: Mapping[str, Fact[Plan]], rough: Mapping[str, Fact[Plan]]) -> str:
    if not asked:
        return "exim signs in too many ways for asking about each domain"
    for domain, plan in asked.items():
        if isinstance(plan, Unknown):
            return plan.reason
        if _without_refusals(plan) != rough[domain]:
            return f"exim treats {domain} otherwise than its settings seem to say"
    refused = {_is_refused(plan) for plan in asked.values()}
    return "exim refuses some keys of this kind, and others not" if len(refused) > 1 else ""


def _as_sampled(
    domain: str, plan: Fact[Plan], asked: Mapping[str, Fact[Plan]], doubt: str
) -> Fact[Plan]:
    """Carry over to a plan what exim said of the sample: that it refuses to open the keys."""
    if doubt:
        return Unknown(doubt)
    sampled, sample = next(iter(asked.items()))
    if isinstance(plan, Unknown) or isinstance(sample, Unknown):
        return plan
    pairs = zip(plan.value.planned, sample.value.planned, strict=True)
    return Known(
        Plan(
            tuple(
                replace(each, refusal=like.refusal.replace(sampled, domain)) for each, like in pairs
            ),
            plan.value.failure,
        )
    )


def _is_refused(plan: Fact[Plan]) -> bool:
    return isinstance(plan, Known) and any(each.refusal for each in plan.value.planned)


def _without_refusals(plan: Known[Plan]) -> Known[Plan]:
    planned = tuple(replace(each, refusal="") for each in plan.value.planned)
    return Known(Plan(planned, plan.value.failure))


async def _asked(
    host: Host, program: str, found: Recipe, domains: Sequence[str], *, alone: bool
) -> dict[str, Fact[Plan]]:
    """Ask exim for the domains, then the selectors of each, then the keys of each."""
    expand = exim_expansion.for_each if alone else exim_expansion.for_all

    async def round_of(
        asked: Mapping[str, Sequence[str]],
    ) -> dict[str, Fact[tuple[Expanded, ...]]]:
        plain = {domain: exim_expansion.constants(texts) for domain, texts in asked.items()}
        wanted = [(domain, asked[domain]) for domain, known in plain.items() if known is None]
        answers = await expand(host, program, wanted) if wanted else []
        given = {domain: answer for (domain, _), answer in zip(wanted, answers, strict=True)}
        return {domain: given.get(domain, Known(known or ())) for domain, known in plain.items()}

    signing_domains = await round_of({domain: [found.domain] for domain in domains})
    selectors = await round_of(
        {domain: _selector_texts(found, answer) for domain, answer in signing_domains.items()}
    )
    pairs = {domain: _pairs(signing_domains[domain], selectors[domain]) for domain in domains}
    keys = await round_of(
        {domain: _key_texts(found, pairs[domain], alone=alone) for domain in domains}
    )
    return {
        domain: _plan(pairs[domain], (signing_domains[domain], selectors[domain], keys[domain]))
        for domain in domains
    }


@dataclass(frozen=True, slots=True)
class Pair:
    """A signing domain and a selector, and their places in exim's lists, from 1."""

    domain: str
    domain_place: int
    selector: str
    selector_place: int


def _selector_texts(found: Recipe, domains: Fact[tuple[Expanded, ...]]) -> list[str]:
    return [found.at(found.selector, place) for place, _ in _listed(domains, 0)]


def _listed(answer: Fact[tuple[Expanded, ...]], index: int) -> list[tuple[int, str]]:
    """Read a list of exim's that was expanded, each item once, with its place from 1."""
    if isinstance(answer, Unknown) or index >= len(answer.value):
        return []
    places: dict[str, int] = {}
    for place, item in enumerate(split_list(answer.value[index].text)[:MAX_SIGNATURES], 1):
        places.setdefault(item, place)
    return [(place, item) for item, place in places.items()]


def _pairs(
    domains: Fact[tuple[Expanded, ...]], selectors: Fact[tuple[Expanded, ...]]
) -> list[Pair]:
    return [
        Pair(domain.lower(), domain_place, selector, selector_place)
        for index, (domain_place, domain) in enumerate(_listed(domains, 0))
        for selector_place, selector in _listed(selectors, index)
    ][:MAX_SIGNATURES]


def _key_texts(found: Recipe, pairs: Sequence[Pair], *, alone: bool) -> list[str]:
    texts = []
    for pair in pairs:
        places = (pair.domain_place, pair.selector_place)
        key = found.at(found.key, *places)
        texts += [key, found.at(found.identity, *places), _opened(key) if alone else ""]
    return texts


def _opened(key: str) -> str:
    """Let exim open the key as it does to sign, and tell no more of it than its length."""
    return f"${{if eq{{${{substr_0_1:{key}}}}}{{/}}{{${{strlen:${{readfile{{{key}}}}}}}}}{{0}}}}"


def _plan(pairs: Sequence[Pair], answers: Iterable[Fact[tuple[Expanded, ...]]]) -> Fact[Plan]:
    found: list[tuple[Expanded, ...]] = []
    for answer in answers:
        if isinstance(answer, Unknown):
            return answer
        found.append(answer.value)
    domains, selectors, keys = found
    named = zip(pairs, keys[::3], keys[1::3], keys[2::3], strict=True)
    failures = [each.failure for each in (*domains, *selectors, *keys[::3], *keys[1::3])]
    if failure := next(filter(None, failures), ""):
        return Known(Plan(failure=failure))
    return Known(
        Plan(
            tuple(
                Planned(pair.domain, pair.selector, key.text, identity.text, opened.failure)
                for pair, key, identity, opened in named
                if key.text not in UNSIGNED
            )
        )
    )


@dataclass(frozen=True, slots=True)
class _Keys:
    """The key files by their path, and those that exim's user may read."""

    files: Mapping[str, KeyFile]
    user: Fact[MailUser]
    readable: Fact[frozenset[str]]


async def _read_keys(host: Host, told: Told, found: Recipe, plans: Iterable[Fact[Plan]]) -> _Keys:
    paths = {
        each.key
        for plan in plans
        if isinstance(plan, Known)
        for each in plan.value.planned
        if each.key.startswith("/")
    }
    options = told.options
    user = accounts.mail_user(
        found.user or options.get("exim_user", ""), found.group or options.get("exim_group", "")
    )
    files = await asyncio.to_thread(private_keys.read_keys, paths)
    if isinstance(user, Unknown):
        return _Keys(files, user, user)
    readable = await private_keys.readable_by(user.value, paths, host.deadline)
    return _Keys(files, user, readable)


def _signing(plan: Fact[Plan], keys: _Keys, found: Recipe) -> Fact[Signing | None]:
    if isinstance(plan, Unknown):
        return plan
    signatures = tuple(_signature(each, keys) for each in plan.value.planned)
    trouble = plan.value.failure or next(filter(None, map(_told, signatures)), "")
    setting = "" if signatures or trouble else found.key[:MAX_SETTING]
    return Known(Signing(signatures, trouble, found.strict, setting))


def _told(signature: Signature) -> str:
    """Exim signs with all keys or not at all (its source, dkim.c, dkim_exim_sign)."""
    where = signature.file or "the key in the configuration"
    return f"{where} cannot be used: {signature.trouble}" if signature.trouble else ""


def _signature(planned: Planned, keys: _Keys) -> Signature:
    if not planned.key.startswith("/"):
        held = private_keys.key_of_text(planned.key.replace("\\n", "\n"))
        return Signature(
            planned.domain, planned.selector, held.key, "", held.trouble, planned.identity
        )
    held = keys.files[planned.key]
    trouble = held.trouble or _unreadable(planned.key, keys) or planned.refusal
    return Signature(
        planned.domain, planned.selector, held.key, planned.key, trouble, planned.identity
    )


def _unreadable(path: str, keys: _Keys) -> str:
    if isinstance(keys.readable, Unknown) or isinstance(keys.user, Unknown):
        return ""
    return "" if path in keys.readable.value else f"the user {keys.user.value.name} may not read it"
