"""The cure of a blocked port, carried out with the real tools and held against the kernel."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product

import pytest
from _pytest.mark import ParameterSet
from hypothesis import Phase, given, settings

from mailfix.firewall import Direction
from mailfix.model import Family
from tests.full import FULL
from tests.kernel.compare import Tally, question
from tests.kernel.conftest import drawing
from tests.kernel.cure_cases import BANS, IPTABLES, MIXED, NATIVE, Blockage
from tests.kernel.cure_proof import Loads, NotLoaded, Plans, Proven, accepted, prove
from tests.kernel.grammar import Ruleset, iptables_rulesets
from tests.kernel.nft_grammar import nft_rulesets
from tests.kernel.shared import SharedRuleset, shared_rulesets

EXAMPLES = 300 if FULL else 2


@pytest.fixture(scope="module")
def plans(request: pytest.FixtureRequest) -> Iterator[Plans]:
    """Counts what was planned for rulesets that others wrote or chance; printed at the end."""
    counted = Plans()
    yield counted
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.write_line(f"\n{counted.line()}")


def _loads(case: Blockage, backend: str, family: Family) -> Loads:
    prefix = "ip6tables" if family is Family.IPV6 else "iptables"
    swap = family is Family.IPV6
    loads: list[tuple[tuple[str, ...], str]] = []
    if case.ipset:
        loads.append((("ipset", "restore"), _of_ipv6(case.ipset) if swap else case.ipset))
    loads += (
        ((f"{prefix}-{backend}-restore", "--noflush"), _of_ipv6(text) if swap else text)
        for text in case.saves
    )
    if case.native:
        loads.append((("nft", "-f", "-"), case.native.replace("@ban", BANS)))
    return loads


_OTHER_ADDRESSES = {
    "198.51.100.7/32": "2001:db8:7::1/128",
    "198.51.100.7": "2001:db8:7::1",
    "198.51.100.0/24": "2001:db8:7::/48",
    "128.0.0.0/1": "3000::/4",
    "0.0.0.0/1": "3000::/4",
    "hash:net": "hash:net family inet6",
}


def _of_ipv6(text: str) -> str:
    for one, other in _OTHER_ADDRESSES.items():
        text = text.replace(one, other)
    return text


def _check(case: Blockage, loads: Loads, family: Family, tally: Tally) -> Proven:
    asked = replace(question(case.direction, family, 25), forwarding=case.forwarding)
    found = prove(loads, asked, tally)
    told = f"{found.cure.describe()}\n{found.cure.why_not}"
    assert not found.differences, "\n".join([told, *found.differences])
    assert found.cure.automatic is case.automatic, told
    assert found.cure.describe().startswith(case.cure), told
    return found


def _combined(
    cases: Sequence[Blockage], backends: tuple[str, ...] = ("nft", "legacy")
) -> list[ParameterSet]:
    """Every case in every backend and family; in CI in one of them, in turns."""
    ways = list(product(backends, Family))
    found = []
    for at, case in enumerate(cases):
        for backend, family in ways if FULL else [ways[at % len(ways)]]:
            found.append(pytest.param(case, backend, family, id=f"{case.name}-{backend}-{family}"))
    return found


@pytest.mark.parametrize(("case", "backend", "family"), _combined(IPTABLES))
def test_iptables(case: Blockage, backend: str, family: Family, tally: Tally) -> None:
    _check(case, _loads(case, backend, family), family, tally)


@pytest.mark.parametrize(("case", "backend", "family"), _combined(NATIVE, ("nft",)))
def test_native_nft(case: Blockage, backend: str, family: Family, tally: Tally) -> None:
    _check(case, _loads(case, backend, family), family, tally)


@pytest.mark.parametrize(("case", "backend", "family"), _combined(MIXED))
def test_several_backends(case: Blockage, backend: str, family: Family, tally: Tally) -> None:
    _check(case, _loads(case, backend, family), family, tally)


PORT_25_BLOCKED = [
    (ruleset, backend)
    for ruleset in shared_rulesets()
    for backend in (("nft",) if ruleset.kind == "nft" else ("legacy", "nft"))
    if getattr(ruleset, backend) and ruleset.port25.startswith("blocked")
]
if not FULL:
    PORT_25_BLOCKED = PORT_25_BLOCKED[::3]


@pytest.mark.parametrize(
    ("ruleset", "backend"),
    PORT_25_BLOCKED,
    ids=[f"{backend}:{case.name}" for case, backend in PORT_25_BLOCKED],
)
def test_rulesets_of_others(
    ruleset: SharedRuleset, backend: str, tally: Tally, plans: Plans
) -> None:
    if ruleset.needs_sets:
        pytest.skip("its sets are not known")
    prefix = "ip6tables" if ruleset.family is Family.IPV6 else "iptables"
    command = ("nft", "-f", "-") if ruleset.kind == "nft" else (f"{prefix}-{backend}-restore",)
    asked = replace(question(Direction.IN, ruleset.family, 25), forwarding=False)
    try:
        found = prove([(command, ruleset.text)], asked, tally)
    except NotLoaded as refused:
        pytest.skip(f"these versions do not load it: {refused}")
    told = f"{found.cure.describe()}\n{found.cure.why_not}"
    plans.count(found)
    assert not found.differences, "\n".join([told, *found.differences])
    assert found.cure.plan, told


def _random_blockage(made: tuple[Family, Ruleset], tally: Tally, plans: Plans) -> None:
    family, ruleset = made
    with contextlib.suppress(NotLoaded):
        loads = [(command, accepted(command, text)) for command, text in ruleset.loads]
        for direction in Direction:
            asked = replace(question(direction, family, 25), forwarding=False)
            found = prove(loads, asked, tally)
            plans.count(found)
            told = f"{found.cure.describe()}\n{found.cure.why_not}"
            assert not found.differences, "\n".join([told, *found.differences])


# To shrink a ruleset that a namespace must be made for takes longer than to read it.
_settings = settings(drawing(EXAMPLES), phases=(Phase.generate,))


@_settings
@given(made=iptables_rulesets())
def test_random_iptables(made: tuple[Family, Ruleset], tally: Tally, plans: Plans) -> None:
    _random_blockage(made, tally, plans)


@_settings
@given(made=nft_rulesets())
def test_random_native_nft(made: tuple[Family, Ruleset], tally: Tally, plans: Plans) -> None:
    _random_blockage(made, tally, plans)
