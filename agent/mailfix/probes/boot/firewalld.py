"""Which ports firewalld opens for good: those of its permanent zones (firewalld.zone(5))."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mailfix.firewall.origins import Opening, Place
from mailfix.host import Host
from mailfix.model import Known

FOLDERS = ("/etc/firewalld", "/usr/lib/firewalld")
_CHAIN = re.compile(r"(?:filter_)?IN_([\w.-]{1,64})_allow$")
_SERVICE = re.compile(r"<service\s[^<>]{0,300}?name=[\"']([\w.-]{1,128})[\"']")
_INCLUDED = re.compile(r"<include\s[^<>]{0,300}?service=[\"']([\w.-]{1,128})[\"']")
_PORT = re.compile(r"<port\s([^<>]{0,300})>")
_NUMBERS = re.compile(r"\bport=[\"'](\d{1,5})(?:-(\d{1,5}))?[\"']")
MAX_SERVICES = 500

Ranges = tuple[tuple[int, int], ...]


def not_permanent(host: Host, opened: Iterable[Opening], root: str = "") -> frozenset[Place]:
    """The openings that ``firewall-cmd`` made without ``--permanent``.

    A zone whose settings cannot be read keeps what it has.
    """
    kept: dict[str, Ranges | None] = {}
    found = set()
    for each in opened:
        named = _CHAIN.match(each.chain.name)
        if named is None:
            continue
        zone = named[1]
        if zone not in kept:
            kept[zone] = _ports_of_zone(host, root, zone)
        ports = kept[zone]
        if ports is not None and not each.within(ports):
            found.add(each.place)
    return frozenset(found)


def _ports_of_zone(host: Host, root: str, zone: str) -> Ranges | None:
    text = _setting(host, root, f"zones/{zone}.xml")
    if text is None:
        return None
    ranges = list(_ports(text))
    waiting, seen = _SERVICE.findall(text), set[str]()
    while waiting and len(seen) < MAX_SERVICES:
        service = waiting.pop()
        if service in seen:
            continue
        seen.add(service)
        inner = _setting(host, root, f"services/{service}.xml")
        if inner is None:
            return None
        ranges += _ports(inner)
        waiting += _INCLUDED.findall(inner)
    return tuple(ranges)


def _ports(text: str) -> Iterable[tuple[int, int]]:
    for attributes in _PORT.findall(text):
        numbers = _NUMBERS.search(attributes)
        if numbers and "tcp" in attributes:
            yield int(numbers[1]), int(numbers[2] or numbers[1])


def _setting(host: Host, root: str, name: str) -> str | None:
    """The file of the administrator, or the one that came with firewalld."""
    for folder in FOLDERS:
        text = host.read(f"{root}{folder}/{name}")
        if text != Known(None):
            return text.value if isinstance(text, Known) else None
    return None
