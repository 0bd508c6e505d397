"""What is proposed for a zone file means the same bytes to whoever reads the file."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mailfix.mail_records.proposal import ProposedSet
from tests.property.hostile import ANY_TEXT

TEXTS = st.binary(max_size=700).map(lambda content: content.decode("latin-1"))
LABELS = st.from_regex(r"[a-z0-9_]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join)


@given(NAMES, TEXTS)
def test_a_text_record_is_read_back_byte_for_byte(name: str, text: str) -> None:
    import dns.zone

    (line,) = ProposedSet(f"{name}.example.com", "TXT", (text,)).zone_lines()
    zone = dns.zone.from_text(line + "\n", "example.com", check_origin=False, relativize=False)
    rdataset = zone.find_rdataset(f"{name}.example.com.", "TXT")
    assert [b"".join(record.strings) for record in rdataset] == [text.encode("latin-1")]
    assert rdataset.ttl == 3600


@given(NAMES, st.integers(0, 65535), NAMES)
def test_an_mx_record_is_read_back_as_it_was(name: str, preference: int, target: str) -> None:
    import dns.zone

    (line,) = ProposedSet(f"{name}.example.com", "MX", (f"{preference} {target}",)).zone_lines()
    zone = dns.zone.from_text(line + "\n", "example.com", check_origin=False, relativize=False)
    (record,) = zone.find_rdataset(f"{name}.example.com.", "MX")
    assert (record.preference, record.exchange.to_text()) == (preference, f"{target}.")


@given(ANY_TEXT, st.sampled_from(["TXT", "MX", "A", "TLSA"]), st.lists(ANY_TEXT, max_size=20))
def test_advice_is_bounded_and_never_fails(name: str, rdtype: str, records: list[str]) -> None:
    told = ProposedSet(name, rdtype, (), tuple(records)).told()
    assert len(told) < 13 * 700
