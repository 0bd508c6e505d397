"""One line of a file of saved rules changes; every other byte stays as it was."""

from __future__ import annotations

import pytest

from mailfix.firewall.saved import (
    Deed,
    Unclear,
    Verb,
    has_set,
    with_deeds,
    with_deeds_for_nft,
    with_item,
    without_elements,
)
from mailfix.firewall.saved.restore import end_of_table

BLOCK = "-A INPUT -p tcp -m tcp --dport 25 -j DROP"
ACCEPT = "-A INPUT -p tcp -m tcp --dport 25 -j ACCEPT"
SAVED = f"""# of the administrator
*filter
:INPUT DROP [0:0]
[3:100] -A INPUT -p tcp --dport 22 -j ACCEPT
[5:300] {BLOCK}
COMMIT
"""


def test_one_line_goes_from_a_saved_file() -> None:
    after = with_deeds(SAVED, [Deed(5, Verb.INSTEAD, BLOCK)])
    assert after == SAVED.replace(f"[5:300] {BLOCK}\n", "")


def test_new_lines_have_counters_where_the_others_have() -> None:
    after = with_deeds(SAVED, [Deed(5, Verb.BEFORE, BLOCK, (ACCEPT,))])
    assert after == SAVED.replace("[5:300]", f"[0:0] {ACCEPT}\n[5:300]")
    plain = f"*filter\n{BLOCK}\nCOMMIT\n"
    after = with_deeds(plain, [Deed(2, Verb.BEHIND, BLOCK, (ACCEPT,))])
    assert after == f"*filter\n{BLOCK}\n{ACCEPT}\nCOMMIT\n"


def test_several_lines_of_one_file_change_at_once() -> None:
    deeds = [
        Deed(4, Verb.BEHIND, "-A INPUT -p tcp --dport 22 -j ACCEPT", (ACCEPT,)),
        Deed(5, Verb.INSTEAD, BLOCK, ("-A INPUT -p tcp -j REJECT",)),
    ]
    assert with_deeds(SAVED, deeds).split("\n")[3:6] == [
        "[3:100] -A INPUT -p tcp --dport 22 -j ACCEPT",
        f"[0:0] {ACCEPT}",
        "[0:0] -A INPUT -p tcp -j REJECT",
    ]


def test_a_chain_without_saved_rules_gets_its_first_before_the_commit() -> None:
    text = "*nat\nCOMMIT\n*filter\n:INPUT DROP [0:0]\nCOMMIT\n"
    deed = end_of_table(text, "filter")
    after = with_deeds(text, [Deed(deed.line, deed.verb, deed.expected, (ACCEPT,))])
    assert after == f"*nat\nCOMMIT\n*filter\n:INPUT DROP [0:0]\n{ACCEPT}\nCOMMIT\n"
    with pytest.raises(Unclear):
        end_of_table(text, "mangle")


def test_windows_line_ends_stay() -> None:
    text = f"*filter\r\n{BLOCK}\r\nCOMMIT\r\n"
    after = with_deeds(text, [Deed(2, Verb.BEFORE, BLOCK, (ACCEPT,))])
    assert after == f"*filter\r\n{ACCEPT}\r\n{BLOCK}\r\nCOMMIT\r\n"


@pytest.mark.parametrize("line", [0, 4, 99])
def test_a_line_that_says_something_else_is_not_touched(line: int) -> None:
    with pytest.raises(Unclear):
        with_deeds(SAVED, [Deed(line, Verb.INSTEAD, BLOCK)])
    with pytest.raises(Unclear):
        with_deeds_for_nft(SAVED, [Deed(line, Verb.INSTEAD, BLOCK)])


NFT = """#!/usr/sbin/nft -f
table inet filter {
    chain input {
        type filter hook input priority 0; policy drop; # closed
        tcp dport 22 accept
        tcp dport {
            25, 26 # mail
        } drop # no mail
        udp dport 53 accept; tcp dport 80 accept
    }
}
add rule inet filter input tcp dport 25 drop
"""
SPREAD = "tcp dport { 25, 26 } drop"


def test_a_statement_goes_with_its_lines_and_its_comment() -> None:
    after = with_deeds_for_nft(NFT, [Deed(6, Verb.INSTEAD, SPREAD)])
    start, end = NFT.index("        tcp dport {\n"), NFT.index("        udp dport")
    assert after == NFT[:start] + NFT[end:]


def test_a_statement_is_replaced_where_it_stands() -> None:
    deed = Deed(6, Verb.INSTEAD, SPREAD, ("tcp dport 26 drop", "tcp dport 27 drop"))
    after = with_deeds_for_nft(NFT, [deed])
    assert "        tcp dport 26 drop\n        tcp dport 27 drop # no mail\n" in after


def test_one_of_two_statements_on_a_line_goes_alone() -> None:
    after = with_deeds_for_nft(NFT, [Deed(9, Verb.INSTEAD, "udp dport 53 accept")])
    assert after == NFT.replace("udp dport 53 accept; ", "")
    after = with_deeds_for_nft(NFT, [Deed(9, Verb.INSTEAD, "tcp dport 80 accept")])
    assert after == NFT.replace("; tcp dport 80 accept", "; ")


def test_a_rule_comes_before_a_statement_or_behind_the_policy() -> None:
    after = with_deeds_for_nft(NFT, [Deed(5, Verb.BEFORE, "tcp dport 22 accept", ("accept",))])
    assert "        accept\n        tcp dport 22 accept\n" in after
    after = with_deeds_for_nft(NFT, [Deed(4, Verb.BEHIND, "policy drop", ("accept",))])
    assert "policy drop; # closed\n        accept\n        tcp dport 22" in after
    inline = "table ip t { chain c { type filter hook input priority 0; policy drop; } }"
    after = with_deeds_for_nft(inline, [Deed(1, Verb.BEHIND, "policy drop", ("accept",))])
    assert after == inline.replace("policy drop;", "policy drop; accept;")


def test_beside_a_command_comes_another_command() -> None:
    told = "add rule inet filter input tcp dport 25 drop"
    after = with_deeds_for_nft(NFT, [Deed(12, Verb.BEFORE, told, ("tcp dport 25 accept",))])
    assert after.endswith(f"\nadd rule inet filter input tcp dport 25 accept\n{told}\n")
    inserting = "insert rule ip t c tcp dport 25 drop\n"
    with pytest.raises(Unclear):
        with_deeds_for_nft(inserting, [Deed(1, Verb.BEFORE, inserting.strip(), ("accept",))])


SETS = """table inet one {
    set ports { type inet_service; flags interval; elements = { 25, 80,
        100-200 } }
}
table inet two {
    set ports {
        type inet_service
        elements = { 25 }
    }
}
"""


def test_an_element_goes_from_its_own_set() -> None:
    after = without_elements(SETS, "one", "ports", ["25"], [])
    assert after == SETS.replace("{ 25, 80", "{ 80")
    after = without_elements(
        SETS, "one", "ports", ['{"range": [100, 200]}'], ["100", '{"range": [102, 200]}']
    )
    assert after == SETS.replace("80,\n        100-200 }", "80, 100, 102-200 }")
    assert has_set(SETS, "two", "ports")
    assert not has_set(SETS, "three", "ports")


@pytest.mark.parametrize(
    ("table", "gone"), [("one", "443"), ("two", "25"), ("three", "25"), ("one", '{"map": 1}')]
)
def test_an_element_that_is_not_there_by_itself_is_left_to_the_administrator(
    table: str, gone: str
) -> None:
    with pytest.raises(Unclear):
        without_elements(SETS, table, "ports", [gone], [])


def test_an_item_comes_to_the_setting_that_counts() -> None:
    text = 'TCP_IN = "20,22"\nTCP_OUT = ""\n'
    assert with_item(text, "TCP_IN", "25") == text.replace("20,22", "20,22,25")
    assert with_item(text, "TCP_OUT", "25") == text.replace('""', '"25"')
    assert with_item(text, "TCP_IN", "22") == text
    assert with_item(text, "TCP6_IN", "25") is None
