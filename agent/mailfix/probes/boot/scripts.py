"""Scripts, network interfaces, units and cron jobs that may change firewall rules at boot."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from mailfix.host import Host
from mailfix.host.files import read_text
from mailfix.model import Family, Known
from mailfix.probes.boot import nft
from mailfix.probes.boot.load import Load, restored
from mailfix.probes.boot.services import starts_at_boot

MAX_FILES = 200
MAX_TEXT = 256 * 1024
MAX_LINE = 2000
SCRIPT_FOLDERS = (
    "/etc/network/if-pre-up.d",
    "/etc/network/if-up.d",
    "/etc/NetworkManager/dispatcher.d",
    "/etc/networkd-dispatcher/routable.d",
)
SCRIPT_FILES = ("/etc/rc.local", "/etc/rc.d/rc.local")
TEXT_FOLDERS = ("/etc/network/interfaces.d", "/etc/cron.d")
TEXT_FILES = (
    "/etc/network/interfaces",
    "/etc/crontab",
    "/var/spool/cron/crontabs/root",
    "/var/spool/cron/root",
)
CRON = ("/etc/cron", "/var/spool/cron")
OWN_UNITS = "/etc/systemd/system"
OF_KNOWN_SERVICES = frozenset(
    f"{name}.service"
    for name in ("ufw", "netfilter-persistent", "nftables", "iptables", "ip6tables", "fail2ban")
)
OTHER_FIREWALLS = (
    *("shorewall", "shorewall6", "shorewall-lite", "ferm", "firehol", "arno-iptables-firewall"),
    *("apf", "psa-firewall", "hestia-iptables", "imunify360", "bitninja", "foomuuri", "awall"),
)
"""Services that make rules from settings of their own, which are not read."""
_START = r"(?:(?<![\w./-])|(?<==[-@:+!]))(?:/\S{0,60}/)?"
_TOOL = re.compile(_START + r"(?:ip6?tables(?:-\w+)*|nft|ipset)(?=\s+\S)")
_FILE = r"(/[^\s;&|<>\"'()]{1,500})"
_END = r"\s*(?:$|[;&|)]|\d?>)"
_RESTORES = re.compile(
    rf"(?<![\w.-])(ip(6?)tables(?:-legacy|-nft)?-restore)\s+(?:<\s*)?{_FILE}{_END}"
)
_LOADS = re.compile(rf"(?<![\w.-])nft\s+(?:-f|--file)\s+{_FILE}{_END}")
_OF_NFT = re.compile(r"#!\s*/\S{0,60}\bnft\s+(?:-\w+\s+)*-f")
_CONDITION = re.compile(r"\b(?:if|case|while|for|test)\b|\[|\|\||&&|\bexit\s+[1-9]")


@dataclass(frozen=True, slots=True)
class Scripts:
    """The files that plain lines load (``nft -f FILE``), and the scripts that do anything else."""

    loads: tuple[Load, ...]
    others: tuple[str, ...]


def find(host: Host, root: str = "") -> Scripts:
    """Look through what may run at boot, within bounds; comments do not count."""
    loads: list[Load] = []
    others: list[str] = []
    for path in _paths(host, root):
        text = read_text(root + path, MAX_TEXT)
        if not isinstance(text, Known) or not text.value:
            continue
        if _OF_NFT.match(text.value):
            loads.append(nft.load(host, path, path, root))
            continue
        lines = list(_lines(path, text.value))
        with_tools = [line for line in lines if _TOOL.search(line)]
        found = [_load(host, path, line, root) for line in with_tools]
        plain = [each for each in found if each is not None]
        loads += plain
        conditional = any(_CONDITION.search(line) for line in lines)
        if with_tools and (conditional or len(plain) < len(with_tools)):
            others.append(path)
    others += [unit for name in OTHER_FIREWALLS if starts_at_boot(unit := f"{name}.service", root)]
    return Scripts(tuple(loads), tuple(others))


def _load(host: Host, script: str, line: str, root: str) -> Load | None:
    """What a line loads that does nothing else; None for any other."""
    found = _RESTORES.search(line)
    if found is not None:
        family = Family.IPV6 if found[2] else Family.IPV4
        return restored(host, script, found[3], family, root=root, program=found[1])
    found = _LOADS.search(line)
    if found is None or not os.path.exists(root + found[1]):
        return None
    return nft.load(host, script, found[1], root)


def _paths(host: Host, root: str) -> Iterator[str]:
    """Scripts count where they may be run, other files where they are."""
    scripts = (*SCRIPT_FILES, *_within(host, root, SCRIPT_FOLDERS))
    yield from (path for path in scripts if os.access(root + path, os.X_OK))
    yield from (*TEXT_FILES, *_within(host, root, TEXT_FOLDERS))
    for path in _within(host, root, (OWN_UNITS,)):
        name = path.rpartition("/")[2]
        own = name.endswith(".service") and name not in OF_KNOWN_SERVICES
        if own and starts_at_boot(name, root):
            yield path


def _within(host: Host, root: str, folders: tuple[str, ...]) -> Iterator[str]:
    for folder in folders:
        for name in _names(host, root + folder):
            if os.path.isfile(f"{root}{folder}/{name}"):
                yield f"{folder}/{name}"


def _names(host: Host, folder: str) -> tuple[str, ...]:
    names = host.names_in(folder)
    return names.value[:MAX_FILES] if isinstance(names, Known) else ()


def _lines(path: str, text: str) -> Iterator[str]:
    """The lines that a boot runs, without comments."""
    at_boot_only = path.startswith(CRON)
    for raw in text.split("\n"):
        line = raw[:MAX_LINE].partition("#")[0].strip()
        if line and (line.startswith("@reboot") or not at_boot_only):
            yield line
