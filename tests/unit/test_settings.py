"""The configuration file: small, strict, and refused in one clear line."""

from __future__ import annotations

import pytest

from mailfix import auditor
from mailfix.model import Refusal
from mailfix.report_settings import Mail, ReportSettings, Smarthost, Tls, Webhook, When
from mailfix.settings import DnsUpdate, Settings, parse_settings


def update(line: str) -> str:
    """A configuration with one entry of dns_updates, changed or completed by a line."""
    name = line.partition(":")[0]
    lines = {
        "zone": "zone: example.com",
        "server": "server: 192.0.2.53",
        "key_file": "key_file: /k",
    }
    return "dns_updates:\n- " + "\n  ".join({**lines, name: line}.values())


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
        ("dns_updates: example.com", "expected a list of at most"),
        ("dns_updates: [example.com]", "entry 1: expected a block with zone, server, key_file"),
        ("dns_updates: [{zone: example.com, key_file: /k}]", "entry 1: server is missing"),
        (update("key: secret"), "entry 1: unknown key 'key'"),
        (update("zone: ''"), "entry 1: zone: '' is not the name of a zone"),
        (update("zone: 'a..b'"), "zone: 'a..b' is not the name of a zone"),
        (update("zone: bücher.example"), "begins with xn--"),
        (update("server: 53"), "server: a int is neither an address nor a host name"),
        (update("server: 'ns one'"), "server: 'ns one' is neither an address nor a host name"),
        (update("key_file: key"), "key_file: expected a path that begins with /"),
        (update('key_file: "/k\\0"'), "key_file: expected a path that begins with /"),
        (update("port: 0"), "port: expected a whole number from 1 to 65535"),
        (update("port: yes"), "port: expected a whole number from 1 to 65535"),
        ("dns_update_seconds: 0", "expected a whole number from 1 to 600"),
    ],
)
def test_what_is_not_understood_is_refused_in_one_line(text: str, complaint: str) -> None:
    with pytest.raises(Refusal) as refusal:
        parse_settings(text, "/etc/mailfix/mailfix.yml")
    assert str(refusal.value).startswith("/etc/mailfix/mailfix.yml")
    assert complaint in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_broken_yaml_is_refused_with_its_line() -> None:
    with pytest.raises(Refusal, match=r"config.yml, line 2"):
        parse_settings("audit_seconds: 5\nignore: ]\n", "config.yml")


def test_twenty_one_targets_are_too_many() -> None:
    hosts = ", ".join(f"mx{number}.example.net" for number in range(21))
    with pytest.raises(Refusal, match="at most 20"):
        parse_settings(f"target_hosts: [{hosts}]")


def test_the_zones_that_may_be_updated_are_read() -> None:
    told = parse_settings(
        "dns_updates:\n"
        "  - {zone: Example.COM., server: '2001:DB8::0053', key_file: /etc/mailfix/one.key}\n"
        "  - {zone: xn--bcher-kva.example, server: NS1.example.net, key_file: /k, port: 5353}\n"
        "dns_update_seconds: 120\n"
    )
    assert told.dns_updates == (
        DnsUpdate("example.com", "2001:db8::53", "/etc/mailfix/one.key"),
        DnsUpdate("xn--bcher-kva.example", "ns1.example.net", "/k", 5353),
    )
    assert told.dns_update_seconds == 120


def test_a_zone_is_there_once() -> None:
    entry = "{zone: example.com, server: 192.0.2.53, key_file: /k}"
    with pytest.raises(Refusal, match=r"dns_updates: the zone example\.com is there twice"):
        parse_settings(f"dns_updates: [{entry}, {entry}]")


REPORT = """
report:
  keep: 5
  steady_runs: 3
  prometheus: off
  webhook:
    {url: "https://hooks.example.net/mailfix?to=7", token_file: /etc/mailfix/token, seconds: 5,
     tries: 2, when: always}
  mail:
    to: [postmaster@example.com, root]
    from: mailfix@mail.example.com
    smarthost:
      {host: Smtp.Example.Net., port: 2525, tls: implicit, user: me, password_file: /etc/secret}
"""


def test_every_setting_of_the_report_is_read() -> None:
    webhook = Webhook(
        "https://hooks.example.net/mailfix?to=7", "/etc/mailfix/token", 5, 2, When.ALWAYS
    )
    smarthost = Smarthost("smtp.example.net", 2525, Tls.IMPLICIT, "me", "/etc/secret")
    mail = Mail(("postmaster@example.com", "root"), "mailfix@mail.example.com", smarthost)
    assert parse_settings(REPORT).report == ReportSettings(5, 3, None, webhook, mail)


def test_without_a_word_mail_goes_to_root_and_nothing_to_the_web() -> None:
    report = parse_settings("report: {keep: 10}").report
    assert (report.mail, report.webhook) == (Mail(to=("root",)), None)
    for off in ("off", "'off'"):
        assert parse_settings(f"report: {{mail: {off}}}").report.mail is None


@pytest.mark.parametrize(
    "url", ["https://monitor/x", "https://[2001:db8::1]:8443/", "https://A.b./"]
)
def test_a_webhook_is_at_any_host(url: str) -> None:
    webhook = parse_settings(f"report: {{webhook: {{url: '{url}'}}}}").report.webhook
    assert webhook == Webhook(url)


def test_this_very_host_may_be_the_smarthost_by_its_name() -> None:
    text = "{host: localhost, tls: none, user: me, password_file: /etc/secret}"
    mail = parse_settings(f"report: {{mail: {{smarthost: {text}}}}}").report.mail
    assert mail == Mail(smarthost=Smarthost("localhost", None, Tls.NONE, "me", "/etc/secret"))


def test_a_setting_that_is_there_twice_is_refused_and_not_half_lost() -> None:
    with pytest.raises(Refusal, match=r"line 3: 'report' is there twice"):
        parse_settings("report: {keep: 3}\ndomains: []\nreport: {steady_runs: 3}\n")


@pytest.mark.parametrize(("tls", "port"), [("starttls", 587), ("implicit", 465), ("none", 25)])
def test_a_smarthost_is_dialled_at_the_usual_port_of_its_kind(tls: str, port: int) -> None:
    text = f"report: {{mail: {{smarthost: {{host: 192.0.2.9, tls: {tls}}}}}}}"
    mail = parse_settings(text).report.mail
    assert mail is not None
    assert mail.smarthost is not None
    assert mail.smarthost.dialled == port


@pytest.mark.parametrize(
    ("block", "complaint"),
    [
        ("[]", "report: expected a block with keep, steady_runs"),
        ("{kept: 1}", "report: unknown key 'kept'; known: keep,"),
        ("{keep: 0}", "report: keep: expected a whole number from 1"),
        ("{prometheus: /tmp/x}", "prometheus: expected a path that ends with .prom, or off"),
        ("{webhook: {}}", "webhook: url is missing"),
        ("{webhook: {url: 'http://example.net/'}}", "url: expected https://"),
        ("{webhook: {url: 'http://127.0.0.1.example.net/'}}", "url: expected https://"),
        ("{webhook: {url: 'ftp://example.net/'}}", "url: expected https://"),
        ("{webhook: {url: 'https://a:b@example.net/'}}", "put the secret into token_file"),
        ("{webhook: {url: 'https://example.net:99999/'}}", "is not a web address"),
        ("{webhook: {url: 'https://[::1'}}", "is not a web address"),
        ("{webhook: {url: 'https://a..b/'}}", "is not a web address"),
        ("{keep: 3, keep: 4}", "line 1: 'keep' is there twice"),
        ('{webhook: {url: "https://example.net/\\r\\nX: y"}}', "expected an address that begins"),
        ("{webhook: {url: 'https://e.example/', when: never}}", "when: expected change or always"),
        ("{webhook: {url: 'https://e.example/', seconds: 0}}", "seconds: expected a whole number"),
        ("{mail: {to: []}}", "to: expected one to 10 addresses"),
        ("{mail: {to: '-oQ/tmp'}}", "'-oQ/tmp' is neither a mail address nor a local user"),
        ('{mail: {to: "a@example.com\\nBcc: b@example.com"}}', "is neither a mail address"),
        ("{mail: {to: 'a b@example.com'}}", "is neither a mail address"),
        ("{mail: {from: 'a@b'}}", "from: 'a@b' is neither a mail address"),
        ("{mail: {smarthost: {}}}", "smarthost: host is missing"),
        ("{mail: {smarthost: {host: smtp}}}", "neither an address nor a host name"),
        ("{mail: {smarthost: {host: 192.0.2.9, tls: maybe}}}", "tls: expected starttls"),
        ("{mail: {smarthost: {host: 192.0.2.9, user: me}}}", "user and password_file belong"),
        (
            "{mail: {smarthost: {host: 192.0.2.9, tls: none, user: me, password_file: /p}}}",
            "a password is not sent without TLS",
        ),
    ],
)
def test_a_report_setting_that_cannot_be_meant_is_refused(block: str, complaint: str) -> None:
    with pytest.raises(Refusal) as refused:
        parse_settings(f"report: {block}")
    assert complaint in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_domain_that_is_none_is_refused_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditor, "settings", lambda: Settings(domains=("ex ample.com",)))
    with pytest.raises(Refusal, match=r"/mailfix\.yml: domains: 'ex ample\.com' is not a mail do"):
        auditor.examine()
