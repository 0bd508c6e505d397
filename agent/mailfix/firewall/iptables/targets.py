"""What the targets of iptables do, each from its options (iptables-extensions(8))."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from mailfix.firewall.iptables.options import Option
from mailfix.firewall.protocols import number, port
from mailfix.firewall.ruleset import (
    Accept,
    Block,
    CopyMark,
    Elsewhere,
    Enlist,
    ForgetMark,
    Return,
    SendOn,
    SetMark,
    Translate,
    Uncertain,
    Untrack,
    Verb,
)

FULL_MASK = 0xFFFFFFFF

_WITHOUT_EFFECT = frozenset(
    {
        "AUDIT",
        "CHECKSUM",
        "CLASSIFY",
        "CONNSECMARK",
        "DSCP",
        "ECN",
        "HL",
        "IDLETIMER",
        "LED",
        "LOG",
        "NETFLOW",
        "NFLOG",
        "RATEEST",
        "SECMARK",
        "TCPMSS",
        "TCPOPTSTRIP",
        "TEE",
        "TOS",
        "TRACE",
        "TTL",
        "ULOG",
    }
)
"""Targets after which the packet goes on to the next rule unchanged in all that matters here."""

_FIXED: dict[str, Verb] = {
    "ACCEPT": Accept(),
    "RETURN": Return(),
    "DROP": Block("DROP"),
    "REJECT": Block("REJECT"),
    "TARPIT": Block("TARPIT"),
    "DELUDE": Block("DELUDE"),
    "STEAL": Block("STEAL"),
    "NOTRACK": Untrack(),
    "SNAT": Translate(),
    "MASQUERADE": Translate(),
    "QUEUE": Elsewhere("a program decides (QUEUE)"),
    "NFQUEUE": Elsewhere("a program decides (NFQUEUE)"),
    "TPROXY": Elsewhere("handed to a proxy (TPROXY)"),
    "SYNPROXY": Elsewhere("answered in the host's place (SYNPROXY)"),
    "NETMAP": Elsewhere("sent on to another address (NETMAP)"),
}


def read_target(name: str, options: Sequence[Option]) -> Verb | None:
    """What a target that is no user chain does; None for one that only takes notes.

    Raises:
        ValueError: an option has a value that it cannot have.
    """
    if name in _WITHOUT_EFFECT:
        return None
    if name in _FIXED:
        return _FIXED[name]
    by_name = {option.name: option for option in options}
    match name:
        case "MARK":
            return _mark(by_name)
        case "CONNMARK":
            return _connmark(by_name)
        case "HMARK":
            return ForgetMark()
        case "SET":
            return _enlist(by_name)
        case "CT":
            return _connection_tracking(by_name)
        case "DNAT":
            return _send_on(by_name["--to-destination"].value)
        case "REDIRECT":
            return _redirect(by_name)
    return Uncertain(f"the target {name!r} is not understood")


def _enlist(options: dict[str, Option]) -> Verb | None:
    if "--map-mark" in options:
        return ForgetMark()
    for name, leaves in (("--add-set", False), ("--del-set", True)):
        if name in options:
            named, directions = options[name].values
            return Enlist(f"ipset {named}", directions, leaves)
    return None


def _masked(option: Option) -> tuple[int, int]:
    value, _, mask = option.value.partition("/")
    return number(value), number(mask) if mask else FULL_MASK


def _mark(options: dict[str, Option], connection: bool = False) -> Verb:
    """--set-xmark zeroes the mask's bits and xors the value; --set-mark also zeroes the value's."""
    if "--set-xmark" in options:
        value, mask = _masked(options["--set-xmark"])
        return SetMark(value, mask, connection)
    if "--set-mark" in options:
        value, mask = _masked(options["--set-mark"])
        return SetMark(value, mask | value, connection)
    if "--and-mark" in options:
        return SetMark(0, ~number(options["--and-mark"].value) & FULL_MASK, connection)
    if "--or-mark" in options:
        bits = number(options["--or-mark"].value)
        return SetMark(bits, bits, connection)
    if "--xor-mark" in options:
        return SetMark(number(options["--xor-mark"].value), 0, connection)
    return ForgetMark(connection)


def _connmark(options: dict[str, Option]) -> Verb:
    saving = "--save-mark" in options
    if not saving and "--restore-mark" not in options:
        return _mark(options, connection=True)
    of_both = options.get("--mask")
    of_packet, of_connection = (
        number(each.value) if each else FULL_MASK
        for each in (options.get("--nfmask", of_both), options.get("--ctmask", of_both))
    )
    return CopyMark(saving, of_packet, of_connection)


def _connection_tracking(options: dict[str, Option]) -> Verb | None:
    if any(name.startswith("--zone") for name in options):
        return Uncertain("zones of connection tracking are not followed (CT --zone)")
    return Untrack() if "--notrack" in options else None


def _send_on(where: str) -> Verb:
    """``192.0.2.1:25``, ``[2001:db8::1]:25``, ``2001:db8::1``, ``:25``; never one of several."""
    address, port_text = where, ""
    if where.startswith("["):
        address, _, port_text = where[1:].partition("]")
        port_text = port_text.removeprefix(":")
    elif where.count(":") == 1:
        address, _, port_text = where.partition(":")
    if "-" in where:
        return Elsewhere(f"sent on to one of {where} (DNAT)")
    number_of = int(ipaddress.ip_address(address)) if address else None
    return SendOn(number_of, port(port_text) if port_text else None)


def _redirect(options: dict[str, Option]) -> Verb:
    ports = options.get("--to-ports") or options.get("--to-port")
    if ports is None:
        return Translate()
    if "-" in ports.value:
        return Elsewhere(f"redirected to one of the ports {ports.value} (REDIRECT)")
    return Translate(port(ports.value))
