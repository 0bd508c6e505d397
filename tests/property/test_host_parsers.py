"""What the kernel and its files say is read without an error, whatever they say."""

from __future__ import annotations

import ipaddress
import struct

from hypothesis import assume, example, given
from hypothesis import strategies as st

from mailfix.host import netlink, routes, sockets
from mailfix.host.dns import reverse_name
from tests.property.hostile import ANY_TEXT, BYTES, text_of

WORD = st.text("abcdefghijklmnopqrstuvwxyz0123456789.@-", min_size=1, max_size=12)
HEADER = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"


@given(text_of("0::/", "system.slice", "/", "exim4.service", "1:name=systemd:", "init.scope"))
def test_a_unit_is_the_name_of_a_service_or_scope(cgroup: str) -> None:
    unit = sockets.parse_unit(cgroup)
    assert unit is None or (unit.endswith((".service", ".scope")) and "/" not in unit)


@given(st.lists(WORD, max_size=3), WORD, st.sampled_from(["0::", "1:name=systemd:"]))
def test_the_unit_comes_back_from_its_path(above: list[str], name: str, hierarchy: str) -> None:
    path = "/".join(["", *(f"{each}.slice" for each in above), f"{name}.service"])
    assert sockets.parse_unit(f"12:memory:/other.service\n{hierarchy}{path}\n") == f"{name}.service"


@given(BYTES)
def test_netlink_messages_are_parts_of_what_came(received: bytes) -> None:
    found = netlink.messages(received)
    assert sum(len(payload) for _, payload in found) <= len(received)
    assert len(found) <= len(received) // 16


@given(BYTES)
def test_a_table_has_a_name_whatever_came(payload: bytes) -> None:
    assert len(netlink.table_name(payload)) <= max(len(payload), 1)


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=60)), max_size=6))
def test_netlink_messages_come_back_as_they_were_packed(parts: list[tuple[int, bytes]]) -> None:
    packed = b"".join(
        struct.pack("=IHHII", 16 + len(payload), kind, 0, 1, 0)
        + payload
        + b"\0" * (-len(payload) % 4)
        for kind, payload in parts
    )
    assert netlink.messages(packed) == parts


@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789_-", min_size=1, max_size=31), BYTES)
def test_a_table_name_comes_back_behind_other_attributes(name: str, other: bytes) -> None:
    def attribute(kind: int, value: bytes) -> bytes:
        return struct.pack("=HH", 4 + len(value), kind) + value + b"\0" * (-len(value) % 4)

    payload = b"\0" * 4 + attribute(2, other) + attribute(1, name.encode() + b"\0")
    assert netlink.table_name(payload) == name


@given(text_of(HEADER, "eth0\t", "00000000\t", "0003\t", "100", "\t"))
@example(HEADER + "eth0 00000000 0 0003 0 0 ² 00000000 0 0 0")
def test_an_ipv4_default_route_names_an_interface(text: str) -> None:
    assert routes.parse_ipv4(text) in {None, *text.split()}


@given(text_of("0" * 32, " 00 ", "00000001", "eth0", " "))
def test_an_ipv6_default_route_names_an_interface(text: str) -> None:
    assert routes.parse_ipv6(text) in {None, *text.split()}


ROUTE = st.tuples(WORD, st.integers(0, 9999), st.booleans(), st.booleans())


def best(lines: list[tuple[str, int, bool, bool]]) -> str | None:
    usable = [(metric, device) for device, metric, is_default, is_up in lines if is_default & is_up]
    return min(usable)[1] if usable else None


@given(st.lists(ROUTE, max_size=6))
def test_the_ipv4_default_route_with_the_least_metric_is_found(
    lines: list[tuple[str, int, bool, bool]],
) -> None:
    text = HEADER + "".join(
        f"{device}\t{'00000000' if is_default else '0071CB00'}\t0171CB00\t{is_up:04X}\t0\t0\t"
        f"{metric}\t{'00000000' if is_default else '00FFFFFF'}\t0\t0\t0\n"
        for device, metric, is_default, is_up in lines
    )
    assert routes.parse_ipv4(text) == best(lines)


@given(st.lists(ROUTE, max_size=6))
def test_the_ipv6_default_route_with_the_least_metric_is_found(
    lines: list[tuple[str, int, bool, bool]],
) -> None:
    zero = "0" * 32
    text = "".join(
        f"{zero} {0 if is_default else 64:02x} {zero} 00 {zero} {metric:08x} 00000001 00000000 "
        f"{is_up:08x} {device:>8}\n"
        for device, metric, is_default, is_up in lines
    )
    assert routes.parse_ipv6(text) == best(lines)


@given(ANY_TEXT)
def test_the_unreachable_default_route_of_the_kernel_is_no_route(device: str) -> None:
    assume(len(device.split()) == 1)
    zero = "0" * 32
    line = f"{zero} 00 {zero} 00 {zero} ffffffff 00000001 00000000 00200200 {device}"
    assert routes.parse_ipv6(line) is None


@given(st.ip_addresses())
def test_a_reverse_name_leads_to_its_address(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    name = reverse_name(str(address))
    labels = name.split(".")[-3::-1]
    if address.version == 4:
        assert ".".join(labels) == str(address)
    else:
        assert "".join(labels) == address.packed.hex()
