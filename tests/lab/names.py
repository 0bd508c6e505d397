"""The names of the lab's Internet: record sets of a small world of documentation addresses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import ip_address

HOST_NAME = "mail.example.com"
DOMAIN = "example.com"
SELECTOR = "mail"
HOST_IPV4 = "203.0.113.10"
HOST_IPV6 = "2001:db8:113::10"
GATEWAY_IPV4 = "203.0.113.1"
GATEWAY_IPV6 = "2001:db8:113::1"
OUTSIDE_IPV4 = "192.0.2.99"
OUTSIDE_IPV6 = "2001:db8:2::99"
DNS_IPV4 = "198.51.100.53"
DNS_IPV6 = "2001:db8:198::53"
BAD_DNS_IPV4 = "198.51.100.54"
BAD_DNS_IPV6 = "2001:db8:198::54"
SECOND_DNS_IPV4 = "198.51.100.55"
SECOND_DNS_IPV6 = "2001:db8:198::55"
SECOND_DNS = "ns2.lab"

SERVERS = {
    "smtp.gmail.com": ("198.51.100.20", "2001:db8:198::20"),
    "gmail-smtp-in.l.google.com": ("198.51.100.21", "2001:db8:198::21"),
    "outlook-com.olc.protection.outlook.com": ("198.51.100.22", "2001:db8:198::22"),
    "mta5.am0.yahoodns.net": ("198.51.100.23", "2001:db8:198::23"),
    "mta6.am0.yahoodns.net": ("198.51.100.24", "2001:db8:198::24"),
    "mta7.am0.yahoodns.net": ("198.51.100.25", "2001:db8:198::25"),
}
MAIL_EXCHANGERS = {
    "gmail.com": ("5 gmail-smtp-in.l.google.com",),
    "outlook.com": ("5 outlook-com.olc.protection.outlook.com",),
    "yahoo.com": tuple(f"1 mta{number}.am0.yahoodns.net" for number in (5, 6, 7)),
}
BLOCKLISTS = ("zen.spamhaus.org", "bl.spamcop.net", "psbl.surriel.com", "dnsbl.dronebl.org")
LISTED_FOR_TESTS = ("127.0.0.2", "::ffff:127.0.0.2")
ORIGINS = (
    ".",
    *BLOCKLISTS,
    "example.com",
    "example.net",
    "example.org",
    "provider.example",
    "gmail.com",
    "google.com",
    "outlook.com",
    "yahoo.com",
    "yahoodns.net",
    "2.0.192.in-addr.arpa",
    "100.51.198.in-addr.arpa",
    "113.0.203.in-addr.arpa",
    "8.b.d.0.1.0.0.2.ip6.arpa",
)


@dataclass(frozen=True, slots=True)
class Record:
    """One record; names in it are absolute and written without the last dot."""

    name: str
    type: str
    data: str


@dataclass(frozen=True, slots=True)
class Names:
    """Every record of the lab's Internet."""

    records: tuple[Record, ...]

    def with_set(self, name: str, type_: str, *data: str) -> Names:
        """The same names with this record set instead of the old one; no data removes it."""
        kept = (record for record in self.records if (record.name, record.type) != (name, type_))
        added = (Record(name, type_, each) for each in data)
        return replace(self, records=(*kept, *added))

    def with_ptr(self, address: str, *names: str) -> Names:
        """The same names with this reverse record set; no names removes it."""
        return self.with_set(ip_address(address).reverse_pointer, "PTR", *names)

    def zone(self, origin: str) -> tuple[Record, ...]:
        """The records that belong into one of ORIGINS."""
        return tuple(record for record in self.records if origin_of(record.name) == origin)


def origin_of(name: str) -> str:
    """The longest of ORIGINS that holds the name."""
    holders = (origin for origin in ORIGINS if name == origin or name.endswith(f".{origin}"))
    return max(holders, key=len, default=".")


def addresses(name: str, ipv4: str, ipv6: str) -> Iterable[Record]:
    """A, AAAA and both PTR of a host whose names are in order."""
    yield Record(name, "A", ipv4)
    yield Record(name, "AAAA", ipv6)
    for address in (ipv4, ipv6):
        yield Record(ip_address(address).reverse_pointer, "PTR", name)


def text(content: str) -> str:
    """A TXT record's data as a zone file has it, in strings of at most 255 bytes."""
    escaped = [content[start : start + 200] for start in range(0, len(content), 200)] or [""]
    return " ".join('"' + each.replace("\\", "\\\\").replace('"', '\\"') + '"' for each in escaped)


def listing(blocklist: str, address: str, answer: str = "127.0.0.2") -> Record:
    """An address on a blocklist (RFC 5782)."""
    pointer = ip_address(address).reverse_pointer.rsplit(".", 2)[0]
    return Record(f"{pointer}.{blocklist}", "A", answer)


def healthy_names(dkim_key: str = "v=DKIM1; k=rsa; p=") -> Names:
    """The world around a mail host without a fault, whose DKIM key record this is."""
    records = [
        *addresses(HOST_NAME, HOST_IPV4, HOST_IPV6),
        *addresses("outside.example.com", OUTSIDE_IPV4, OUTSIDE_IPV6),
        Record(DOMAIN, "MX", f"10 {HOST_NAME}"),
        Record(DOMAIN, "TXT", text("v=spf1 mx -all")),
        Record(HOST_NAME, "TXT", text("v=spf1 a -all")),
        Record(f"_dmarc.{DOMAIN}", "TXT", text("v=DMARC1; p=quarantine")),
        Record(f"{SELECTOR}._domainkey.{DOMAIN}", "TXT", text(dkim_key)),
        *(listing(each, address) for each in BLOCKLISTS for address in LISTED_FOR_TESTS),
    ]
    for name, (ipv4, ipv6) in SERVERS.items():
        records += addresses(name, ipv4, ipv6)
    for domain, exchangers in MAIL_EXCHANGERS.items():
        records += (Record(domain, "MX", exchanger) for exchanger in exchangers)
    return Names(tuple(records))
