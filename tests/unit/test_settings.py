"""The configuration file: small, strict, and refused in one clear line."""

from __future__ import annotations

import pytest

from mailfix.model import Refusal
from mailfix.settings import Settings, parse_settings


@pytest.mark.parametrize("text", ["", "\n", "# nothing yet\n", "---\n"])
def test_an_empty_file_means_the_defaults(text: str) -> None:
    assert parse_settings(text) == Settings()


def test_every_setting_is_read() -> None:
    told = parse_settings(
        "target_hosts: [mx.example.net]\n"
        "target_domains: []\n"
        "control_hosts: [www.example.net]\n"
        "public_ipv4: 203.0.113.10\n"
        "public_ipv6: '2001:DB8::0010'\n"
        "audit_seconds: 5\n"
        "ignore:\n"
        "  - rule: ptr-generic\n"
        "  - {rule: firewall-client-port-blocked, port: 110}\n"
    )
    assert told == Settings(
        ("mx.example.net",),
        (),
        ("www.example.net",),
        "203.0.113.10",
        "2001:db8::10",
        5.0,
        ({"rule": "ptr-generic"}, {"rule": "firewall-client-port-blocked", "port": 110}),
    )


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("target_host: [a.example]", "unknown setting 'target_host'; known: audit_seconds,"),
        ("a: [\nb", "not valid YAML"),
        ("- a", "expected 'name: value' lines"),
        ("25", "expected 'name: value' lines"),
        ("target_hosts: smtp.gmail.com", "target_hosts: expected a list of at most 20 host names"),
        ("target_hosts: [smtp]", "'smtp' is not a host name"),
        ("target_hosts: ['a b.example']", "is not a host name"),
        ("target_hosts: [25]", "is not a host name"),
        ("control_hosts: ['a.example\\x00']", "is not a host name"),
        ("public_ipv4: 2001:db8::10", "'2001:db8::10' is not an IPv4 address"),
        ("public_ipv6: 203.0.113.10", "is not an IPv6 address"),
        ("public_ipv4: 203.0.113.256", "is not an IPv4 address"),
        ("public_ipv4: 17", "is not an IPv4 address"),
        ("audit_seconds: 0", "a number of seconds from 1 to 600"),
        ("audit_seconds: .nan", "a number of seconds from 1 to 600"),
        ("audit_seconds: yes", "a number of seconds from 1 to 600"),
        ("ignore: ptr-generic", "expected a list of entries such as '- rule: ptr-generic'"),
        ("ignore: [{port: 25}]", "every entry needs 'rule: ID'"),
        ("ignore: [{rule: a, port: [25]}]", "only texts and whole numbers match"),
        ("ignore: [{rule: a, port: 2.5}]", "only texts and whole numbers match"),
    ],
)
def test_what_is_not_understood_is_refused_in_one_line(text: str, complaint: str) -> None:
    with pytest.raises(Refusal) as refusal:
        parse_settings(text, "/etc/mailfix/config.yml")
    assert str(refusal.value).startswith("/etc/mailfix/config.yml")
    assert complaint in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_broken_yaml_is_refused_with_its_line() -> None:
    with pytest.raises(Refusal, match=r"config.yml, line 2"):
        parse_settings("audit_seconds: 5\nignore: ]\n", "config.yml")


def test_twenty_one_targets_are_too_many() -> None:
    hosts = ", ".join(f"mx{number}.example.net" for number in range(21))
    with pytest.raises(Refusal, match="at most 20"):
        parse_settings(f"target_hosts: [{hosts}]")
