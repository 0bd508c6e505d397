"""Whatever a change is made of comes back from JSON as it was, and nothing else does."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import IntEnum, StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailfix.changes.codec import from_plain, to_plain


class Word(StrEnum):
    ONE = "one"
    OTHER = "other"


class Number(IntEnum):
    ONE = 1
    OTHER = 2


@dataclass(frozen=True, slots=True)
class Inner:
    word: Word
    pairs: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Outer:
    text: str
    data: bytes
    count: int
    seconds: float
    on: bool
    number: Number
    inner: Inner | None
    inners: tuple[Inner, ...]
    perhaps: bytes | None = None


texts = st.text() | st.binary().map(lambda data: data.decode("utf-8", "surrogateescape"))
inners = st.builds(Inner, pairs=st.lists(st.tuples(texts, st.binary()), max_size=3).map(tuple))
outers = st.builds(
    Outer,
    text=texts,
    seconds=st.floats(allow_nan=False) | st.integers(-10, 10),
    inner=st.none() | inners,
    inners=st.lists(inners, max_size=3).map(tuple),
    perhaps=st.none() | st.binary(),
)
plains = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda each: st.lists(each, max_size=4) | st.dictionaries(st.text(), each, max_size=4),
)


@given(outers)
def test_what_is_written_is_read_again(value: Outer) -> None:
    assert from_plain(Outer, json.loads(json.dumps(to_plain(value)))) == value


@given(outers, st.data())
def test_one_field_of_something_else_is_refused_or_fits(value: Outer, data: st.DataObject) -> None:
    plain = to_plain(value)
    name = data.draw(st.sampled_from(sorted(plain)))
    plain[name] = data.draw(plains)
    try:
        read = from_plain(Outer, plain)
    except ValueError:
        return
    assert to_plain(read).keys() == plain.keys()


@given(plains)
def test_nothing_else_is_taken_for_it(plain: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        from_plain(Outer, plain)


@given(outers, st.sampled_from(["text", "inner", "perhaps"]))
def test_a_missing_or_an_unknown_field_is_refused(value: Outer, name: str) -> None:
    missing = to_plain(value)
    del missing[name]
    with pytest.raises(ValueError, match="expected the fields"):
        from_plain(Outer, missing)
    with pytest.raises(ValueError, match="expected the fields"):
        from_plain(Outer, to_plain(value) | {"besides": 1})
