"""Any text may stand in the files that the boot loads: it is read to its end, in bounds."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfix.firewall import Backend, Dump, read_ruleset
from mailfix.firewall.origins import (
    Comeback,
    Kind,
    Sources,
    after_boot,
    nft_includes,
    openings,
    trace,
    written_for_iptables,
    written_for_nft,
)
from mailfix.firewall.origins.written import MAX_TEXT
from mailfix.host import Deadline, Host
from mailfix.host.dns import SystemDns
from mailfix.model import Family
from mailfix.probes.boot import csf, files, firewalld
from tests.boot_disk import PLUGINS, BootDisk
from tests.property.hostile import text_of

IPTABLES = text_of(
    *("*filter", "*nat", ":INPUT DROP [0:0]", ":f2b-x - [0:0]", "COMMIT", "[1:2] ", "-t", "nat"),
    *("-A INPUT ", "-I INPUT 3 ", "-D INPUT", "-A f2b-x ", "-p tcp --dport 25 ", "-j DROP"),
)
NFT = text_of(
    *("table inet x", "table ip y", "chain", "add rule inet x y", "insert rule x y handle 3"),
    *("{", "}", ";", '"', "#", "\\", "\n", "tcp dport 25 drop", "policy drop", 'include "/a*"'),
)
BOOT_FILES = (
    "/etc/nftables.conf",
    f"{PLUGINS}/15-ip4tables",
    "/etc/iptables/rules.v4",
    "/etc/ufw/ufw.conf",
    "/etc/default/ufw",
    "/etc/ufw/user.rules",
    "/etc/firewalld/zones/public.xml",
    "/etc/csf/csf.conf",
    "/etc/network/interfaces",
    "/etc/network/if-pre-up.d/wall",
    "/etc/crontab",
    "/etc/systemd/system/wall.service",
)
OPENED = read_ruleset(
    [
        Dump(
            Backend.IPTABLES_NFT,
            Family.IPV4,
            "*filter\n:IN_public_allow - [0:0]\n"
            "-A IN_public_allow -p tcp -m tcp --dport 25 -j ACCEPT\nCOMMIT\n",
        )
    ]
)
MATCHES = ("", "-p tcp -m tcp --dport 25 ", "-s 192.0.2.0/24 ", "-m limit --limit 1/s ")
RULES = st.lists(
    st.builds(
        "-A {} {}-j {}".format,
        st.sampled_from(["INPUT", "f2b-x", "mine"]),
        st.sampled_from(MATCHES),
        st.sampled_from(["ACCEPT", "DROP", "f2b-x", "RETURN"]),
    ),
    max_size=12,
)


def saved_text(rules: list[str], policy: str) -> str:
    heads = [f":INPUT {policy} [0:0]", ":f2b-x - [0:0]", ":mine - [0:0]"]
    return "\n".join(["*filter", *heads, *rules, "COMMIT", ""])


@given(text=IPTABLES)
def test_any_text_for_iptables(text: str) -> None:
    lines = text.count("\n") + 1
    for each in written_for_iptables("file", Family.IPV4, text):
        assert 1 <= each.line <= lines
        assert len(each.text) <= MAX_TEXT


@given(text=NFT)
def test_any_text_for_nft(text: str) -> None:
    lines = text.count("\n") + 1
    for each in written_for_nft("file", text):
        assert 1 <= each.line <= lines
        assert len(each.text) <= MAX_TEXT
    assert all(len(pattern) <= 1000 for pattern in nft_includes(text))


@given(rules=RULES, policy=st.sampled_from(["ACCEPT", "DROP"]))
def test_what_is_saved_as_it_runs_comes_back_as_it_runs(rules: list[str], policy: str) -> None:
    text = saved_text(rules, policy)
    running = read_ruleset([Dump(Backend.IPTABLES_NFT, Family.IPV4, text)])
    written = written_for_iptables("file", Family.IPV4, text)
    sources = Sources(running, written, frozenset({"fail2ban"}))
    assert after_boot(running, sources).is_like(running)
    origins = trace(running, sources)
    lines = text.split("\n")
    for table in running.tables:
        for chain in table.chains.values():
            for rule in chain.rules:
                origin = origins.origin_of(table.ref(chain, rule))
                assert origin.comeback in (Comeback.FILE, Comeback.OWNER)
                if origin.line:
                    assert lines[origin.line - 1] == rule.text


@given(running=RULES, saved=RULES)
def test_after_the_boot_each_rule_has_an_origin(running: list[str], saved: list[str]) -> None:
    now, then = (
        read_ruleset([Dump(Backend.IPTABLES_NFT, Family.IPV4, saved_text(rules, "DROP"))])
        for rules in (running, saved)
    )
    written = written_for_iptables("file", Family.IPV4, saved_text(saved, "DROP"))
    found = after_boot(now, Sources(then, written, frozenset({"fail2ban"})))
    for table in found.ruleset.tables:
        for chain in table.chains.values():
            assert [rule.position for rule in chain.rules] == list(range(1, len(chain.rules) + 1))
            for rule in chain.rules:
                origin = found.origins.origin_of(table.ref(chain, rule))
                assert origin.comeback in (Comeback.FILE, Comeback.OWNER)


@pytest.mark.parametrize(
    "text", ["{" * 200_000, '"' * 200_000, "table x { chain y { drop;" * 20_000, "\\\n" * 100_000]
)
def test_long_files_take_time_that_grows_with_their_length(text: str) -> None:
    started = time.process_time()
    written = written_for_nft("file", text)
    assert time.process_time() - started < 5
    assert all(each.kind in Kind for each in written)


@given(text=st.one_of(NFT, IPTABLES, text_of("ENABLED=", "yes", '"', "<port port='25'", ">", "<")))
def test_any_text_in_any_file_of_the_boot(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        disk = BootDisk(Path(folder))
        for unit in ("nftables", "netfilter-persistent", "ufw", "firewalld", "csf", "wall"):
            disk.enable(f"{unit}.service")
        for path in BOOT_FILES:
            disk.write(path, text, mode=0o755)
        deadline = Deadline.after(20)
        host = Host(SystemDns(deadline), deadline, is_root=True)
        found = files.find(host, disk.root)
        assert {"/etc/iptables/rules.v4", "/etc/nftables.conf"} <= {
            each.file for each in found.loads
        }
        assert set(found.scripts) <= set(BOOT_FILES)
        opened = tuple(openings(OPENED))
        assert len(firewalld.not_permanent(host, opened, disk.root)) <= len(opened)
        assert len(csf.not_configured(host, opened, disk.root)) <= len(opened)


def test_a_zone_of_one_unfinished_tag_after_another_takes_no_time() -> None:
    with tempfile.TemporaryDirectory() as folder:
        disk = BootDisk(Path(folder))
        disk.write("/etc/firewalld/zones/public.xml", "<service <port " * 200_000)
        deadline = Deadline.after(20)
        host = Host(SystemDns(deadline), deadline, is_root=True)
        started = time.process_time()
        assert len(firewalld.not_permanent(host, openings(OPENED), disk.root)) == 1
        assert time.process_time() - started < 5
