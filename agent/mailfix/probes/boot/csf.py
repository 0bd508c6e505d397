"""Which ports CSF opens: those of csf.conf (readme.txt of ConfigServer Security & Firewall)."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mailfix.firewall.origins import Opening, Place
from mailfix.firewall.ruleset import Hook
from mailfix.host import Host
from mailfix.model import Family, Known

CONFIG = "/etc/csf/csf.conf"
_SETTING = re.compile(r'^(TCP6?_(?:IN|OUT))\s*=\s*"([\d,:\s]*)"', re.MULTILINE)
_NAMES = {
    (Hook.INPUT, Family.IPV4): "TCP_IN",
    (Hook.INPUT, Family.IPV6): "TCP6_IN",
    (Hook.OUTPUT, Family.IPV4): "TCP_OUT",
    (Hook.OUTPUT, Family.IPV6): "TCP6_OUT",
}


def not_configured(host: Host, opened: Iterable[Opening], root: str = "") -> frozenset[Place]:
    """The openings in INPUT and OUTPUT that csf.conf does not ask for; none if it is not read."""
    text = host.read(root + CONFIG)
    if not isinstance(text, Known) or not text.value:
        return frozenset()
    settings = {name: _ranges(value) for name, value in _SETTING.findall(text.value)}
    found = set()
    for each in opened:
        if each.hook is None or each.table.family is None:
            continue
        name = _NAMES.get((each.hook, each.table.family), "")
        if name in settings and not each.within(settings[name]):
            found.add(each.place)
    return frozenset(found)


def _ranges(value: str) -> tuple[tuple[int, int], ...]:
    """``20,21,30000:35000``; what is no port is left out."""
    found = []
    for part in value.replace(" ", "").split(","):
        low, _, high = part.partition(":")
        if low.isdecimal() and (high or low).isdecimal():
            found.append((int(low), int(high or low)))
    return tuple(found)
