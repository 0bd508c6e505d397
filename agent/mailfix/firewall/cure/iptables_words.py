"""Rules of iptables in the words of iptables-save: new ones, and known ones that spare a port."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from mailfix.firewall.cure.traffic import PortRange, Traffic, contains, without
from mailfix.firewall.iptables.options import FREE_TEXT
from mailfix.firewall.protocols import HIGHEST_PORT, port_range

MAX_MULTIPORT = 15
"""Ports in one multiport match; a range counts as two."""

_RAW_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|\S+')
_SINGLE = {False: ("--dport", "--destination-port"), True: ("--sport", "--source-port")}
_MULTIPLE = {
    False: ("--dports", "--destination-ports", "--ports"),
    True: ("--sports", "--source-ports", "--ports"),
}
_FIRST_PACKET = "--tcp-flags FIN,SYN,RST,ACK SYN"

Option = list[str]
"""An option's words as they stand in the rule: perhaps ``!``, the name, the values."""


def letting_through(traffic: Traffic, target: str) -> str:
    """A rule for just this traffic, as iptables-save would show it behind the chain."""
    side = "--sport" if traffic.answer else "--dport"
    far = f"{'-s' if traffic.far_is_source else '-d'} {traffic.far} " if traffic.far else ""
    words = [f"{far}-p {traffic.protocol} -m {traffic.protocol} {side} {traffic.port}"]
    if traffic.answer and not traffic.tracked and traffic.protocol == "tcp":
        words.append(f"! {_FIRST_PACKET}")
    if traffic.own and traffic.asked is None:
        words.append(f"-m addrtype --{'src' if traffic.answer else 'dst'}-type LOCAL")
    if traffic.uid is not None:
        words.append(f"-m owner --uid-owner {traffic.uid}")
    if traffic.established:
        words.append("-m conntrack --ctstate ESTABLISHED")
    elif traffic.asked is not None:
        state = "--ctstate DNAT " if traffic.own else ""
        words.append(f"-m conntrack {state}--ctorigdstport {traffic.asked}")
    return " ".join([*words, f"-j {target}"])


def without_port(spelling: str, traffic: Traffic) -> tuple[str, ...] | None:
    """The rule without the traffic's port among those that it names.

    Empty where no other port is left; None where it names none, or has no place for the others.
    """
    options = _options(spelling)
    names = (*_SINGLE[traffic.answer], *_MULTIPLE[traffic.answer])
    at = next((at for at, each in enumerate(options) if _name(each) in names), None)
    return None if at is None else _with_other_ports(options, at, traffic)


def sparing(spelling: str, traffic: Traffic) -> tuple[str, ...] | None:
    """The rules that do what one without ports does, save to the traffic; None: not to be said."""
    options = _options(spelling)
    names = {_name(each) for each in options}
    if names & {*_SINGLE[traffic.answer], *_MULTIPLE[traffic.answer]}:
        return None
    if ["-p", traffic.protocol] in options:
        return (_joined(_with_match(options, _not_port(traffic))),)
    return None if "-p" in names else _of_other_protocols(options, traffic)


def _options(spelling: str) -> list[Option]:
    found: list[Option] = []
    expects_text = False
    negated = False
    for word in _RAW_WORD.findall(spelling):
        starts = word[:1] == "-" or word == "!"
        if starts and not expects_text and not negated:
            found.append([word])
        else:
            found[-1].append(word)
        negated = word == "!" and not expects_text
        expects_text = word in FREE_TEXT and not expects_text
    return found


def _name(option: Option) -> str:
    return option[1] if option[0] == "!" else option[0]


def _joined(options: Iterable[Option]) -> str:
    return " ".join(word for option in options for word in option)


def _with_other_ports(options: list[Option], at: int, traffic: Traffic) -> tuple[str, ...] | None:
    negated = options[at][0] == "!"
    try:
        ranges = [port_range(text) for text in options[at][-1].split(",")]
    except ValueError:
        return None
    if contains(ranges, traffic.port) is negated:
        return None
    port = traffic.port
    left = [*ranges, (port, port)] if negated else list(without(ranges, port))
    if not left:
        return ()
    if sum(1 if low == high else 2 for low, high in left) > MAX_MULTIPORT:
        return None
    texts = ",".join(_written(each) for each in left)
    if _name(options[at]) in _MULTIPLE[traffic.answer] or (len(left) == 1 and not negated):
        changed = [*options[at][:-1], texts]
        return (_joined([*options[:at], changed, *options[at + 1 :]]),)
    rest = _without_port(options, at)
    return (_joined(_with_match(rest, _multiport(traffic, texts, negated))),)


def _written(ports: PortRange) -> str:
    low, high = ports
    return str(low) if low == high else f"{low}:{min(high, HIGHEST_PORT)}"


def _without_port(options: list[Option], at: int) -> list[Option]:
    """Without the port, and without its ``-m tcp`` where nothing else belongs to that."""
    rest = [*options[:at], *options[at + 1 :]]
    alone = at == len(rest) or _name(rest[at]) in ("-m", "-j", "-g")
    return [*rest[: at - 1], *rest[at:]] if alone and rest[at - 1][0] == "-m" else rest


def _multiport(traffic: Traffic, ports: str, negated: bool) -> list[Option]:
    option = ["--sports" if traffic.answer else "--dports", ports]
    return [["-m", "multiport"], ["!", *option] if negated else option]


def _not_port(traffic: Traffic) -> list[Option]:
    return _multiport(traffic, str(traffic.port), negated=True)


def _with_match(options: Sequence[Option], match: list[Option]) -> list[Option]:
    """With a further match before the target."""
    at = next((at for at, each in enumerate(options) if each[0] in ("-j", "-g")), len(options))
    return [*options[:at], *match, *options[at:]]


def _of_other_protocols(options: list[Option], traffic: Traffic) -> tuple[str, ...]:
    """The rule for all other protocols, and the one for the other ports."""
    general = ("-s", "-d", "-i", "-o")
    at = next((at for at, each in enumerate(options) if _name(each) not in general), len(options))
    others = [*options[:at], ["!", "-p", traffic.protocol], *options[at:]]
    same = [*options[:at], ["-p", traffic.protocol], *options[at:]]
    return _joined(others), _joined(_with_match(same, _not_port(traffic)))
