"""Checks of the listening sockets."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from mailfix.facts import (
    MAIL_PORTS,
    Endpoint,
    EximSettings,
    Greeting,
    HostAddress,
    Listener,
    MailServer,
    Reach,
)
from mailfix.model import Family
from mailfix.predicates.answer import Answer, Words, failed, passed, unknown
from mailfix.predicates.services import mta_runs

WILDCARDS = ("0.0.0.0", "::")
MAIL_PROCESSES = frozenset(
    {
        *("exim", "exim4", "master", "smtpd", "sendmail", "sendmail-mta"),
        *("dovecot", "imap-login", "pop3-login", "submission-login"),
        *("couriertcpd", "cyrmaster", "imapd", "pop3d"),
    }
)
PROXIES = frozenset(
    {"haproxy", "nginx", "stunnel", "stunnel4", "docker-proxy", "systemd", "envoy", "traefik"}
)
EXIM_PROCESSES = frozenset({"exim", "exim4"})
SPOKEN = {25: "smtp", 587: "smtp", 143: "imap", 110: "pop3"}


def describe(listener: Listener) -> str:
    """Say where a listener listens and who it is, in one line."""
    address = f"[{listener.address}]" if ":" in listener.address else listener.address
    owner = f"{listener.process} (pid {listener.pid})" if listener.process else "a process not told"
    return f"{address}:{listener.port} {owner}" + (f", {listener.unit}" if listener.unit else "")


def serves(listener: Listener, family: Family, addresses: tuple[HostAddress, ...]) -> bool:
    """Tell whether the network reaches a listener over a family, the firewall aside.

    A listener on one private address serves only a host that has no public one (NAT).
    """
    if family not in listener.families or listener.reach is Reach.LOOPBACK:
        return False
    if listener.address in WILDCARDS or not _is_inner(listener.address):
        return True
    own = [each.address for each in addresses if each.family is family]
    return all(_is_inner(address) for address in own)


def _is_inner(address: str) -> bool:
    parsed = ipaddress.ip_address(address.removeprefix("::ffff:").partition("%")[0])
    return any(parsed in network for network in _INNER if network.version == parsed.version)


_INNER = tuple(
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)


def smtp_port(
    servers: tuple[MailServer, ...], listeners: tuple[Listener, ...], port: int
) -> Iterator[Answer]:
    """While an MTA runs, something listens on the port."""
    if not mta_runs(servers):
        return
    on_port = [listener for listener in listeners if listener.port == port]
    evidence = tuple(describe(listener) for listener in on_port or listeners)
    if on_port:
        yield passed({"port": port}, {"port": port}, evidence)
    else:
        yield failed({"port": port}, {"port": port}, evidence)


def beyond_loopback(
    listeners: tuple[Listener, ...], addresses: tuple[HostAddress, ...], port: int
) -> Iterator[Answer]:
    """The port is served to the network, over IPv4 wherever the host has IPv4."""
    on_port = [listener for listener in listeners if listener.port == port]
    if not on_port:
        return
    families = {each.family for each in addresses} or {Family.IPV4}
    family = Family.IPV4 if Family.IPV4 in families else Family.IPV6
    evidence = tuple(describe(listener) for listener in on_port)
    where = ", ".join(sorted({each.address for each in on_port}))
    words: Words = {"port": port, "where": where, "family": family.label}
    if any(serves(listener, family, addresses) for listener in on_port):
        yield passed({"port": port}, words, evidence)
    else:
        yield failed({"port": port}, words, evidence)


def configured_endpoints(
    servers: tuple[MailServer, ...],
    listeners: tuple[Listener, ...],
    exim_settings: EximSettings | None,
) -> Iterator[Answer]:
    """Exim listens where its configuration tells it to."""
    exim_runs = any(server.name == "exim" and server.running for server in servers)
    if exim_settings is None or not exim_runs:
        return
    wanted = [each for each in exim_settings.endpoints if each.port in MAIL_PORTS]
    for port in sorted({endpoint.port for endpoint in wanted}):
        on_port = [endpoint for endpoint in wanted if endpoint.port == port]
        yield _served(port, on_port, listeners)


def _served(port: int, wanted: list[Endpoint], listeners: tuple[Listener, ...]) -> Answer:
    takers = {each: {one.process for one in listeners if _takes(one, each)} for each in wanted}
    missing = [each for each in wanted if not takers[each] & (EXIM_PROCESSES | {None})]
    words: Words = {"port": port, "where": _addresses(missing or wanted)}
    if missing:
        return failed({"port": port}, words)
    if all(takers[each] & EXIM_PROCESSES for each in wanted):
        return passed({"port": port}, words)
    return unknown({"port": port}, f"the process that holds tcp/{port} is not told to us")


def _addresses(endpoints: list[Endpoint]) -> str:
    return ", ".join(endpoint.address or "every address" for endpoint in endpoints)


def _takes(listener: Listener, endpoint: Endpoint) -> bool:
    """Without IPv6 in the kernel, exim leaves out ``::``: any listener on the port will do."""
    if listener.port != endpoint.port:
        return False
    if endpoint.address in ("", "::") or listener.address in WILDCARDS:
        return True
    return listener.address == endpoint.address


def greets_with_welcome(greetings: tuple[Greeting, ...], ports: list[int]) -> Iterator[Answer]:
    """An SMTP greeting is a 220, not a refusal (RFC 5321 3.1)."""
    for port in ports:
        heard = [each for each in greetings if each.port == port and each.speaks == "smtp"]
        refused = [each.text for each in heard if not each.text.startswith("2")]
        words: Words = {"port": port, "text": refused[0][:200] if refused else ""}
        if heard:
            yield failed({"port": port}, words) if refused else passed({"port": port}, words)


def held_by_mail_server(
    listeners: tuple[Listener, ...], greetings: tuple[Greeting, ...]
) -> Iterator[Answer]:
    """Every mail port is held by a mail server, known by its process or by how it greets."""
    for port in sorted({listener.port for listener in listeners}):
        on_port = [listener for listener in listeners if listener.port == port]
        heard = [greeting for greeting in greetings if greeting.port == port]
        yield _holder(port, on_port, heard)


def _holder(port: int, listeners: list[Listener], heard: list[Greeting]) -> Answer:
    subject = {"port": port}
    evidence = tuple(describe(listener) for listener in listeners)
    evidence += tuple(f"it greets with: {each.text[:200]}" for each in heard if each.text)
    names = {listener.process for listener in listeners}
    words: Words = {"port": port, "process": ", ".join(sorted(name or "?" for name in names))}
    if names <= MAIL_PROCESSES or any(each.speaks == SPOKEN.get(port) for each in heard):
        return passed(subject, words, evidence)
    if None in names:
        return unknown(subject, f"the process that holds tcp/{port} is not told to us", evidence)
    if port not in SPOKEN and names <= PROXIES:
        return passed(subject, words, evidence)
    return failed(subject, words, evidence)
