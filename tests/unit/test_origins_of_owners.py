"""What firewalld and CSF open for now only, told by their own settings."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mailfix.facts import Outgoing, Prospect
from mailfix.firewall import Backend, Dump, Ruleset, read_ruleset
from mailfix.host import Deadline, Host
from mailfix.host.dns import SystemDns
from mailfix.model import Family, Known, Unknown
from mailfix.probes import persistence
from mailfix.probes.firewall import Endpoints
from tests.boot_disk import BootDisk

OPEN_25 = "-p tcp -m tcp --dport 25 -m conntrack --ctstate NEW,UNTRACKED -j ACCEPT"


@pytest.fixture
def disk(tmp_path: Path) -> BootDisk:
    return BootDisk(tmp_path)


def after_boot(running: Ruleset, disk: BootDisk) -> Prospect:
    """What becomes of tcp/25 in over IPv4."""
    deadline = Deadline.after(20)
    host = Host(SystemDns(deadline), deadline, is_root=True)
    endpoints = Endpoints(Family.IPV4, Outgoing("203.0.113.10", "eth0", Unknown("")), ())

    async def look() -> Prospect:
        saved = await persistence.read(host, Known(running), disk.root)
        assert isinstance(saved, Known)
        assert saved.value is not None
        told = await persistence.prospects(running, saved.value, endpoints, Unknown(""), deadline)
        assert isinstance(told, Known)
        return next(each for each in told.value if (each.flow, each.port) == ("in", 25))

    return asyncio.run(look())


def ruleset(text: str) -> Ruleset:
    return read_ruleset([Dump(Backend.IPTABLES_NFT, Family.IPV4, text)])


def firewalld(*allowed: str) -> Ruleset:
    rules = "\n".join(f"-A IN_public_allow {rule}" for rule in allowed)
    return ruleset(
        "*filter\n:INPUT ACCEPT [0:0]\n:INPUT_ZONES - [0:0]\n:IN_public_allow - [0:0]\n"
        "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
        "-A INPUT -j INPUT_ZONES\n-A INPUT -j REJECT --reject-with icmp-host-prohibited\n"
        f"-A INPUT_ZONES -j IN_public_allow\n{rules}\nCOMMIT\n"
    )


@pytest.mark.parametrize(
    "zone",
    [
        '<port port="25" protocol="tcp"/>',
        '<port protocol="tcp" port="20-30"/>',
        '<service name="smtp"/>',
        "<service name='mail'/>",
    ],
)
def test_what_a_zone_opens_for_good_stays(disk: BootDisk, zone: str) -> None:
    disk.enable("firewalld.service")
    disk.write("/etc/firewalld/zones/public.xml", f"<zone>{zone}</zone>")
    disk.write(
        "/usr/lib/firewalld/services/smtp.xml",
        '<service><port protocol="tcp" port="25"/></service>',
    )
    disk.write("/etc/firewalld/services/mail.xml", '<service><include service="smtp"/></service>')
    assert after_boot(firewalld(OPEN_25), disk).lost == 0


@pytest.mark.parametrize(
    "zone", ["", '<port port="25" protocol="udp"/>', '<port port="587" protocol="tcp"/>']
)
def test_what_a_zone_opens_for_now_is_lost(disk: BootDisk, zone: str) -> None:
    disk.enable("firewalld.service")
    disk.write("/etc/firewalld/zones/public.xml", f"<zone>{zone}</zone>")
    told = after_boot(firewalld(OPEN_25), disk)
    assert told.lost == 1
    assert told.service == "firewalld"
    assert OPEN_25 in told.opener


def test_a_zone_that_cannot_be_read_keeps_what_it_has(disk: BootDisk) -> None:
    disk.enable("firewalld.service")
    assert after_boot(firewalld(OPEN_25), disk).lost == 0


def test_a_firewalld_that_does_not_start_closes_nothing(disk: BootDisk) -> None:
    disk.install("firewalld.service")
    disk.save_iptables("*filter\n:INPUT ACCEPT [0:0]\nCOMMIT\n")
    assert after_boot(firewalld(OPEN_25), disk).lost == 0


def test_a_firewalld_that_is_stopped_and_starts_at_boot_may_close_anything(disk: BootDisk) -> None:
    disk.enable("firewalld.service")
    told = after_boot(Ruleset(), disk)
    assert (told.lost, told.undecided) == (0, 1)
    assert told.doubt == "firewalld starts at boot and does not run now"


CSF = ruleset(
    "*filter\n:INPUT DROP [0:0]\n:LOCALINPUT - [0:0]\n:LOGDROPIN - [0:0]\n"
    "-A INPUT -j LOCALINPUT\n"
    "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
    "-A INPUT -p tcp -m conntrack --ctstate NEW -m tcp --dport 25 -j ACCEPT\n"
    "-A INPUT -j LOGDROPIN\n-A LOGDROPIN -j DROP\nCOMMIT\n"
)


@pytest.mark.parametrize(("ports", "lost"), [("22,25", 0), ("20:30", 0), ("22,587", 1), ("x", 1)])
def test_csf_opens_what_its_settings_say(disk: BootDisk, ports: str, lost: int) -> None:
    disk.enable("csf.service")
    text = f'TESTING = "0"\nTCP_IN = "{ports}"\n' if ports != "x" else 'TCP_IN = ""\n'
    disk.write("/etc/csf/csf.conf", text)
    told = after_boot(CSF, disk)
    assert told.lost == lost
    assert told.service == ("CSF" if lost else "")


def test_csf_without_its_settings_keeps_what_it_has(disk: BootDisk) -> None:
    disk.enable("csf.service")
    assert after_boot(CSF, disk).lost == 0
