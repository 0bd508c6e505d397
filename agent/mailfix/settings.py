"""What the administrator may choose in ``/etc/mailfix/mailfix.yml``."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from mailfix import setting_values
from mailfix.model import Refusal
from mailfix.report_settings import ReportSettings, report_settings
from mailfix.setting_values import HOST_NAME, Reader, whole
from mailfix.yaml_text import parse_mapping, shown

CONFIG_FILE = "/etc/mailfix/mailfix.yml"
MAX_TARGETS = 20
MAX_ZONES = 20_000
MAX_DOMAINS = 100_000
MAX_NAME_LENGTH = 253
DNS_PORT = 53
DNSBLS = ("zen.spamhaus.org", "bl.spamcop.net", "psbl.surriel.com", "dnsbl.dronebl.org")
_REQUIRED_UPDATE_KEYS = ("zone", "server", "key_file")


@dataclass(frozen=True, slots=True)
class DnsUpdate:
    """Where the records of a zone may be changed by RFC 2136.

    ``zone`` is in lower case without its last dot. ``server`` is the zone's primary server, an
    address or a name in DNS. ``key_file`` is the path of the TSIG key (tsig-keygen(8)).
    """

    zone: str
    server: str
    key_file: str
    port: int = DNS_PORT


@dataclass(frozen=True, slots=True)
class Settings:
    """``target_hosts`` are dialled on port 25 by name, ``target_domains`` by their MX records.

    ``control_hosts`` are dialled on port 443. ``public_*`` is the address that the Internet sees
    where this host is behind NAT. ``ignore`` holds rule ids, each with the part of a finding's
    subject to which it applies. ``audit_seconds`` bounds a whole audit. After ``guard_seconds`` a
    fix that could lock the administrator out is taken back unless it is confirmed. The journals of
    the last ``keep_transactions`` are kept. ``domains`` are mail domains besides those of the MTA,
    as their owners write them (RFC 5890: U-labels or A-labels). ``dns_updates`` holds one entry for
    each zone; ``dns_update_seconds`` is how long the zone's name servers may take to follow.
    ``dnsbls`` are the blocklists in DNS that are asked about the addresses from which mail leaves.
    ``report`` is what ``mailfix report`` keeps and where it tells.
    """

    target_hosts: tuple[str, ...] = ("smtp.gmail.com",)
    target_domains: tuple[str, ...] = ("gmail.com", "outlook.com", "yahoo.com")
    control_hosts: tuple[str, ...] = ("smtp.gmail.com", "gmail.com", "outlook.com", "yahoo.com")
    public_ipv4: str | None = None
    public_ipv6: str | None = None
    audit_seconds: float = 9.0
    ignore: tuple[Mapping[str, str | int], ...] = ()
    guard_seconds: int = 120
    keep_transactions: int = 50
    domains: tuple[str, ...] = ()
    dns_updates: tuple[DnsUpdate, ...] = ()
    dns_update_seconds: int = 30
    dnsbls: tuple[str, ...] = DNSBLS
    report: ReportSettings = field(default_factory=ReportSettings)


def parse_settings(text: str, file: str = CONFIG_FILE) -> Settings:
    """Read the configuration file (YAML); an empty one means the defaults.

    Raises :class:`mailfix.model.Refusal` for anything that is not understood.
    """
    content = parse_mapping(text, file)
    if content is None:
        return Settings()
    known = {each.name for each in fields(Settings)}
    for name in content:
        if name not in known:
            raise Refusal(
                f"{file}: unknown setting {shown(name)}; known: {', '.join(sorted(known))}"
            )
    return Settings(
        **{name: _READERS[name](value, f"{file}: {name}") for name, value in content.items()}
    )


def _names(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MAX_TARGETS:
        raise Refusal(f"{where}: expected a list of at most {MAX_TARGETS} host names")
    for name in value:
        if not isinstance(name, str) or not HOST_NAME.fullmatch(name):
            raise Refusal(f"{where}: {shown(name)} is not a host name")
    return tuple(value)


def _domains(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MAX_DOMAINS:
        raise Refusal(f"{where}: expected a list of at most {MAX_DOMAINS} domains")
    for name in value:
        if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_LENGTH:
            raise Refusal(f"{where}: {shown(name)} is not a domain")
    return tuple(value)


def _address(version: int) -> Callable[[Any, str], str | None]:
    def read(value: Any, where: str) -> str | None:
        if value is None:
            return None
        try:
            parsed = ipaddress.ip_address(value) if isinstance(value, str) else None
        except ValueError:
            parsed = None
        if parsed is None or parsed.version != version:
            raise Refusal(f"{where}: {shown(value)} is not an IPv{version} address")
        return str(parsed)

    return read


def _seconds(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value <= 600:
        raise Refusal(f"{where}: expected a number of seconds from 1 to 600")
    return float(value)


def _ignored(value: Any, where: str) -> tuple[Mapping[str, str | int], ...]:
    if not isinstance(value, list):
        raise Refusal(f"{where}: expected a list of entries such as '- rule: ptr-generic'")
    for entry in value:
        if not isinstance(entry, dict) or not isinstance(entry.get("rule"), str):
            raise Refusal(f"{where}: every entry needs 'rule: ID'")
        if any(isinstance(v, bool) or not isinstance(v, str | int) for v in entry.values()):
            raise Refusal(
                f"{where}: rule {shown(entry['rule'])}: only texts and whole numbers match"
            )
    return tuple(value)


def _updates(value: Any, where: str) -> tuple[DnsUpdate, ...]:
    if not isinstance(value, list) or len(value) > MAX_ZONES:
        raise Refusal(f"{where}: expected a list of at most {MAX_ZONES} zones")
    found = [_update(each, f"{where}: entry {at}") for at, each in enumerate(value, start=1)]
    zones: set[str] = set()
    for each in found:
        if each.zone in zones:
            raise Refusal(f"{where}: the zone {each.zone} is there twice")
        zones.add(each.zone)
    return tuple(found)


def _update(value: Any, where: str) -> DnsUpdate:
    return DnsUpdate(**setting_values.block(value, where, _UPDATE_READERS, _REQUIRED_UPDATE_KEYS))


def _zone(value: Any, where: str) -> str:
    name = value.removesuffix(".") if isinstance(value, str) else ""
    if not HOST_NAME.fullmatch(name):
        raise Refusal(
            f"{where}: {shown(value)} is not the name of a zone "
            "(an internationalised one begins with xn--)"
        )
    return name.lower()


_UPDATE_READERS: Mapping[str, Reader] = {
    "zone": _zone,
    "server": setting_values.server,
    "port": whole(1, 65535),
    "key_file": setting_values.path,
}
_READERS: Mapping[str, Reader] = {
    "target_hosts": _names,
    "target_domains": _names,
    "control_hosts": _names,
    "public_ipv4": _address(4),
    "public_ipv6": _address(6),
    "audit_seconds": _seconds,
    "ignore": _ignored,
    "guard_seconds": whole(10, 3600),
    "keep_transactions": whole(1, 100_000),
    "domains": _domains,
    "dns_updates": _updates,
    "dns_update_seconds": whole(1, 600),
    "dnsbls": _names,
    "report": report_settings,
}
