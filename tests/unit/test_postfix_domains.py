"""Postfix' lists of domains, as postconf and postmap print them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfix.probes.domain_lists import mail_domains
from mailfix.probes.postfix_domains import keys, list_items

INLINE = "inline:{a.example=x, b.example=y}"


@pytest.mark.parametrize(
    ("text", "items"),
    [
        (
            "example.com, mail.example.com localhost",
            ["example.com", "mail.example.com", "localhost"],
        ),
        ("hash:/etc/postfix/a,/etc/postfix/b", ["hash:/etc/postfix/a", "/etc/postfix/b"]),
        ("!example.biz\n  example.com", ["!example.biz", "example.com"]),
        ("inline:{a.example=x, b.example=y}, c.example", [INLINE, "c.example"]),
        ("", []),
    ],
)
def test_a_list_is_split_at_commas_and_blanks(text: str, items: list[str]) -> None:
    assert list_items(text) == items


@given(st.lists(st.from_regex(r"[a-z0-9.:/!-]{1,20}", fullmatch=True)))
def test_what_is_joined_is_split_again(items: list[str]) -> None:
    assert list_items(", ".join(items)) == items


@given(st.text())
def test_any_text_is_read_without_harm(text: str) -> None:
    mail_domains(list_items(text))
    mail_domains(keys(text))


def test_the_keys_of_a_table_stand_before_the_tab() -> None:
    table = "example.net\tanything\nanna@example.org\tanna/\n"
    assert mail_domains(keys(table)) == {"example.net"}
