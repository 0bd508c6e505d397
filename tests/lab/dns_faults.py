"""Faults of a mail domain's records, each as administrators publish them; and healthy ways."""

from __future__ import annotations

from .bad_dns import BadDns, Trouble
from .internet import Internet
from .mailhost import MailHost
from .names import (
    DOMAIN,
    HOST_IPV4,
    HOST_IPV6,
    HOST_NAME,
    SECOND_DNS,
    SELECTOR,
    Names,
    listing,
    text,
)
from .scenario import Catalogue

FAULTS = Catalogue()
HEALTHY = Catalogue()
DMARC = f"_dmarc.{DOMAIN}"
KEY = f"{SELECTOR}._domainkey.{DOMAIN}"
LARGE = "example.net"
OTHER_KEY = (
    "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY"
    "/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYL"
    "zBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
)


def spf(internet: Internet, *records: str) -> None:
    internet.set_records(DOMAIN, "TXT", *(text(each) for each in records))


def key_record(names: Names) -> str:
    """The key record as it is published, its strings joined."""
    (data,) = (each.data for each in names.records if (each.name, each.type) == (KEY, "TXT"))
    return data.replace('" "', "").strip('"')


# SPF


@FAULTS.entry("spf-missing", "no SPF record among the TXT records")
def spf_missing(host: MailHost, internet: Internet) -> None:
    spf(internet, "google-site-verification=abc")


@FAULTS.entry("spf-two-records", "two SPF records")
def spf_two_records(host: MailHost, internet: Internet) -> None:
    spf(internet, "v=spf1 mx -all", "v=spf1 include:_spf.example.net ~all")


@FAULTS.entry("spf-typo", "ipv4: instead of ip4:")
def spf_typo(host: MailHost, internet: Internet) -> None:
    spf(internet, f"v=spf1 ipv4:{HOST_IPV4} -all")


@FAULTS.entry("spf-commas", "commas between the mechanisms")
def spf_commas(host: MailHost, internet: Internet) -> None:
    spf(internet, f"v=spf1 ip4:{HOST_IPV4},ip6:{HOST_IPV6} -all")


@FAULTS.entry("spf-every-address", "the networks that hold every address")
def spf_every_address(host: MailHost, internet: Internet) -> None:
    spf(internet, "v=spf1 ip4:0.0.0.0/0 ip6:::/0 -all")


@FAULTS.entry("spf-redirect-nowhere", "a redirect to a domain without SPF record")
def spf_redirect_nowhere(host: MailHost, internet: Internet) -> None:
    spf(internet, f"v=spf1 redirect=gone.{LARGE}")


@FAULTS.entry("spf-three-voids", "three mechanisms that find nothing, before the right one")
def spf_three_voids(host: MailHost, internet: Internet) -> None:
    spf(internet, f"v=spf1 a:gone1.{LARGE} a:gone2.{LARGE} a:gone3.{LARGE} mx -all")


@FAULTS.entry("spf-eleventh-lookup-in-mx", "an MX set of more than ten hosts")
def spf_eleven_mx(host: MailHost, internet: Internet) -> None:
    names = internet.names
    for number in range(10):
        names = names.with_set(f"mx{number}.{LARGE}", "A", f"198.51.100.{number + 100}")
    others = (f"20 mx{number}.{LARGE}" for number in range(10))
    internet.publish(names.with_set(DOMAIN, "MX", f"10 {HOST_NAME}", *others))


@FAULTS.entry("spf-eleven-lookups", "the eleventh include")
def spf_eleven_lookups(host: MailHost, internet: Internet) -> None:
    names = internet.names
    for number in range(11):
        names = names.with_set(f"s{number}.{LARGE}", "TXT", text("v=spf1 ip4:192.0.2.77 -all"))
    includes = " ".join(f"include:s{number}.{LARGE}" for number in range(11))
    internet.publish(names.with_set(DOMAIN, "TXT", text(f"v=spf1 {includes} mx -all")))


@FAULTS.entry("spf-include-loop", "two records that include one another")
def spf_include_loop(host: MailHost, internet: Internet) -> None:
    names = internet.names.with_set(LARGE, "TXT", text(f"v=spf1 include:{DOMAIN} -all"))
    internet.publish(names.with_set(DOMAIN, "TXT", text(f"v=spf1 include:{LARGE} mx -all")))


@FAULTS.entry("spf-include-nowhere", "an include of a name without SPF record")
def spf_include_nowhere(host: MailHost, internet: Internet) -> None:
    spf(internet, f"v=spf1 include:gone.{LARGE} mx -all")


@FAULTS.entry("spf-without-ipv6", "the IPv6 address from which exim sends is forgotten")
def spf_without_ipv6(host: MailHost, internet: Internet) -> None:
    spf(internet, f"v=spf1 ip4:{HOST_IPV4} -all")


@FAULTS.entry("spf-other-host", "only another host may send")
def spf_other_host(host: MailHost, internet: Internet) -> None:
    spf(internet, "v=spf1 ip4:192.0.2.200 -all")


@FAULTS.entry("spf-open", "everybody may send")
def spf_open(host: MailHost, internet: Internet) -> None:
    spf(internet, "v=spf1 mx +all")


@HEALTHY.entry("spf-by-include", "the addresses in an include, beside other TXT records")
def spf_by_include(host: MailHost, internet: Internet) -> None:
    record = text(f"v=spf1 ip4:{HOST_IPV4} ip6:{HOST_IPV6} -all")
    names = internet.names.with_set(f"_spf.{LARGE}", "TXT", record)
    own = (text("some-verification=1"), text(f"v=spf1 include:_spf.{LARGE} ~all"))
    internet.publish(names.with_set(DOMAIN, "TXT", *own))


@HEALTHY.entry("spf-by-redirect", "the record of another domain, through redirect=")
def spf_by_redirect(host: MailHost, internet: Internet) -> None:
    names = internet.names.with_set(LARGE, "TXT", text(f"v=spf1 a:{HOST_NAME} -all"))
    internet.publish(names.with_set(DOMAIN, "TXT", text(f"v=spf1 redirect={LARGE}")))


@HEALTHY.entry("spf-by-macro", "exists: with the address in the name")
def spf_by_macro(host: MailHost, internet: Internet) -> None:
    nibbles = "2.0.0.1.0.d.b.8.0.1.1.3.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0"
    names = internet.names.with_set(DOMAIN, "TXT", text(f"v=spf1 exists:%{{i}}.{LARGE} -all"))
    for shown in (HOST_IPV4, nibbles):
        names = names.with_set(f"{shown}.{LARGE}", "A", "127.0.0.2")
    internet.publish(names)


@HEALTHY.entry("spf-odd-but-right", "upper case, more spaces, strings that break anywhere")
def spf_odd_but_right(host: MailHost, internet: Internet) -> None:
    strings = f'"V=SPF1  IP4:203.0.1" "13.10 ip6:{HOST_IPV6} " " -ALL "'
    internet.set_records(DOMAIN, "TXT", strings)


# DKIM


@FAULTS.entry("dkim-missing", "exim signs, the key is not published")
def dkim_missing(host: MailHost, internet: Internet) -> None:
    internet.set_records(KEY, "TXT")


@FAULTS.entry("dkim-other-key", "another key is published than the one on the disk")
def dkim_other_key(host: MailHost, internet: Internet) -> None:
    internet.set_records(KEY, "TXT", text(f"v=DKIM1; k=rsa; p={OTHER_KEY}"))


@FAULTS.entry("dkim-revoked", "the published key is revoked")
def dkim_revoked(host: MailHost, internet: Internet) -> None:
    internet.set_records(KEY, "TXT", text("v=DKIM1; k=rsa; p="))


@FAULTS.entry("dkim-testing", "the key is still published for tests")
def dkim_testing(host: MailHost, internet: Internet) -> None:
    record = key_record(internet.names).replace("k=rsa;", "k=rsa; t=y;")
    internet.set_records(KEY, "TXT", text(record))


@HEALTHY.entry("dkim-by-cname", "the key record is a CNAME to another zone")
def dkim_by_cname(host: MailHost, internet: Internet) -> None:
    names = internet.names.with_set(f"key.{LARGE}", "TXT", text(key_record(internet.names)))
    internet.publish(names.with_set(KEY, "TXT").with_set(KEY, "CNAME", f"key.{LARGE}"))


@HEALTHY.entry("dkim-by-wildcard", "one key for every selector")
def dkim_by_wildcard(host: MailHost, internet: Internet) -> None:
    names = internet.names.with_set(
        f"*._domainkey.{DOMAIN}", "TXT", text(key_record(internet.names))
    )
    internet.publish(names.with_set(KEY, "TXT"))


@FAULTS.entry("dkim-only-sha1", "the key is for the hash sha1 alone")
def dkim_only_sha1(host: MailHost, internet: Internet) -> None:
    record = key_record(internet.names).replace("k=rsa;", "k=rsa; h=sha1;")
    internet.set_records(KEY, "TXT", text(record))


# DMARC


@FAULTS.entry("dmarc-missing", "no DMARC record")
def dmarc_missing(host: MailHost, internet: Internet) -> None:
    internet.set_records(DMARC, "TXT")


@FAULTS.entry("dmarc-two-records", "two DMARC records")
def dmarc_two_records(host: MailHost, internet: Internet) -> None:
    internet.set_records(DMARC, "TXT", text("v=DMARC1; p=none"), text("v=DMARC1; p=reject"))


@FAULTS.entry("dmarc-typo", "a policy that does not exist")
def dmarc_typo(host: MailHost, internet: Internet) -> None:
    internet.set_records(DMARC, "TXT", text("v=DMARC1; p=discard"))


@HEALTHY.entry("dmarc-beside-other-text", "a TXT record of something else beside the policy")
def dmarc_beside_other_text(host: MailHost, internet: Internet) -> None:
    internet.set_records(DMARC, "TXT", text("v=DMARC1; p=reject; adkim=s"), text("moved in 2024"))


@HEALTHY.entry("dmarc-inherited", "a subdomain's policy is its organisational domain's")
def dmarc_inherited(host: MailHost, internet: Internet) -> None:
    sub = f"shop.{DOMAIN}"
    names = internet.names.with_set(sub, "MX", f"10 {HOST_NAME}")
    names = names.with_set(sub, "TXT", text("v=spf1 mx -all"))
    key = text(key_record(names))
    internet.publish(names.with_set(f"{SELECTOR}._domainkey.{sub}", "TXT", key))
    host.set_exim(dc_other_hostnames=f"{DOMAIN};{sub}")
    host.sh("cp -p /etc/exim4/dkim/example.com.key /etc/exim4/dkim/shop.example.com.key")
    host.restart_exim()
    host.wait_mail_ports()


@FAULTS.entry("dmarc-alias-to-nowhere", "the CNAME of a DMARC service that is gone")
def dmarc_alias_to_nowhere(host: MailHost, internet: Internet) -> None:
    names = internet.names.with_set(DMARC, "TXT")
    internet.publish(names.with_set(DMARC, "CNAME", f"{DOMAIN}.dmarc.{LARGE}"))


# MX


@FAULTS.entry("mx-alias", "the MX is an alias")
def mx_alias(host: MailHost, internet: Internet) -> None:
    names = internet.names.with_set(f"mx.{DOMAIN}", "CNAME", HOST_NAME)
    internet.publish(names.with_set(DOMAIN, "MX", f"10 mx.{DOMAIN}"))


@FAULTS.entry("mx-dangling", "the MX has no address")
def mx_dangling(host: MailHost, internet: Internet) -> None:
    internet.set_records(DOMAIN, "MX", f"10 mx-old.{DOMAIN}")


@FAULTS.entry("mx-private", "the MX has a private address")
def mx_private(host: MailHost, internet: Internet) -> None:
    names = internet.names.with_set(f"mx.{DOMAIN}", "A", "10.0.0.25")
    internet.publish(names.with_set(DOMAIN, "MX", f"10 mx.{DOMAIN}"))


@FAULTS.entry("mx-only-ipv6", "the MX has an IPv6 address alone")
def mx_only_ipv6(host: MailHost, internet: Internet) -> None:
    names = internet.names.with_set(f"mx6.{DOMAIN}", "AAAA", HOST_IPV6)
    names = names.with_set(DOMAIN, "TXT", text(f"v=spf1 a:{HOST_NAME} -all"))
    internet.publish(names.with_set(DOMAIN, "MX", f"10 mx6.{DOMAIN}"))


@HEALTHY.entry("mx-elsewhere", "another provider takes the domain's mail")
def mx_elsewhere(host: MailHost, internet: Internet) -> None:
    names = internet.names.with_set(DOMAIN, "MX", "5 gmail-smtp-in.l.google.com")
    record = text(f"v=spf1 a:{HOST_NAME} mx -all")
    internet.publish(names.with_set(DOMAIN, "TXT", record))


@HEALTHY.entry("mx-two", "a second MX elsewhere as a backup")
def mx_two(host: MailHost, internet: Internet) -> None:
    internet.set_records(DOMAIN, "MX", f"10 {HOST_NAME}", "20 mta5.am0.yahoodns.net")


@HEALTHY.entry("mx-implicit", "no MX, but the domain's address is the host's")
def mx_implicit(host: MailHost, internet: Internet) -> None:
    names = internet.names.with_set(DOMAIN, "MX")
    names = names.with_set(DOMAIN, "A", HOST_IPV4).with_set(DOMAIN, "AAAA", HOST_IPV6)
    internet.publish(names.with_set(DOMAIN, "TXT", text("v=spf1 a -all")))


@FAULTS.entry("tlsa-unsigned", "TLSA records of another certificate, without DNSSEC")
def tlsa_unsigned(host: MailHost, internet: Internet) -> None:
    internet.set_records(f"_25._tcp.{HOST_NAME}", "TLSA", f"3 1 1 {'ab' * 32}")


# PTR and blocklists


@HEALTHY.entry("ptr-classless", "the PTR record by a CNAME to the customer's zone (RFC 2317)")
def ptr_classless(host: MailHost, internet: Internet) -> None:
    pointer = "10.113.0.203.in-addr.arpa"
    names = internet.names.with_set(pointer, "PTR")
    names = names.with_set(pointer, "CNAME", f"10.0-31.{LARGE}")
    internet.publish(names.with_set(f"10.0-31.{LARGE}", "PTR", HOST_NAME))


@HEALTHY.entry("ptr-two-names", "the address has two names, one of them the host's")
def ptr_two_names(host: MailHost, internet: Internet) -> None:
    names = internet.names.with_set(f"www.{DOMAIN}", "A", HOST_IPV4)
    internet.publish(names.with_ptr(HOST_IPV4, HOST_NAME, f"www.{DOMAIN}"))


@FAULTS.entry("listed", "the IPv4 address is on a blocklist")
def listed(host: MailHost, internet: Internet) -> None:
    record = listing("bl.spamcop.net", HOST_IPV4)
    internet.set_records(record.name, record.type, record.data)


@FAULTS.entry("blocklist-refuses", "a blocklist answers that it does not serve this resolver")
def blocklist_refuses(host: MailHost, internet: Internet) -> None:
    record = listing("zen.spamhaus.org", HOST_IPV4, "127.255.255.254")
    internet.set_records(record.name, record.type, record.data)


@FAULTS.entry("blocklist-dead", "a blocklist has been shut down")
def blocklist_dead(host: MailHost, internet: Internet) -> None:
    record = listing("psbl.surriel.com", "127.0.0.2")
    internet.set_records(record.name, record.type)


# The zone's servers


@FAULTS.entry("second-server-dead", "one of two name servers is dead")
def second_server_dead(host: MailHost, internet: Internet) -> None:
    internet.set_records(DOMAIN, "NS", "ns.lab", SECOND_DNS)


@FAULTS.entry("ns-alias", "the name of one of the name servers is a CNAME")
def ns_alias(host: MailHost, internet: Internet) -> None:
    names = internet.names.with_set(f"ns.{LARGE}", "CNAME", "ns.lab")
    internet.publish(names.with_set(DOMAIN, "NS", "ns.lab", f"ns.{LARGE}"))


@FAULTS.entry("ns-without-address", "one of the name servers has lost its address")
def ns_without_address(host: MailHost, internet: Internet) -> None:
    internet.set_records(DOMAIN, "NS", "ns.lab", f"ns-old.{LARGE}")


@FAULTS.entry("ns-private", "one of the name servers has a private address")
def ns_private(host: MailHost, internet: Internet) -> None:
    names = internet.names.with_set(f"ns2.{DOMAIN}", "A", "10.0.0.53")
    internet.publish(names.with_set(DOMAIN, "NS", "ns.lab", f"ns2.{DOMAIN}"))


# Answers on the wire


@HEALTHY.entry("dns-only-over-tcp", "every answer is truncated over UDP")
def dns_only_over_tcp(host: MailHost, internet: Internet) -> None:
    internet.break_dns(BadDns(Trouble.TRUNCATED_UDP))


@HEALTHY.entry("dns-poisoned", "answers come with records that nobody asked for")
def dns_poisoned(host: MailHost, internet: Internet) -> None:
    internet.break_dns(BadDns(Trouble.POISONED))


@HEALTHY.entry("dns-lossy", "every tenth answer is lost")
def dns_lossy(host: MailHost, internet: Internet) -> None:
    internet.break_dns(BadDns(Trouble.LOSSY))
