"""A case that says what facts cannot say is refused, not read as something else."""

from __future__ import annotations

from typing import Any

import pytest

from mailfix.facts import Facts, Listener, Reach
from mailfix.model import Family, Known, Unknown
from tests.rules.reader import BadCase, read_facts


def test_a_value_is_known_and_a_reason_is_unknown() -> None:
    facts = read_facts({"fqdn": "mail.example.com", "mta": {"unknown": "exim hangs"}})
    assert facts == Facts(fqdn=Known("mail.example.com"), mta=Unknown("exim hangs"))


def test_null_is_a_known_nothing() -> None:
    assert read_facts({"fqdn": None}).fqdn == Known(None)


def test_words_become_enumerations_and_lists_tuples() -> None:
    listener = {"port": 25, "address": "::", "families": ["ipv6"], "reach": "network"}
    assert read_facts({"listeners": [listener]}).listeners == Known(
        (Listener(25, "::", (Family.IPV6,), Reach.NETWORK),)
    )


def test_a_family_that_is_not_given_was_not_looked_at() -> None:
    routes = read_facts({"default_route": {"ipv4": True}}).default_route
    assert routes.ipv4 == Known(True)
    assert routes.ipv6 == Unknown("it was not looked at")


@pytest.mark.parametrize(
    "content",
    [
        {"listener": []},
        {"listeners": [{"port": 25, "adress": "::"}]},
        {"listeners": [{"port": 25}]},
        {"listeners": [{"port": "25", "address": "::", "families": [], "reach": "network"}]},
        {"listeners": [{"port": 25, "address": "::", "families": [], "reach": "moon"}]},
        {"listeners": {"port": 25}},
        {"default_route": {"ipv5": True}},
        {"default_route": {"ipv4": 1}},
        {"fqdn": 25},
        {"fqdn": {"unknown": 25}},
        {"greetings": None},
    ],
    ids=str,
)
def test_what_facts_do_not_have_is_refused(content: dict[str, Any]) -> None:
    with pytest.raises(BadCase):
        read_facts(content)
