"""Which files of firewall rules a boot loads, found on disks of every kind."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import pytest

from mailfix.firewall import Backend, Dump, Ruleset, read_ruleset
from mailfix.host import Deadline, Host
from mailfix.host.dns import SystemDns
from mailfix.model import Family, Known, Unknown
from mailfix.probes import persistence
from mailfix.probes.boot import files
from mailfix.probes.boot.files import BootFiles
from mailfix.probes.boot.services import owner_starts, starts_at_boot
from tests.boot_disk import PLUGINS, BootDisk

RULES = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp -m tcp --dport 25 -j DROP\nCOMMIT\n"


def host(*, root: bool = True) -> Host:
    deadline = Deadline.after(20)
    return Host(SystemDns(deadline), deadline, is_root=root)


@pytest.fixture
def disk(tmp_path: Path) -> BootDisk:
    return BootDisk(tmp_path)


def found(disk: BootDisk) -> BootFiles:
    return files.find(host(), disk.root)


def loaded(disk: BootDisk) -> list[str]:
    return [each.file for each in found(disk).loads]


def test_an_empty_disk_loads_nothing(disk: BootDisk) -> None:
    assert found(disk) == BootFiles()


def test_iptables_persistent_loads_its_two_files(disk: BootDisk) -> None:
    disk.save_iptables(RULES, RULES)
    assert loaded(disk) == ["/etc/iptables/rules.v4", "/etc/iptables/rules.v6"]


def test_files_of_a_service_that_is_not_enabled_are_not_loaded(disk: BootDisk) -> None:
    disk.install("nftables.service")
    disk.write("/etc/nftables.conf", "flush ruleset\n")
    disk.install("netfilter-persistent.service")
    disk.write(f"{PLUGINS}/15-ip4tables", "")
    disk.write("/etc/iptables/rules.v4", RULES)
    assert loaded(disk) == []


def test_netfilter_persistent_loads_nothing_without_its_plugin(disk: BootDisk) -> None:
    disk.enable("netfilter-persistent.service")
    disk.write("/etc/iptables/rules.v4", RULES)
    assert loaded(disk) == []


def test_a_masked_service_does_not_start(disk: BootDisk) -> None:
    disk.enable("nftables.service")
    assert starts_at_boot("nftables.service", disk.root)
    disk.mask("nftables.service")
    assert not starts_at_boot("nftables.service", disk.root)


def test_a_service_that_was_removed_does_not_start_by_its_left_over_link(disk: BootDisk) -> None:
    disk.enable("nftables.service")
    (disk.folder / "lib/systemd/system/nftables.service").unlink()
    assert not starts_at_boot("nftables.service", disk.root)


def test_an_init_script_starts_by_its_runlevel_link(disk: BootDisk) -> None:
    disk.write("/etc/rcS.d/S01firewall", "")
    assert starts_at_boot("firewall.service", disk.root)


def test_an_owner_that_is_installed_and_not_enabled_does_not_come_back(disk: BootDisk) -> None:
    assert owner_starts("fail2ban", disk.root), "installed in a way of its own"
    disk.install("fail2ban.service")
    assert not owner_starts("fail2ban", disk.root)
    disk.enable("fail2ban.service")
    assert owner_starts("fail2ban", disk.root)


def test_enterprise_linux_keeps_its_files_in_sysconfig(disk: BootDisk) -> None:
    disk.enable("iptables.service")
    disk.write("/etc/sysconfig/iptables", RULES)
    disk.enable("nftables.service")
    disk.write("/etc/sysconfig/nftables.conf", 'include "/etc/nftables/main.nft"\n')
    disk.write("/etc/nftables/main.nft", "table inet x { chain y { drop } }\n")
    assert loaded(disk) == ["/etc/sysconfig/nftables.conf", "/etc/sysconfig/iptables"]
    assert [each.file for each in found(disk).loads[0].written] == ["/etc/nftables/main.nft"]


def test_which_of_two_services_comes_last_is_not_known(disk: BootDisk) -> None:
    disk.save_iptables(RULES, RULES)
    assert not found(disk).order_matters
    disk.save_nft("table inet x { chain y { drop } }\n")
    assert not found(disk).order_matters
    disk.write("/etc/nftables.conf", "flush ruleset\n")
    assert found(disk).order_matters


def test_firewalls_with_settings_of_their_own_are_a_doubt(disk: BootDisk) -> None:
    disk.save_iptables(RULES)
    disk.enable("shorewall.service")
    disk.install("ferm.service")
    assert found(disk).scripts == ("shorewall.service",)


def test_includes_are_followed_with_their_patterns_and_not_for_ever(disk: BootDisk) -> None:
    disk.save_nft('include "./nftables.d/*.nft"\ninclude "nftables.conf"\n')
    for name in ("b.nft", "a.nft", "c.off"):
        disk.write(f"/etc/nftables.d/{name}", 'include "nftables.conf"\ntable ip x { }\n')
    (load,) = found(disk).loads
    assert load.mentions.count("table ip x") == 2
    assert load.problem == ""


@pytest.mark.parametrize("kind", ["pipe", "circle", "folder"])
def test_what_is_no_file_is_told_and_does_not_hang(disk: BootDisk, kind: str) -> None:
    disk.save_iptables(RULES)
    path = disk.folder / "etc/iptables/rules.v4"
    path.unlink()
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "circle":
        path.symlink_to(path)
    else:
        path.mkdir()
    (load,) = found(disk).loads
    assert "rules.v4" in load.problem


def test_interfaces_that_restore_a_file_are_known(disk: BootDisk) -> None:
    disk.write(
        "/etc/network/interfaces",
        "iface eth0 inet dhcp\n  pre-up /sbin/iptables-restore < /etc/firewall.v4\n"
        "  # pre-up iptables -F\n",
    )
    disk.write("/etc/firewall.v4", RULES)
    assert loaded(disk) == ["/etc/firewall.v4"]
    assert found(disk).scripts == ()


def test_a_script_that_only_loads_a_file_is_known(disk: BootDisk) -> None:
    disk.write("/etc/wall.nft", "table inet x { chain y { drop } }\n")
    disk.write("/etc/network/if-pre-up.d/wall", "#!/bin/sh\nnft -f /etc/wall.nft\n", mode=0o755)
    assert loaded(disk) == ["/etc/wall.nft"]
    assert found(disk).scripts == ()


def test_a_script_in_nfts_own_language_is_known(disk: BootDisk) -> None:
    text = "#!/usr/sbin/nft -f\ntable inet x { chain y { drop } }\n"
    disk.write("/etc/network/if-pre-up.d/wall", text, mode=0o755)
    assert loaded(disk) == ["/etc/network/if-pre-up.d/wall"]


def test_a_script_that_loads_a_file_perhaps_is_a_doubt_besides(disk: BootDisk) -> None:
    disk.write("/etc/wall.v4", RULES)
    text = '#!/bin/sh\n[ "$IFACE" = eth0 ] || exit 0\niptables-restore < /etc/wall.v4 2>/dev/null\n'
    disk.write("/etc/network/if-up.d/wall", text, mode=0o755)
    assert loaded(disk) == ["/etc/wall.v4"]
    assert found(disk).scripts == ("/etc/network/if-up.d/wall",)


def test_includes_that_could_mean_the_whole_disk_are_not_looked_for(disk: BootDisk) -> None:
    disk.save_nft('include "/*/*/*/*/*"\n')
    disk.write("/etc/a/b/c/d", "table ip x { }\n")
    assert "table" not in found(disk).loads[0].mentions


def test_scripts_that_do_more_are_named(disk: BootDisk) -> None:
    disk.save_iptables(RULES)
    disk.write(
        "/etc/network/if-pre-up.d/wall", "#!/bin/sh\niptables -A INPUT -j ACCEPT\n", mode=0o755
    )
    disk.write("/etc/network/if-pre-up.d/off", "#!/bin/sh\niptables -F\n", mode=0o644)
    disk.write("/etc/network/if-up.d/talks", "#!/bin/sh\n# iptables -F\necho nft\n", mode=0o755)
    disk.write("/etc/crontab", "@reboot root /usr/sbin/nft -f /root/x\n5 * * * * root nft list\n")
    disk.enable("wall.service")
    disk.write("/etc/systemd/system/wall.service", "[Service]\nExecStart=-/sbin/iptables -F\n")
    assert set(found(disk).scripts) == {
        "/etc/network/if-pre-up.d/wall",
        "/etc/crontab",
        "/etc/systemd/system/wall.service",
    }


def test_ufw_loads_its_own_chains_around_its_files(disk: BootDisk) -> None:
    disk.enable("ufw.service")
    disk.write("/etc/default/ufw", 'IPV6=no\nDEFAULT_INPUT_POLICY="DROP"\n')
    disk.write("/etc/ufw/ufw.conf", "# on\nENABLED=yes\n")
    for name in ("before", "after", "user"):
        disk.write(f"/etc/ufw/{name}.rules", "*filter\nCOMMIT\n")
    ipv4 = [each.file for each in found(disk).loads if each.family is Family.IPV4]
    assert ipv4 == [
        "ufw",
        *(f"/etc/ufw/{name}.rules" for name in ("before", "after", "user")),
        "ufw",
    ]
    (ipv6,) = [each for each in found(disk).loads if each.family is Family.IPV6]
    assert ":INPUT DROP" in ipv6.text
    disk.write("/etc/ufw/ufw.conf", "ENABLED=no\n")
    assert loaded(disk) == []


def running(text: str) -> Known[Ruleset]:
    return Known(read_ruleset([Dump(Backend.IPTABLES_NFT, Family.IPV4, text)]))


def read(disk: BootDisk, *, root: bool = True) -> object:
    return asyncio.run(persistence.read(host(root=root), running(RULES), disk.root))


def test_without_anything_saved_there_is_nothing_to_say_and_nothing_is_asked(
    disk: BootDisk,
) -> None:
    assert read(disk) == Known(None)
    assert read(disk, root=False) == Known(None)


def test_trying_needs_root(disk: BootDisk) -> None:
    disk.save_iptables(RULES)
    assert isinstance(read(disk, root=False), Unknown)


def test_nothing_is_run_where_the_file_says_what_is_running(
    disk: BootDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.save_iptables(RULES.replace("[0:0]", "[5:300]"))
    monkeypatch.setattr("mailfix.host.scratch.run", None)
    told = read(disk)
    assert isinstance(told, Known)
    assert [each.complaint for each in told.value.files] == [Known(None)]


def test_many_files_and_scripts_are_looked_through_in_time(disk: BootDisk) -> None:
    disk.save_nft('include "/etc/nftables.d/*"\n')
    for number in range(1000):
        disk.write(f"/etc/nftables.d/{number}", "table ip x { chain y { drop } }\n" * 100)
        disk.write(f"/etc/network/if-up.d/{number}", "nft\n", mode=0o755)
    started = time.monotonic()
    assert len(found(disk).loads) == 1
    assert time.monotonic() - started < 5
