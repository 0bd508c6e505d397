"""What ufw loads at boot: its own chains, then its three files for each family (ufw-init)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from mailfix.firewall.origins import Kind, Written, written_for_iptables
from mailfix.firewall.origins.written import MAX_TEXT
from mailfix.host import Host
from mailfix.model import Family, Known
from mailfix.probes.boot.load import RESTORE, Load, restored
from mailfix.probes.boot.services import starts_at_boot

CONFIG = "/etc/ufw/ufw.conf"
DEFAULTS = "/etc/default/ufw"
_SETTING = re.compile(r"^[ \t]*([A-Z0-9_]+)=[\"']?([^\"'#\n]*)", re.MULTILINE)
_FLOWS = ("input", "output", "forward")
_PRIMARY = ("before-logging", "before", "after", "after-logging", "reject", "track")
_SECONDARY = ("user", "user-logging", "skip-to-policy")
_SHARED = ("logging-deny", "logging-allow", "user-limit", "user-limit-accept")
_WITHOUT_IPV6 = """*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT DROP [0:0]
-A INPUT -i lo -j ACCEPT
-A OUTPUT -o lo -j ACCEPT
COMMIT
"""


def find(host: Host, root: str = "") -> Iterator[Load]:
    """The loads in ufw's order; none where ufw is off."""
    if not starts_at_boot("ufw.service", root):
        return
    settings = _settings(host, root + DEFAULTS) | _settings(host, root + CONFIG)
    if settings.get("ENABLED", "").lower() != "yes":
        return
    for family, kind in ((Family.IPV4, ""), (Family.IPV6, "6")):
        if kind and settings.get("IPV6", "").lower() != "yes":
            yield _own(family, _WITHOUT_IPV6)
        else:
            yield from _of_family(host, root, family, kind, settings)


def _of_family(
    host: Host, root: str, family: Family, kind: str, settings: Mapping[str, str]
) -> Iterator[Load]:
    yield _with_policies(host, root, _own(family, _chains(kind, settings)))
    for name in ("before", "after", "user"):
        file = f"/etc/ufw/{name}{kind}.rules"
        load = restored(host, "ufw", file, family, root=root, arguments=("-n",))
        if load is not None:
            yield load
    if os.path.exists(f"{root}/etc/ufw/user{kind}.rules"):
        yield _own(family, _user_jumps(kind))


def _own(family: Family, text: str) -> Load:
    """Rules that ufw writes nowhere: their origin is ufw itself, without a line."""
    written = tuple(
        Written("ufw", 0, each.family, each.table, each.chain, each.text, each.kind)
        for each in written_for_iptables("ufw", family, text)
    )
    return Load("ufw", "ufw", RESTORE[family], family, text, text, written, "", ("-n",))


def _with_policies(host: Host, root: str, own: Load) -> Load:
    """The policies are written in ufw's settings."""
    text = host.read(root + DEFAULTS)
    lines = (text.value or "").split("\n") if isinstance(text, Known) else []
    settings = {
        line.split("=")[0].strip(): (number, line.strip()[:MAX_TEXT])
        for number, line in enumerate(lines, 1)
    }
    return replace(own, written=tuple(_placed(each, settings) for each in own.written))


def _placed(written: Written, settings: Mapping[str, tuple[int, str]]) -> Written:
    found = settings.get(f"DEFAULT_{written.chain}_POLICY")
    if written.kind is not Kind.POLICY or found is None:
        return written
    return replace(written, file=DEFAULTS, line=found[0], text=found[1])


def _chains(kind: str, settings: Mapping[str, str]) -> str:
    lines = ["*filter"]
    rules: list[str] = []
    for flow in _FLOWS:
        policy = settings.get(f"DEFAULT_{flow.upper()}_POLICY", "DROP").upper()
        lines.append(f":{flow.upper()} {'ACCEPT' if policy == 'ACCEPT' else 'DROP'} [0:0]")
        lines += [f":ufw{kind}-{name}-{flow} - [0:0]" for name in (*_PRIMARY, *_SECONDARY)]
        rules += [f"-A {flow.upper()} -j ufw{kind}-{name}-{flow}" for name in _PRIMARY]
        rules += _policy_rules(kind, flow, policy)
    lines += [f":ufw{kind}-{name} - [0:0]" for name in _SHARED]
    return "\n".join([*lines, *rules, "COMMIT", ""])


def _policy_rules(kind: str, flow: str, policy: str) -> Iterator[str]:
    yield f"-A ufw{kind}-skip-to-policy-{flow} -j {policy}"
    if policy == "REJECT":
        yield f"-A ufw{kind}-reject-{flow} -j REJECT"
    if policy == "ACCEPT":
        for protocol in ("tcp", "udp"):
            match = f"-p {protocol} -m conntrack --ctstate NEW"
            yield f"-A ufw{kind}-track-{flow} {match} -j ACCEPT"


def _user_jumps(kind: str) -> str:
    jumps = [f"-A ufw{kind}-before-{flow} -j ufw{kind}-user-{flow}" for flow in _FLOWS]
    return "\n".join(["*filter", *jumps, "COMMIT", ""])


def _settings(host: Host, path: str) -> dict[str, str]:
    text = host.read(path)
    content = text.value or "" if isinstance(text, Known) else ""
    return {name: value.strip() for name, value in _SETTING.findall(content)}
