"""However badly a resolver or the way to it behaves, what the client says is right or unknown."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import socket
import time
from collections.abc import Iterator

import dns.flags
import dns.message
import dns.name
import dns.rrset
import pytest

from mailfix.host import Deadline
from mailfix.host.dns import Bogus, SystemDns
from mailfix.host.dns.places import LEAST, MOST, Places
from mailfix.host.dns.resolv_conf import parse
from mailfix.host.dns.server import Server
from mailfix.model import Fact, Known, Unknown
from mailfix.record_set import RecordSet
from tests.unit.nameserver import (
    SOA,
    Behaviour,
    answering,
    failing,
    nameserver,
    replying,
    silent,
    truncated,
)

NAME = "www.example.com"


def client(*ports: str, seconds: float = 8.0) -> SystemDns:
    return SystemDns(Deadline.after(seconds), [Server("127.0.0.1", int(port)) for port in ports])


def ask(*ports: str, name: str = NAME, rdtype: str = "A", seconds: float = 8.0) -> Fact[RecordSet]:
    async def once() -> Fact[RecordSet]:
        return await client(*ports, seconds=seconds).lookup(name, rdtype)

    return asyncio.run(once())


def known(told: Fact[RecordSet]) -> RecordSet:
    assert isinstance(told, Known), told
    return told.value


def reason(told: Fact[RecordSet]) -> str:
    assert isinstance(told, Unknown), told
    return told.reason


@contextlib.contextmanager
def nobody() -> Iterator[str]:
    """A port that refuses whatever comes from us, and that nobody else gets."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind(("127.0.0.1", 0))
        held.connect(("127.0.0.1", 9))
        yield str(held.getsockname()[1])


def test_txt_strings_are_joined_and_keep_every_byte() -> None:
    record = r'@ 300 TXT "v=spf1 " "a\"b\\ \233" " -all"'
    with nameserver(replying(record)) as (port, *_):
        told = known(ask(port, rdtype="TXT"))
    assert told.records == ('v=spf1 a"b\\ \xe9 -all',)
    assert told.ttl == 300


def test_two_records_that_differ_only_in_their_strings_are_two() -> None:
    same = ('@ 60 TXT "v=spf1 -all"', '@ 60 TXT "v=spf1 " "-all"')
    with nameserver(replying(*same)) as (port, *_):
        assert known(ask(port, rdtype="TXT")).records == ("v=spf1 -all",) * 2
    with nameserver(replying(same[0], same[0])) as (port, *_):
        assert known(ask(port, rdtype="TXT")).records == ("v=spf1 -all",)


def test_names_within_records_lose_their_last_dot_but_not_the_root_its_only_one() -> None:
    with nameserver(replying("@ 60 MX 0 .")) as (port, *_):
        assert known(ask(port, rdtype="MX")).records == ("0 .",)
    with nameserver(replying("@ 60 MX 10 Mail.Example.COM.")) as (port, *_):
        assert known(ask(port, rdtype="MX")).records == ("10 mail.example.com",)


def test_cnames_are_followed_and_the_least_ttl_counts() -> None:
    chain = ("@ 600 CNAME a.example.net.", "a.example.net. 30 CNAME b.example.net.")
    with nameserver(replying(*chain, "b.example.net. 900 A 203.0.113.9")) as (port, *_):
        told = known(ask(port))
    assert (told.records, told.ttl, told.owner) == (("203.0.113.9",), 30, "b.example.net")


def test_a_cname_to_a_name_that_is_missing_is_no_such_name() -> None:
    behave = replying("@ 60 CNAME gone.example.net.", rcode="NXDOMAIN")
    with nameserver(behave) as (port, *_):
        told = known(ask(port))
    assert (told.exists, told.owner, told.records) == (False, "gone.example.net", ())


def test_a_cname_itself_can_be_asked_for() -> None:
    with nameserver(replying("@ 60 CNAME a.example.net.")) as (port, *_):
        told = known(ask(port, rdtype="CNAME"))
    assert (told.records, told.owner) == (("a.example.net",), "")


def test_a_chain_that_leaves_the_reply_is_asked_on() -> None:
    def behave(query: dns.message.Message) -> dns.message.Message | bytes | None:
        if query.question[0].name == dns.name.from_text(NAME):
            return replying("@ 20 CNAME far.example.net.")(query)
        return answering("203.0.113.5")(query)

    with nameserver(behave) as (port, *_):
        told = known(ask(port))
    assert (told.records, told.owner, told.ttl) == (("203.0.113.5",), "far.example.net", 20)


@pytest.mark.parametrize(
    "chain",
    [
        ("@ 60 CNAME www.example.com.",),
        ("@ 60 CNAME a.example.com.", "a.example.com. 60 CNAME www.example.com."),
    ],
)
def test_a_loop_of_cnames_is_unknown(chain: tuple[str, ...]) -> None:
    with nameserver(replying(*chain)) as (port, *_):
        assert "CNAMEs that lead nowhere" in reason(ask(port))


def test_a_loop_of_cnames_over_several_replies_is_unknown() -> None:
    def behave(query: dns.message.Message) -> dns.message.Message | bytes | None:
        first = query.question[0].name == dns.name.from_text(NAME)
        return replying(f"@ 60 CNAME {'a.example.net' if first else NAME}.")(query)

    with nameserver(behave) as (port, *_):
        assert "CNAMEs that lead nowhere" in reason(ask(port))


def test_a_chain_longer_than_any_resolver_follows_is_unknown() -> None:
    links = [f"n{number}.example.com. 60 CNAME n{number + 1}.example.com." for number in range(40)]
    whole = (*links, "n40.example.com. 60 A 203.0.113.1")
    with nameserver(truncated, replying(*whole)) as (port, *_):
        assert "CNAMEs that lead nowhere" in reason(ask(port, name="n0.example.com"))
        assert known(ask(port, name="n30.example.com")).owner == "n40.example.com"


def test_a_reply_over_tcp_under_another_id_is_not_taken() -> None:
    def behave(query: dns.message.Message) -> dns.message.Message:
        query.id = (query.id + 1) % 65536
        reply = answering("198.51.100.66")(query)
        assert isinstance(reply, dns.message.Message)
        return reply

    with nameserver(truncated, behave) as (port, *_):
        assert "garbage from 127.0.0.1" in reason(ask(port))


def test_extras_that_nobody_asked_for_are_not_taken() -> None:
    poison = ("bank.example.net. 60 A 198.51.100.66", "@ 60 A 203.0.113.1")
    with nameserver(replying(*poison)) as (port, *_):
        assert known(ask(port)).records == ("203.0.113.1",)
    with nameserver(replying(poison[0], authority=(f"example.com. 60 SOA {SOA}",))) as (port, *_):
        assert known(ask(port)) == RecordSet((), exists=True)


def test_a_thousand_records_are_not_even_read() -> None:
    many = [f"@ 60 A 10.0.{number // 250}.{number % 250}" for number in range(1000)]
    with nameserver(truncated, replying(*many)) as (port, *_):
        assert "1000 records from 127.0.0.1" in reason(ask(port))


def test_a_reply_under_another_id_is_not_taken_and_the_right_one_still_is() -> None:
    def behave(query: dns.message.Message) -> dns.message.Message:
        other = dns.message.make_response(query)
        other.answer.append(
            dns.rrset.from_text(query.question[0].name, 60, "IN", "A", "198.51.100.66")
        )
        other.id = (query.id + 1) % 65536
        return other

    with nameserver(behave) as (port, *_):
        assert "kept silent" in reason(ask(port, seconds=1.0))


def test_a_reply_from_another_port_is_not_taken() -> None:
    async def forged(server: socket.socket, forger: socket.socket) -> Fact[RecordSet]:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)
        port = str(server.getsockname()[1])
        asking = asyncio.create_task(client(port, seconds=1).lookup(NAME, "A"))
        wire, asker = await asyncio.get_running_loop().sock_recvfrom(server, 4096)
        reply = answering("198.51.100.66")(dns.message.from_wire(wire))
        assert isinstance(reply, dns.message.Message)
        forger.sendto(reply.to_wire(), asker)
        return await asking

    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger,
    ):
        assert "kept silent" in reason(asyncio.run(forged(server, forger)))


def test_a_question_is_answered_in_whatever_case_the_server_likes() -> None:
    def behave(query: dns.message.Message) -> bytes:
        reply = answering("203.0.113.1")(query)
        assert isinstance(reply, dns.message.Message)
        return reply.to_wire().replace(b"example", b"ExAmPlE", 1)

    with nameserver(behave) as (port, *_):
        assert known(ask(port)).records == ("203.0.113.1",)


@pytest.mark.parametrize("rcode", ["FORMERR", "NOTIMP", "BADVERS"])
def test_a_server_that_refuses_edns_is_asked_without(rcode: str) -> None:
    def behave(query: dns.message.Message) -> dns.message.Message | bytes | None:
        return answering("203.0.113.1")(query) if query.edns < 0 else failing(rcode)(query)

    with nameserver(behave) as (port, *_):
        assert known(ask(port)).records == ("203.0.113.1",)


def test_a_way_that_swallows_edns_is_no_silence() -> None:
    def behave(query: dns.message.Message) -> dns.message.Message | bytes | None:
        return answering("203.0.113.1")(query) if query.edns < 0 else None

    with nameserver(behave) as (port, *_):
        assert known(ask(port)).records == ("203.0.113.1",)


def test_a_way_that_swallows_edns_is_waited_for_once() -> None:
    def behave(query: dns.message.Message) -> dns.message.Message | bytes | None:
        return answering("203.0.113.1")(query) if query.edns < 0 else None

    async def one_after_the_other(port: str) -> float:
        asked = client(port, seconds=20)
        known(await asked.lookup(NAME, "A"))
        clock = time.monotonic()
        for number in range(9):
            known(await asked.lookup(f"w{number}.example.com", "A"))
        return time.monotonic() - clock

    with nameserver(behave) as (port, *_):
        assert asyncio.run(one_after_the_other(port)) < 1


def test_a_refusal_of_edns_that_comes_after_another_was_learnt_from_is_heeded_too() -> None:
    async def crossed(server: socket.socket) -> tuple[Fact[RecordSet], Fact[RecordSet]]:
        server.bind(("127.0.0.1", 0))
        server.setblocking(False)
        asked = client(str(server.getsockname()[1]))
        early = asyncio.create_task(asked.lookup("early.example.com", "A"))
        first = await take(server)
        late = asyncio.create_task(asked.lookup("late.example.com", "A"))
        second = await take(server)
        give(server, first, failing("NOTIMP"))
        give(server, await take(server), answering("203.0.113.1"))
        told = await early
        give(server, second, failing("NOTIMP"))
        give(server, await take(server), answering("203.0.113.2"))
        return told, await late

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        told = asyncio.run(crossed(server))
    assert [known(each).records for each in told] == [("203.0.113.1",), ("203.0.113.2",)]


async def take(server: socket.socket) -> tuple[dns.message.Message, tuple[str, int]]:
    """The next question, and who asks."""
    async with asyncio.timeout(2):
        wire, asker = await asyncio.get_running_loop().sock_recvfrom(server, 4096)
    return dns.message.from_wire(wire), asker


def give(
    server: socket.socket, taken: tuple[dns.message.Message, tuple[str, int]], behave: Behaviour
) -> None:
    query, asker = taken
    reply = behave(query)
    assert isinstance(reply, dns.message.Message)
    server.sendto(reply.to_wire(), asker)


def test_a_refusal_without_the_question_is_heard_at_once() -> None:
    def behave(query: dns.message.Message) -> bytes:
        return query.to_wire()[:2] + b"\x80\x05" + bytes(8)

    clock = time.monotonic()
    with nameserver(behave) as (port, *_):
        assert "REFUSED from 127.0.0.1" in reason(ask(port))
    assert time.monotonic() - clock < 1


def test_a_code_that_nobody_knows_is_told_by_its_number() -> None:
    def behave(query: dns.message.Message) -> bytes:
        return query.to_wire()[:2] + b"\x80\x0c" + bytes(8)

    with nameserver(behave) as (port, *_):
        assert "12 from 127.0.0.1" in reason(ask(port))


def test_a_success_without_the_question_is_not_taken() -> None:
    def behave(query: dns.message.Message) -> bytes:
        return query.to_wire()[:2] + b"\x80\x00" + bytes(8)

    with nameserver(behave) as (port, *_):
        assert isinstance(ask(port, seconds=1.0), Unknown)


def test_the_resolver_is_asked_to_vouch_and_what_it_says_is_kept() -> None:
    wished = []

    def behave(query: dns.message.Message) -> dns.message.Message | bytes | None:
        wished.append(dns.flags.to_text(query.flags))
        return replying("@ 60 A 203.0.113.1", flags="QR RD RA AD")(query)

    with nameserver(behave) as (port, *_):
        assert known(ask(port)).secure
    assert wished == ["RD AD"]


def test_an_alias_out_of_an_unsigned_zone_is_not_secure() -> None:
    def behave(query: dns.message.Message) -> dns.message.Message | bytes | None:
        if query.question[0].name == dns.name.from_text(NAME):
            return replying("@ 20 CNAME far.example.net.")(query)
        return replying("@ 60 A 203.0.113.1", flags="QR RD RA AD")(query)

    with nameserver(behave) as (port, *_):
        assert not known(ask(port)).secure


def test_failing_validation_is_told_from_other_failures() -> None:
    def behave(query: dns.message.Message) -> dns.message.Message | bytes | None:
        unchecked = query.flags & dns.flags.CD
        return answering("203.0.113.1")(query) if unchecked else failing("SERVFAIL")(query)

    with nameserver(behave) as (port, *_):
        told = ask(port)
    assert isinstance(told, Bogus)
    assert "SERVFAIL from 127.0.0.1" in told.reason
    assert "DNSSEC validation fails for www.example.com" in told.reason


def test_a_failure_that_passes_is_no_failure() -> None:
    asked: list[int] = []

    def behave(query: dns.message.Message) -> dns.message.Message | bytes | None:
        asked.append(query.flags)
        return failing("SERVFAIL")(query) if len(asked) == 1 else answering("203.0.113.1")(query)

    with nameserver(behave) as (port, *_):
        assert known(ask(port)).records == ("203.0.113.1",)


@pytest.mark.parametrize("first", [silent, failing("SERVFAIL"), failing("REFUSED"), truncated])
def test_another_resolver_helps_out(first: object) -> None:
    with nameserver(first) as (bad, *_), nameserver(answering("203.0.113.1")) as (good, *_):  # type: ignore[arg-type]
        assert known(ask(bad, good)).records == ("203.0.113.1",)


def test_a_resolver_that_is_not_there_costs_no_time() -> None:
    clock = time.monotonic()
    with nobody() as port:
        assert "ECONNREFUSED from 127.0.0.1" in reason(ask(port))
    with nobody() as port, nameserver(answering("203.0.113.1")) as (good, *_):
        assert known(ask(port, good)).records == ("203.0.113.1",)
    assert time.monotonic() - clock < 1


def test_a_resolver_is_asked_over_ipv6() -> None:
    async def once(port: str) -> Fact[RecordSet]:
        return await SystemDns(Deadline.after(8), [Server("::1", int(port))]).lookup(NAME, "A")

    with nameserver(truncated, answering("203.0.113.1"), address="::1") as (port, *_):
        assert known(asyncio.run(once(port))).records == ("203.0.113.1",)


def test_a_dead_first_resolver_is_asked_last_soon() -> None:
    async def hundred(*ports: str) -> None:
        dns_client = client(*ports, seconds=30)
        for number in range(100):
            assert isinstance(await dns_client.lookup(f"n{number}.example.com", "A"), Known)

    clock = time.monotonic()
    with nameserver(silent) as (dead, *_), nameserver(answering("203.0.113.1")) as (good, *_):
        asyncio.run(hundred(dead, good))
    assert time.monotonic() - clock < 3


def test_a_tenth_of_all_packets_lost_both_ways_changes_no_answer() -> None:
    chance = random.Random(5)

    def behave(query: dns.message.Message) -> dns.message.Message | bytes | None:
        lost = chance.random() < 0.19
        return None if lost else answering("203.0.113.1")(query)

    async def many(port: str) -> list[Fact[RecordSet]]:
        dns_client = client(port, seconds=60)
        names = [f"n{number}.example.com" for number in range(400)]
        return await asyncio.gather(*(dns_client.lookup(name, "A") for name in names))

    with nameserver(behave) as (port, *_):
        told = asyncio.run(many(port))
    assert {known(each).records for each in told} == {("203.0.113.1",)}


def test_dead_dns_ends_in_five_seconds_whatever_is_asked() -> None:
    async def domain(dns_client: SystemDns, number: int) -> list[Fact[RecordSet]]:
        name = f"n{number}.example.com"
        return [await dns_client.lookup(name, rdtype) for rdtype in ("A", "MX", "TXT")]

    async def all_domains(port: str) -> list[list[Fact[RecordSet]]]:
        dns_client = client(port, seconds=60)
        return await asyncio.gather(*(domain(dns_client, number) for number in range(2000)))

    clock = time.monotonic()
    with nameserver(silent) as (port, *_):
        told = asyncio.run(all_domains(port))
    assert time.monotonic() - clock < 7
    assert all(isinstance(each, Unknown) for domains in told for each in domains)
    assert "127.0.0.1 port" in reason(told[-1][-1])


def test_a_few_dead_names_do_not_silence_the_others() -> None:
    def behave(query: dns.message.Message) -> dns.message.Message | bytes | None:
        dead = query.question[0].name.to_text().startswith("dead")
        return None if dead else answering("203.0.113.1")(query)

    async def all_of_them(port: str) -> tuple[list[Fact[RecordSet]], Fact[RecordSet]]:
        dns_client = client(port, seconds=60)
        dead = [asyncio.create_task(dns_client.lookup(f"dead{n}.test", "A")) for n in range(10)]
        await dns_client.lookup("good.test", "A")
        last = [await each for each in dead]
        return last, await dns_client.lookup("late.test", "A")

    with nameserver(behave) as (port, *_):
        dead, late = asyncio.run(all_of_them(port))
    assert known(late).records == ("203.0.113.1",)
    assert all("kept silent" in reason(each) for each in dead)


def test_whoever_gives_up_waiting_spoils_it_for_nobody() -> None:
    async def two(port: str) -> Fact[RecordSet]:
        dns_client = client(port)
        hasty = asyncio.create_task(dns_client.lookup(NAME, "A"))
        patient = asyncio.create_task(dns_client.lookup(NAME, "A"))
        await asyncio.sleep(0)
        hasty.cancel()
        return await patient

    with nameserver(answering("203.0.113.1")) as (port, *_):
        assert known(asyncio.run(two(port))).records == ("203.0.113.1",)


def test_no_time_left_is_unknown_and_nobody_is_asked() -> None:
    with nameserver(answering("203.0.113.1")) as asked:
        assert "time was over" in reason(ask(asked[0], seconds=0))
        assert asked[1:] == []


def test_no_socket_is_left_open() -> None:
    async def grown(port: str) -> int:
        dns_client, before = client(port), len(os.listdir("/proc/self/fd"))
        await asyncio.gather(*(dns_client.lookup(f"n{n}.test", "A") for n in range(200)))
        return len(os.listdir("/proc/self/fd")) - before

    with nameserver(answering("203.0.113.1")) as (port, *_):
        assert asyncio.run(grown(port)) == 0


def test_many_lost_questions_make_the_client_slower_and_good_times_faster() -> None:
    places = Places()
    for _ in range(64 * 4):
        places.learn(tries=5)
    assert places.limit == LEAST
    for _ in range(64 * 20):
        places.learn(tries=1)
    assert places.limit == MOST


def test_answers_that_are_only_slow_make_nothing_slower() -> None:
    places = Places()
    for _ in range(64 * 20):
        places.learn(tries=2)
    assert places.limit == MOST


def test_a_place_is_passed_on_even_by_those_who_leave_the_queue() -> None:
    async def crowd() -> int:
        places, inside, most = Places(), 0, 0

        async def visit() -> None:
            nonlocal inside, most
            async with places:
                inside += 1
                most = max(most, inside)
                await asyncio.sleep(0.001)
                inside -= 1

        visits = [asyncio.create_task(visit()) for _ in range(500)]
        await asyncio.sleep(0.0015)
        for each in visits[::3]:
            each.cancel()
        await asyncio.gather(*visits, return_exceptions=True)
        return most

    assert asyncio.run(asyncio.wait_for(crowd(), 10)) <= MOST


def test_a_place_given_to_somebody_who_has_just_left_is_given_to_the_next() -> None:
    async def visit(places: Places) -> bool:
        async with places:
            return True

    async def three() -> bool:
        places = Places()
        places.limit = 1
        async with places:
            second = asyncio.create_task(visit(places))
            third = asyncio.create_task(visit(places))
            await asyncio.sleep(0)
        second.cancel()
        return await asyncio.wait_for(third, 5)

    assert asyncio.run(three())


def test_resolv_conf_is_read_as_the_c_library_reads_it() -> None:
    text = """# comment
nameserver 192.0.2.1
nameserver\t2001:db8::1%eth0
  nameserver 192.0.2.9
nameserver example.com
nameserver 192.0.2.1
nameservers 192.0.2.8
nameserver 192.0.2.2 # second
nameserver 192.0.2.3
"""
    assert parse(text) == ("192.0.2.1", "2001:db8::1%eth0", "192.0.2.2")
