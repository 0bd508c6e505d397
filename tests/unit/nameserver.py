"""A small name server on loopback; dnspython makes its answers, and tests say how it behaves."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

Behaviour = Callable[[dns.message.Message], dns.message.Message | bytes | None]
SOA = "ns.example.com. hostmaster.example.com. 1 7200 3600 1209600 60"


@contextmanager
def nameserver(
    over_udp: Behaviour,
    over_tcp: Behaviour | None = None,
    address: str = "127.0.0.1",
    port: int = 0,
) -> Iterator[list[str]]:
    """Serve on one port over UDP and TCP; yields the port, then the questions asked over UDP."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    tcp = socket.create_server((address, port), family=family)
    udp = socket.socket(family, socket.SOCK_DGRAM)
    udp.bind(tcp.getsockname())
    asked = [str(tcp.getsockname()[1])]
    stop = threading.Event()
    threads = [
        threading.Thread(target=_serve_udp, args=(udp, over_udp, asked, stop)),
        threading.Thread(target=_serve_tcp, args=(tcp, over_tcp, stop)),
    ]
    for thread in threads:
        thread.start()
    try:
        yield asked
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        udp.close()
        tcp.close()


def _serve_udp(
    udp: socket.socket, behave: Behaviour, asked: list[str], stop: threading.Event
) -> None:
    udp.settimeout(0.05)
    while not stop.is_set():
        try:
            wire, sender = udp.recvfrom(4096)
        except TimeoutError:
            continue
        query = dns.message.from_wire(wire)
        asked.append(query.question[0].to_text())
        reply = behave(query)
        if reply is not None:
            udp.sendto(reply if isinstance(reply, bytes) else reply.to_wire(), sender)


def _serve_tcp(tcp: socket.socket, behave: Behaviour | None, stop: threading.Event) -> None:
    tcp.settimeout(0.05)
    while not stop.is_set():
        try:
            connection, _ = tcp.accept()
        except TimeoutError:
            continue
        with connection:
            connection.settimeout(2)
            if behave is None:
                continue
            size = int.from_bytes(connection.recv(2), "big")
            reply = behave(dns.message.from_wire(connection.recv(size)))
            assert reply is not None
            wire = reply if isinstance(reply, bytes) else reply.to_wire()
            connection.sendall(len(wire).to_bytes(2, "big") + wire)


def replying(
    *answer: str, authority: tuple[str, ...] = (), rcode: str = "NOERROR", flags: str = "QR RD RA"
) -> Behaviour:
    """Answer everything with these records, written as in a zone file; ``@`` is what was asked."""

    def behave(query: dns.message.Message) -> dns.message.Message:
        reply = dns.message.make_response(query)
        reply.flags = dns.flags.from_text(flags)
        reply.set_rcode(dns.rcode.from_text(rcode))
        asked = query.question[0].name.to_text()
        for section, lines in ((reply.answer, answer), (reply.authority, authority)):
            for line in lines:
                owner, ttl, kind, text = line.split(" ", 3)
                owner = asked if owner == "@" else owner
                section.append(dns.rrset.from_text(owner, int(ttl), "IN", kind, text))
        return reply

    return behave


def answering(*records: str, rdtype: str = "A") -> Behaviour:
    """Answer everything with one set of records."""

    def behave(query: dns.message.Message) -> dns.message.Message:
        reply = dns.message.make_response(query)
        reply.answer.append(dns.rrset.from_text(query.question[0].name, 60, "IN", rdtype, *records))
        return reply

    return behave


def failing(rcode: str) -> Behaviour:
    return replying(rcode=rcode)


def truncated(query: dns.message.Message) -> dns.message.Message:
    reply = dns.message.make_response(query)
    reply.flags |= dns.flags.TC
    return reply


def silent(query: dns.message.Message) -> None:
    return None
