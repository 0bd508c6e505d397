"""The named, typed checks that rules refer to. Pure: facts in, answers out.

A predicate takes, by name, the values of the facts that its rule needs (never an Unknown: the
auditor answers unknown in its place), its rule's parameters, and ``family`` where the rule is
checked per family. It yields one answer for each subject, and none where the rule does not apply.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from mailfix.predicates import (
    exim,
    firewall,
    hostname,
    ipv6,
    listening,
    persistence,
    reverse,
    services,
    wayout,
)
from mailfix.predicates.answer import Answer

Predicate: TypeAlias = Callable[..., Iterator[Answer]]

PREDICATES: dict[str, Predicate] = {
    check.__name__: check
    for check in (
        exim.configuration_valid,
        exim.domains_known,
        firewall.inbound_open,
        firewall.outbound_open,
        firewall.redirects_served,
        firewall.resolvers_reachable,
        hostname.banner_matches,
        hostname.fully_qualified,
        hostname.kept_at_boot,
        hostname.not_bare_domain,
        hostname.resolves,
        ipv6.address_present,
        ipv6.published_is_served,
        ipv6.route_present,
        listening.beyond_loopback,
        listening.configured_endpoints,
        listening.greets_with_welcome,
        listening.held_by_mail_server,
        listening.smtp_port,
        persistence.boot_file_loads,
        persistence.open_after_boot,
        reverse.confirmed,
        reverse.helo_leads_back,
        reverse.matches_helo,
        reverse.not_generic,
        reverse.present,
        services.enabled,
        services.installed,
        services.running,
        wayout.mail_server_reached,
        wayout.not_blocked_by_provider,
        wayout.route_out,
    )
}
