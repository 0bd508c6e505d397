"""``mailfix ignore``: an acknowledgement is written down, or taken back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from mailfix.acknowledged.book import THIS_HOST, Book
from mailfix.acknowledged.request import read_request, read_subject
from mailfix.comparison.acknowledgement import Acknowledgement
from mailfix.model import Refusal, Subject
from mailfix.rulebook import Rule, named

MOST = 1000


def ignore(
    name: str,
    subject: Sequence[str],
    until: str | None,
    why: str | None,
    rules: Sequence[Rule],
    book: Book = THIS_HOST,
) -> Acknowledgement:
    """Write an acknowledgement down, in place of one of the same rule and subject.

    Those that have ended are forgotten. Raises :class:`mailfix.model.Refusal`.
    """
    today = date.today()
    wished = read_request(name, subject, until, why, rules=rules, today=today)
    with book.locked():
        kept = [each for each in book.read() if each.holds_on(today) and not _same(each, wished)]
        if len(kept) >= MOST:
            raise Refusal(f"{MOST} failures are ignored already: take some back (--end)")
        book.write([*kept, wished])
    return wished


def end(
    name: str,
    subject: Sequence[str],
    rules: Sequence[Rule],
    book: Book = THIS_HOST,
) -> Acknowledgement:
    """Take one back, be its rule gone or not; raises :class:`mailfix.model.Refusal`."""
    with book.locked():
        entries = book.read()
        if all(each.rule != name for each in entries):
            named(name, rules)
        wanted = Acknowledgement(name, _subject(name, subject, rules), date.min, "")
        found = next((each for each in entries if _same(each, wanted)), None)
        if found is None:
            raise Refusal("nothing of the kind is ignored; 'mailfix ignore' lists what is")
        book.write([each for each in entries if each is not found])
    return found


def _subject(name: str, words: Sequence[str], rules: Sequence[Rule]) -> Subject:
    """As the rule has it; of a rule that is gone, as it was kept."""
    if any(rule.id == name for rule in rules):
        return read_subject(words, named(name, rules))
    return {key: value for key, _, value in (word.partition("=") for word in words)}


def _same(one: Acknowledgement, other: Acknowledgement) -> bool:
    return (one.rule, one.subject) == (other.rule, other.subject)
