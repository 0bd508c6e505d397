"""How exim's settings of DKIM are tried out for a sender; tests/lab/test_signing.py asks exim."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from mailfix.host import Host
from mailfix.model import Fact, Known, Unknown
from mailfix.probes import exim_expansion, signing, signing_recipe
from mailfix.probes.exim import Told
from mailfix.probes.exim_expansion import Expanded
from mailfix.probes.signing import Plan, Planned
from mailfix.probes.signing_recipe import Recipe

FROM_DOMAIN = "${lc:${domain:$h_from:}}"
TRANSPORT = {
    "driver": "smtp",
    "dkim_domain": FROM_DOMAIN,
    "dkim_selector": "mail",
    "dkim_private_key": "/etc/exim4/dkim/$dkim_domain.key",
}
ROUTER = {"driver": "dnslookup", "transport": "remote_smtp"}


def told(
    routers: dict[str, dict[str, str]] | None = None,
    transports: dict[str, dict[str, str]] | None = None,
) -> Told:
    return Told({}, routers or {"dnslookup": ROUTER}, transports or {"remote_smtp": TRANSPORT})


@pytest.mark.parametrize(
    ("expression", "expanded"),
    [
        (FROM_DOMAIN, "${lc:${domain:postmaster@example.com}}"),
        ("/keys/$sender_address_domain.key", "/keys/example.com.key"),
        ("/keys/${sender_address_domain}.key", "/keys/example.com.key"),
        ("$sender_address:x", "postmaster@example.com:x"),
        ("${address:$header_from:}", "${address:postmaster@example.com}"),
        ("${address:$rh_From:}", "${address:postmaster@example.com}"),
        ("${h_from:}", "postmaster@example.com"),
        ("$primary_hostname", "$primary_hostname"),
        ("\\$sender_address_domain", "\\$sender_address_domain"),
        ("\\N$sender_address\\N$sender_address", "\\N$sender_address\\Npostmaster@example.com"),
        ("$sender_address_domainx", "$sender_address_domainx"),
        ("mail", "mail"),
        ("${if def:h_from:{x}}", "${if def:primary_hostname{x}}"),
        ("${if def:sender_address_domain{x}}", "${if def:primary_hostname{x}}"),
    ],
)
def test_the_sender_is_written_into_an_expression(expression: str, expanded: str) -> None:
    assert exim_expansion.for_sender(expression, "example.com") == expanded


@pytest.mark.parametrize("domain", ["", "a}b", "a$b", "a b", "a\nb", "Ä.example", "a\\b"])
def test_a_domain_that_means_something_to_exim_is_not_written(domain: str) -> None:
    with pytest.raises(ValueError, match="not a domain"):
        exim_expansion.for_sender("$sender_address_domain", domain)


@pytest.mark.parametrize(
    ("expression", "part"),
    [
        ("$domain", "$domain"),
        ("${if match_domain{$domain}{+x}{yes}}", "$domain"),
        ("$h_subject:", "$h_subject"),
        ("${acl_m_key}", "$acl_m_key"),
        ("${run{/bin/echo x}}", "run"),
        ("${perl{sender_domain_can_dkim_sign}}", "perl"),
        ("${if acl{{x}}{yes}}", "acl"),
        ("${readsocket{/run/x}{y}}", "readsocket"),
    ],
)
def test_what_hangs_on_more_than_the_sender_is_not_tried_out(expression: str, part: str) -> None:
    assert part in exim_expansion.obstacle(expression)


@pytest.mark.parametrize(
    "expression",
    [
        FROM_DOMAIN,
        "mail",
        "${lookup{$sender_address_domain}lsearch{/etc/x}{$value}{0}}",
        "${if exists{/etc/$primary_hostname}{a}{b}}",
        "${if match{$h_from:}{\\N^(.*)@(.*)$\\N}{$2}}",
    ],
)
def test_what_hangs_on_the_sender_alone_is(expression: str) -> None:
    assert exim_expansion.obstacle(expression) == ""


def test_what_exim_prints_is_told_apart_by_its_end_marks() -> None:
    end = "> mailfix-end-of-expansion\n"
    printed = f"> one\n{end}> Failed: no\nsuch thing\n{end}> \n{end}> "
    assert exim_expansion.parse_expansions(printed) == [
        Expanded("one"),
        Expanded("", "no\nsuch thing"),
        Expanded(""),
    ]


def test_the_transport_of_the_first_router_that_looks_up_mx_signs() -> None:
    found = signing_recipe.recipe(told())
    assert found == Known(
        Recipe(FROM_DOMAIN, "mail", "/etc/exim4/dkim/$dkim_domain.key"),
    )


@pytest.mark.parametrize("option", ["dkim_domain", "dkim_selector", "dkim_private_key"])
def test_one_setting_short_nothing_is_signed(option: str) -> None:
    transports = {"remote_smtp": {**TRANSPORT, option: ""}}
    assert signing_recipe.recipe(told(transports=transports)) == Known(None)


@pytest.mark.parametrize(
    "option", [{"transport_filter": "/usr/bin/sign"}, {"headers_add": "DKIM-Signature: ${x}"}]
)
def test_something_else_may_sign(option: dict[str, str]) -> None:
    found = signing_recipe.recipe(told(transports={"remote_smtp": {"driver": "smtp", **option}}))
    assert isinstance(found, Unknown)
    assert next(iter(option)) in found.reason


def test_a_smart_host_gets_signed_mail_like_anybody() -> None:
    router = {"driver": "manualroute", "transport": "remote_smtp"}
    assert isinstance(signing_recipe.recipe(told({"smarthost": router})), Known)


SIGNS = {"signs": TRANSPORT, "plain": {"driver": "smtp"}}
PLAIN_ROUTER = {**ROUTER, "transport": "plain"}


def routed(**options: str) -> Fact[Recipe | None]:
    """Return the recipe where a router with options comes before one that does not sign."""
    routers = {"first": {**ROUTER, "transport": "signs", **options}, "last": PLAIN_ROUTER}
    return signing_recipe.recipe(told(routers, SIGNS))


@pytest.mark.parametrize(
    "options",
    [
        {"condition": "${perl{can_sign}}"},
        {"condition": "${lookup{$sender_address_domain}lsearch{/etc/x}{yes}fail}"},
        {"senders": "*@example.com"},
        {"domains": "gmail.com : googlemail.com"},
    ],
    ids=str,
)
def test_routers_that_choose_by_message_make_it_unknown(options: dict[str, str]) -> None:
    found = routed(**options)
    assert isinstance(found, Unknown)


def test_routers_that_choose_by_sender_are_told() -> None:
    found = routed(domains="! +local_domains", condition="${if eq{$sender_address}{x}}")
    assert isinstance(found, Known)
    assert found.value is not None
    assert found.value.selector == "${if bool_lax{${if eq{$sender_address}{x}}}{mail}{}}"


def test_a_router_for_mail_of_others_does_not_count() -> None:
    assert routed(domains="! +local_domains : +relay_to_domains") == Known(None)


def test_routers_that_choose_among_equals_do_not_matter() -> None:
    routers = {"first": {**ROUTER, "senders": "x"}, "last": ROUTER}
    found = signing_recipe.recipe(told(routers))
    assert found == signing_recipe.recipe(told())


def test_a_router_behind_one_that_takes_everything_does_not_count() -> None:
    routers = {"lookuphost": ROUTER, "never": {**ROUTER, "transport": "other"}}
    found = signing_recipe.recipe(
        told(routers, {"remote_smtp": TRANSPORT, "other": {"driver": "smtp"}})
    )
    assert isinstance(found, Known)
    assert found.value is not None


def test_a_setting_that_hangs_on_the_recipient_is_unknown() -> None:
    transports = {"remote_smtp": {**TRANSPORT, "dkim_selector": "${if eq{$domain}{x}{a}{b}}"}}
    found = signing_recipe.recipe(told(transports=transports))
    assert isinstance(found, Unknown)
    assert "dkim_selector" in found.reason
    assert "$domain" in found.reason


def test_nobody_but_root_is_told_a_guess() -> None:
    host = Host.within(1.0)
    seen = replace(host, is_root=False)
    found = asyncio.run(signing.read(seen, told(), ["example.com"]))
    assert isinstance(found["example.com"], Unknown)


def test_the_signing_domain_is_taken_from_exims_own_list() -> None:
    recipe = Recipe("$sender_address_domain", "a : b", "/k/$dkim_domain-${dkim_selector}")
    domain = "${lc:${listextract{1}{$sender_address_domain}}}"
    assert recipe.at(recipe.key, 1, 2) == f"/k/{domain}-${{listextract{{2}}{{a : b}}}}"


def plan(domain: str, key: str = "/k/{}.key", refusal: str = "") -> Fact[Plan]:
    return Known(Plan((Planned(domain, "mail", key.format(domain), "", refusal.format(domain)),)))


def test_domains_are_alike_where_they_differ_in_their_name_only() -> None:
    rough = {name: plan(name) for name in ("a.example", "b.example")}
    rough |= {"c.example": plan("c.example", "/other/{}"), "d.example": Known(Plan())}
    kinds = signing.by_kind(rough)
    assert kinds == [["a.example", "b.example"], ["c.example"], ["d.example"]]


@pytest.mark.parametrize(("length", "count"), [(1, 3), (2, 3), (3, 3), (100, 3), (5, 1)])
def test_a_sample_has_the_ends(length: int, count: int) -> None:
    names = [str(number) for number in range(length)]
    sample = signing.spread(names, count)
    assert len(sample) == len(set(sample)) == min(length, count)
    assert sample[0] == names[0]
    assert count == 1 or sample[-1] == names[-1]


def test_a_refusal_is_carried_over_with_the_domains_own_name() -> None:
    kind = ["a.example", "b.example"]
    rough = {name: plan(name) for name in kind}
    exact = {"a.example": plan("a.example", refusal="Tainted filename '/k/{}.key'")}
    found = signing.settled(kind, rough, exact)
    assert found["b.example"] == plan("b.example", refusal="Tainted filename '/k/{}.key'")


@pytest.mark.parametrize(
    "exact",
    [
        {"a.example": plan("a.example", "/elsewhere/{}")},
        {"a.example": Unknown("exim4 did not end within 5.0 s")},
        {"a.example": plan("a.example"), "b.example": plan("b.example", refusal="Tainted")},
        {},
    ],
)
def test_where_the_sample_disagrees_the_others_are_unknown(exact: dict[str, Fact[Plan]]) -> None:
    kind = ["a.example", "b.example", "c.example"]
    found = signing.settled(kind, {name: plan(name) for name in kind}, exact)
    assert isinstance(found["c.example"], Unknown)
    assert all(found[name] == answer for name, answer in exact.items())
