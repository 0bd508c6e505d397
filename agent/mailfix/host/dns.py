"""Asking the host's own resolvers, so that silence, refusal and "no such name" stay apart."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import TYPE_CHECKING

from mailfix.host.clock import Deadline
from mailfix.model import Fact, Known, Unknown
from mailfix.record_set import RecordSet

if TYPE_CHECKING:
    import dns.asyncresolver
    import dns.message
    import dns.resolver

PER_SERVER_S = 1.5
PER_QUESTION_S = 4.5
MAX_RECORDS = 100
MAX_QUESTIONS_AT_ONCE = 64


class SystemDns:
    """The resolvers of ``/etc/resolv.conf``, asked with dnspython."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._asked: dict[tuple[str, str], asyncio.Task[Fact[RecordSet]]] = {}
        self._resolver: dns.asyncresolver.Resolver | None = None
        self._places = asyncio.Semaphore(MAX_QUESTIONS_AT_ONCE)

    async def lookup(self, name: str, rdtype: str) -> Fact[RecordSet]:
        """Return the record set; Unknown for silence, SERVFAIL, REFUSED, referrals and garbage."""
        key = (name.rstrip(".").lower(), rdtype)
        if key not in self._asked:
            self._asked[key] = asyncio.create_task(self._ask(*key))
        return await asyncio.shield(self._asked[key])

    async def _ask(self, name: str, rdtype: str) -> Fact[RecordSet]:
        import dns.exception
        import dns.name
        import dns.resolver

        question = f"{rdtype} {name}"
        try:
            owner = dns.name.from_text(name + ".")
        except (dns.exception.DNSException, UnicodeError):
            return Known(RecordSet((), exists=False))
        async with self._places:
            try:
                answer = await self._configured().resolve(
                    owner,
                    rdtype,
                    raise_on_no_answer=False,
                    search=False,
                    lifetime=self._deadline.within(PER_QUESTION_S),
                )
            except dns.resolver.NXDOMAIN:
                return Known(RecordSet((), exists=False))
            except dns.resolver.NoResolverConfiguration:
                return Unknown("no DNS resolver is configured: /etc/resolv.conf names none")
            except dns.exception.Timeout:
                return Unknown(f"DNS gave no answer to {question}: {self._servers()} kept silent")
            except dns.resolver.NoNameservers as error:
                return Unknown(f"DNS failed on {question}: {_failures(error)}")
            except (dns.exception.DNSException, OSError, EOFError, ValueError) as error:
                return Unknown(f"DNS failed on {question}: {type(error).__name__}")
        return _read(answer, question)

    def _configured(self) -> dns.asyncresolver.Resolver:
        if self._resolver is None:
            import dns.asyncresolver

            self._resolver = dns.asyncresolver.Resolver()
            self._resolver.timeout = PER_SERVER_S
        return self._resolver

    def _servers(self) -> str:
        servers = self._resolver.nameservers if self._resolver else []
        return ", ".join(str(server) for server in servers)


def nameservers() -> Fact[tuple[str, ...]]:
    """Return the addresses of the resolvers that ``/etc/resolv.conf`` names (resolv.conf(5))."""
    import dns.exception
    import dns.resolver

    try:
        found = dns.resolver.Resolver().nameservers
    except dns.resolver.NoResolverConfiguration:
        return Known(())
    except (dns.exception.DNSException, OSError, ValueError) as error:
        return Unknown(f"/etc/resolv.conf cannot be read: {type(error).__name__}")
    return Known(tuple(str(each) for each in found))


def reverse_name(address: str) -> str:
    """Return the name whose PTR records belong to an address (RFC 1035 3.5, RFC 3596 2.5)."""
    return ipaddress.ip_address(address).reverse_pointer


def _read(answer: dns.resolver.Answer, question: str) -> Fact[RecordSet]:
    if answer.rrset is None:
        if _is_referral(answer.response):
            return Unknown(f"DNS answered {question} with a referral instead of an answer")
        return Known(RecordSet((), exists=True))
    records = tuple(record.to_text() for record in answer.rrset)
    if len(records) > MAX_RECORDS:
        return Unknown(f"DNS answered {question} with {len(records)} records")
    return Known(RecordSet(tuple(sorted(_undotted(record) for record in records)), exists=True))


def _is_referral(response: dns.message.Message) -> bool:
    import dns.rdatatype

    types = {rrset.rdtype for rrset in response.authority}
    return dns.rdatatype.NS in types and dns.rdatatype.SOA not in types


def _undotted(record: str) -> str:
    return record.rstrip(".").lower() if record.endswith(".") and record != "." else record


def _failures(error: dns.resolver.NoNameservers) -> str:
    import dns.rcode

    told = []
    for server, _tcp, _port, problem, response in error.kwargs.get("errors", ())[:4]:
        kind = dns.rcode.to_text(response.rcode()) if response is not None else ""
        told.append(f"{kind or type(problem).__name__} from {server}")
    return "; ".join(told) or "no usable resolver"
