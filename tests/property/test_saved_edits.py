"""Files of saved rules, whatever they hold: only the line that is meant changes."""

from __future__ import annotations

import contextlib

from hypothesis import assume, given
from hypothesis import strategies as st

from mailfix.firewall.origins.written import statements, written_for_iptables, written_for_nft
from mailfix.firewall.saved import (
    Deed,
    Unclear,
    Verb,
    with_deeds,
    with_deeds_for_nft,
    with_item,
    without_elements,
)
from mailfix.model import Family

PIECES = st.sampled_from(
    (
        *("table inet filter {", "chain input {", "}", "\n", ";", " ", "\t", "# a; {comment\n"),
        *("type filter hook input priority 0", "policy drop", "tcp dport 25 drop", "accept"),
        *("tcp dport { 25, 80 } accept", "set p {", "elements = { 25, 26 }", "\\\n", '"a;b"'),
        "add rule inet filter input drop",
    )
)
NFT_TEXTS = st.lists(PIECES, max_size=30).map("".join)
LINES = st.sampled_from(
    (
        *("*filter", ":INPUT DROP [0:0]", "COMMIT", "# note", "", " -A INPUT -j DROP ", "-N own"),
        *("[1:2] -A INPUT -p tcp --dport 25 -j DROP", "-A INPUT -j LOG", "*nat", "\r", "-I INPUT"),
    )
)
SAVED_TEXTS = st.lists(LINES, max_size=20).map("\n".join)
VERBS = st.sampled_from(Verb)


@given(text=SAVED_TEXTS, verb=VERBS, pick=st.integers(0, 100))
def test_all_lines_of_a_saved_file_but_one_stay(text: str, verb: Verb, pick: int) -> None:
    written = written_for_iptables("f", Family.IPV4, text)
    if not written:
        return
    chosen = written[pick % len(written)]
    after = with_deeds(text, [Deed(chosen.line, verb, chosen.text, ("-A INPUT -j NEW",))])
    before_lines, lines = text.split("\n"), after.split("\n")
    new = [at for at, line in enumerate(lines) if "-j NEW" in line]
    assert len(new) == 1
    del lines[new[0]]
    if verb is Verb.INSTEAD:
        del before_lines[chosen.line - 1]
    assert lines == before_lines


@given(text=NFT_TEXTS, pick=st.integers(0, 100))
def test_one_statement_of_an_nft_file_goes_and_the_others_stay(text: str, pick: int) -> None:
    written = written_for_nft("f", text)
    if not written:
        return
    chosen = written[pick % len(written)]
    assume(chosen.text.count("{") == chosen.text.count("}"))
    after = with_deeds_for_nft(text, [Deed(chosen.line, Verb.INSTEAD, chosen.text)])
    left = [each.text for each in written_for_nft("f", after)]
    expected = [each.text for each in written]
    expected.remove(chosen.text)
    assert sorted(left) == sorted(expected)


@given(text=NFT_TEXTS, verb=st.sampled_from((Verb.BEFORE, Verb.BEHIND)), pick=st.integers(0, 100))
def test_a_new_statement_leaves_all_others(text: str, verb: Verb, pick: int) -> None:
    written = written_for_nft("f", text)
    if not written:
        return
    chosen = written[pick % len(written)]
    assume(chosen.text.count("{") == chosen.text.count("}"))
    deed = Deed(chosen.line, verb, chosen.text, ("udp dport 9 drop",))
    after = [each.text for each in written_for_nft("f", with_deeds_for_nft(text, [deed]))]
    new = [each for each in after if "udp dport 9 drop" in each]
    assert len(new) == 1
    assert [each for each in after if each not in new] == [each.text for each in written]


@given(text=NFT_TEXTS)
def test_statements_tell_where_they_stand(text: str) -> None:
    for each in statements(text):
        if each.text:
            assert text[: each.begins].count("\n") + 1 == each.line
            assert each.text.split()[0].startswith(text[each.begins])
            assert text[each.begins : each.ends].split()[-1][-1] == each.text[-1]


@given(text=st.text(max_size=200), line=st.integers(-3, 20), expected=st.text(max_size=20))
def test_any_text_gives_an_answer(text: str, line: int, expected: str) -> None:
    deed = Deed(line, Verb.INSTEAD, expected)
    with contextlib.suppress(Unclear):
        with_deeds(text, [deed])
    with contextlib.suppress(Unclear):
        with_deeds_for_nft(text, [deed])
    with contextlib.suppress(Unclear):
        without_elements(text, "filter", "p", ["25"], [])
    with_item(text, "TCP_IN", "25")
