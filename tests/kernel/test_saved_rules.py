"""What is said of the next boot is what the kernel does when the saved files are really loaded."""

from __future__ import annotations

import asyncio
import os
import random
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from mailfix.facts import Flow, MailUser, Outgoing, Prospect
from mailfix.firewall import Direction, Ruleset, judge, read_ruleset
from mailfix.host import Deadline, Host
from mailfix.host.dns import SystemDns
from mailfix.model import Family, Known, Unknown
from mailfix.probes import persistence
from mailfix.probes.firewall import Endpoints
from mailfix.probes.persistence import Saved
from tests.boot_disk import BootDisk
from tests.kernel.compare import Tally, disagreements, dumps, question
from tests.kernel.rig import INTERFACE, LOCAL, MAIL_GID, MAIL_UID, must_run, namespace
from tests.kernel.shared import SharedRuleset, load_shared, shared_cases

ESTABLISHED = "-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
DROP_25 = "-A INPUT -p tcp -m tcp --dport 25 -j DROP"
RESTORE = ("iptables-restore", "ip6tables-restore")


def filter_table(*rules: str, inward: str = "ACCEPT", outward: str = "ACCEPT") -> str:
    heads = [f":INPUT {inward} [0:0]", ":FORWARD ACCEPT [0:0]", f":OUTPUT {outward} [0:0]"]
    return "\n".join(["*filter", *heads, *rules, "COMMIT", ""])


OPENED_BY_HAND = filter_table("-A INPUT -p tcp -m tcp --dport 25 -j ACCEPT", DROP_25)
STRICT = filter_table(ESTABLISHED, "-A INPUT -p tcp --dport 22 -j ACCEPT", inward="DROP")
STRICT_25 = filter_table(
    ESTABLISHED,
    "-A INPUT -p tcp --dport 22 -j ACCEPT",
    "-A INPUT -p tcp --dport smtp -j ACCEPT",
    inward="DROP",
)
NFT_STRICT = """#!/usr/sbin/nft -f
flush ruleset
define open = { 22, 587 }
table inet filter {
    # what may come in
    chain input {
        type filter hook input priority filter; policy drop;
        ct state established,related accept; iif "lo" accept
        tcp dport $open accept
        tcp dport {
            993, 143
        } accept
    }
}
"""
NFT_STRICT_25 = NFT_STRICT.replace("$open accept", "$open accept\n        tcp dport 25 accept")


@dataclass(frozen=True)
class Case:
    """``lost`` is the share that tcp/25 will lose, ``cause`` and ``opener`` parts of the words."""

    running: tuple[tuple[tuple[str, ...], str], ...]
    saved_iptables: str = ""
    saved_nft: str = ""
    lost: float = 0.0
    cause: str = ""
    opener: str = ""
    today: bool = True
    flow: Flow = Flow.IN


def by_iptables(text: str) -> tuple[tuple[tuple[str, ...], str], ...]:
    return tuple(((program,), text) for program in RESTORE)


def by_nft(text: str) -> tuple[tuple[tuple[str, ...], str], ...]:
    return ((("nft", "-f", "-"), text),)


CASES = {
    "opened-by-hand-above-a-saved-drop": Case(
        by_iptables(OPENED_BY_HAND),
        filter_table(DROP_25),
        lost=1.0,
        cause="line 5 of /etc/iptables/rules.v",
        opener="rule 1 of INPUT",
    ),
    "drop-deleted-by-hand": Case(
        by_iptables(filter_table()),
        filter_table(DROP_25),
        lost=1.0,
        cause="line 5 of /etc/iptables/rules.v",
        today=False,
    ),
    "opened-by-hand-under-a-saved-policy": Case(
        by_iptables(STRICT_25),
        STRICT,
        lost=1.0,
        cause="line 2 of /etc/iptables/rules.v",
        opener="--dport 25 -j ACCEPT",
    ),
    "saved-as-it-runs": Case(by_iptables(STRICT_25), STRICT_25),
    "saved-more-open": Case(by_iptables(STRICT), STRICT_25),
    "nothing-runs-of-what-is-saved": Case(
        (), STRICT, lost=1.0, cause="line 2 of /etc/iptables/rules.v", today=False
    ),
    "half-of-the-internet": Case(
        by_iptables(filter_table()),
        filter_table("-A INPUT -s 128.0.0.0/1 -j DROP"),
        lost=0.435,
        cause="-A INPUT -s 128.0.0.0/1 -j DROP",
        today=False,
    ),
    "outgoing": Case(
        by_iptables(filter_table()),
        filter_table("-I OUTPUT -p tcp --dport 25 -j REJECT"),
        lost=1.0,
        cause="line 5 of /etc/iptables/rules.v",
        flow=Flow.OUT,
        today=False,
    ),
    "nft-opened-by-hand": Case(
        by_nft(NFT_STRICT_25),
        saved_nft=NFT_STRICT,
        lost=1.0,
        cause="line 7 of /etc/nftables.conf: policy drop",
        opener="tcp dport 25 accept",
    ),
    "nft-saved-as-it-runs": Case(by_nft(NFT_STRICT_25), saved_nft=NFT_STRICT_25),
    "from-iptables-to-nft": Case(
        by_iptables(STRICT_25),
        saved_nft=NFT_STRICT,
        lost=1.0,
        cause="line 7 of /etc/nftables.conf: policy drop",
        opener="--dport 25 -j ACCEPT",
        today=False,
    ),
    "fail2ban-in-neither-file": Case(
        by_iptables(
            STRICT_25.replace(
                ESTABLISHED,
                ":f2b-exim - [0:0]\n-A INPUT -p tcp --dport 25 -j f2b-exim"
                "\n-A f2b-exim -j RETURN\n" + ESTABLISHED,
            )
        ),
        STRICT_25,
    ),
}


def host() -> Host:
    deadline = Deadline.after(30)
    return Host(SystemDns(deadline), deadline, is_root=True)


def endpoints(family: Family) -> Endpoints:
    return Endpoints(family, Outgoing(LOCAL[family], INTERFACE, Unknown("")), ())


def look(running: Ruleset, disk: BootDisk) -> Saved:
    told = asyncio.run(persistence.read(host(), Known(running), disk.root))
    assert isinstance(told, Known), told
    assert told.value is not None
    return told.value


def prospects(running: Ruleset, saved: Saved, family: Family) -> tuple[Prospect, ...]:
    user = Known(MailUser("mail", MAIL_UID, MAIL_GID))
    judging = persistence.prospects(running, saved, endpoints(family), user, Deadline.after(30))
    told = asyncio.run(judging)
    assert isinstance(told, Known), told
    return told.value


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("name", CASES)
def test_the_kernel_agrees_once_the_files_are_loaded(
    name: str, family: Family, tmp_path: Path, tally: Tally
) -> None:
    case, disk = CASES[name], BootDisk(tmp_path)
    if family is Family.IPV6 and "128.0.0.0/1" in case.saved_iptables:
        pytest.skip("an IPv4 network")
    if case.saved_iptables:
        of_family = "ipv4" if family is Family.IPV4 else "ipv6"
        disk.save_iptables(**{of_family: case.saved_iptables})
    if case.saved_nft:
        disk.save_nft(case.saved_nft)
    with namespace():
        for command, text in case.running:
            must_run(*command, text=text)
        before = must_run("nft", "list", "ruleset")
        running = read_ruleset(dumps())
        saved = look(running, disk)
        assert must_run("nft", "list", "ruleset") == before, "the running rules were touched"
    told = prospects(running, saved, family)
    by_port = {(each.flow, each.port): each for each in told}
    found = by_port[case.flow, 25]
    assert found.lost == pytest.approx(case.lost, abs=0.001)
    assert found.today == case.today
    assert case.cause in found.cause
    assert case.opener in found.opener
    assert bool(case.opener) == bool(found.opener)
    assert not found.doubt
    assert saved.after is not None
    then = saved.after.ruleset
    with namespace() as kernel:
        if case.saved_iptables:
            must_run(RESTORE[family is Family.IPV6], text=case.saved_iptables)
        if case.saved_nft:
            must_run("nft", "-f", "-", text=case.saved_nft)
        kernel.install_catcher_of_followers()
        for direction in Direction:
            verdict = judge(then, question(direction, family, 25))
            assert not disagreements(kernel, verdict, random.Random(25), tally, with_answer=True)


def test_interfaces_that_the_host_has_are_there_in_the_trial(tmp_path: Path) -> None:
    disk = BootDisk(tmp_path)
    disk.save_nft(NFT_STRICT.replace('iif "lo"', f'iif "{INTERFACE}"'))
    with namespace():
        saved = look(read_ruleset(dumps()), disk)
    assert [each.complaint for each in saved.files] == [Known(None)]


def test_a_refused_file_is_told_with_the_tools_words_and_loads_nothing(tmp_path: Path) -> None:
    disk = BootDisk(tmp_path)
    disk.save_nft(NFT_STRICT + "table inet second { chain input { tpc dport 25 drop } }\n")
    disk.save_iptables(filter_table(DROP_25, "-A INPUT -p tcp --dpotr 25 -j DROP"))
    with namespace():
        running = read_ruleset(dumps())
        saved = look(running, disk)
    complaints = {each.file: each.complaint for each in saved.files}
    nft, iptables = complaints["/etc/nftables.conf"], complaints["/etc/iptables/rules.v4"]
    assert isinstance(nft, Known)
    assert "syntax error" in (nft.value or "")
    assert isinstance(iptables, Known)
    assert "dpotr" in (iptables.value or "")
    assert all(each.lost == 0 for each in prospects(running, saved, Family.IPV4))


def test_an_include_that_never_ends_is_given_up_in_time(tmp_path: Path) -> None:
    disk = BootDisk(tmp_path)
    disk.save_nft(f'include "{tmp_path}/pipe"\ntable inet x {{ chain y {{ drop }} }}\n')
    os.mkfifo(tmp_path / "pipe")
    started = time.monotonic()
    with namespace():
        running = read_ruleset(dumps())
        saved = look(running, disk)
    assert time.monotonic() - started < 10
    assert [type(each.complaint) for each in saved.files] == [Unknown]


SHARED = [ruleset for ruleset, backend in shared_cases() if backend == "nft"]


def save(disk: BootDisk, ruleset: SharedRuleset) -> str:
    """Save a real ruleset as its boot would load it; the path of its file."""
    if ruleset.kind == "nft":
        disk.save_nft(ruleset.text)
        return "/etc/nftables.conf"
    disk.save_iptables(**{"ipv6" if ruleset.family is Family.IPV6 else "ipv4": ruleset.text})
    return f"/etc/iptables/rules.v{6 if ruleset.family is Family.IPV6 else 4}"


@pytest.mark.parametrize("ruleset", SHARED, ids=lambda each: each.name)
def test_real_rulesets_that_are_saved_as_they_run_are_no_finding(
    ruleset: SharedRuleset, tmp_path: Path
) -> None:
    disk = BootDisk(tmp_path)
    file = save(disk, ruleset)
    with namespace():
        load_shared(ruleset, "nft")
        running = read_ruleset(dumps())
        saved = look(running, disk)
    assert [(each.file, each.complaint) for each in saved.files] == [(file, Known(None))]
    for family in list(Family) if ruleset.kind == "nft" else [ruleset.family]:
        told = prospects(running, saved, family)
        assert not [each for each in told if each.lost or each.undecided or each.doubt]


@pytest.mark.parametrize("ruleset", SHARED, ids=lambda each: each.name)
def test_the_line_that_will_block_is_named_in_real_rulesets(
    ruleset: SharedRuleset, tmp_path: Path
) -> None:
    disk = BootDisk(tmp_path)
    file = save(disk, ruleset)
    lines = ruleset.text.split("\n")
    with namespace():
        load_shared(ruleset, "nft")
        for table in must_run("nft", "list", "tables").splitlines():
            must_run("nft", "delete", *table.split())
        running = read_ruleset(dumps())
        saved = look(running, disk)
    assert saved.after is not None
    for direction in Direction:
        verdict = judge(saved.after.ruleset, question(direction, ruleset.family, 25))
        for blocked in verdict.faults:
            origin = saved.after.origins.origin_of(blocked.rule)
            assert origin.name == file
            assert origin.line, blocked.rule
            assert _blocks(lines[origin.line - 1 : origin.line + 3]), origin
    told = {(each.flow, each.port): each for each in prospects(running, saved, ruleset.family)}
    if ruleset.port25 == "blocked:drop":
        assert told[Flow.IN, 25].lost > 0.5


def _blocks(lines: list[str]) -> bool:
    """Whether a statement that begins there may block."""
    return re.search(r"drop|reject|tarpit|vmap|map", " ".join(lines), re.IGNORECASE) is not None


WITHOUT_A_NAMESPACE = """
import sys
from pathlib import Path
from mailfix.firewall import Ruleset
from mailfix.model import Family
from tests.boot_disk import BootDisk
from tests.kernel.test_saved_rules import look, prospects
saved = look(Ruleset(), BootDisk(Path(sys.argv[1])))
for family in Family:
    told = next(each for each in prospects(Ruleset(), saved, family) if each.port == 587)
    print(told.lost, told.undecided, told.doubt)
print(*(each.complaint for each in saved.files))
"""


def test_where_nothing_may_be_tried_iptables_files_are_read_and_others_are_unknown(
    tmp_path: Path,
) -> None:
    disk = BootDisk(tmp_path)
    disk.save_iptables(filter_table(DROP_25.replace("25", "587")))
    told = without_a_namespace(disk)
    assert told[0] == "1.0 0.0 "
    assert told[1] == "0.0 0.0 "
    assert "Operation not permitted" in told[2]
    disk.save_nft(NFT_STRICT.replace("587", "465"))
    told = without_a_namespace(disk)
    assert told[1].startswith("0.0 1.0 /etc/nftables.conf cannot be tried: no scratch network")


def without_a_namespace(disk: BootDisk) -> list[str]:
    """What the audit says as a root that may not make namespaces."""
    top = Path(__file__).resolve().parents[2]
    become = ("setpriv", "--bounding-set", "-sys_admin")
    done = subprocess.run(
        (*become, sys.executable, "-c", WITHOUT_A_NAMESPACE, disk.root),
        capture_output=True,
        text=True,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "PYTHONPATH": f"{top}:{top}/agent"},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


UFW_RULES = """*filter
:ufw{kind}-{name}-input - [0:0]
{rules}
COMMIT
"""


@pytest.mark.parametrize("family", Family)
@pytest.mark.parametrize("allowed", [False, True])
def test_a_ufw_whose_rules_were_flushed_comes_back(
    tmp_path: Path, family: Family, *, allowed: bool
) -> None:
    disk = BootDisk(tmp_path)
    disk.enable("ufw.service")
    disk.write("/etc/ufw/ufw.conf", "ENABLED=yes\n")
    disk.write(
        "/etc/default/ufw",
        'IPV6=yes\nDEFAULT_INPUT_POLICY="DROP"\nDEFAULT_OUTPUT_POLICY="ACCEPT"\n',
    )
    for kind in ("", "6"):
        before = f"-A ufw{kind}-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"
        user = f"-A ufw{kind}-user-input -p tcp --dport 25 -j ACCEPT" if allowed else ""
        for name, rules in (("before", before), ("after", ""), ("user", user)):
            text = UFW_RULES.format(kind=kind, name=name, rules=rules)
            disk.write(f"/etc/ufw/{name}{kind}.rules", text)
    with namespace():
        running = read_ruleset(dumps())
        saved = look(running, disk)
    assert {each.complaint for each in saved.files} == {Known(None)}
    told = {(each.flow, each.port): each for each in prospects(running, saved, family)}
    assert told[Flow.OUT, 25].lost == 0
    assert told[Flow.IN, 587].lost == 1
    assert told[Flow.IN, 587].service == "ufw"
    assert told[Flow.IN, 587].cause == 'line 2 of /etc/default/ufw: DEFAULT_INPUT_POLICY="DROP"'
    assert told[Flow.IN, 25].lost == (0 if allowed else 1)
