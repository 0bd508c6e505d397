"""What exim prints, read as its specification and its complaints mean it."""

from __future__ import annotations

import pytest

from mailfix.facts import Endpoint, Layout
from mailfix.host import Output
from mailfix.model import Known, Unknown
from mailfix.probes import exim

OWN = "/etc/exim4/exim4.conf"
BROKEN = (
    "LOG: MAIN PANIC DIE\n"
    "2026-11-22 10:00:00 Exim configuration error in line 12 of /etc/exim4/exim4.conf:\n"
    '  main option "foo" unknown\n'
)


def test_a_complaint_names_the_line_and_leaves_the_noise_before_it_out() -> None:
    verdict = exim.judged(Output(1, "Exim version 4.96\n", BROKEN), OWN, "in use")
    assert not verdict.valid
    assert verdict.complaint == (
        'Exim configuration error in line 12 of /etc/exim4/exim4.conf: main option "foo" unknown'
    )


def test_a_failure_without_a_complaint_still_says_something() -> None:
    assert exim.judged(Output(-11, "", ""), OWN, "in use").complaint == "exit status -11"


@pytest.mark.parametrize(
    "text",
    [f"Exim version 4.96\nConfiguration file is {OWN}\n", BROKEN],
)
def test_the_file_is_named_by_a_healthy_and_by_a_broken_exim(text: str) -> None:
    assert exim.parse_file(text) == OWN


@pytest.mark.parametrize(
    ("file", "split", "cpanel", "layout"),
    [
        (exim.GENERATED, False, False, Layout.TEMPLATE),
        (exim.GENERATED, True, False, Layout.SPLIT),
        (OWN, True, False, Layout.OWN_FILE),
        ("/etc/exim/exim.conf", False, False, Layout.EL),
        ("/etc/exim.conf", False, True, Layout.CPANEL),
    ],
)
def test_the_layout_is_told_by_the_file_in_use(
    file: str, split: bool, cpanel: bool, layout: Layout
) -> None:
    assert exim.source_of(file, split=split, cpanel=cpanel).layout is layout


def endpoints(interfaces: str, *arguments: str, ports: str = "smtp", off: str = "no") -> object:
    options = {
        "local_interfaces": interfaces,
        "daemon_smtp_ports": ports,
        "disable_ipv6": off,
    }
    told = exim.parse_settings(options, arguments)
    assert isinstance(told, Known), told
    assert told.value is not None
    return told.value.endpoints


def test_endpoints_are_read_in_every_way_of_writing_them() -> None:
    both = (Endpoint("0.0.0.0", 25), Endpoint("::", 25))
    assert endpoints("<; ::0 ; 0.0.0.0") == both[::-1]
    assert endpoints("<; [::]:25 ; [0.0.0.0]:25") == both[::-1]
    assert endpoints("127.0.0.1.26") == (Endpoint("127.0.0.1", 26),)
    assert endpoints("", ports="25 : 587") == (Endpoint("", 25), Endpoint("", 587))


def test_ipv6_switched_off_leaves_the_ipv6_endpoints_out() -> None:
    assert endpoints("<; ::0 ; 0.0.0.0", off="yes") == (Endpoint("0.0.0.0", 25),)


@pytest.mark.parametrize("interfaces", ["$x", "eth0", "[::1", "203.0.113.10.port", "256.1.1.1"])
def test_interfaces_that_are_not_understood_are_unknown(interfaces: str) -> None:
    assert isinstance(exim.parse_settings({"local_interfaces": interfaces}, ()), Unknown)


@pytest.mark.parametrize(
    ("data", "known"),
    [
        ("", "mail.example.com"),
        ("$primary_hostname", "mail.example.com"),
        ("Out.Example.NET", "out.example.net"),
        ("${lookup{$sender_address_domain}lsearch{/etc/helo}}", None),
        ("$sender_address_domain", None),
    ],
)
def test_a_helo_that_changes_from_message_to_message_is_unknown(
    data: str, known: str | None
) -> None:
    told = exim.helo_name(data, "mail.example.com")
    assert told == Known(known) if known else isinstance(told, Unknown)


@pytest.mark.parametrize(
    ("interface", "version", "known"),
    [
        ("", 4, None),
        ("203.0.113.11", 4, "203.0.113.11"),
        ("203.0.113.11", 6, None),
        ("<; 203.0.113.11 ; 2001:db8::11", 6, "2001:db8::11"),
    ],
)
def test_the_address_that_a_transport_binds_to(
    interface: str, version: int, known: str | None
) -> None:
    assert exim.interface_source(interface, version) == Known(known)


@pytest.mark.parametrize("interface", ["${lookup{x}}", "eth0"])
def test_a_binding_that_is_not_an_address_is_unknown(interface: str) -> None:
    assert isinstance(exim.interface_source(interface, 4), Unknown)
