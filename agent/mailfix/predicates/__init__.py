"""The named, typed checks that rules refer to. Pure: facts in, answers out.

A predicate takes, by name, the values of the facts that its rule needs (never an Unknown: the
auditor answers unknown in its place), its rule's parameters, and ``family`` where the rule is
checked per family. It yields one answer for each subject, and none where the rule does not apply.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from mailfix.predicates import (
    blocklists,
    dkim,
    dmarc,
    dns_zone,
    exim,
    firewall,
    hostname,
    ipv6,
    listening,
    mx,
    persistence,
    reverse,
    services,
    spf,
    transport,
    wayout,
)
from mailfix.predicates.answer import Answer

Predicate: TypeAlias = Callable[..., Iterator[Answer]]

PREDICATES: dict[str, Predicate] = {
    check.__name__: check
    for check in (
        blocklists.not_blocklisted,
        dns_zone.servers_agree,
        dns_zone.servers_answer,
        dns_zone.signatures_valid,
        dkim.dkim_key_matches,
        dkim.dkim_key_published,
        dkim.dkim_key_strong,
        dkim.dkim_key_usable,
        dkim.dkim_not_testing,
        dkim.dkim_signed,
        dkim.dkim_signing_works,
        dmarc.dmarc_passed,
        dmarc.dmarc_published,
        dmarc.dmarc_readable,
        dmarc.dmarc_reports_authorised,
        dmarc.dmarc_single,
        dmarc.dmarc_understood,
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
        mx.domain_exists,
        mx.mx_any_usable,
        mx.mx_each_usable,
        mx.mx_ipv6_served,
        mx.mx_leads_here,
        mx.mx_no_alias,
        mx.mx_reached_over_ipv4,
        mx.mx_null_meant,
        mx.mx_published,
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
        spf.spf_admits_helo,
        spf.spf_admits_host,
        spf.spf_closed,
        spf.spf_evaluable,
        spf.spf_published,
        spf.spf_single,
        spf.spf_within_lookups,
        spf.spf_without_ptr,
        transport.sts_covers_mx,
        transport.sts_followed,
        transport.tls_reports_sent,
        transport.tlsa_heeded,
        transport.tlsa_matches,
        wayout.mail_server_reached,
        wayout.not_blocked_by_provider,
        wayout.route_out,
    )
}
