"""Editing exim's configuration changes one setting and keeps every other byte."""

from __future__ import annotations

import os
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfix.actions.exim import interfaces, option_text, shell_text
from mailfix.actions.exim.interfaces import Wish
from mailfix.facts import Endpoint
from mailfix.probes import exim

from .exim_texts import ask_here, disagreements, text_of

WORDS = st.sampled_from(
    [
        *(b"disable_ipv6", b"no_disable_ipv6", b" = ", b"=", b"yes", b"hide ", b"MACRO", b"\\"),
        *(b"\n", b"\r\n", b"#", b".ifdef A", b".endif", b"begin acl", b" ", b"\t", b"\xff", b"\0"),
    ]
)
TEXTS = st.one_of(
    st.binary(max_size=200),
    st.lists(WORDS, max_size=30).map(b"".join),
    st.integers(min_value=0).map(text_of),
)


@given(TEXTS)
def test_whatever_the_text_the_places_found_are_where_the_settings_stand(text: bytes) -> None:
    end = 0
    for setting in option_text.settings(text):
        assert end <= setting.start < setting.end <= len(text)
        end = setting.end
        assert setting.name.encode() in text[setting.start : setting.end]
        assert text.count(b"\n", 0, setting.start) + 1 == setting.line


@given(TEXTS, st.sampled_from(["true", "<; 0.0.0.0 ; ::0", "a b"]))
def test_an_edit_changes_its_setting_and_no_other_byte(text: bytes, value: str) -> None:
    before = list(option_text.settings(text))
    for number, setting in enumerate(before):
        edited = option_text.with_value(text, setting, value)
        assert edited.startswith(text[: setting.start])
        assert edited.endswith(text[setting.end :])
        after = list(option_text.settings(edited))
        assert [each.name for each in after] == [each.name for each in before]
        assert after[number].value == value
        others = [each.value for each in after[:number] + after[number + 1 :]]
        assert others == [each.value for each in before[:number] + before[number + 1 :]]


@given(TEXTS)
def test_a_line_on_top_leaves_the_rest_as_it_is(text: bytes) -> None:
    edited = option_text.with_first_line(text, "disable_ipv6 = true")
    assert edited.endswith(text)
    first = next(option_text.settings(edited))
    assert (first.name, first.value, first.line) == ("disable_ipv6", "true", 1)
    assert edited.count(b"\n") == text.count(b"\n") + 1


@given(st.text("A='\"x 127.:;#\\\n", max_size=60), st.sampled_from(["", "a b", "127.0.0.1 ; ::1"]))
def test_a_shell_assignment_is_replaced_and_read_back(text: str, new: str) -> None:
    whole = f"{text}\nA='old'\n# A='comment'\n".encode()
    edited = shell_text.with_value(whole, "A", new)
    assert shell_text.value(edited, "A") == new
    assert edited.replace(f"A='{new}'".encode(), b"A='old'") == whole.replace(
        f"A='{new}'".encode(), b"A='old'"
    )


@given(st.binary(max_size=80))
def test_any_bytes_are_taken_for_a_shell_file(text: bytes) -> None:
    shell_text.value(text, "A")


OWN = ("192.0.2.7", "10.0.0.7", "127.0.0.1", "::1")
ITEMS = st.lists(
    st.sampled_from(
        ["127.0.0.1", "::1", "10.0.0.7", "192.0.2.7", "203.0.113.99", "127.0.0.1.10025", "[::1]:26"]
    ),
    max_size=5,
    unique=True,
)


@given(ITEMS)
def test_every_list_of_interfaces_is_opened_and_keeps_what_the_host_has(items: list[str]) -> None:
    wish = Wish(25, "192.0.2.7", OWN)
    new = interfaces.items_for(wish, items, "25")
    told = exim.parse_settings({"local_interfaces": interfaces.exim_list(new)}, ())
    found = _endpoints(new)
    assert told == exim.parse_settings({"local_interfaces": f"<; {' ; '.join(new)}"}, ())
    assert wish.served(found)
    assert not wish.absent(found)
    for endpoint in _endpoints(items):
        kept = endpoint in found or any(
            each.port == endpoint.port and each.address in ("0.0.0.0", "::") for each in found
        )
        assert kept or endpoint.address == "203.0.113.99"


def _endpoints(items: list[str]) -> tuple[Endpoint, ...]:
    told = exim.parse_settings(
        {"local_interfaces": interfaces.exim_list(items), "daemon_smtp_ports": "25"}, ()
    )
    settings = getattr(told, "value", None)
    return settings.endpoints if settings and items else ()


@pytest.mark.skipif(shutil.which("exim4", path="/usr/sbin") is None, reason="exim4 is not here")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give exim another configuration")
def test_exim_reads_the_texts_as_we_do() -> None:
    assert disagreements([text_of(number) for number in range(150)], ask_here) == []
