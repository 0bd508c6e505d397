"""One signed exchange with the primary server of a zone, over TCP."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mailfix.host.dns_update.key import TsigKey, read_key
from mailfix.host.dns_update.trouble import Refused, told_error, told_unsigned

if TYPE_CHECKING:
    import dns.message
    import dns.name
    import dns.rrset

PATIENCE_S = 5.0
"""For one exchange, and for finding the address of a name."""

MAX_ADDRESSES = 4


@dataclass(frozen=True, slots=True)
class Primary:
    """The server that takes updates of ``zone``: an address or a name in DNS, and a port.

    ``key_file`` is read anew for every exchange.
    """

    zone: str
    server: str
    port: int
    key_file: str

    @property
    def label(self) -> str:
        return self.server if self.port == 53 else f"{self.server} port {self.port}"


def asked(primary: Primary, name: str, rdtype: str) -> dns.message.Message:
    """An answer with authority, NXDOMAIN included; raises Refused.

    The question is signed so that a server with several views answers from the one it updates.
    """
    import dns.flags
    import dns.message
    import dns.rcode

    question = dns.message.make_query(parsed_name(name), rdtype)
    question.flags &= ~dns.flags.RD
    response = exchange(primary, question)
    if response.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
        rcode = dns.rcode.to_text(response.rcode())
        raise Refused(f"{primary.label} answers the question for {rdtype} {name} with {rcode}")
    if not response.flags & dns.flags.AA:
        raise Refused(f"{primary.label} has no authority over {name}")
    return response


def exchange(primary: Primary, message: dns.message.Message) -> dns.message.Message:
    """Sign, send, and get an answer that is signed by the same key; raises Refused.

    The next address of the server is tried only where the one before took no connection.
    """
    import dns.exception
    import dns.query

    key = read_key(primary.key_file)
    _sign(message, key)
    unreached: OSError | None = None
    for address in addresses_of(primary.server):
        try:
            response = dns.query.tcp(message, address, PATIENCE_S, primary.port)
        except OSError as error:
            unreached = error
            continue
        except (dns.exception.DNSException, EOFError, ValueError) as error:
            raise Refused(f"{primary.label} {told_error(error, key.name)}") from None
        if not response.had_tsig:
            raise Refused(f"{primary.label} {told_unsigned(key.name)}")
        return response
    assert unreached is not None
    raise Refused(f"{primary.label} {told_error(unreached, key.name)}")


def _sign(message: dns.message.Message, key: TsigKey) -> None:
    import dns.tsig

    message.use_tsig(dns.tsig.Key(key.name, key.secret, key.algorithm))


def addresses_of(server: str) -> tuple[str, ...]:
    """The addresses of a server, itself if it is one, at most a few.

    Raises :class:`Refused`.
    """
    import dns.exception
    import dns.resolver

    try:
        return (str(ipaddress.ip_address(server)),)
    except ValueError:
        pass
    found: list[str] = []
    for rdtype in ("A", "AAAA"):
        try:
            answer = dns.resolver.resolve(
                f"{server}.", rdtype, lifetime=PATIENCE_S, raise_on_no_answer=False
            )
        except (dns.exception.DNSException, OSError, EOFError, ValueError) as error:
            trouble = type(error).__name__
        else:
            trouble = "it has none"
            found += [str(each) for each in answer.rrset or ()]
    if not found:
        raise Refused(f"the address of {server} cannot be found: {trouble}")
    return tuple(found[:MAX_ADDRESSES])


def records_in(response: dns.message.Message, name: str, rdtype: str) -> dns.rrset.RRset | None:
    """The records of that name and type in the answer, None where there are none."""
    import dns.rdataclass
    import dns.rdatatype

    return response.get_rrset(
        response.answer, parsed_name(name), dns.rdataclass.IN, dns.rdatatype.from_text(rdtype)
    )


def parsed_name(name: str) -> dns.name.Name:
    """The absolute name; raises Refused."""
    import dns.exception
    import dns.name

    try:
        return dns.name.from_text(f"{name}.")
    except (dns.exception.DNSException, UnicodeError):
        raise Refused(f"{name[:80]!r} is no name in DNS") from None
