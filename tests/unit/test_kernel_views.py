"""Routes, addresses and nftables as this kernel tells them, in network namespaces of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

AGENT = Path(__file__).resolve().parents[2] / "agent"
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
TELL = """
import json
from mailfix.host import interfaces, netlink, routes
from mailfix.model import Family, Known

def told(fact):
    return {"known": fact.value} if isinstance(fact, Known) else {"unknown": fact.reason}

addresses = interfaces.addresses()
print(json.dumps({
    "tables": told(netlink.nft_tables()),
    "ipv4": told(routes.default_interface(Family.IPV4)),
    "ipv6": told(routes.default_interface(Family.IPV6)),
    "source4": told(interfaces.source_address(Family.IPV4)),
    "source6": told(interfaces.source_address(Family.IPV6)),
    "addresses": [[each.interface, each.address] for each in addresses.value],
}))
"""


def in_a_namespace(script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        # A proc of its own: in a container the one that is there is read-only.
        [
            "unshare",
            "-n",
            "-m",
            "sh",
            "-e",
            "-c",
            "mount -t proc proc /proc\n" + script + f'\nexec {sys.executable} -c "$0"',
            TELL,
        ],
        env={"PYTHONPATH": str(AGENT), "PATH": PATH},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def obstacle() -> str:
    missing = [name for name in ("unshare", "ip", "nft") if shutil.which(name, path=PATH) is None]
    if os.geteuid() != 0 or missing:
        return f"needs root and {', '.join(missing) or 'its rights'}"
    made = in_a_namespace("ip link add eth0 type veth peer name far0")
    return (
        "" if made.returncode == 0 else f"no virtual interface here: {made.stderr.strip()[-200:]}"
    )


pytestmark = pytest.mark.skipif(bool(obstacle()), reason=obstacle() or "none")

ETH0 = """
ip link add eth0 type veth peer name far0
ip link set far0 up
ip link set eth0 up
ip address add 203.0.113.10/24 dev eth0
ip route add default via 203.0.113.1
"""
ETH1 = """
ip link add eth1 type veth peer name far1
ip link set far1 up
ip link set eth1 up
ip address add 192.0.2.9/24 dev eth1
"""
IPV6 = """
ip address add 2001:db8::10/64 dev eth0 nodad
ip -6 route add default via 2001:db8::1
"""


def told(script: str) -> dict[str, Any]:
    done = in_a_namespace(script)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert isinstance(seen, dict)
    return seen


def test_a_fresh_namespace_has_nothing() -> None:
    assert told("") == {
        "tables": {"known": []},
        "ipv4": {"known": None},
        "ipv6": {"known": None},
        "source4": {"known": None},
        "source6": {"known": None},
        "addresses": [],
    }


def test_tables_of_every_family_are_named() -> None:
    seen = told("nft add table inet filter; nft add table ip6 f2b-table; nft add table netdev in")
    assert sorted(seen["tables"]["known"]) == ["f2b-table", "filter", "in"]


def test_many_tables_come_in_more_than_one_message() -> None:
    seen = told("for n in $(seq 900); do echo add table ip table-number-$n; done | nft -f -")
    assert len(seen["tables"]["known"]) == 900


def test_an_ipv4_only_host() -> None:
    seen = told(ETH0)
    assert seen["ipv4"] == {"known": "eth0"}
    assert seen["source4"] == {"known": "203.0.113.10"}
    assert seen["ipv6"] == {"known": None}
    assert seen["source6"] == {"known": None}
    assert seen["addresses"] == [["eth0", "203.0.113.10"]]


def test_a_host_with_both_families() -> None:
    seen = told(ETH0 + IPV6)
    assert seen["ipv6"] == {"known": "eth0"}
    assert seen["source6"] == {"known": "2001:db8::10"}
    assert ["eth0", "2001:db8::10"] in seen["addresses"]


def test_the_default_route_with_the_least_metric_counts() -> None:
    seen = told(ETH0 + ETH1 + "ip route add default via 192.0.2.1 metric 50")
    assert seen["ipv4"] == {"known": "eth0"}
    seen = told(
        ETH1 + ETH0.replace("203.0.113.1\n", "203.0.113.1 metric 70\n")
        + "ip route add default via 192.0.2.1 metric 50"
    )  # fmt: skip
    assert seen["ipv4"] == {"known": "eth1"}


@pytest.mark.parametrize("kind", ["unreachable", "prohibit", "blackhole"])
def test_a_default_route_that_refuses_is_no_route(kind: str) -> None:
    addresses = ETH0.replace("ip route add default via 203.0.113.1", f"ip route add {kind} default")
    seen = told(addresses + f"ip -6 route add {kind} default")
    assert (seen["ipv4"], seen["ipv6"]) == ({"known": None}, {"known": None})


def test_an_interface_that_is_down_has_no_addresses() -> None:
    assert told(ETH0 + "ip link set eth0 down")["addresses"] == []


def test_loopback_and_link_local_addresses_do_not_count() -> None:
    script = ETH0.replace("ip address", "# ip address").replace("ip route", "# ip route")
    assert told("ip link set lo up\n" + script)["addresses"] == []


def test_ipv6_switched_off_in_the_kernel_is_no_route() -> None:
    seen = told("sysctl -qw net.ipv6.conf.all.disable_ipv6=1\n" + ETH0)
    assert seen["source6"] == {"known": None}
    assert seen["ipv6"] == {"known": None}


def test_an_unreachable_default_route_gives_no_source_address() -> None:
    seen = told("ip route add unreachable default; ip -6 route add unreachable default")
    assert (seen["source4"], seen["source6"]) == ({"known": None}, {"known": None})


@pytest.mark.parametrize("kind", ["prohibit", "blackhole"])
def test_a_forbidden_default_route_gives_no_source_address(kind: str) -> None:
    seen = told(f"ip route add {kind} default; ip -6 route add {kind} default")
    assert (seen["source4"], seen["source6"]) == ({"known": None}, {"known": None})
