"""Edits of a chain told by its rules' texts: where they belong when others changed it meanwhile."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfix.apply.kinds import read_change, write_change
from mailfix.changes import Drift, Failed
from mailfix.changes.present import PresentRules
from mailfix.changes.rules import RulesChange
from mailfix.firewall import Backend, Dump, read_ruleset
from mailfix.firewall.cure import (
    ChainEdit,
    ChainRef,
    Drifted,
    Hunk,
    Line,
    Redrawing,
    SetChange,
    States,
)
from mailfix.firewall.cure.edits import SetRef
from mailfix.firewall.cure.states import misplaced
from mailfix.model import Family

INPUT = ChainRef(Backend.IPTABLES_NFT, Family.IPV4, "filter", "INPUT")
SSH = "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT"
WEB = "-A INPUT -p tcp -m tcp --dport 80 -j ACCEPT"
MAIL = "-A INPUT -p tcp -m tcp --dport 25 -j ACCEPT"
BLOCK = "-A INPUT -p tcp -m tcp --dport 25 -j DROP"
BAN = "-A INPUT -p tcp -m multiport --dports 25 -j f2b-exim"


def line(text: str) -> Line:
    return Line(text, text.removeprefix("-A INPUT "))


def edit(
    before: Sequence[str], at: int, old: Sequence[str] = (), new: Sequence[str] = ()
) -> ChainEdit:
    hunk = Hunk(at, tuple(map(line, old)), tuple(map(line, new)))
    return ChainEdit(INPUT, tuple(before), (hunk,))


TABLE = json.dumps({"nftables": [{"table": {"family": "ip", "name": "filter", "handle": 1}}]})
LISTED = Dump(Backend.NFT, None, TABLE)
DELETION = edit([SSH, BLOCK, WEB], 1, old=[BLOCK])
INSERTION = edit([SSH, BLOCK], 1, new=[MAIL])
APPENDED = edit([SSH, WEB], 2, new=[MAIL])


def saved(rule: str = "") -> Dump:
    text = f"*filter\n:INPUT ACCEPT [0:0]\n{rule}\nCOMMIT\n"
    return Dump(Backend.IPTABLES_NFT, Family.IPV4, text)


def test_a_chain_that_its_tool_did_not_tell_is_not_an_empty_one() -> None:
    with pytest.raises(Failed, match="iptables-nft-save did not tell its rules"):
        PresentRules.of((LISTED,)).lines(INPUT)
    assert PresentRules.of((LISTED, saved())).lines(INPUT) == ()
    assert PresentRules.of((LISTED, saved(BLOCK))).lines(INPUT) == (BLOCK,)
    assert PresentRules.of(()).lines(INPUT) == ()


def test_a_set_that_its_tool_did_not_tell_is_not_an_empty_one() -> None:
    looked_up = saved("-A INPUT -m set --match-set bad src -j DROP")
    change = SetChange(SetRef(Backend.IPSET, None, "", "bad"), ("192.0.2.1",), ())
    with pytest.raises(Failed, match="ipset did not tell its rules"):
        PresentRules.of((LISTED, looked_up)).holds(change)
    told = Dump(Backend.IPSET, None, "create bad hash:ip\nadd bad 192.0.2.1\n")
    assert PresentRules.of((LISTED, looked_up, told)).holds(change) is False


@pytest.mark.parametrize(
    ("present", "place"),
    [
        ([SSH, BLOCK, WEB], 1),
        ([BAN, SSH, BLOCK, WEB], 2),
        ([BLOCK, WEB], 0),
        ([SSH, BLOCK, BAN, WEB], 1),
    ],
)
def test_a_rule_is_found_wherever_others_have_shifted_it(present: list[str], place: int) -> None:
    (hunk,) = DELETION.placed(present)
    assert hunk.at == place


@pytest.mark.parametrize("present", [[SSH, WEB], [], [SSH, BLOCK.replace("DROP", "REJECT"), WEB]])
def test_a_rule_that_reads_otherwise_is_never_taken_for_it(present: list[str]) -> None:
    with pytest.raises(Drifted):
        DELETION.placed(present)


@pytest.mark.parametrize(
    ("present", "place"),
    [([SSH, BLOCK], 1), ([BAN, SSH, BLOCK], 2), ([BLOCK], 0)],
)
def test_a_new_rule_comes_right_before_the_one_it_is_to_spare(
    present: list[str], place: int
) -> None:
    (hunk,) = INSERTION.placed(present)
    assert hunk.at == place


def test_nothing_is_inserted_beside_what_somebody_else_put_there() -> None:
    with pytest.raises(Drifted):
        INSERTION.placed([SSH, BAN, BLOCK])


def test_where_both_neighbours_are_gone_nothing_is_inserted() -> None:
    inner = edit([WEB, SSH, BLOCK, BAN], 2, new=[MAIL])
    with pytest.raises(Drifted):
        inner.placed([WEB, BAN])


@pytest.mark.parametrize(
    ("change", "present", "state"),
    [
        (DELETION, [SSH, BLOCK, WEB], 0),
        (DELETION, [SSH, WEB], 1),
        (DELETION, [BAN, SSH, WEB], 1),
        (DELETION, [BAN, SSH, BLOCK, WEB], 0),
        (DELETION, [BAN], None),
        (DELETION, [SSH, BAN, WEB], None),
        (APPENDED, [SSH, WEB, MAIL], 1),
        (APPENDED, [BAN, SSH, WEB], 0),
        (APPENDED, [SSH, MAIL], 1),
        (APPENDED, [SSH], 0),
        (APPENDED, [], 0),
        (edit([SSH, BLOCK], 1, [BLOCK], [MAIL]), [SSH, MAIL, BLOCK], 1),
        (edit([SSH, BLOCK], 1, [BLOCK], [MAIL]), [BAN, SSH, MAIL], 2),
        (edit([SSH, BLOCK, BLOCK], 1, [BLOCK]), [SSH, BLOCK], 1),
    ],
)
def test_the_state_is_told_by_the_rules(
    change: ChainEdit, present: list[str], state: int | None
) -> None:
    assert States(change).state_of(present) == state


def test_a_replaced_rule_goes_only_when_the_new_one_stands() -> None:
    states = States(edit([SSH, BLOCK, WEB], 1, [BLOCK], [MAIL]))
    assert [states.lines(each) for each in range(states.last + 1)] == [
        (SSH, BLOCK, WEB),
        (SSH, MAIL, BLOCK, WEB),
        (SSH, MAIL, WEB),
    ]


def test_what_came_to_a_wrong_place_is_found() -> None:
    (hunk,) = INSERTION.placed([SSH, BLOCK])
    assert misplaced([hunk], [SSH, BLOCK], [MAIL, BAN, SSH, BLOCK]) == [0]
    assert misplaced([hunk], [MAIL, SSH, BLOCK], [MAIL, MAIL, SSH, BLOCK]) in ([0], [1])


def test_edits_after_one_another_are_one() -> None:
    second = edit(INSERTION.after, 2, old=[BLOCK], new=[WEB])
    both = INSERTION.followed_by(second)
    assert both.after == (SSH, MAIL, WEB)
    assert both.hunks == (Hunk(1, (line(BLOCK),), (line(MAIL), line(WEB))),)
    undone = INSERTION.followed_by(INSERTION.inverse)
    assert undone.hunks == ()
    with pytest.raises(Drifted):
        INSERTION.followed_by(DELETION)


LINES = st.lists(st.sampled_from("abcdefgh"), max_size=9)


@st.composite
def edits(draw: st.DrawFn) -> ChainEdit:
    made = ChainEdit(INPUT, tuple(draw(LINES)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(made.after)))
        end = draw(st.integers(at, min(at + 2, len(made.after))))
        new = draw(st.lists(st.sampled_from("uvwxyz"), max_size=2))
        hunk = Hunk(at, tuple(Line(each, each) for each in made.after[at:end]), _lines(new))
        made = made.followed_by(ChainEdit(INPUT, made.after, (hunk,)))
    return made


def _lines(texts: list[str]) -> tuple[Line, ...]:
    return tuple(Line(each, each) for each in texts)


@given(made=edits())
def test_every_edit_goes_there_and_back_by_its_stages(made: ChainEdit) -> None:
    assert made.inverse.after == made.before
    assert made.inverse.inverse == made
    lines = made.before
    for stage in made.stages:
        assert stage.before == lines
        assert stage.placed(lines) == stage.hunks
        lines = stage.after
    assert lines == made.after
    for stage in reversed(made.stages):
        lines = stage.inverse.after
    assert lines == made.before
    assert made.followed_by(made.inverse).hunks == ()


@given(made=edits(), foreign=st.lists(st.tuples(st.integers(0, 9), st.just("BAN")), max_size=3))
def test_rules_of_others_stay_and_the_own_ones_go(
    made: ChainEdit, foreign: list[tuple[int, str]]
) -> None:
    present = list(made.after)
    for at, text in foreign:
        present.insert(min(at, len(present)), text)
    try:
        hunks = made.inverse.placed(present)
    except Drifted:
        return
    for hunk in reversed(hunks):
        there = present[hunk.at : hunk.at + len(hunk.old)]
        assert there == [each.text for each in hunk.old]
        present[hunk.at : hunk.at + len(hunk.old)] = [each.text for each in hunk.new]
    assert present.count("BAN") == len(foreign)
    assert [each for each in present if each != "BAN"] == list(made.before)


def test_the_journal_gives_back_what_was_written_to_it() -> None:
    ports = SetRef(Backend.NFT, None, "own", "ports")
    change = RulesChange((DELETION, INSERTION), (SetChange(ports, ("25",), ()),), back=True)
    assert read_change(json.loads(json.dumps(write_change(change)))) == change


def test_a_later_change_of_other_rules_is_not_mixed_in() -> None:
    with pytest.raises(Drift):
        RulesChange((INSERTION,)).followed_by(RulesChange((DELETION,)))
    both = RulesChange((APPENDED,)).followed_by(RulesChange((edit(APPENDED.after, 3, new=[BAN]),)))
    assert both.chains[0].after == (SSH, WEB, MAIL, BAN)
    assert both.inverse.inverse == both


def test_the_texts_of_the_tools_are_drawn_as_they_will_be() -> None:
    save = Dump(
        Backend.IPTABLES_NFT, Family.IPV4, f"*filter\n:INPUT DROP [0:0]\n{SSH}\n{WEB}\nCOMMIT\n"
    )
    drawn = Redrawing((save,)).with_chain(APPENDED, [SSH, WEB]).texts
    _, chain = INPUT.find(read_ruleset(drawn))
    assert [rule.text for rule in chain.rules] == [SSH, WEB, MAIL]
    assert Redrawing(drawn).with_chain(APPENDED.inverse, APPENDED.after).texts == (save,)
