"""Text such as a file, a program or a server may hold when nobody vouches for it."""

from __future__ import annotations

from hypothesis import strategies as st

BYTES = st.binary(max_size=400)
# What mailfix reads is decoded so that bytes that are not UTF-8 become surrogates.
DECODED = BYTES.map(lambda content: content.decode("utf-8", "surrogateescape"))
ANY_TEXT = st.one_of(st.text(max_size=200), DECODED)


def text_of(*words: str) -> st.SearchStrategy[str]:
    """Text that is nearly right: the format's own words in any order, with anything between."""
    separators = st.sampled_from(["", " ", "\n", "\t", "=", ":", "²", "\x00", "\u2028", "\udcff"])
    piece = st.one_of(st.sampled_from(words), separators, st.text(max_size=5))
    return st.one_of(ANY_TEXT, st.lists(piece, max_size=40).map("".join))
