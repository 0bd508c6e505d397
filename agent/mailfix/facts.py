"""Everything that mailfix can know about a mail host. Probes fill it in, predicates read it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from mailfix.mail_records.dnsbl import Listing
from mailfix.mail_records.domain import DomainRecords
from mailfix.mail_records.spf import SpfVerdict
from mailfix.model import Fact, Family, PerFamily, unread

MAIL_PORTS = (25, 465, 587, 110, 143, 993, 995)
SMTP_PORTS = (25, 465, 587)


class Reach(StrEnum):
    """From where a listening socket can be reached, the firewall aside."""

    LOOPBACK = "loopback"
    NETWORK = "network"


@dataclass(frozen=True, slots=True)
class Listener:
    """A listening TCP socket.

    ``families`` are those it accepts: a ``[::]`` socket without IPV6_V6ONLY (ipv6(7)) accepts both.
    ``process``, ``user`` and ``unit`` are None where they could not be read, and for a socket on a
    port that is none of mail's.
    """

    port: int
    address: str
    families: tuple[Family, ...]
    reach: Reach
    pid: int | None = None
    process: str | None = None
    user: str | None = None
    unit: str | None = None


class Role(StrEnum):
    MTA = "mta"
    MAILBOX = "mailbox"


@dataclass(frozen=True, slots=True)
class MailServer:
    """An installed mail server program and what the service manager makes of it."""

    name: str
    role: Role
    running: bool
    enabled: Fact[bool]
    unit: str | None = None


@dataclass(frozen=True, slots=True)
class MailUser:
    """As whom the MTA opens its outgoing connections."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Mta:
    """The effective settings of the MTA in use, as the MTA itself tells them.

    ``helo`` is Unknown where it is decided anew for each message. ``sends_directly`` is False for
    a host that hands everything to a smart host. ``source_*`` are the addresses that the
    configuration binds outgoing connections to, None where the kernel chooses.
    """

    server: str
    hostname: str
    speaks_ipv6: bool
    helo: Fact[str]
    user: Fact[MailUser]
    sends_directly: bool = True
    source_ipv4: Fact[str | None] = field(default_factory=unread)
    source_ipv6: Fact[str | None] = field(default_factory=unread)


class Layout(StrEnum):
    """Where exim's effective configuration comes from."""

    TEMPLATE = "template"
    SPLIT = "split"
    OWN_FILE = "own file"
    EL = "el"
    CPANEL = "cpanel"


@dataclass(frozen=True, slots=True)
class EximSource:
    """The file that exim reads, and the files from which it is made."""

    layout: Layout
    file: str
    made_from: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address and port that the configuration asks to listen on; "" is every address."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class EximSettings:
    """The main options of exim that decide where it listens."""

    endpoints: tuple[Endpoint, ...]
    disable_ipv6: bool


@dataclass(frozen=True, slots=True)
class Validity:
    """Exim's verdict on a configuration: the one in use, and the one the next restart makes."""

    file: str
    valid: bool
    complaint: str = ""
    when: str = "in use"


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a listener says first; ``name`` is the host name with which an SMTP greeting begins.

    ``speaks`` is "smtp", "imap", "pop3", "tls" or "" for silence and anything else.
    """

    port: int
    family: Family
    speaks: str
    text: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class NameRecords:
    """What DNS knows about a host name.

    ``zone_apex`` is True where the name is a zone of its own (SOA, RFC 1035 3.3.13).
    """

    name: str
    exists: bool
    ipv4: Fact[tuple[str, ...]]
    ipv6: Fact[tuple[str, ...]]
    zone_apex: Fact[bool]
    has_mx: Fact[bool]

    def addresses(self, family: Family) -> Fact[tuple[str, ...]]:
        return self.ipv4 if family is Family.IPV4 else self.ipv6


@dataclass(frozen=True, slots=True)
class HostNames:
    """The host's name in the places where it is kept; None where a place holds none."""

    kernel: str
    hostname_file: Fact[str | None]
    hosts_file: Fact[tuple[tuple[str, tuple[str, ...]], ...]]
    mailname: Fact[str | None]


@dataclass(frozen=True, slots=True)
class HostAddress:
    interface: str
    family: Family
    address: str


@dataclass(frozen=True, slots=True)
class Outgoing:
    """From where this host's mail leaves.

    ``public`` is the address that the Internet sees: Unknown behind NAT unless it is configured.
    """

    source: str
    interface: str
    public: Fact[str]


@dataclass(frozen=True, slots=True)
class PtrName:
    """One name of a PTR set and the addresses that it leads back to."""

    name: str
    leads_to: Fact[tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class ReverseDns:
    """The PTR set of the outgoing public address (RFC 1035 section 3.5)."""

    address: str
    names: tuple[PtrName, ...]


class Way(StrEnum):
    """How a TCP connection attempt ended.

    ``REFUSED`` is an RST or an ICMP port unreachable, ``TIMEOUT`` no answer to the SYN,
    ``UNREACHABLE`` no route, no source address or another ICMP error, ``PROHIBITED`` a forbidding
    route or an ICMPv6 "administratively prohibited". A firewall's REJECT may look like any of
    them. Linux takes note of an ICMPv6 error from the host itself only when it repeats the SYN
    after one second, so that less patience than that turns such a REJECT into ``TIMEOUT``.
    """

    OPEN = "open"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    PROHIBITED = "prohibited"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One connection to a mail server of others, opened as the mail user."""

    target: str
    address: str
    port: int
    way: Way
    detail: str = ""
    banner: str = ""

    @property
    def greeted(self) -> bool:
        """Whether a mail server answered with a greeting, be it a refusal (RFC 5321 3.1)."""
        return self.port == 25 and self.way is Way.OPEN and self.banner[:1] in ("2", "4", "5")


@dataclass(frozen=True, slots=True)
class WayOut:
    """The attempts on port 25, and on port 443 as the control."""

    smtp: tuple[Attempt, ...]
    control: tuple[Attempt, ...]


class Flow(StrEnum):
    IN = "in"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Blocker:
    """A firewall rule, the share (0 to 1) of the Internet that it blocks, and how.

    A ``ban`` blocks a short list of sources; a ``general`` rule blocks ports that nobody uses, too.
    With ``answer`` it stops the answers to first packets that have passed, with ``later`` what
    follows the answers. ``rule`` may be the
    first of several ``rules`` that each block a few addresses alike.
    """

    rule: str
    share: float
    action: str
    ban: bool = False
    general: bool = False
    answer: bool = False
    later: bool = False
    rules: int = 1


@dataclass(frozen=True, slots=True)
class Arrival:
    """Another port of the host that ``rule`` sends a broad share (0 to 1) of the Internet to."""

    port: int
    share: float
    rule: str


@dataclass(frozen=True, slots=True)
class Doubt:
    """What the firewall engine could not decide, for which share (0 to 1) of the Internet."""

    reason: str
    share: float


@dataclass(frozen=True, slots=True)
class PortVerdict:
    """The firewall's answer for new connections to one port; shares are of the Internet.

    ``arrivals`` are those that pass, but arrive at another port than the one asked. ``far`` is the
    only far address that was asked about, "" for all of the Internet.
    """

    flow: Flow
    family: Family
    port: int
    passes: float
    blockers: tuple[Blocker, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    local_address: str = ""
    arrivals: tuple[Arrival, ...] = ()
    protocol: str = "tcp"
    far: str = ""


@dataclass(frozen=True, slots=True)
class Prospect:
    """What the next boot does to mail that passes the firewall today; shares are of the Internet.

    ``lost`` (0 to 1) passes today and will be blocked; ``undecided`` passes today and may be.
    ``cause`` is the rule that will block most of it and where it is saved, ``service`` what loads
    or makes it; ``today`` tells whether that rule is among the running ones, too. ``opener`` is
    the running rule that lets it in and that nothing brings back, "" where none was found.
    ``doubt`` says why it may come otherwise. With ``answer`` it is the answers that will be
    stopped.
    """

    flow: Flow
    family: Family
    port: int
    lost: float = 0.0
    undecided: float = 0.0
    cause: str = ""
    service: str = ""
    today: bool = True
    opener: str = ""
    answer: bool = False
    doubt: str = ""


@dataclass(frozen=True, slots=True)
class BootFile:
    """A file of firewall rules that ``service`` loads at boot.

    ``complaint`` is what the loading program says when it refuses the file, None where it takes it.
    """

    file: str
    service: str
    complaint: Fact[str | None]


@dataclass(frozen=True, slots=True)
class MailDomains:
    """The domains for which the MTA accepts mail, in A-labels, and where the list is kept.

    ``unread`` says which parts of the list cannot be told without a message, or not be read. Mail
    for ``relayed`` is passed on to another host. ``panel`` is the hosting panel, "" without one.
    """

    names: tuple[str, ...]
    source: str
    unread: tuple[str, ...] = ()
    relayed: tuple[str, ...] = ()
    panel: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """One look at one host; ``listeners`` are the part of ``all_listeners`` on mail ports."""

    listeners: Fact[tuple[Listener, ...]] = field(default_factory=unread)
    all_listeners: Fact[tuple[Listener, ...]] = field(default_factory=unread)
    greetings: Fact[tuple[Greeting, ...]] = field(default_factory=unread)
    servers: Fact[tuple[MailServer, ...]] = field(default_factory=unread)
    mta: Fact[Mta | None] = field(default_factory=unread)
    exim_source: Fact[EximSource | None] = field(default_factory=unread)
    exim_settings: Fact[EximSettings | None] = field(default_factory=unread)
    exim_validity: Fact[tuple[Validity, ...]] = field(default_factory=unread)
    names: Fact[HostNames] = field(default_factory=unread)
    fqdn: Fact[str | None] = field(default_factory=unread)
    fqdn_records: Fact[NameRecords | None] = field(default_factory=unread)
    helo_records: Fact[NameRecords | None] = field(default_factory=unread)
    addresses: Fact[tuple[HostAddress, ...]] = field(default_factory=unread)
    default_route: PerFamily[bool] = field(default_factory=PerFamily)
    outgoing: PerFamily[Outgoing | None] = field(default_factory=PerFamily)
    reverse_dns: PerFamily[ReverseDns | None] = field(default_factory=PerFamily)
    firewall: PerFamily[tuple[PortVerdict, ...]] = field(default_factory=PerFamily)
    dns_out: PerFamily[tuple[PortVerdict, ...]] = field(default_factory=PerFamily)
    after_boot: PerFamily[tuple[Prospect, ...]] = field(default_factory=PerFamily)
    boot_files: Fact[tuple[BootFile, ...]] = field(default_factory=unread)
    way_out: PerFamily[WayOut | None] = field(default_factory=PerFamily)
    domains: Fact[MailDomains | None] = field(default_factory=unread)
    helo_spf: PerFamily[SpfVerdict | None] = field(default_factory=PerFamily)
    blocklists: PerFamily[tuple[Listing, ...]] = field(default_factory=PerFamily)
    domain_records: Fact[tuple[DomainRecords, ...]] = field(default_factory=unread)
