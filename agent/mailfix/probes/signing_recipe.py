"""By which settings exim signs, told from its routers and transports."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

from mailfix.model import Fact, Known, Unknown
from mailfix.probes import exim_expansion
from mailfix.probes.exim import Told, split_list

_TRUE = frozenset({"1", "true"})
_RELAYED = "+relay_to_domains"
_UNTOLD_CONDITIONS = ("senders", "require_files", "local_parts")
_FORCED_FAILURE = re.compile(r"\bfail\s*\}")


@dataclass(frozen=True, slots=True)
class Recipe:
    """The options of a transport by which it signs, unexpanded, and as whom it reads the keys."""

    domain: str
    selector: str
    key: str
    identity: str = ""
    strict: bool = False
    user: str = ""
    group: str = ""

    @property
    def texts(self) -> dict[str, str]:
        """The expressions by the end of their option's name."""
        return {
            "domain": self.domain,
            "selector": without_signature(self.selector),
            "private_key": without_signature(self.key),
            "identity": without_signature(self.identity),
        }

    def at(self, text: str, domain_place: int, selector_place: int = 1) -> str:
        """Write the signing domain and the selector at these places into an expression.

        Exim sets ``$dkim_domain`` and ``$dkim_selector`` only while it signs. Taking the item out
        of the list by an expression keeps what exim knows of its origin.
        """
        domain = f"${{lc:${{listextract{{{domain_place}}}{{{self.domain}}}}}}}"
        selector_list = exim_expansion.replaced(self.selector, {"dkim_domain": domain})
        selector = f"${{listextract{{{selector_place}}}{{{selector_list}}}}}"
        return exim_expansion.replaced(text, {"dkim_domain": domain, "dkim_selector": selector})


def without_signature(text: str) -> str:
    """Leave out the variables that exim sets while it signs."""
    return exim_expansion.replaced(text, {"dkim_domain": "", "dkim_selector": ""})


UNSIGNED = Recipe("", "", "")


@dataclass(frozen=True, slots=True)
class Way:
    """A router that may take a message to other hosts, and how its transport signs.

    ``condition`` is the router's, "" where it has none. ``chooses_by`` is another option by which
    it passes messages on to the next router, "" where there is none.
    """

    transport: str
    recipe: Recipe
    condition: str = ""
    chooses_by: str = ""
    other_signer: str = ""


def recipe(told: Told) -> Fact[Recipe | None]:
    """Find the transport that carries mail to other hosts, and how it signs; None if it does not.

    Where routers choose among several by a condition on the sender, the recipe holds the
    condition. Unknown where they choose by anything else, or where the options depend on more of a
    message than its sender.
    """
    ways = list(_ways(told))
    different = len({way.recipe for way in ways}) > 1
    if different and (why := _cannot_choose(ways)):
        return Unknown(
            "exim chooses anew for each message among transports that sign differently "
            f"({', '.join(sorted({way.transport for way in ways}))[:200]}): {why}"
        )
    found = reduce(_chosen, reversed(ways), UNSIGNED) if different else _first(ways)
    if found == UNSIGNED:
        signers = [way.other_signer for way in ways if way.other_signer]
        unknown = Unknown(f"exim does not sign itself, but its {''.join(signers[:1])} may")
        return unknown if signers else Known(None)
    for option, text in found.texts.items():
        if why := exim_expansion.obstacle(text):
            return Unknown(f"exim's dkim_{option} cannot be told beforehand: {why}")
    return Known(found)


def _first(ways: Sequence[Way]) -> Recipe:
    return ways[0].recipe if ways else UNSIGNED


def _cannot_choose(ways: Iterable[Way]) -> str:
    """Say what keeps us from telling which of the ways a message takes, "" if nothing does."""
    for way in ways:
        if way.chooses_by:
            return f"a router has the option {way.chooses_by}"
        if _FORCED_FAILURE.search(way.condition):
            return "the condition of a router may fail"
    signing = [way.recipe for way in ways if way.recipe != UNSIGNED]
    unlike = {(each.strict, each.user, each.group) for each in signing}
    return "their options differ in more than the signature" if len(unlike) > 1 else ""


def _chosen(otherwise: Recipe, way: Way) -> Recipe:
    """Write a router's condition into the settings of its transport (specification, 15.1)."""
    if not way.condition:
        return way.recipe

    def either(name: str) -> str:
        ours, theirs = getattr(way.recipe, name), getattr(otherwise, name)
        return f"${{if bool_lax{{{way.condition}}}{{{ours}}}{{{theirs}}}}}"

    rest = otherwise if way.recipe == UNSIGNED else way.recipe
    return replace(
        rest,
        domain=either("domain"),
        selector=either("selector"),
        key=either("key"),
        identity=either("identity"),
    )


def _ways(told: Told) -> Iterator[Way]:
    """Return the routers that may take a message to other hosts, as far as the first that must.

    A router for mail that others send on through this host does not count.
    """
    by_driver: dict[str, list[dict[str, str]]] = defaultdict(list)
    for router in told.routers.values():
        transport = told.transports.get(router.get("transport", ""), {})
        relays = split_list(router.get("domains", ""))[-1:] == [_RELAYED]
        if transport.get("driver") == "smtp" and router.get("verify_only") != "yes" and not relays:
            by_driver[router.get("driver", "")].append(router)
    for router in by_driver["dnslookup"] or by_driver["manualroute"]:
        way = _way(router, told.transports[router["transport"]])
        yield way
        if not way.condition and not way.chooses_by:
            return


def _way(router: Mapping[str, str], transport: Mapping[str, str]) -> Way:
    options = (option for option in _UNTOLD_CONDITIONS if router.get(option))
    recipients = "" if _is_for_all(router.get("domains", "")) else "domains"
    return Way(
        router["transport"],
        _recipe(transport),
        router.get("condition", ""),
        next(options, recipients),
        _other_signer(router, transport),
    )


def _is_for_all(domains: str) -> bool:
    """Tell whether a list leaves nothing out but what it names (specification, chapter 10.2)."""
    items = split_list(domains)
    return not items or items[-1].startswith("!") or items[-1] == "*"


def _recipe(transport: Mapping[str, str]) -> Recipe:
    """Exim signs where all three are set (its source, dkim_transport.c)."""
    domain, selector, key = (
        transport.get(f"dkim_{option}", "") for option in ("domain", "selector", "private_key")
    )
    if not (domain and selector and key):
        return UNSIGNED
    return Recipe(
        domain,
        selector,
        key,
        identity=transport.get("dkim_identity", ""),
        strict=transport.get("dkim_strict", "") in _TRUE,
        user=transport.get("user", ""),
        group=transport.get("group", ""),
    )


def _other_signer(router: Mapping[str, str], transport: Mapping[str, str]) -> str:
    """Return the option by which something else than exim could put a signature on mail."""
    if transport.get("transport_filter"):
        return "transport_filter"
    added = (place.get("headers_add", "").lower() for place in (router, transport))
    return "headers_add" if any("dkim" in text for text in added) else ""
