"""The zone's own servers are asked, each of them, and who differs or fails is named.

BIND serves the zones in a network of its own, on addresses of loopback: 127.0.0.2 holds the newest,
127.0.0.3 the same, 127.0.0.4 an older one, 127.0.0.5 none. Small servers misbehave at 127.0.0.6.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import dns.message
import dns.rdatatype
import pytest

from mailfix.host import Deadline
from mailfix.host.dns import Authority, SystemDns
from mailfix.host.dns.server import Server
from mailfix.mail_records.zone import Zone as ZoneFacts
from mailfix.model import Fact, Known, Unknown
from mailfix.probes import domain_records
from mailfix.record_set import RecordSet
from tests.unit.nameserver import Behaviour, nameserver, replying, silent
from tests.unit.own_network import own_network
from tests.unit.records import Zone

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("named") is None,
    reason="needs root for a network of its own, and BIND (bind9)",
)

SOA = "ns1.example.com. hostmaster.example.com. {serial} 7200 3600 1209600 60"
HEAD = "$TTL 3600\n@ SOA " + SOA + "\n"
EXAMPLE = """@ NS ns1
@ NS ns2
ns1 A 127.0.0.2
ns2 A 127.0.0.3
@ MX 10 mail
@ TXT "v=spf1 mx -all"
mail A 203.0.113.10
*.wild TXT "any"
deep.empty A 203.0.113.11
alias CNAME mail
far CNAME www.example.net.
gone CNAME nothing.example.net.
below NS ns1.below
ns1.below A 127.0.0.2
"""
ZONES = {
    "new/example.com": HEAD.format(serial=7) + EXAMPLE,
    "new/below.example.com": HEAD.format(serial=3) + "@ NS ns1\nns1 A 127.0.0.2\nx TXT below\n",
    "new/example.net": HEAD.format(serial=1) + "@ NS ns1.example.com.\nwww TXT elsewhere\n",
    "new/com": HEAD.format(serial=1) + "@ NS ns1.example.com.\nexample NS ns1.example\n"
    "ns1.example A 127.0.0.2\nlame NS ns9.lame\nns9.lame A 127.0.0.5\n",
    "old/example.com": HEAD.format(serial=6)
    + EXAMPLE.replace("mx -all", "-all").replace("mail A 203.0.113.10", "mail A 203.0.113.9")
    + 'key._domainkey TXT "v=DKIM1; p="\n',
}
CONFIGURATION = """options {{ directory "{folder}"; pid-file none; session-keyfile none;
 listen-on port {port} {{ 127.0.0.2; 127.0.0.3; 127.0.0.4; 127.0.0.5; }}; listen-on-v6 {{ none; }};
 recursion no; notify no; dnssec-validation no; empty-zones-enable no; }};
controls {{ }};
view new {{ match-destinations {{ 127.0.0.2; 127.0.0.3; }};
 zone example.com {{ type primary; file "new/example.com"; }};
 zone below.example.com {{ type primary; file "new/below.example.com"; }};
 zone example.net {{ type primary; file "new/example.net"; }};
 zone com {{ type primary; file "new/com"; }}; }};
view old {{ match-destinations {{ 127.0.0.4; }};
 zone example.com {{ type primary; file "old/example.com"; }}; }};
view none {{ match-destinations {{ any; }}; }};
"""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Run BIND; the port at which it answers."""
    number = 53
    with (
        own_network(*(f"127.0.0.{last}" for last in range(2, 6))),
        tempfile.TemporaryDirectory() as folder,
    ):
        for name, text in ZONES.items():
            (Path(folder) / name).parent.mkdir(exist_ok=True)
            (Path(folder) / name).write_text(text)
        configuration = Path(folder) / "named.conf"
        configuration.write_text(CONFIGURATION.format(folder=folder, port=number))
        log = (Path(folder) / "log").open("w")
        server = subprocess.Popen(["named", "-g", "-c", str(configuration)], stderr=log)
        try:
            _await_answers(number, Path(folder) / "log")
            yield number
        finally:
            server.terminate()
            server.wait()
            log.close()


def _await_answers(number: int, log: Path) -> None:
    async def once() -> bool:
        dns = SystemDns(Deadline.after(5), [Server("127.0.0.2", number)])
        return isinstance(await dns.lookup("example.com", "SOA"), Known)

    until = time.monotonic() + 30
    while not asyncio.run(once()):
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.1)


def resolver(*servers: str, failing: dict[tuple[str, str], str] | None = None) -> Zone:
    """What the host's resolver knows: the servers of example.com at these addresses."""
    names = [f"ns{number}.example.com" for number, _ in enumerate(servers, 1)]
    records: dict[tuple[str, str], list[str]] = {
        ("com", "SOA"): ["ns1.example.com hostmaster.example.com 1 1 1 1 1"],
        ("com", "NS"): ["ns1.example.com"],
        ("example.net", "SOA"): ["ns1.example.com hostmaster.example.com 1 1 1 1 1"],
        ("example.net", "NS"): ["ns1.example.com"],
        ("example.com", "SOA"): ["ns1.example.com hostmaster.example.com 7 1 1 1 1"],
        ("example.com", "NS"): names,
        ("example.com", "TXT"): ["stale"],
        ("ns9.lame.com", "A"): [],
    }
    records |= {
        (name, "AAAA" if ":" in address else "A"): [address]
        for name, address in zip(names, servers, strict=True)
        if address
    }
    return Zone(records, failing)


def ask(port: int, resolving: Zone, name: str, rdtype: str = "TXT") -> Fact[RecordSet]:
    async def once() -> Fact[RecordSet]:
        return await Authority(resolving, Deadline.after(20), port).lookup(name, rdtype)

    return asyncio.run(once())


def zone(port: int, resolving: Zone, name: str, *asked: tuple[str, str]) -> ZoneFacts:
    async def once() -> Fact[ZoneFacts]:
        authority = Authority(resolving, Deadline.after(20), port)
        for each in asked:
            await authority.lookup(*each)
        return await authority.zone_of(name)

    told = asyncio.run(once())
    assert isinstance(told, Known), told
    return told.value


def known(told: Fact[RecordSet]) -> RecordSet:
    assert isinstance(told, Known), told
    return told.value


def test_all_servers_agree_and_are_named(port: int) -> None:
    told = known(ask(port, resolver("127.0.0.2", "127.0.0.3"), "example.com"))
    assert told.records == ("v=spf1 mx -all",)
    assert told.servers == ("ns1.example.com (127.0.0.2)", "ns2.example.com (127.0.0.3)")
    assert told.ttl == 3600


def test_a_stale_secondary_is_named_and_nothing_is_believed(port: int) -> None:
    told = ask(port, resolver("127.0.0.2", "127.0.0.4"), "example.com")
    assert isinstance(told, Unknown)
    assert "do not agree on TXT example.com" in told.reason
    assert "ns1.example.com (127.0.0.2) says v=spf1 mx -all" in told.reason
    assert "ns2.example.com (127.0.0.4) says v=spf1 -all" in told.reason


def test_the_zone_tells_serials_and_disagreements(port: int) -> None:
    servers = resolver("127.0.0.2", "127.0.0.4")
    told = zone(port, servers, "mail.example.com", ("example.com", "TXT"), ("example.com", "MX"))
    assert told.apex == "example.com"
    assert [(each.name, each.serial, each.trouble) for each in told.servers] == [
        ("ns1.example.com", 7, ""),
        ("ns2.example.com", 6, ""),
    ]
    assert [(each.name, each.type) for each in told.disagreements] == [("example.com", "TXT")]
    assert len(told.disagreements[0].answers) == 2


def test_where_serials_differ_the_hosts_of_the_mx_and_the_keys_are_compared(port: int) -> None:
    async def compared() -> Fact[ZoneFacts]:
        deadline = Deadline.after(20)
        authority = Authority(resolver("127.0.0.2", "127.0.0.4"), deadline, port)
        (zone,) = await domain_records.zones(authority, ("example.com",), deadline)
        assert isinstance(zone, Known), zone
        found = await domain_records.compared(
            authority,
            {"example.com": zone.value},
            {"example.com": ["key._domainkey.example.com", "_dmarc.example.com"]},
            deadline,
        )
        return found["example.com"]

    told = asyncio.run(compared())
    assert isinstance(told, Known), told
    assert {(each.name, each.type) for each in told.value.disagreements} == {
        ("example.com", "TXT"),
        ("mail.example.com", "A"),
        ("key._domainkey.example.com", "TXT"),
    }


def failing(rcode: str) -> Behaviour:
    return replying(rcode=rcode, flags="QR")


HAVE_NOTHING = replying(authority=(". 60 NS a.root-servers.net.",), flags="QR")
FROM_A_CACHE = replying("example.com. 60 SOA " + SOA.format(serial=7), flags="QR RA")


@pytest.mark.parametrize(
    ("behaviour", "trouble"),
    [
        (silent, "gave no answer in 3 tries, nor over TCP"),
        (failing("SERVFAIL"), "SERVFAIL"),
        (failing("REFUSED"), "REFUSED"),
        (HAVE_NOTHING, "not authoritative (lame)"),
        (FROM_A_CACHE, "not authoritative (lame)"),
    ],
    ids=["dead", "servfail", "refused", "referral upwards", "from a cache"],
)
def test_a_server_in_trouble_is_named_and_the_others_are_believed(
    port: int, behaviour: Behaviour, trouble: str
) -> None:
    servers = resolver("127.0.0.2", "127.0.0.6")
    with nameserver(behaviour, address="127.0.0.6", port=port):
        told = zone(port, servers, "example.com")
        believed = known(ask(port, servers, "example.com"))
    assert [each.trouble for each in told.servers] == ["", trouble]
    assert believed.records == ("v=spf1 mx -all",)
    assert believed.servers == ("ns1.example.com (127.0.0.2)",)


def test_what_a_server_has_from_elsewhere_is_not_believed(port: int) -> None:
    def behave(query: dns.message.Message) -> dns.message.Message | bytes | None:
        if query.question[0].rdtype == dns.rdatatype.SOA:
            return replying("@ 60 SOA " + SOA.format(serial=7), flags="QR AA")(query)
        return replying("@ 60 TXT cached", flags="QR RA")(query)

    with nameserver(behave, address="127.0.0.6", port=port):
        assert known(ask(port, resolver("127.0.0.6"), "example.com")).records == ("stale",)


def test_a_server_that_holds_other_zones_is_lame(port: int) -> None:
    told = zone(port, resolver("127.0.0.2", "127.0.0.5"), "example.com")
    assert [each.trouble for each in told.servers] == ["", "REFUSED"]


def test_a_server_that_answers_over_tcp_alone_is_no_dead_one(port: int) -> None:
    serial = "example.com. 60 SOA " + SOA.format(serial=7)
    over_tcp = replying(serial, flags="QR AA")
    with nameserver(silent, over_tcp, "127.0.0.6", port):
        told = zone(port, resolver("127.0.0.6"), "example.com")
    assert [(each.serial, each.trouble) for each in told.servers] == [(7, "")]


def test_a_server_name_without_address_is_told(port: int) -> None:
    told = zone(port, resolver("127.0.0.2", ""), "example.com")
    assert [each.trouble for each in told.servers] == ["", "its name has no address"]


def test_a_server_whose_name_cannot_be_found_out_is_not_blamed(port: int) -> None:
    lost = {("ns2.example.com", kind): "SERVFAIL from 192.0.2.1" for kind in ("A", "AAAA")}
    told = zone(port, resolver("127.0.0.2", "", failing=lost), "example.com")
    assert [(each.trouble, each.fault) for each in told.servers] == [
        ("", ""),
        ("SERVFAIL from 192.0.2.1", ""),
    ]


def test_an_alias_is_blamed_and_one_that_refuses_is_in_trouble_alone(port: int) -> None:
    resolving = resolver("127.0.0.2", "127.0.0.5", "")
    resolving.records |= {("ns3.example.com", "CNAME"): ("ns1.example.com",)}
    told = zone(port, resolving, "example.com")
    assert [(each.trouble, each.fault) for each in told.servers] == [
        ("", ""),
        ("REFUSED", ""),
        ("", "its name is a CNAME, which many resolvers do not follow (RFC 2181 section 10.3)"),
    ]


def test_a_server_beyond_every_route_is_not_asked_and_no_trouble(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mailfix.host.dns import name_servers

    monkeypatch.setattr(name_servers, "_has_route", lambda address: ":" not in address)
    told = zone(port, resolver("127.0.0.2", "2001:db8::53"), "example.com")
    assert [each.address for each in told.servers] == ["127.0.0.2"]


def test_where_no_server_can_be_reached_the_resolver_is_believed(port: int) -> None:
    told = known(ask(port, resolver("127.0.0.5"), "example.com"))
    assert (told.records, told.servers) == (("stale",), ())


def test_where_nobody_answers_the_reason_names_every_server(port: int) -> None:
    lost = {("example.com", "TXT"): "SERVFAIL from 192.0.2.1"}
    told = ask(port, resolver("127.0.0.5", failing=lost), "example.com")
    assert isinstance(told, Unknown)
    assert told.reason == "SERVFAIL from 192.0.2.1; ns1.example.com (127.0.0.5): REFUSED"


@pytest.mark.parametrize(
    ("name", "exists", "records"),
    [
        ("x.wild.example.com", True, ("any",)),
        ("empty.example.com", True, ()),
        ("mail.example.com", True, ()),
        ("nobody.example.com", False, ()),
    ],
    ids=["wildcard", "empty non-terminal", "no such record", "no such name"],
)
def test_what_the_zone_holds_is_told(
    port: int, name: str, exists: bool, records: tuple[str, ...]
) -> None:
    told = known(ask(port, resolver("127.0.0.2", "127.0.0.3"), name))
    assert (told.exists, told.records) == (exists, records)
    assert len(told.servers) == 2


def test_aliases_are_followed_within_the_zone_and_out_of_it(port: int) -> None:
    servers = resolver("127.0.0.2")
    near = known(ask(port, servers, "alias.example.com", "A"))
    assert (near.records, near.owner) == (("203.0.113.10",), "mail.example.com")
    far = known(ask(port, servers, "far.example.com"))
    assert (far.records, far.owner) == (("elsewhere",), "www.example.net")
    gone = known(ask(port, servers, "gone.example.com"))
    assert (gone.exists, gone.owner) == (False, "nothing.example.net")


def test_a_loop_of_aliases_ends(port: int) -> None:
    def behave(query: dns.message.Message) -> dns.message.Message | bytes | None:
        asked = query.question[0]
        if asked.rdtype == dns.rdatatype.SOA:
            return replying("@ 60 SOA " + SOA.format(serial=7), flags="QR AA")(query)
        target = "pool" if asked.name.labels[0] == b"loop" else "loop"
        return replying(f"@ 60 CNAME {target}.example.com.", flags="QR AA")(query)

    with nameserver(behave, address="127.0.0.6", port=port):
        told = ask(port, resolver("127.0.0.6"), "loop.example.com")
    assert isinstance(told, Unknown)
    assert "lead nowhere" in told.reason


def test_a_delegation_that_the_resolver_cannot_see_is_followed(port: int) -> None:
    """127.0.0.4 holds example.com only and refers to 127.0.0.2 for what is below."""
    servers = resolver("127.0.0.4")
    servers.records["ns1.below.example.com", "A"] = ("127.0.0.2",)
    told = known(ask(port, servers, "x.below.example.com"))
    assert told.records == ("below",)
    assert told.servers == ("ns1.below.example.com (127.0.0.2)",)


def test_servers_that_the_resolver_cannot_find_are_found_through_the_parent(port: int) -> None:
    lost = {("lame.com", kind): "SERVFAIL from 192.0.2.1" for kind in ("SOA", "NS", "TXT")}
    lost |= {("ns9.lame.com", kind): "SERVFAIL from 192.0.2.1" for kind in ("A", "AAAA")}
    told = zone(port, resolver("127.0.0.2", failing=lost), "lame.com")
    assert told.apex == "lame.com"
    assert [(s.label, s.trouble) for s in told.servers] == [("ns9.lame.com (127.0.0.5)", "REFUSED")]


def test_zones_servers_and_answers_are_asked_for_once(port: int) -> None:
    serial = "example.com. 60 SOA " + SOA.format(serial=7)

    async def many() -> None:
        authority = Authority(resolver("127.0.0.6"), Deadline.after(20), port)
        await asyncio.gather(*(authority.lookup("example.com", "SOA") for _ in range(50)))
        await asyncio.gather(*(authority.zone_of(f"n{n}.example.com") for n in range(50)))
        await authority.lookup("example.com", "SOA")

    with nameserver(replying(serial, flags="QR AA"), address="127.0.0.6", port=port) as asked:
        asyncio.run(many())
        assert asked[1:] == ["example.com. IN SOA"] * 2


def zones(port: int, addresses: list[tuple[str, ...]]) -> list[Fact[ZoneFacts]]:
    """What is found out about many zones, each with its servers at the given addresses."""
    names = [f"n{number}.test" for number, _ in enumerate(addresses)]
    records: dict[tuple[str, str], tuple[str, ...]] = {}
    for name, served_at in zip(names, addresses, strict=True):
        records[name, "SOA"] = ("a b 1 1 1 1 1",)
        records[name, "NS"] = (f"ns.{name}",)
        records[f"ns.{name}", "A"] = served_at

    async def many() -> list[Fact[ZoneFacts]]:
        authority = Authority(Zone(records), Deadline.after(60), port)
        return await asyncio.gather(*(authority.zone_of(name) for name in names))

    return asyncio.run(many())


def test_a_dead_server_of_many_zones_is_given_up(port: int) -> None:
    clock = time.monotonic()
    with nameserver(silent, address="127.0.0.6", port=port):
        told = zones(port, [("127.0.0.5", "127.0.0.6")] * 200)
    assert time.monotonic() - clock < 10
    troubles = [[s.trouble for s in each.value.servers] for each in told if isinstance(each, Known)]
    assert troubles == [["REFUSED", "gave no answer in 3 tries, nor over TCP"]] * 200


def test_where_no_server_at_all_is_heard_none_is_blamed(port: int) -> None:
    addresses = [f"127.0.{1 + number // 200}.{1 + number % 200}" for number in range(600)]
    with contextlib.ExitStack() as sockets:
        for address in addresses:
            unread = sockets.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            unread.bind((address, port))
        clock = time.monotonic()
        told = zones(port, [(address,) for address in addresses])
        took = time.monotonic() - clock
    assert took < 9
    for each in told:
        assert isinstance(each, Unknown)
        assert "no name server answers this host, neither ns.n" in each.reason


def test_where_nothing_can_be_sent_no_server_is_blamed(port: int) -> None:
    (told,) = zones(port, [("127.0.0.7",)])
    assert isinstance(told, Unknown)


def test_what_is_no_name_does_not_exist(port: int) -> None:
    assert not known(ask(port, resolver("127.0.0.2"), "a..b")).exists
