"""A disk with what a boot loads firewall rules from, for tests that give its folder as the root."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PLUGINS = "/usr/share/netfilter-persistent/plugins.d"


@dataclass(frozen=True)
class BootDisk:
    """Files and enabled services below ``folder``."""

    folder: Path

    @property
    def root(self) -> str:
        return str(self.folder)

    def write(self, path: str, text: str, *, mode: int = 0o644) -> str:
        """Write a file; its path on this machine."""
        file = self.folder / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", errors="surrogateescape")
        file.chmod(mode)
        return str(file)

    def install(self, unit: str) -> None:
        self.write(f"/lib/systemd/system/{unit}", "[Unit]\n")

    def enable(self, unit: str) -> None:
        """Install a service and have it started at boot."""
        self.install(unit)
        link = self.folder / f"etc/systemd/system/multi-user.target.wants/{unit}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(f"/lib/systemd/system/{unit}")

    def mask(self, unit: str) -> None:
        link = self.folder / f"etc/systemd/system/{unit}"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to("/dev/null")

    def save_iptables(self, ipv4: str = "", ipv6: str = "") -> None:
        """As iptables-persistent saves it, enabled."""
        self.enable("netfilter-persistent.service")
        if ipv4:
            self.write(f"{PLUGINS}/15-ip4tables", "#!/bin/sh\n", mode=0o755)
            self.write("/etc/iptables/rules.v4", ipv4)
        if ipv6:
            self.write(f"{PLUGINS}/25-ip6tables", "#!/bin/sh\n", mode=0o755)
            self.write("/etc/iptables/rules.v6", ipv6)

    def save_nft(self, text: str) -> None:
        """As nftables.service loads it, enabled."""
        self.enable("nftables.service")
        self.write("/etc/nftables.conf", text)
