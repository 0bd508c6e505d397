"""Whatever a key file holds, it is read or refused at once, in one line and without its secret."""

from __future__ import annotations

import time

from hypothesis import example, given
from hypothesis import strategies as st

from mailfix.host.dns_update.key import ALGORITHMS, TsigKey, parse_key
from mailfix.host.dns_update.trouble import Refused
from mailfix.host.secret_file import LIMIT
from tests.property.hostile import text_of

TEXT = text_of(
    'key "k" {', "algorithm hmac-sha256;", 'secret "c2VjcmV0";', "}", "};", "/*", "*/", "//", "#",
    '"', "key", "secret", "algorithm", ";", "{", " ", "\n", "\0", "é",
)  # fmt: skip


@given(TEXT)
@example("/* " * (LIMIT // 3))
@example('"' * LIMIT)
@example("key k { " + "secret c2VjcmV0; " * 200 + "};")
def test_any_text_is_read_or_refused_at_once(text: str) -> None:
    begun = time.monotonic()
    told = ""
    try:
        parse_key(text, "the key")
    except Refused as refusal:
        told = str(refusal)
    assert time.monotonic() - begun < 2
    assert "\n" not in told
    assert "c2VjcmV0" not in told


@given(
    name=st.from_regex(r"[a-z0-9_-]{1,20}(\.[a-z0-9_-]{1,20}){0,3}", fullmatch=True),
    algorithm=st.sampled_from(sorted(ALGORITHMS)),
    secret=st.from_regex(r"([A-Za-z0-9+/]{4}){1,20}", fullmatch=True),
    blank=st.sampled_from([" ", "\n", "\t", " # x\n", " /* ; } */ ", " // {\n"]),
)
def test_every_key_is_read_back(name: str, algorithm: str, secret: str, blank: str) -> None:
    words = ("key", f'"{name}"', "{", "algorithm", algorithm, ";", "secret", f'"{secret}"', ";")
    text = blank.join((*words, "}", ";"))
    assert parse_key(text, "the key") == TsigKey(name, algorithm, secret)
