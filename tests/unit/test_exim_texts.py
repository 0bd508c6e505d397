"""Which line of exim's configuration is edited, and how, told by the text before and after."""

from __future__ import annotations

import pytest

from mailfix.actions.exim import edits, interfaces, layout, shell_text
from mailfix.actions.exim.edits import Edit
from mailfix.actions.exim.interfaces import Wish
from mailfix.facts import Layout

MACROS, TEMPLATE = layout.LOCAL_MACROS, layout.TEMPLATE


def edited(texts: dict[str, bytes], name: str = "disable_ipv6", value: str = "true") -> list[Edit]:
    return list(edits.setting_edits(texts, name, value))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"disable_ipv6 = no\n", b"disable_ipv6 = true\n"),
        (b"  no_disable_ipv6\r\n#x\r\n", b"  disable_ipv6 = true\r\n#x\r\n"),
        (b"hide disable_ipv6 = FALSE", b"hide disable_ipv6 = true"),
        (b"#\xe9\ndisable_ipv6 = \\\n  no \nx = 1", b"#\xe9\ndisable_ipv6 = true \nx = 1"),
        (b".ifdef A\nnot_disable_ipv6\n.endif", b".ifdef A\ndisable_ipv6 = true\n.endif"),
        (b"\\\n disable_ipv6=no\n", b"disable_ipv6 = true\n"),
    ],
)
def test_an_existing_line_is_edited_where_it_stands(before: bytes, after: bytes) -> None:
    assert [each.text for each in edited({TEMPLATE: before})] == [after]


@pytest.mark.parametrize(
    "text",
    [
        b"# disable_ipv6 = true\n",
        b"begin acl\ndisable_ipv6 = no\n",
        b"x = a \\\n disable_ipv6 = no\n",
        b"my_disable_ipv6 = no\n",
        b"DISABLE_IPV6 = no\n",
    ],
)
def test_what_only_looks_like_a_setting_is_none(text: bytes) -> None:
    assert edited({TEMPLATE: text}) == []


def test_a_macro_of_its_own_is_edited_and_one_that_others_use_is_not() -> None:
    macro, option = b"OFF = no\n", b"disable_ipv6 = OFF\n"
    asked = b".ifdef OFF\n" + option + b".endif\n# OFF\n"
    assert [each.path for each in edited({MACROS: macro, TEMPLATE: asked})] == [MACROS]
    shared = option + b"prdr_enable = OFF\n"
    assert [each.path for each in edited({MACROS: macro, TEMPLATE: shared})] == [TEMPLATE]
    twice = {MACROS: macro + b"OFF == yes\n", TEMPLATE: option}
    assert [each.path for each in edited(twice)] == [TEMPLATE]


def test_a_setting_that_is_continued_across_a_comment_is_left_to_the_administrator() -> None:
    text = b"\ndisable_ipv6 = \\\n# since 2019\n  no\n"
    assert edits.unusable({TEMPLATE: text}, "disable_ipv6") == (
        f"{TEMPLATE}, line 2: disable_ipv6 is continued across a comment"
    )
    assert edits.unusable({TEMPLATE: text.replace(b"#", b" ")}, "disable_ipv6") == ""


def test_a_new_line_comes_first_with_the_line_end_of_the_file() -> None:
    first = next(iter(edits.new_lines({TEMPLATE: b"# a\r\n# b\n"}, TEMPLATE, "x = 1")))
    assert first == Edit(TEMPLATE, b"x = 1\r\n# a\r\n# b\n", f"{TEMPLATE}, line 1")
    (empty, _) = edits.new_lines({}, "/new", "x = 1")
    assert empty.text == b"x = 1\n"


def test_the_files_are_read_in_the_order_of_update_exim4_conf() -> None:
    parts = ("90_b", "01_a", "01_a.rul", "02_c.dpkg-old", "10_d~")
    found = layout.main_files(Layout.SPLIT, "/generated", parts)
    assert [each.rpartition("/")[2] for each in found] == ["01_a.rul", "90_b"]
    assert layout.main_files(Layout.TEMPLATE, "/generated", ()) == (MACROS, TEMPLATE)
    assert layout.main_files(Layout.EL, "/etc/exim/exim.conf", ()) == ("/etc/exim/exim.conf",)


def test_a_new_file_of_the_split_configuration_has_a_name_that_is_taken() -> None:
    path = layout.place_for_new(Layout.SPLIT, "/generated", "disable_ipv6")
    name = path.rpartition("/")[2]
    assert path in layout.main_files(Layout.SPLIT, "/generated", (name,))


@pytest.mark.parametrize("panel", layout.PANELS, ids=lambda panel: panel.name)
def test_every_panel_has_its_own_place_or_a_word_of_caution(panel: layout.Panel) -> None:
    assert bool(panel.instead) is not bool(panel.caution)
    if panel.instead:
        assert "disable_ipv6 = true" in panel.instead.format(line="disable_ipv6 = true")


OWN = frozenset({"192.0.2.7", "10.0.0.7", "127.0.0.1", "::1"})
WISH = Wish(25, "192.0.2.7", OWN)


@pytest.mark.parametrize(
    ("items", "debian"),
    [
        (["127.0.0.1", "::1"], ""),
        (["127.0.0.1"], "0.0.0.0"),
        (["::1"], "::0 ; 192.0.2.7"),
        (["10.0.0.7"], "10.0.0.7 ; 192.0.2.7"),
        (["127.0.0.1", "10.0.0.7"], "0.0.0.0 ; 10.0.0.7"),
        (["127.0.0.1.10025"], "127.0.0.1.10025 ; 192.0.2.7"),
        (["203.0.113.99", "192.0.2.7"], "192.0.2.7"),
        (["0.0.0.0"], "0.0.0.0"),
    ],
)
def test_a_list_of_interfaces_changes_as_little_as_serves_the_port(
    items: list[str], debian: str
) -> None:
    assert interfaces.debian_list(interfaces.items_for(WISH, items, "25")) == debian


def test_the_last_plain_assignment_of_a_shell_file_counts() -> None:
    text = b"A='one'\n  A=\"two words\" # why\n#A=three\nB=A=x\n"
    assert shell_text.value(text, "A") == "two words"
    assert shell_text.value(text, "C") is None
    assert shell_text.line_of(text, "A") == 2
    assert shell_text.with_value(text, "B", "new").endswith(b"#A=three\nB='new'\n")
