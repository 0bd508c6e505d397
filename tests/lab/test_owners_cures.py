"""Ports that ufw, firewalld or CSF closed are opened by the very commands that mailfix prints.

Each is closed the owner's way on a booted host; the owner's commands open it for the outside, keep
bans and other ports, survive the owner's reload, and are taken back to the byte. In CI a few of
the cases run; with MAILFIX_FULL=1 all of them, and each host is rebooted, too. CSF is a stand-in.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.full import FULL

from .image import CSF, FIREWALLD, UFW, Layer
from .internet import State
from .lab import Lab, running_lab
from .names import HOST_IPV4, HOST_IPV6, SERVERS

pytestmark = pytest.mark.usefixtures("lab_machine")

ONLY_IN_FULL = pytest.mark.skipif(not FULL, reason="only with MAILFIX_FULL=1")
ADDRESSES = {"ipv4": HOST_IPV4, "ipv6": HOST_IPV6}
FAR = dict(zip(ADDRESSES, SERVERS["gmail-smtp-in.l.google.com"], strict=True))
BANNED = "198.18.7.1"
"""Who is banned by every owner; nobody in the lab has the address."""
KNOCK_SECONDS = 0.7
CONNECT = "import socket, sys; socket.create_connection((sys.argv[1], 25), 2).recv(1)"
WAYS = """
import asyncio, dataclasses, json, sys
from mailfix.explainer import sight
from mailfix.explainer.request import read_request
from mailfix.firewall import read_ruleset
from mailfix.firewall.cure import cure
from mailfix.host import Deadline, Host
from mailfix.host.dns import SystemDns
from mailfix.model import Family

deadline = Deadline.after(9)
asked = read_request("25", out="--out" in sys.argv)
seen = asyncio.run(sight.look(Host(SystemDns(deadline), deadline, True), asked))
dumps = seen.dumps.value
ruleset = read_ruleset(dumps)
ways = {}
for family in Family:
    found = cure(ruleset, seen.question(asked.asked, family).value, dumps)
    ways[family] = [dataclasses.asdict(step.owner) for step in found.plan]
print(json.dumps(ways))
"""
"""Prints the plan's owner's ways, as a program that carries them out gets them."""


@dataclass(frozen=True, slots=True)
class Owner:
    """How an owner is set up, what it keeps its rules in and how it loads them again."""

    layer: Layer
    folder: str
    program: str
    reload: str
    setup: str


UFW_HOST = Owner(
    UFW,
    "/etc/ufw",
    "ufw",
    "ufw reload",
    f"ufw deny from {BANNED} && ufw allow 22,465,587,143,993/tcp && ufw --force enable",
)
FIREWALLD_HOST = Owner(
    FIREWALLD,
    "/etc/firewalld",
    "firewall-cmd",
    "firewall-cmd --reload",
    "systemctl enable --now firewalld.service\n"
    "firewall-cmd --permanent --add-service=smtps --add-service=smtp-submission\n"
    "firewall-cmd --permanent --add-service=imap --add-service=imaps\n"
    f"firewall-cmd --permanent --add-rich-rule='rule family=ipv4 source address={BANNED} drop'\n"
    "firewall-cmd --reload",
)
CSF_HOST = Owner(CSF, "/etc/csf", "csf", "csf -r", "systemctl enable --now csf.service")
OPEN = {
    UFW_HOST.program: "ufw allow 22,25,80/tcp",
    FIREWALLD_HOST.program: "firewall-cmd --permanent --add-service=smtp; firewall-cmd --reload",
}


@dataclass(frozen=True, slots=True)
class Case:
    """``shut`` closes port 25 the owner's way; ``told`` begins the first command for each family.

    ``by_files``: the owner's words alone do not take it back to the byte; its files are put back.
    ``for_now``: port 25 is closed only until the owner loads its rules again.
    """

    name: str
    owner: Owner
    shut: str
    told: dict[str, str]
    out: bool = False
    by_files: bool = False
    for_now: bool = False
    in_ci: bool = False

    @property
    def finding(self) -> str:
        return f"firewall-{'outbound' if self.out else 'inbound'}-blocked"

    @property
    def arguments(self) -> list[str]:
        return ["25", "--out"] if self.out else ["25"]


def ufw(form: str, families: str = "ipv4 ipv6") -> dict[str, str]:
    """ufw's command, whose place for the network is filled in for each family."""
    nets = {"ipv4": "0.0.0.0/0", "ipv6": "::/0"}
    return {family: form.replace("NET", nets[family]) for family in families.split()}


ALLOW = "proto tcp from any to NET port 25"
ZONE = "firewall-cmd --permanent --zone=public"
RICH = f'{ZONE} \'--add-rich-rule=rule family="FAMILY" port port="25" protocol="tcp" accept\''
FIRST = RICH.replace("rule family", 'rule priority="-100" family')


def firewalld(form: str, families: str = "ipv4 ipv6") -> dict[str, str]:
    return {family: form.replace("FAMILY", family) for family in families.split()}


CASES = (
    Case("not allowed", UFW_HOST, "true", ufw(f"ufw allow {ALLOW}"), in_ci=True),
    Case("denied", UFW_HOST, "ufw deny 25/tcp; ufw allow 80", ufw(f"ufw allow {ALLOW}")),
    Case(
        "denied, with a comment",
        UFW_HOST,
        "ufw deny 25/tcp comment 'no mail'; ufw allow 80",
        ufw(f"ufw allow {ALLOW}"),
        by_files=True,
    ),
    Case(
        "denied before it is allowed",
        UFW_HOST,
        f"{OPEN['ufw']}; ufw insert 2 deny 25/tcp",
        ufw(f"ufw delete deny {ALLOW}"),
        by_files=True,
        in_ci=True,
    ),
    Case(
        "rejected before it is allowed",
        UFW_HOST,
        f"{OPEN['ufw']}; ufw insert 2 reject 25/tcp",
        ufw(f"ufw delete reject {ALLOW}"),
        by_files=True,
    ),
    Case(
        "a range is denied",
        UFW_HOST,
        f"{OPEN['ufw']}; ufw insert 2 deny 20:30/tcp",
        {
            "ipv4": "ufw insert 2 allow proto tcp from any to 0.0.0.0/0 port 25",
            "ipv6": "ufw prepend allow proto tcp from any to ::/0 port 25",
        },
    ),
    Case(
        "a profile is denied",
        UFW_HOST,
        f"{OPEN['ufw']}; ufw insert 2 deny SMTP",
        ufw("ufw delete deny from any to NET app SMTP"),
        by_files=True,
    ),
    Case("everything is rejected", UFW_HOST, "ufw default reject", ufw(f"ufw allow {ALLOW}")),
    Case(
        "denied out",
        UFW_HOST,
        "ufw deny out 25/tcp",
        ufw(f"ufw delete deny out {ALLOW}"),
        out=True,
        by_files=True,
    ),
    Case(
        "not allowed out",
        UFW_HOST,
        "ufw default deny outgoing; ufw allow out 53",
        ufw(f"ufw allow out {ALLOW}"),
        out=True,
    ),
    Case("not in the zone", FIREWALLD_HOST, "true", firewalld(RICH), by_files=True, in_ci=True),
    Case(
        "removed for now",
        FIREWALLD_HOST,
        f"{OPEN['firewall-cmd']}; firewall-cmd --remove-service=smtp",
        firewalld(RICH),
        by_files=True,
        for_now=True,
    ),
    Case(
        "rejected by a rich rule",
        FIREWALLD_HOST,
        f"{OPEN['firewall-cmd']}; firewall-cmd --permanent --remove-rich-rule='rule family=ipv4 "
        f"source address={BANNED} drop'; firewall-cmd --permanent "
        "--add-rich-rule='rule port port=25 protocol=tcp reject'; firewall-cmd --reload",
        firewalld(FIRST),
        by_files=True,
        in_ci=True,
    ),
)


@dataclass(slots=True)
class Hosts:
    """One booted host for each owner, set up once; every test begins with it as it was then."""

    stack: ExitStack
    known: dict[str, Lab] = field(default_factory=dict)

    def of(self, owner: Owner) -> Lab:
        """The owner's host, as it was set up."""
        lab = self.known.get(owner.program)
        if lab is None:
            lab = self.stack.enter_context(running_lab(owner.layer))
            lab.host.sh(owner.setup)
            Files(owner.folder).take(lab)
            self.known[owner.program] = lab
        else:
            Files(owner.folder).put_back(lab)
            lab.host.sh(owner.reload)
        return lab


@dataclass(frozen=True, slots=True)
class Files:
    """An owner's folder as it was, in an archive on the host."""

    folder: str
    archive: str = "/root/owner.tar"

    def take(self, lab: Lab) -> None:
        lab.host.sh(f"tar -C {self.folder} -cf {self.archive} .")

    def put_back(self, lab: Lab) -> None:
        lab.host.sh(
            f"find {self.folder} -mindepth 1 -delete; tar -C {self.folder} -xpf {self.archive}"
        )


def listing(lab: Lab, folder: str) -> str:
    """Mode, owner and checksum of every file."""
    return lab.host.sh(
        f"cd {folder} && find . -type f -printf '%p %M %U:%G ' -exec sha256sum {{}} ';' | sort"
    )


def ruleset(lab: Lab) -> str:
    """Every rule, in order, without counters, handles and dates."""
    saved = lab.host.sh("iptables-save; ip6tables-save; nft -s list table inet firewalld || true")
    lines = (re.sub(r" \[\d+:\d+\]", "", line) for line in saved.splitlines())
    return "\n".join(line for line in lines if not line.startswith("#"))


@pytest.fixture(scope="module")
def hosts(lab_machine: None) -> Iterator[Hosts]:
    with ExitStack() as stack:
        yield Hosts(stack)


def explained(lab: Lab, case: Case) -> dict[str, dict[str, Any]]:
    """The cures of the blocked families, as ``mailfix explain`` prints them for each alone."""
    cures = {}
    for family in ADDRESSES:
        words = ["explain", *case.arguments, "--cure", "--family", family, "--format", "json"]
        [told] = json.loads(lab.host.run(["mailfix", *words]).stdout)["families"]
        if told["answer"] == "blocked":
            cures[family] = told["cure"]
    return cures


def commands(step: str) -> list[list[str]]:
    """The commands of a step, as a shell would split what is pasted into it."""
    assert step.startswith("run ")
    text, _, effect = step.removeprefix("run ").rpartition("; opens ")
    assert effect.endswith("changes nothing else")
    found: list[list[str]] = [[]]
    for word in shlex.split(text):
        if word == "&&":
            found.append([])
        else:
            found[-1].append(word)
    return found


def plans(lab: Lab, case: Case) -> dict[str, list[dict[str, Any]]]:
    """The owner's ways of each family's plan as the engine gives them."""
    done = lab.host.run(
        ["env", "PYTHONPATH=/opt/mailfix/agent", "python3", "-B", "-c", WAYS, *case.arguments]
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)
    return found


def run_all(lab: Lab, wanted: list[list[str]]) -> None:
    for command in wanted:
        done = lab.host.run(command)
        assert done.returncode == 0, (command, done.stderr)
        assert "Skipping" not in done.stdout + done.stderr
        assert "Could not" not in done.stdout + done.stderr


def is_open(lab: Lab, case: Case, family: str) -> bool:
    """Whether the outside gets in, or exim's user out."""
    if not case.out:
        seen = lab.internet.knock(ADDRESSES[family], 25, timeout=KNOCK_SECONDS)
        return seen is State.OPEN
    done = lab.host.run(["python3", "-c", CONNECT, FAR[family]], user="Debian-exim")
    return done.returncode == 0


def faults(lab: Lab) -> set[str]:
    """The firewall's rules of mailfix that fail."""
    found = lab.host.audit().report["findings"]
    return {
        each["rule"]
        for each in found
        if each["status"] == "fail" and each["rule"].startswith("firewall-")
    }


def assert_the_rest_is_kept(lab: Lab, before: str) -> None:
    """Bans stand where they stood, open ports are open and closed ones closed."""
    bans = [line for line in before.splitlines() if BANNED in line]
    assert bans == [line for line in ruleset(lab).splitlines() if BANNED in line]
    for address in ADDRESSES.values():
        assert lab.internet.knock(address, 587, timeout=KNOCK_SECONDS) is State.OPEN
    assert lab.internet.knock(HOST_IPV4, 26, timeout=KNOCK_SECONDS) is not State.OPEN


def assert_it_is_kept(lab: Lab, case: Case) -> None:
    """By the owner's reload, rule by rule, and by a reboot."""
    opened = ruleset(lab)
    lab.host.sh(case.owner.reload)
    assert all(is_open(lab, case, family) for family in ADDRESSES)
    assert ruleset(lab) == opened
    if FULL:
        reboot(lab)
        assert all(is_open(lab, case, family) for family in ADDRESSES)


def reboot(lab: Lab) -> None:
    lab.host.reboot()
    for address in ADDRESSES.values():
        lab.host.wait_port(587, address=address)


def take_back(lab: Lab, ways: list[dict[str, Any]], kept: dict[str, bytes | None]) -> bool:
    """Undo as OwnersWay says; whether its files had to be put back."""
    for way in reversed(ways):
        run_all(lab, [list(each) for each in way["undo"]])
    changed = [path for path in kept if content(lab, path) != kept[path]]
    for path in changed:
        put(lab, path, kept[path])
    for reload in {tuple(way["reload"]) for way in ways} if changed else ():
        if reload:
            run_all(lab, [list(reload)])
    return bool(changed)


def content(lab: Lab, path: str) -> bytes | None:
    file = lab.host.root / path.lstrip("/")
    return file.read_bytes() if file.exists() else None


def put(lab: Lab, path: str, data: bytes | None) -> None:
    if data is None:
        lab.host.sh(f"rm -f {path}")
    else:
        lab.host.write(path, data.decode())


@pytest.mark.parametrize(
    "case",
    [pytest.param(each, id=f"{each.owner.program}: {each.name}") for each in CASES
     if FULL or each.in_ci],
)  # fmt: skip
def test_the_printed_commands_open_the_port_and_are_taken_back(case: Case, hosts: Hosts) -> None:
    lab = hosts.of(case.owner)
    lab.host.sh(case.shut)
    files, before = listing(lab, case.owner.folder), ruleset(lab)
    assert not any(is_open(lab, case, family) for family in case.told)
    closed = faults(lab)
    assert case.finding in closed

    cures, ways = explained(lab, case), plans(lab, case)
    assert cures.keys() == case.told.keys()
    used = [way for family in cures for way in ways[family]]
    kept = {path: content(lab, path) for way in used for path in way["files"]}
    for family, cure in cures.items():
        printed = [command for step in cure["steps"] for command in commands(step)]
        assert cure["but"] == ""
        assert printed == [command for way in ways[family] for command in way["commands"]]
        assert shlex.join(printed[0]) == case.told[family]
        run_all(lab, printed)

    assert all(is_open(lab, case, family) for family in ADDRESSES)
    assert faults(lab) == closed - {case.finding}
    assert_the_rest_is_kept(lab, before)
    if not case.for_now:
        assert_it_is_kept(lab, case)
    assert take_back(lab, used, kept) is case.by_files
    assert listing(lab, case.owner.folder) == files
    assert ruleset(lab) == before
    assert not any(is_open(lab, case, family) for family in case.told)


@dataclass(frozen=True, slots=True)
class SettingCase:
    """``shut`` changes csf.conf so that port 25 is closed; ``listed`` is what is to be added."""

    name: str
    shut: str
    listed: dict[str, str]
    out: bool = False

    @property
    def arguments(self) -> list[str]:
        return ["25", "--out"] if self.out else ["25"]


SETTINGS = (
    SettingCase("in", "s/22,25,/22,/", {"TCP_IN": "25", "TCP6_IN": "25"}),
    SettingCase("out", "s/25,53,/53,/", {"TCP_OUT": "25", "TCP6_OUT": "25"}, out=True),
)


@pytest.mark.parametrize("case", [pytest.param(each, id=each.name) for each in SETTINGS])
def test_csf_is_told_by_its_settings(case: SettingCase, hosts: Hosts) -> None:
    lab = hosts.of(CSF_HOST)
    asked = Case(case.name, CSF_HOST, "", {}, out=case.out)
    lab.host.sh(f"sed -i '{case.shut}' /etc/csf/csf.conf && csf -r")
    files, before = listing(lab, "/etc/csf"), ruleset(lab)
    assert not any(is_open(lab, asked, family) for family in ADDRESSES)

    cures = explained(lab, asked)
    used = [way for each in plans(lab, asked).values() for way in each]
    kept = {path: content(lab, path) for way in used for path in way["files"]}
    settings = [setting for way in used for setting in way["settings"]]
    assert {each["name"]: each["item"] for each in settings} == case.listed
    for cure, way in zip(cures.values(), used, strict=True):
        assert cure["but"] == way["advice"] == cure["steps"][0].partition("; ")[0]
        assert cure["steps"][0].endswith("changes nothing else")
    for each in settings:
        lab.host.sh(f"sed -i '/^{each['name']} =/s/\"$/,{each['item']}\"/' {each['file']}")
    for way in used:
        run_all(lab, way["commands"])

    assert all(is_open(lab, asked, family) for family in ADDRESSES)
    assert asked.finding not in faults(lab)
    assert_the_rest_is_kept(lab, before)
    if FULL:
        reboot(lab)
        assert all(is_open(lab, asked, family) for family in ADDRESSES)
    assert take_back(lab, used, kept)
    assert (listing(lab, "/etc/csf"), ruleset(lab)) == (files, before)


@pytest.mark.parametrize(
    ("owner", "shut", "arguments", "advice"),
    [
        pytest.param(
            CSF_HOST,
            """sed -i 's/^SMTP_BLOCK.*/SMTP_BLOCK = "1"/; s/Debian-exim//' /etc/csf/csf.conf
            csf -r""",
            ["--out"],
            "to SMTP_ALLOWUSER in /etc/csf/csf.conf, then run csf -r",
            id="csf: SMTP_BLOCK",
        ),
        pytest.param(
            CSF_HOST,
            "echo 192.0.0.0/2 >>/etc/csf/csf.deny; csf -r",
            [],
            "in /etc/csf/csf.deny",
            id="csf: a broad denial",
        ),
        pytest.param(
            UFW_HOST, "ufw deny 25; ufw allow 22,25/tcp", [], "ufw delete NUMBER", id="ufw: any"
        ),
        pytest.param(
            UFW_HOST,
            "sed -i '/^COMMIT/i -A ufw-before-input -p tcp --dport 25 -j DROP' "
            "/etc/ufw/before.rules && ufw reload",
            [],
            "then run ufw reload",
            id="ufw: before.rules",
            marks=ONLY_IN_FULL,
        ),
        pytest.param(
            FIREWALLD_HOST,
            f"{OPEN['firewall-cmd']}; firewall-cmd --direct --add-rule ipv4 filter INPUT 0 "
            "-p tcp --dport 25 -j DROP",
            [],
            "firewall-cmd --direct --remove-rule",
            id="firewalld: direct",
        ),
        pytest.param(
            FIREWALLD_HOST,
            f"{OPEN['firewall-cmd']}; firewall-cmd --permanent "
            "--add-rich-rule='rule port port=25 protocol=tcp reject'; firewall-cmd --reload",
            [],
            "firewall-cmd --remove-rich-rule",
            id="firewalld: a rejection behind a ban",
            marks=ONLY_IN_FULL,
        ),
    ],
)
def test_where_no_command_is_right_it_says_so(
    owner: Owner, shut: str, arguments: list[str], advice: str, hosts: Hosts
) -> None:
    lab = hosts.of(owner)
    lab.host.sh(shut)
    cure = explained(lab, Case("", owner, "", {}, out=bool(arguments)))["ipv4"]
    assert advice in cure["steps"][0]
    assert cure["but"]
