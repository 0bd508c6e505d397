#!/usr/bin/python3
"""A stand-in for CSF (ConfigServer Security & Firewall), which Debian does not have.

It is not CSF. It does only what CSF does with csf.conf's TCP_IN, TCP_OUT, TCP6_IN, TCP6_OUT, IPV6,
LF_SPI, SMTP_BLOCK, SMTP_PORTS, SMTP_ALLOWUSER, DROP_LOGGING and with csf.allow and csf.deny: the
same chains in the same order with the same rules as CSF 14's csf.pl makes them. Like CSF it throws
away everything in the filter tables first. ``csf -s`` and ``csf -r`` make the rules, ``csf -f``
takes them away.
"""

from __future__ import annotations

import pwd
import re
import subprocess
import sys
from pathlib import Path

HOME = Path("/etc/csf")
NEW = "-m conntrack --ctstate NEW "
INVALID = (
    "-m conntrack --ctstate INVALID",
    "-p tcp -m tcp --tcp-flags FIN,SYN,RST,PSH,ACK,URG NONE",
    "-p tcp -m tcp --tcp-flags SYN,FIN SYN,FIN",
    "-p tcp -m tcp --tcp-flags SYN,RST SYN,RST",
    "-p tcp -m tcp ! --syn -m conntrack --ctstate NEW",
)


def settings() -> dict[str, str]:
    text = (HOME / "csf.conf").read_text("utf-8")
    return dict(re.findall(r'^(\w+)\s*=\s*"([^"]*)"', text, re.MULTILINE))


def listed(name: str, six: bool) -> list[str]:
    """The addresses of csf.allow or csf.deny of one family."""
    lines = (HOME / name).read_text("utf-8").splitlines()
    first = [line.split()[0] for line in lines if line.strip() and not line.startswith("#")]
    return [address for address in first if (":" in address) is six]


def rules(six: bool) -> str:
    """The filter table of one family as iptables-restore reads it."""
    conf = settings()
    state = NEW if conf["LF_SPI"] == "1" else ""
    ports = {way: conf[f"TCP{'6' if six else ''}_{way}"].split(",") for way in ("IN", "OUT")}
    log = "-m limit --limit 30/min -j LOG --log-prefix" if conf["DROP_LOGGING"] == "1" else ""
    icmp = "ipv6-icmp" if six else "icmp"
    chains = ["ALLOWIN", "ALLOWOUT", "DENYIN", "DENYOUT", "INVALID", "INVDROP"]
    chains += ["LOCALINPUT", "LOCALOUTPUT", "LOGDROPIN", "LOGDROPOUT"]
    lines = [f"-A ALLOWIN -s {each} ! -i lo -j ACCEPT" for each in listed("csf.allow", six)]
    lines += [f"-A ALLOWOUT -d {each} ! -o lo -j ACCEPT" for each in listed("csf.allow", six)]
    lines += [f"-A DENYIN -s {each} ! -i lo -j DROP" for each in listed("csf.deny", six)]
    lines += [f"-A DENYOUT -d {each} ! -o lo -j LOGDROPOUT" for each in listed("csf.deny", six)]
    lines += [f"-A INVALID {match} -j INVDROP" for match in INVALID]
    lines += ["-A INVDROP -j DROP"]
    for local, side, allow, deny in (
        ("LOCALINPUT", "-i", "ALLOWIN", "DENYIN"),
        ("LOCALOUTPUT", "-o", "ALLOWOUT", "DENYOUT"),
    ):
        lines += [f"-A {local} ! {side} lo -j {allow}", f"-A {local} ! {side} lo -j {deny}"]
    if log:
        lines += [f'-A LOGDROPIN -p tcp {log} "Firewall: *TCP_IN Blocked* "']
        lines += [f'-A LOGDROPOUT -p tcp -m tcp --syn {log} "Firewall: *TCP_OUT Blocked* "']
    lines += ["-A LOGDROPIN -j DROP", "-A LOGDROPOUT -j REJECT"]
    if conf["SMTP_BLOCK"] == "1":
        chains.append("SMTPOUTPUT")
        lines += smtp_block(conf)
        lines += ["-A OUTPUT -j SMTPOUTPUT"]
    for base, way, side in (("INPUT", "IN", "-i"), ("OUTPUT", "OUT", "-o")):
        lines += [f"-A {base} ! {side} lo -j LOCAL{base}"]
        lines += [f"-A {base} {side} lo -j ACCEPT"]
        lines += [
            f"-A {base} ! {side} lo -p {protocol} -m {protocol} --{end} 53 -j ACCEPT"
            for protocol in ("tcp", "udp")
            for end in ("dport", "sport")
            if way == "OUT"
        ]
        lines += [f"-A {base} ! {side} lo -p tcp -j INVALID"]
        lines += [f"-A {base} ! {side} lo -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"]
        lines += [
            f"-A {base} ! {side} lo -p tcp {state}-m tcp --dport {port} -j ACCEPT"
            for port in ports[way]
        ]
        lines += [f"-A {base} ! {side} lo -p {icmp} -j ACCEPT"]
        lines += [f"-A {base} ! {side} lo -j LOGDROP{way}"]
    heads = [f":{base} DROP [0:0]" for base in ("INPUT", "FORWARD", "OUTPUT")]
    heads += [f":{chain} - [0:0]" for chain in chains]
    return "\n".join(["*filter", *heads, *lines, "COMMIT", ""])


def smtp_block(conf: dict[str, str]) -> list[str]:
    match = f"-A SMTPOUTPUT -p tcp -m multiport --dports {conf['SMTP_PORTS']}"
    users = [pwd.getpwnam(name).pw_uid for name in conf["SMTP_ALLOWUSER"].split(",") if name]
    allowed = [f"{match} -m owner --uid-owner {uid} -j ACCEPT" for uid in (*users, 0)]
    return [*allowed, f"{match} -j LOGDROPOUT"]


def load(tool: str, text: str) -> None:
    subprocess.run([f"{tool}-restore"], input=text, text=True, check=True)


def main() -> int:
    if sys.argv[1:] == ["-f"]:
        for tool in ("iptables", "ip6tables"):
            load(tool, "*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n")
        return 0
    if sys.argv[1:] not in (["-s"], ["-r"]):
        sys.exit("csf (a stand-in): -s, -r or -f")
    load("iptables", rules(six=False))
    if settings()["IPV6"] == "1":
        load("ip6tables", rules(six=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
