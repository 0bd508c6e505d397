"""What the host tells that an explanation needs, and the question put to the firewall."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace

from mailfix.collect import mta_in_use
from mailfix.explainer.request import Request
from mailfix.facts import HostAddress, Listener, MailUser, Mta, Outgoing
from mailfix.firewall import AddressSet, Direction, Dump, Question
from mailfix.host import Host, interfaces, routes
from mailfix.model import Fact, Family, Known, PerFamily, Unknown
from mailfix.probes import addresses, exim, firewall, listeners, postfix, servers
from mailfix.probes.firewall import Endpoints
from mailfix.report.explain.explanation import Asked

_UNASKED = Unknown("it was not asked")


@dataclass(frozen=True, slots=True)
class Sight:
    """``between`` is what the packets travel between; None: the host has not got the family.

    ``user`` is as whom outgoing mail is sent; it and ``listening`` are Unknown for questions on
    which they have no influence.
    """

    dumps: Fact[tuple[Dump, ...]]
    between: PerFamily[Endpoints | None]
    listening: Fact[tuple[Listener, ...]] = _UNASKED
    user: Fact[MailUser] = _UNASKED

    def has(self, family: Family) -> bool:
        between = self.between.of(family)
        return isinstance(between, Unknown) or between.value is not None

    def question(self, asked: Asked, family: Family) -> Fact[Question]:
        """What the firewall is to be asked."""
        between = self.between.of(family)
        if isinstance(between, Unknown):
            return between
        if between.value is None:
            return Unknown(f"this host has no way to the Internet over {family.label}")
        user = self.user.value if isinstance(self.user, Known) else None
        question = firewall.question(between.value, asked.direction, asked.port, user)
        far = AddressSet.network(asked.far) if asked.far else None
        return Known(replace(question, protocol=asked.protocol, far=far))


async def look(host: Host, request: Request) -> Sight:
    """Ask the host, everything at once."""
    asked = request.asked
    dumps, listening, mta = await asyncio.gather(
        firewall.read_dumps(host), _listening(host, asked), _mta(host, asked)
    )
    if isinstance(dumps, Unknown) and not host.is_root:
        again = f"sudo mailfix explain {asked.port}{' --out' if asked.direction == 'out' else ''}"
        dumps = Unknown(f"{dumps.reason}; run: {again}")
    used = mta.value if isinstance(mta, Known) else None
    between = [await _between(host, asked, used, family) for family in Family]
    return Sight(dumps, PerFamily(*between), listening, _user(mta))


async def _listening(host: Host, asked: Asked) -> Fact[tuple[Listener, ...]]:
    return await listeners.read(host) if asked.direction is Direction.IN else _UNASKED


async def _mta(host: Host, asked: Asked) -> Fact[Mta | None]:
    """The MTA in use, which sends what goes out; None where there is none."""
    if asked.direction is Direction.IN:
        return _UNASKED
    installed = await servers.read(host)
    if isinstance(installed, Unknown):
        return installed
    chosen = mta_in_use(installed.value)
    if chosen is None:
        return Known(None)
    if chosen.name == "exim":
        told = await exim.read(host, ())
        return told.mta if told else Known(None)
    if chosen.name == "postfix":
        found = await postfix.read(host)
        return found if isinstance(found, Unknown) else Known(found.value.mta)
    return Unknown(f"the settings of {chosen.name} are not read")


def _user(mta: Fact[Mta | None]) -> Fact[MailUser]:
    if isinstance(mta, Unknown):
        return mta
    return mta.value.user if mta.value else Unknown("no mail server is installed")


async def _between(
    host: Host, asked: Asked, mta: Mta | None, family: Family
) -> Fact[Endpoints | None]:
    found = interfaces.addresses()
    own = found.value if isinstance(found, Known) else ()
    if asked.far is None:
        leaving = _leaving(mta, own, family)
    else:
        leaving = await _towards(host, asked.far, family)
    return firewall.endpoints(host, family, leaving, own)


def _leaving(
    mta: Mta | None, own: tuple[HostAddress, ...], family: Family
) -> Fact[Outgoing | None]:
    """From which address and by which interface mail leaves to the Internet."""
    bound = addresses.bound_source(mta, family)
    picked = interfaces.source_address(family)
    if isinstance(bound, Unknown):
        return bound
    if isinstance(picked, Unknown):
        return picked
    source = bound.value if picked.value and bound.value else picked.value
    leaving = addresses.outgoing(family, source, own, None)
    return Known(addresses.through(leaving, routes.default_interface(family)))


async def _towards(host: Host, far: str, family: Family) -> Fact[Outgoing | None]:
    """The kernel's route to one address (ip-route(8)), by which its packets come, too."""
    if (":" in far) is (family is Family.IPV4):
        return Known(None)
    told = await host.run("ip", "-j", "route", "get", far)
    if isinstance(told, Unknown):
        return told
    if told.value.code != 0:
        return Unknown(f"this host has no route to {far}: {told.value.complaint}")
    return parse_route(told.value.stdout, far)


def parse_route(text: str, far: str) -> Fact[Outgoing | None]:
    """Read ``ip -j route get``: one object with ``dev``, ``prefsrc`` and for own ones ``type``."""
    try:
        route = json.loads(text)[0]
        interface, source, kind = route["dev"], route["prefsrc"], route.get("type", "unicast")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return Unknown(f"ip does not tell the route to {far}")
    if kind != "unicast":
        return Unknown(f"{far} is {kind} to this host: such packets are not followed")
    return Known(Outgoing(str(source), str(interface), Unknown("it was not asked")))
