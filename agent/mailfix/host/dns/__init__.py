"""Questions to DNS: the host's resolvers, and the name servers of the zones themselves."""

from __future__ import annotations

from mailfix.host.dns.answer import Bogus
from mailfix.host.dns.authority import Authority
from mailfix.host.dns.resolv_conf import nameservers
from mailfix.host.dns.resolver import SystemDns
from mailfix.host.dns.reverse import reverse_name

__all__ = ["Authority", "Bogus", "SystemDns", "nameservers", "reverse_name"]
