"""Real faults, each made on a healthy host the way it happens to administrators."""

from __future__ import annotations

from .bad_dns import BadDns, Trouble
from .image import FIREWALLD, SAVED_IPTABLES, UFW
from .internet import Internet, State
from .mailhost import DEVICE, MailHost
from .names import DOMAIN, GATEWAY_IPV4, HOST_IPV4, HOST_IPV6, HOST_NAME
from .scenario import Catalogue

BREAKAGES = Catalogue()
TEMPLATE = "/etc/exim4/exim4.conf.template"
LOCALMACROS = "/etc/exim4/exim4.conf.localmacros"
PRIVATE_IPV4 = "10.0.0.10"
PRIVATE_GATEWAY = "10.0.0.1"
ABSENT_IPV4 = "203.0.113.77"
POLICY_DROP = """*filter
:INPUT DROP [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -i lo -j ACCEPT
-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p {icmp} -j ACCEPT
-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT
COMMIT
"""

NFT_FILE = """#!/usr/sbin/nft -f
flush ruleset
table inet filter {
    chain input {
        type filter hook input priority filter; policy drop;
        iif "lo" accept
        ct state established,related accept
        meta l4proto { icmp, ipv6-icmp } accept
        tcp dport { 22, 25, 465, 587, 143, 993 } accept
    }
}
"""

# The host's own firewall


@BREAKAGES.entry("blocked-25", "port 25 dropped over IPv4 (iptables-nft)")
def blocked_25(host: MailHost, internet: Internet) -> None:
    host.sh("iptables-nft -A INPUT -p tcp --dport 25 -j DROP")


@BREAKAGES.entry("blocked-25-legacy", "port 25 dropped over IPv4 (iptables-legacy)")
def blocked_25_legacy(host: MailHost, internet: Internet) -> None:
    host.sh("iptables-legacy -A INPUT -p tcp --dport 25 -j DROP")


@BREAKAGES.entry("blocked-25-v6", "port 25 dropped over IPv6 alone")
def blocked_25_v6(host: MailHost, internet: Internet) -> None:
    host.sh("ip6tables-nft -A INPUT -p tcp --dport 25 -j DROP")


@BREAKAGES.entry("blocked-25-nft", "port 25 dropped over both families by a native nft table")
def blocked_25_nft(host: MailHost, internet: Internet) -> None:
    host.load_nft(
        "table inet guard { chain input { type filter hook input priority 0;\n"
        "tcp dport 25 drop\n}\n}\n"
    )


@BREAKAGES.entry("policy-drop", "policy DROP, ssh accepted, mail forgotten")
def policy_drop(host: MailHost, internet: Internet) -> None:
    host.load_iptables(POLICY_DROP.format(icmp="icmp"), 4)
    host.load_iptables(POLICY_DROP.format(icmp="ipv6-icmp"), 6)


@BREAKAGES.entry("user-chain-range", "ports 20 to 30 dropped in a chain of the user's")
def user_chain_range(host: MailHost, internet: Internet) -> None:
    host.sh(
        "iptables -N services\n"
        "iptables -A INPUT -p tcp -j services\n"
        "iptables -A services -p tcp -m multiport --dports 20:30 -j DROP"
    )


@BREAKAGES.entry("reject-25", "port 25 rejected over IPv4")
def reject_25(host: MailHost, internet: Internet) -> None:
    host.sh("iptables -A INPUT -p tcp --dport 25 -j REJECT --reject-with tcp-reset")


@BREAKAGES.entry("out-25-owner", "outgoing port 25 dropped for exim's user alone")
def out_25_owner(host: MailHost, internet: Internet) -> None:
    for tool in ("iptables", "ip6tables"):
        host.sh(f"{tool} -A OUTPUT -p tcp --dport 25 -m owner --uid-owner Debian-exim -j DROP")


@BREAKAGES.entry("out-25-drop", "outgoing port 25 dropped for everyone")
def out_25_drop(host: MailHost, internet: Internet) -> None:
    for tool in ("iptables", "ip6tables"):
        host.sh(f"{tool} -A OUTPUT -p tcp --dport 25 -j DROP")


@BREAKAGES.entry("answers-dropped-out", "policy DROP going out: new mail may, answers may not")
def answers_dropped_out(host: MailHost, internet: Internet) -> None:
    host.sh(
        "iptables -A OUTPUT -o lo -j ACCEPT\n"
        "iptables -A OUTPUT -p udp --dport 53 -j ACCEPT\n"
        "iptables -A OUTPUT -p tcp -m multiport --dports 25,443 -j ACCEPT\n"
        "iptables -P OUTPUT DROP"
    )


@BREAKAGES.entry("answers-dropped-in", "policy DROP coming in: mail's ports may, answers may not")
def answers_dropped_in(host: MailHost, internet: Internet) -> None:
    host.sh(
        "iptables -A INPUT -i lo -j ACCEPT\n"
        "iptables -A INPUT -p tcp -m multiport --dports 22,25,465,587,143,993 -j ACCEPT\n"
        "iptables -A INPUT -p udp -j ACCEPT\n"
        "iptables -P INPUT DROP"
    )


@BREAKAGES.entry("established-forgotten", "port 25 let in for new connections' first packets alone")
def established_forgotten(host: MailHost, internet: Internet) -> None:
    host.sh(
        "iptables -A INPUT ! -i lo -p tcp --dport 25 -m conntrack --ctstate NEW -j ACCEPT\n"
        "iptables -A INPUT ! -i lo -p tcp --dport 25 -j DROP"
    )


@BREAKAGES.entry("tcp-53-blocked", "the host may ask its resolver by UDP alone")
def tcp_53_blocked(host: MailHost, internet: Internet) -> None:
    host.sh("iptables -A OUTPUT -p tcp --dport 53 -j REJECT")


@BREAKAGES.entry("redirect-to-nowhere", "port 25 redirected to 2525, where nobody listens")
def redirect_to_nowhere(host: MailHost, internet: Internet) -> None:
    host.sh(
        "iptables -t nat -A PREROUTING -p tcp --dport 25 -j REDIRECT --to-ports 2525\n"
        "ip6tables -t nat -A PREROUTING -p tcp --dport 25 -j REDIRECT --to-ports 2525"
    )


# The firewall after the next boot


@BREAKAGES.entry(
    "opened-until-the-reboot", "port 25 opened by hand above a saved DROP", SAVED_IPTABLES
)
def opened_until_the_reboot(host: MailHost, internet: Internet) -> None:
    host.sh("iptables -A INPUT -p tcp --dport 25 -j DROP")
    host.sh("iptables-save >/etc/iptables/rules.v4")
    host.sh("iptables -I INPUT -p tcp --dport 25 -j ACCEPT")


@BREAKAGES.entry("saved-without-mail", "rules.v4 closes what it does not name", SAVED_IPTABLES)
def saved_without_mail(host: MailHost, internet: Internet) -> None:
    host.write("/etc/iptables/rules.v4", POLICY_DROP.format(icmp="icmp"))
    host.sh("iptables-restore </etc/iptables/rules.v4")
    host.sh("iptables -A INPUT -p tcp -m multiport --dports 25,465,587,143,993 -j ACCEPT")


@BREAKAGES.entry("beside-ufw", "port 25 opened by iptables, where ufw does not allow it", UFW)
def beside_ufw(host: MailHost, internet: Internet) -> None:
    host.sh("ufw allow 22,465,587,143,993/tcp && ufw --force enable")
    for tool in ("iptables", "ip6tables"):
        host.sh(f"{tool} -I INPUT -p tcp --dport 25 -j ACCEPT")


@BREAKAGES.entry("firewalld-for-now", "port 25 opened without --permanent", FIREWALLD)
def firewalld_for_now(host: MailHost, internet: Internet) -> None:
    open_in_firewalld(host, "smtps", "smtp-submission", "imap", "imaps")
    host.sh("firewall-cmd --add-service=smtp")


def open_in_firewalld(host: MailHost, *services: str) -> None:
    """Have firewalld now and from the next boot on, with these services open for good."""
    options = " ".join(f"--add-service={service}" for service in services)
    host.sh(
        "systemctl enable --now firewalld.service\n"
        f"firewall-cmd --permanent {options}\n"
        "firewall-cmd --reload"
    )


@BREAKAGES.entry("nft-file-without-mail", "/etc/nftables.conf lacks the rule that opens port 25")
def nft_file_without_mail(host: MailHost, internet: Internet) -> None:
    host.write("/etc/nftables.conf", NFT_FILE.replace("25, ", ""))
    host.load_nft(NFT_FILE)
    host.sh("systemctl enable nftables.service")


@BREAKAGES.entry("nft-file-refused", "/etc/nftables.conf has a line that nft does not know")
def nft_file_refused(host: MailHost, internet: Internet) -> None:
    host.write("/etc/nftables.conf", NFT_FILE.replace("tcp dport", "tpc dport"))
    host.load_nft(NFT_FILE)
    host.sh("systemctl enable nftables.service")


# The mail server


@BREAKAGES.entry("stopped-exim", "exim stopped")
def stopped_exim(host: MailHost, internet: Internet) -> None:
    host.sh("systemctl stop exim4")
    host.wait_port(25, State.REFUSED)


@BREAKAGES.entry("killed-exim", "exim's daemon killed; its unit still says active")
def killed_exim(host: MailHost, internet: Internet) -> None:
    host.sh('kill -9 "$(cat /run/exim4/exim.pid)"')
    host.wait_port(25, State.REFUSED)


@BREAKAGES.entry("disabled-exim", "exim runs, but will not after the next boot")
def disabled_exim(host: MailHost, internet: Internet) -> None:
    host.sh("systemctl disable exim4")


@BREAKAGES.entry("masked-exim", "exim stopped and its unit masked")
def masked_exim(host: MailHost, internet: Internet) -> None:
    host.sh("systemctl stop exim4 && systemctl mask exim4")
    host.wait_port(25, State.REFUSED)


@BREAKAGES.entry("broken-template", "a broken template that the running exim has not read yet")
def broken_template(host: MailHost, internet: Internet) -> None:
    host.sh(f"sed -i '1i no_such_option = yes' {TEMPLATE}")


@BREAKAGES.entry("broken-template-restarted", "a broken template, and exim restarted on it")
def broken_template_restarted(host: MailHost, internet: Internet) -> None:
    broken_template(host, internet)
    host.run(["systemctl", "restart", "exim4"])
    host.wait_port(25, State.REFUSED)


@BREAKAGES.entry("broken-own-conf", "a broken exim4.conf that the running exim has not read yet")
def broken_own_conf(host: MailHost, internet: Internet) -> None:
    host.sh(
        "cp /var/lib/exim4/config.autogenerated /etc/exim4/exim4.conf\n"
        "sed -i '1i no_such_option = yes' /etc/exim4/exim4.conf"
    )


@BREAKAGES.entry("loopback-only", "exim listens on loopback only")
def loopback_only(host: MailHost, internet: Internet) -> None:
    host.set_exim(dc_local_interfaces="127.0.0.1 ; ::1")
    host.restart_exim()
    host.wait_port(25, State.REFUSED)


@BREAKAGES.entry("port-taken", "a web server sits on port 25, exim is stopped")
def port_taken(host: MailHost, internet: Internet) -> None:
    stopped_exim(host, internet)
    host.sh("systemd-run --unit=website python3 -m http.server 25 --bind ::")
    host.wait_port(25)


@BREAKAGES.entry("unbindable-interface", "exim told to listen on an address the host lacks")
def unbindable_interface(host: MailHost, internet: Internet) -> None:
    host.set_exim(dc_local_interfaces=f"{ABSENT_IPV4} ; {HOST_IPV4} ; {HOST_IPV6}")
    host.restart_exim()
    host.wait_port(25, State.REFUSED)


@BREAKAGES.entry("port-587-configured-not-listening", "587 was configured, exim not restarted")
def port_587_not_listening(host: MailHost, internet: Internet) -> None:
    host.sh(f"sed -i 's/25 : 465 : 587/25 : 465/' {LOCALMACROS}")
    host.restart_exim()
    host.wait_port(587, State.REFUSED)
    host.wait_port(25)
    host.sh(f"sed -i 's/25 : 465/25 : 465 : 587/' {LOCALMACROS} && update-exim4.conf")


# Names


def rename(host: MailHost, name: str, hosts_line: str) -> None:
    """Give the host another name in every place but exim's own settings."""
    host.set_hostname(name)
    host.write("/etc/hosts", f"127.0.0.1 localhost\n::1 localhost\n{hosts_line}\n")
    host.restart_exim()
    host.wait_port(25)


@BREAKAGES.entry("short-hostname", "the host is called mail, without a domain")
def short_hostname(host: MailHost, internet: Internet) -> None:
    rename(host, "mail", "127.0.1.1 mail")


@BREAKAGES.entry("bare-domain-hostname", "the host is called like its mail domain, example.com")
def bare_domain_hostname(host: MailHost, internet: Internet) -> None:
    names = internet.names.with_set(DOMAIN, "A", HOST_IPV4).with_set(DOMAIN, "AAAA", HOST_IPV6)
    internet.publish(names.with_ptr(HOST_IPV4, DOMAIN).with_ptr(HOST_IPV6, DOMAIN))
    rename(host, DOMAIN, f"{HOST_IPV4} {DOMAIN}\n{HOST_IPV6} {DOMAIN}")


@BREAKAGES.entry("hostname-unresolvable", "the host's name is known to /etc/hosts alone")
def hostname_unresolvable(host: MailHost, internet: Internet) -> None:
    rename(host, "srv7.example.com", "127.0.1.1 srv7.example.com srv7")


@BREAKAGES.entry("hostname-banner-mismatch", "exim greets with another host's name")
def hostname_banner_mismatch(host: MailHost, internet: Internet) -> None:
    host.append(LOCALMACROS, "smtp_banner = old.example.com ESMTP Exim\n")
    host.restart_exim()
    host.wait_port(25)


@BREAKAGES.entry("helo-mismatch", "exim says HELO with a name that is not the host's")
def helo_mismatch(host: MailHost, internet: Internet) -> None:
    host.append(LOCALMACROS, "REMOTE_SMTP_HELO_DATA = somewhere.provider.example\n")
    host.restart_exim()
    host.wait_port(25)


# Reverse names


@BREAKAGES.entry("ptr-missing-v4", "the IPv4 address has no PTR")
def ptr_missing_v4(host: MailHost, internet: Internet) -> None:
    internet.set_ptr(HOST_IPV4)


@BREAKAGES.entry("ptr-mismatch", "the PTR is another, confirmed name")
def ptr_mismatch(host: MailHost, internet: Internet) -> None:
    publish_ptr(internet, "www.provider.example")


@BREAKAGES.entry("ptr-unconfirmed", "the PTR's name has no address")
def ptr_unconfirmed(host: MailHost, internet: Internet) -> None:
    internet.set_ptr(HOST_IPV4, "old.example.com")


@BREAKAGES.entry("ptr-generic", "the PTR is the provider's ready-made name, confirmed")
def ptr_generic(host: MailHost, internet: Internet) -> None:
    publish_ptr(internet, "203-0-113-10.static.provider.example")


def publish_ptr(internet: Internet, name: str) -> None:
    """Point the host's IPv4 address to a name and that name back to it."""
    names = internet.names.with_set(name, "A", HOST_IPV4)
    internet.publish(names.with_ptr(HOST_IPV4, name))


@BREAKAGES.entry("ipv6-no-ptr", "the IPv6 address has no PTR")
def ipv6_no_ptr(host: MailHost, internet: Internet) -> None:
    internet.set_ptr(HOST_IPV6)


@BREAKAGES.entry("ipv6-ptr-unconfirmed", "the IPv6 PTR's name has no AAAA")
def ipv6_ptr_unconfirmed(host: MailHost, internet: Internet) -> None:
    internet.set_records(HOST_NAME, "AAAA")


# Cable and provider


@BREAKAGES.entry("ipv6-no-address", "the IPv6 address is gone, its AAAA and route are not")
def ipv6_no_address(host: MailHost, internet: Internet) -> None:
    host.ip("address", "del", f"{HOST_IPV6}/64", "dev", DEVICE)


@BREAKAGES.entry("ipv6-no-route", "an IPv6 address, but no default route")
def ipv6_no_route(host: MailHost, internet: Internet) -> None:
    host.ip("-6", "route", "del", "default")


@BREAKAGES.entry("provider-block-25", "the provider drops outgoing port 25 of both families")
def provider_block_25(host: MailHost, internet: Internet) -> None:
    for family in (4, 6):
        internet.block_outgoing(25, family)


@BREAKAGES.entry("nat", "the host has a private IPv4 address, translated one to one")
def nat(host: MailHost, internet: Internet) -> None:
    host.ip("route", "del", "default", "via", GATEWAY_IPV4)
    host.ip("address", "del", f"{HOST_IPV4}/24", "dev", DEVICE)
    host.ip("address", "add", f"{PRIVATE_IPV4}/24", "dev", DEVICE)
    internet.hide_behind_nat(PRIVATE_IPV4, HOST_IPV4)
    host.ip("route", "add", "default", "via", PRIVATE_GATEWAY)
    host.sh(f"sed -i 's/^{HOST_IPV4} /{PRIVATE_IPV4} /' /etc/hosts")


# The name server


@BREAKAGES.entry("dns-dead", "the name server never answers")
def dns_dead(host: MailHost, internet: Internet) -> None:
    internet.break_dns(BadDns(Trouble.SILENT))


@BREAKAGES.entry("dns-servfail", "the name server answers SERVFAIL")
def dns_servfail(host: MailHost, internet: Internet) -> None:
    internet.break_dns(BadDns(Trouble.SERVFAIL))


@BREAKAGES.entry("dns-refused", "the name server answers REFUSED")
def dns_refused(host: MailHost, internet: Internet) -> None:
    internet.break_dns(BadDns(Trouble.REFUSED))


@BREAKAGES.entry("dns-truncated", "the name server truncates every answer and refuses TCP")
def dns_truncated(host: MailHost, internet: Internet) -> None:
    internet.break_dns(BadDns(Trouble.TRUNCATED))


@BREAKAGES.entry("dns-garbage", "the name server answers with bytes that are no message")
def dns_garbage(host: MailHost, internet: Internet) -> None:
    internet.break_dns(BadDns(Trouble.GARBAGE))


@BREAKAGES.entry("dns-wrong-id", "the name server answers under other questions' ids")
def dns_wrong_id(host: MailHost, internet: Internet) -> None:
    internet.break_dns(BadDns(Trouble.WRONG_ID))
