"""Every parser of the probes takes any text: it answers within bounds and raises nothing else."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from mailfix.facts import Endpoint, Reach
from mailfix.host import Output
from mailfix.mail_records.domain_name import is_mail_domain
from mailfix.model import Family, Known, Unknown
from mailfix.probes import (
    domain_lists,
    exim,
    firewall,
    greetings,
    listeners,
    names,
    postfix,
    servers,
    way_out,
)
from mailfix.record_set import RecordSet
from tests.property.hostile import text_of

EXIM_TEXT = text_of(
    "primary_hostname", " = ", "no_", "domainlist ", "local_domains", "remote_smtp transport:",
    "dnslookup router:", "driver = smtp", "<;", "[::1]:25", "203.0.113.10.587",
    "Configuration file is /", "exim configuration error in line 7 of /etc/exim4/exim4.conf:",
)  # fmt: skip
LABEL = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=20)
HOST_NAME = st.lists(LABEL, min_size=2, max_size=4).map(".".join)
IPV4 = st.ip_addresses(v=4).map(str)
IPV6 = st.ip_addresses(v=6).map(str)
PORT = st.integers(1, 65535)


@given(EXIM_TEXT)
def test_exim_options_are_lines_of_the_text(text: str) -> None:
    options = exim.parse_options(text)
    assert len(options) <= len(text.splitlines())
    assert all(value in text or value in ("yes", "no") for value in options.values())


@given(st.dictionaries(LABEL.filter(lambda name: not name.startswith("no_")), HOST_NAME))
def test_exim_options_come_back_as_they_were_printed(options: dict[str, str]) -> None:
    printed = "".join(f"{name} = {value}\n" for name, value in options.items())
    assert exim.parse_options(printed) == options


@given(EXIM_TEXT)
def test_exim_sections_are_no_more_than_their_headings(text: str) -> None:
    assert len(exim.parse_sections(text)) <= text.count(":")


@given(st.dictionaries(LABEL, st.sampled_from(["smtp", "pipe", "appendfile"]), max_size=5))
def test_exim_transports_come_back_as_they_were_printed(drivers: dict[str, str]) -> None:
    printed = "".join(
        f"{name} transport:\nno_body_only\ndriver = {driver}\n\n"
        for name, driver in drivers.items()
    )
    sections = exim.parse_sections(printed)
    assert {name: options["driver"] for name, options in sections.items()} == drivers


@given(EXIM_TEXT)
def test_an_exim_list_has_no_empty_items(text: str) -> None:
    items = exim.split_list(text)
    assert all(item and item == item.strip() for item in items)
    assert sum(map(len, items)) <= len(text)


@given(st.lists(st.one_of(IPV4, IPV6, HOST_NAME)), st.sampled_from(":;,|/"))
def test_an_exim_list_comes_back_as_it_was_joined(items: list[str], separator: str) -> None:
    doubled = [item.replace(separator, separator * 2) for item in items]
    kept = [
        (item, whole)
        for item, whole in zip(doubled, items, strict=True)
        if not (item.startswith(separator) or item.endswith(separator))
    ]
    joined = f"<{separator} " + f" {separator} ".join(item for item, _ in kept)
    assert exim.split_list(joined) == [whole for _, whole in kept]


@given(text_of("smtp", "submission", "25", "65535", "65536", "000"))
@example("²")
def test_a_port_is_a_port_or_a_value_error(text: str) -> None:
    try:
        number = exim.port_number(text)
    except ValueError:
        return
    assert isinstance(number, int)


@given(st.integers(0, 10**9), st.integers(0, 4))
@example(655359, 2)
def test_a_port_is_never_beyond_65535(number: int, zeros: int) -> None:
    try:
        read = exim.port_number("0" * zeros + str(number))
    except ValueError:
        return
    assert 0 < read < 65536


@given(EXIM_TEXT, EXIM_TEXT, st.lists(EXIM_TEXT, max_size=4))
@example("[::1]:99999", "25", [])
@example("<; ::0", "²", ["-oX", "²"])
def test_where_exim_listens_is_known_or_unknown(
    interfaces: str, ports: str, arguments: list[str]
) -> None:
    options = {"local_interfaces": interfaces, "daemon_smtp_ports": ports}
    told = exim.parse_settings(options, tuple(arguments))
    assert isinstance(told, Known | Unknown)


@given(st.lists(st.tuples(st.one_of(IPV4, IPV6), PORT), min_size=1, max_size=5))
def test_the_endpoints_that_exim_is_given_are_those_that_are_read(
    pairs: list[tuple[str, int]],
) -> None:
    written = [f"[{address}]:{port}" for address, port in pairs]
    told = exim.parse_settings({"local_interfaces": "<; " + " ; ".join(written)}, ())
    assert isinstance(told, Known)
    assert told.value is not None
    wildcards = {"0.0.0.0", "::"}
    assert told.value.endpoints == tuple(
        Endpoint(address, port) for address, port in pairs if address not in wildcards
    ) or any(address in wildcards for address, _ in pairs)


@given(EXIM_TEXT)
def test_exims_file_is_an_absolute_path_without_spaces(text: str) -> None:
    file = exim.parse_file(text)
    assert file is None or (file.startswith("/") and len(file.split()) == 1)


@given(EXIM_TEXT)
def test_the_split_choice_is_yes_or_no(text: str) -> None:
    assert exim.split_chosen(text) in (True, False)


@given(st.integers(-64, 255), EXIM_TEXT, EXIM_TEXT)
def test_a_verdict_on_a_configuration_says_why(code: int, stdout: str, stderr: str) -> None:
    verdict = exim.judged(Output(code, stdout, stderr), "/etc/exim4/exim4.conf", "in use")
    assert verdict.valid == (code == 0)
    assert verdict.valid or verdict.complaint


@given(EXIM_TEXT)
def test_a_helo_name_is_a_name_or_unknown(text: str) -> None:
    told = exim.helo_name(text, "mail.example.com")
    if isinstance(told, Known):
        assert set(told.value) <= set("abcdefghijklmnopqrstuvwxyz0123456789.:[]-")
    else:
        assert len(told.reason) < 300


@given(EXIM_TEXT, st.sampled_from([4, 6]))
def test_a_bound_address_is_of_its_family(text: str, version: int) -> None:
    told = exim.interface_source(text, version)
    if isinstance(told, Known) and told.value is not None:
        assert (":" in told.value) == (version == 6)


@given(text_of("myhostname", " = ", "mail.example.com", "inet_protocols", "all"))
def test_postfix_parameters_are_lines_of_the_text(text: str) -> None:
    values = postfix.parse_parameters(text)
    assert len(values) <= text.count("=")
    if values.get("myhostname"):
        assert postfix.parse_mta(values).server == "postfix"


@given(text_of("127.0.0.1", "localhost", "#", "::1", "mail.example.com"))
def test_every_hosts_entry_has_an_address_and_a_name(text: str) -> None:
    assert all(address and found for address, found in names.parse_hosts(text))


@given(st.lists(st.tuples(st.one_of(IPV4, IPV6), st.lists(HOST_NAME, min_size=1, max_size=3))))
def test_hosts_entries_come_back_as_they_were_written(
    entries: list[tuple[str, list[str]]],
) -> None:
    written = "".join(
        f"{address}\t{' '.join(found)}  # why\n# no entry\n" for address, found in entries
    )
    assert names.parse_hosts(written) == tuple(
        (address, tuple(found)) for address, found in entries
    )


@given(text_of("mail.example.com", "#"))
def test_a_name_file_holds_one_word_or_none(text: str) -> None:
    name = names.parse_name_file(text)
    assert name is None or (len(name.split()) == 1 and "#" not in name)


@given(text_of("Id=", "exim4.service", "LoadState=", "not-found", "UnitFileState=", "\n\n"))
def test_every_unit_has_its_block(text: str) -> None:
    assert len(servers.parse_units(text)) <= text.count("Id=")


@given(text_of("LISTEN 0 128 ", "[::]:25", "v6only:1", "<->", "sk:1"))
def test_v6only_ports_are_told_by_their_lines(text: str) -> None:
    assert len(listeners.parse_v6only(text)) <= text.count("v6only:1")


@given(st.lists(st.tuples(PORT, st.booleans()), unique_by=lambda pair: pair[0]))
def test_v6only_ports_come_back_as_ss_prints_them(sockets: list[tuple[int, bool]]) -> None:
    printed = "".join(
        f"LISTEN 0 4096 [::]:{port} [::]:* ino:9 sk:1 cgroup:/x v6only:{int(only)} <->\n"
        for port, only in sockets
    )
    assert listeners.parse_v6only(printed) == {port for port, only in sockets if only}


@given(st.one_of(IPV4, IPV6), st.booleans())
def test_every_bound_address_has_families_and_a_reach(address: str, v6only: bool) -> None:
    assert listeners.families(address, v6only)
    assert listeners.reach(address) in Reach


@given(text_of("example.com", ": ", "#", "user", "*"))
def test_a_list_file_holds_domain_names(text: str) -> None:
    assert all(
        "." in name and len(name) <= 253 and name == name.lower()
        for name in domain_lists.parse_list_file(text)
    )


@given(st.sets(HOST_NAME))
def test_listed_domains_come_back(listed: set[str]) -> None:
    written = "".join(f"{name}: local  # a comment\n" for name in sorted(listed))
    assert domain_lists.parse_list_file(written) == set(filter(is_mail_domain, listed))


@given(st.lists(text_of("10 ", "0 .", "mx.example.com.", "-1 ")))
@example(["² mx.example.com."])
def test_an_mx_set_gives_host_names(records: list[str]) -> None:
    hosts = way_out.mx_hosts(RecordSet(tuple(records), exists=True))
    assert len(hosts) <= len(records)
    assert all(hosts)


@given(st.lists(st.tuples(st.integers(0, 65535), HOST_NAME)))
def test_the_most_preferred_mx_comes_first(mx: list[tuple[int, str]]) -> None:
    records = tuple(f"{preference} {host}." for preference, host in mx)
    assert way_out.mx_hosts(RecordSet(records, exists=True)) == [host for _, host in sorted(mx)]


@given(
    st.sampled_from([25, 587, 143, 110]),
    text_of("220 ", "220-", "mail.example.com", " ESMTP", "* OK", "+OK", "554 ", "SMTP"),
)
def test_a_greeting_keeps_its_text_and_names_one_host(port: int, banner: str) -> None:
    greeting = greetings.parse(port, Family.IPV4, banner)
    assert greeting.text == banner
    assert greeting.name is None or (greeting.speaks == "smtp" and len(greeting.name) <= 256)


@given(HOST_NAME.filter(lambda name: name[-1].isalnum() and name[0].isalnum()))
def test_an_smtp_greeting_gives_its_host_name(name: str) -> None:
    greeting = greetings.parse(25, Family.IPV4, f"220 {name} ESMTP Exim 4.96")
    assert (greeting.speaks, greeting.name) == ("smtp", name)


@given(text_of('{"nftables": ', "[", '{"table": {}}', "]", "}", "5"))
@example('{"nftables": 5}')
def test_a_listing_has_tables_or_not(listing: str) -> None:
    assert firewall.has_tables(listing) in (True, False)
