"""The files from which the boot makes firewall rules, found without running anything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from mailfix.host import Host
from mailfix.model import Family
from mailfix.probes.boot import nft, scripts, ufw
from mailfix.probes.boot.load import Load, restored
from mailfix.probes.boot.services import starts_at_boot

PLUGIN_FOLDER = "/usr/share/netfilter-persistent/plugins.d"
NFT_FILES = ("/etc/sysconfig/nftables.conf", "/etc/nftables.conf")
IPV6_ADDRESSES = "/proc/net/if_inet6"


@dataclass(frozen=True, slots=True)
class BootFiles:
    """Everything found; ``scripts`` may run at boot and use the tools in ways of their own."""

    loads: tuple[Load, ...] = ()
    scripts: tuple[str, ...] = ()

    @property
    def early(self) -> tuple[Load, ...]:
        """What services load, in an order of their own; scripts come later."""
        return tuple(each for each in self.loads if not each.service.startswith("/"))

    @property
    def services(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each.service for each in self.early))

    @property
    def order_matters(self) -> bool:
        """Whether one service may throw away what another has loaded."""
        if len(self.services) < 2:
            return False
        replacing = [
            each.family for each in self.early if each.family is not None and not each.keeps
        ]
        flushes = any("flush ruleset" in each.mentions for each in self.early)
        return flushes or len(set(replacing)) < len(replacing)


@dataclass(frozen=True, slots=True)
class _Place:
    """A file for iptables-restore and the service that loads it, some with a plugin only."""

    service: str
    file: str
    family: Family
    plugin: str = ""


_SAVED = (
    _Place("netfilter-persistent", "/etc/iptables/rules.v4", Family.IPV4, "15-ip4tables"),
    _Place("netfilter-persistent", "/etc/iptables/rules.v6", Family.IPV6, "25-ip6tables"),
    _Place("iptables", "/etc/sysconfig/iptables", Family.IPV4),
    _Place("ip6tables", "/etc/sysconfig/ip6tables", Family.IPV6),
    _Place("iptables", "/etc/iptables/iptables.rules", Family.IPV4),
    _Place("ip6tables", "/etc/iptables/ip6tables.rules", Family.IPV6),
)


def find(host: Host, root: str = "") -> BootFiles:
    """Find what is loaded at boot, in the order in which it is tried.

    ``root`` goes before all paths. A kernel without IPv6 takes no rules for it.
    """
    found = scripts.find(host, root)
    loads = [*_nft(host, root), *_saved(host, root), *ufw.find(host, root), *found.loads]
    if not os.path.exists(IPV6_ADDRESSES):
        loads = [each for each in loads if each.family is not Family.IPV6]
    return BootFiles(tuple(loads), found.others)


def _saved(host: Host, root: str) -> Iterator[Load]:
    for place in _SAVED:
        if not starts_at_boot(f"{place.service}.service", root):
            continue
        if place.plugin and not os.path.exists(f"{root}{PLUGIN_FOLDER}/{place.plugin}"):
            continue
        load = restored(host, place.service, place.file, place.family, root=root)
        if load is not None:
            yield load


def _nft(host: Host, root: str) -> Iterator[Load]:
    if not starts_at_boot("nftables.service", root):
        return
    present = [file for file in NFT_FILES if os.path.lexists(root + file)]
    for file in present[:1]:
        yield nft.load(host, "nftables", file, root)
