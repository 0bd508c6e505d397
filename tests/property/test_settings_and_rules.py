"""The administrator's files are read, or refused with a line that says what and where."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mailfix import rulebook
from mailfix.model import Refusal
from mailfix.rulebook import Rule
from mailfix.settings import Settings, parse_settings
from tests.property.hostile import text_of

SETTINGS_TEXT = text_of(
    "target_hosts", "audit_seconds", "ignore", "public_ipv4", ": ", "\n", "  - ", "rule: x",
    "203.0.113.10", "[", "]", "{", "}", "!!int ", "!!float ", "!!timestamp ", "''", "&a ", "*a",
)  # fmt: skip
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=5,
)
GOOD_RULE: dict[str, Any] = {
    "id": "smtp-not-listening",
    "title": "Nothing listens",
    "severity": "critical",
    "part": "sockets",
    "why": "No mail comes in.",
    "needs": ["servers", "listeners"],
    "check": "smtp_port",
    "params": {"port": 25},
    "messages": {"fail": "nothing on tcp/{port}", "pass": "something on tcp/{port}"},
}


def read(text: str) -> None:
    refusal = ""
    try:
        assert isinstance(parse_settings(text), Settings)
    except Refusal as error:
        refusal = str(error)
    assert "\n" not in refusal
    assert not refusal or refusal.startswith("/etc/mailfix/mailfix.yml")


@given(SETTINGS_TEXT)
def test_settings_are_read_or_refused_in_one_line(text: str) -> None:
    read(text)


@pytest.mark.parametrize("value", ["!!int ''", "!!float ''", "!!bool x", "!!timestamp x"])
def test_a_broken_tag_is_refused(value: str) -> None:
    read(f"audit_seconds: {value}")


def test_a_number_without_end_is_refused() -> None:
    read("public_ipv4: 0x" + "f" * 5000)


@given(st.sampled_from(sorted(Settings.__slots__)), VALUES)
def test_any_value_of_a_setting_is_read_or_refused(name: str, value: Any) -> None:
    import yaml

    read(yaml.safe_dump({name: value}))


def block_of(*names: str) -> st.SearchStrategy[Any]:
    told = text_of("https://", "localhost", "@", "example.com", "/", ":", "[", "%", "-")
    values = VALUES | told | st.sampled_from(["https://a.example/", "/p", "me", "192.0.2.1", 5])
    return st.dictionaries(st.sampled_from(names), values, max_size=4)


REPORT_BLOCKS = {
    "webhook": block_of("url", "token_file", "seconds", "tries", "when"),
    "mail": block_of("to", "from", "smarthost")
    | st.fixed_dictionaries(
        {"smarthost": block_of("host", "port", "tls", "user", "password_file")}
    ),
}


@given(st.fixed_dictionaries({}, optional=REPORT_BLOCKS))
def test_any_door_is_read_or_refused(report: dict[str, Any]) -> None:
    import yaml

    read(yaml.safe_dump({"report": report}))


@given(
    st.lists(st.sampled_from(["smtp.gmail.com", "mx.example.com"]), max_size=20),
    st.floats(1, 600),
    st.ip_addresses(v=4).map(str),
)
def test_settings_come_back_as_they_were_written(
    hosts: list[str], seconds: float, public: str
) -> None:
    import yaml

    written = {"target_hosts": hosts, "audit_seconds": seconds, "public_ipv4": public}
    told = parse_settings(yaml.safe_dump(written))
    assert (told.target_hosts, told.public_ipv4) == (tuple(hosts), public)
    assert told.audit_seconds == pytest.approx(seconds)


def check(content: dict[str, Any]) -> None:
    refusal = ""
    try:
        assert isinstance(rulebook.parse(content, "rule.yml"), Rule)
    except Refusal as error:
        refusal = str(error)
    assert not refusal or refusal.startswith("rule.yml: ")


@given(st.sampled_from(sorted(set(GOOD_RULE) - {"check", "params"})), VALUES)
@example("severity", [])
@example("part", {})
@example("messages", {"fail": "{", "pass": "}"})
def test_a_rule_with_any_value_is_used_or_refused(key: str, value: Any) -> None:
    check({**GOOD_RULE, key: value})


@given(st.sampled_from(["families", "scope", "advice", "fix", "references", "unheard-of"]), VALUES)
def test_a_rule_with_any_addition_is_used_or_refused(key: str, value: Any) -> None:
    check({**GOOD_RULE, key: value})


@pytest.mark.parametrize(
    ("key", "value"),
    [("check", []), ("check", {}), ("params", 5), ("params", "port"), ("params", {1: 2, "a": 3})],
)
def test_a_rule_of_the_wrong_shape_is_refused(key: str, value: Any) -> None:
    check({**GOOD_RULE, key: value})


@given(st.dictionaries(st.text(max_size=10), VALUES, max_size=4))
def test_a_mapping_that_is_no_rule_is_refused(content: dict[str, Any]) -> None:
    with pytest.raises(Refusal):
        rulebook.parse(content, "rule.yml")


@given(st.sampled_from(["fail", "pass"]), text_of("{port}", "{", "}", "{{", "!r", ":>9", ".a"))
def test_a_template_computes_nothing(answer: str, text: str) -> None:
    messages = {**GOOD_RULE["messages"], answer: text}
    try:
        rule = rulebook.parse({**GOOD_RULE, "messages": messages}, "rule.yml")
    except Refusal:
        return
    names = "".join(part for part in rule.messages[answer].split("{{"))
    assert "{port." not in names
    assert "{port!" not in names
    assert "{port:" not in names.replace("{port:}", "")
