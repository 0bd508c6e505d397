"""A record set is changed at its primary, seen at every server, and taken back, or left alone."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mailfix.apply import recovery, undo
from mailfix.apply.journal import Event, State
from mailfix.apply.store import Store
from mailfix.apply.transaction import End, carry_out
from mailfix.changes import Change, Drift, Failed, Present
from mailfix.changes.file import FileChange, read_state
from mailfix.changes.record_set import RecordSetChange, check_place, planned, present
from mailfix.host import dns_update
from mailfix.host.dns_update import Primary, Records
from mailfix.mail_records.proposal import ProposedSet
from tests.publish import rig
from tests.publish.changing import (
    SPF,
    begin,
    change_to,
    everywhere,
    new_set,
    numbers,
    quiet,
    settle,
)
from tests.publish.rig import NOBODY, ONE, TWO, ZONE, Served


def plan(account: Primary, name: str) -> RecordSetChange:
    check_place(account, name)
    return planned(new_set(account, name))[0]


DMARC = "v=DMARC1; p=none; rua=mailto:postmaster@example.com"


def test_a_new_record_is_seen_at_every_server_and_goes_without_a_trace(
    served: Served, store: Store, name: str
) -> None:
    change = change_to(served, ProposedSet(f"_dmarc.{name}", "TXT", (DMARC,), ttl=1800))
    assert [each.label for each in change.authorities] == [
        f"ns1.{ZONE} ({ONE})",
        f"ns2.{ZONE} ({TWO})",
    ]
    assert change.look().present is Present.BEFORE
    assert carry_out(begin(store, change), quiet).end is End.MADE
    assert everywhere(served, change.name) == [[(1800, f'"{DMARC}"')]] * 2
    assert change.look().present is Present.AFTER
    assert carry_out(begin(store, change.inverse), quiet).end is End.MADE
    assert everywhere(served, change.name) == [[], []]


def test_what_else_the_name_holds_stays_to_the_byte(
    served: Served, store: Store, name: str
) -> None:
    served.change(name, '"v=spf1 mx -all"', '"site-verification=" "two" "strings"')
    settle(served)
    before = everywhere(served, name)
    change = change_to(served, ProposedSet(name, "TXT", (SPF,), ("v=spf1 mx -all",)))
    assert carry_out(begin(store, change), quiet).end is End.MADE
    assert (
        everywhere(served, name)
        == [[(600, '"site-verification=" "two" "strings"'), (600, f'"{SPF}"')]] * 2
    )
    assert carry_out(begin(store, change.inverse), quiet).end is End.MADE
    assert everywhere(served, name) == before


def test_the_preview_is_a_difference_of_zone_lines(served: Served, name: str) -> None:
    served.change(name, '"v=spf1 mx -all"', '"a \\027[31m \\255"')
    settle(served)
    change = change_to(served, ProposedSet(name, "TXT", (SPF,), ("v=spf1 mx -all",)))
    title = f"TXT of {name} (zone {ZONE} at {ONE})"
    assert change.preview() == (
        f"--- {title}",
        f"+++ {title}",
        "@@ -1,2 +1,2 @@",
        f' {name}. 600 IN TXT "a \\027[31m \\255"',
        f'-{name}. 600 IN TXT "v=spf1 mx -all"',
        f'+{name}. 600 IN TXT "{SPF}"',
    )
    assert change.describe() == f"change TXT of {name} at {ONE}"


def test_two_spf_records_become_one(served: Served, store: Store, name: str) -> None:
    served.change(name, '"v=spf1 mx -all"', '"v=spf1" " a -all"')
    settle(served)
    wanted = ProposedSet(name, "TXT", (SPF,), ("v=spf1 mx -all", "v=spf1 a -all"))
    assert carry_out(begin(store, change_to(served, wanted)), quiet).end is End.MADE
    assert everywhere(served, name) == [[(600, f'"{SPF}"')]] * 2


def test_a_key_of_4096_bits_is_published_in_strings_that_fit(
    served: Served, store: Store, name: str
) -> None:
    text = "v=DKIM1; k=rsa; p=" + "A" * 736
    change = change_to(served, ProposedSet(f"mail._domainkey.{name}", "TXT", (text,)))
    assert carry_out(begin(store, change), quiet).end is End.MADE
    found = everywhere(served, change.name)
    assert found[0] == found[1]
    assert found[0] is not None
    parts = [part.strip('"') for part in found[0][0][1].split('" "')]
    assert "".join(parts) == text
    assert max(map(len, parts)) == 255


@pytest.mark.parametrize("other", [(), ('"v=spf1 a -all"',), ('"v=spf1 mx -all"', '"more"')])
def test_a_set_that_was_changed_meanwhile_is_not_overwritten(
    served: Served, store: Store, name: str, other: tuple[str, ...]
) -> None:
    served.change(name, '"v=spf1 mx -all"')
    settle(served)
    change = change_to(served, ProposedSet(name, "TXT", (SPF,), ("v=spf1 mx -all",)))
    served.change(name, *other)
    outcome = carry_out(begin(store, change), quiet)
    assert (outcome.end, outcome.reason) == (
        End.TAKEN_BACK,
        f"TXT of {name} was changed by somebody else meanwhile",
    )
    assert served.primary.texts(name) == sorted((600, each) for each in other)
    assert change.look().present is Present.OTHER


def test_the_server_itself_refuses_what_was_changed_in_the_last_moment(
    served: Served, name: str
) -> None:
    """Between the look and the order: nobody but the server can tell."""
    for now in (Records(('"another"',), 600), Records()):
        served.change(name, '"v=spf1 mx -all"')
        with pytest.raises(dns_update.Changed):
            dns_update.replace(served.account, name, "TXT", now, Records((f'"{SPF}"',), 600))
        assert served.primary.texts(name) == [(600, '"v=spf1 mx -all"')]


def test_a_race_that_somebody_else_wins_leaves_nothing_to_be_taken_back(
    served: Served, store: Store, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = change_to(served, ProposedSet(name, "TXT", (SPF,)))
    order = dns_update.replace

    def too_late(primary: Primary, name: str, rdtype: str, now: Records, new: Records) -> None:
        served.change(name, '"v=spf1 a -all"')
        order(primary, name, rdtype, now, new)

    monkeypatch.setattr(dns_update, "replace", too_late)
    outcome = carry_out(begin(store, change), quiet)
    assert (outcome.end, outcome.reason) == (
        End.TAKEN_BACK,
        f"TXT of {name} was changed by somebody else meanwhile",
    )
    assert served.primary.texts(name) == [(600, '"v=spf1 a -all"')]


def test_what_was_changed_since_is_not_taken_back(served: Served, store: Store, name: str) -> None:
    change = change_to(served, ProposedSet(name, "TXT", (SPF,)))
    assert carry_out(begin(store, change), quiet).end is End.MADE
    served.change(name, '"v=spf1 -all"')
    seen = change.look()
    assert seen.present is Present.OTHER
    assert f'+{name}. 600 IN TXT "v=spf1 -all"' in seen.difference
    with pytest.raises(Drift):
        change.inverse.make()
    assert served.primary.texts(name) == [(600, '"v=spf1 -all"')]


def test_what_somebody_else_changed_after_a_crash_is_kept_until_it_is_forced(
    served: Served, store: Store, name: str
) -> None:
    change = change_to(served, ProposedSet(name, "TXT", (SPF,)))
    journal = begin(store, change)
    journal.write(Event.INTENT, 0)
    change.make()
    served.change(name, '"v=spf1 -all"')
    (outcome,) = recovery.recover(store, quiet)
    assert outcome.end is End.STUCK
    assert f"(to overwrite that: mailfix recover --force {name}/TXT)" in outcome.problems[0]
    assert served.primary.texts(name) == [(600, '"v=spf1 -all"')]
    (forced,) = recovery.recover(store, quiet, force=frozenset({f"{name}/TXT"}))
    assert forced.end is End.TAKEN_BACK
    assert everywhere(served, name) == [[], []]


def test_an_undo_is_forced_over_what_was_changed_since(
    served: Served, store: Store, name: str
) -> None:
    change = change_to(served, ProposedSet(name, "TXT", (SPF,)))
    journal = begin(store, change)
    assert carry_out(journal, quiet).end is End.MADE
    served.change(name, '"v=spf1 -all"')
    settle(served)
    (drifted,) = undo.drifts(journal)
    assert drifted.handle == f"{name}/TXT"
    (inverse,) = undo.inverses(journal, frozenset({drifted.handle}))
    assert carry_out(begin(store, inverse), quiet).end is End.MADE
    assert everywhere(served, name) == [[], []]
    (back,) = undo.inverses(begin(store, inverse))
    assert carry_out(begin(store, back), quiet).end is End.MADE
    assert everywhere(served, name) == [[(600, '"v=spf1 -all"')]] * 2


def test_a_ttl_that_its_owner_has_changed_since_stays(
    served: Served, store: Store, name: str
) -> None:
    served.change(name, '"v=spf1 mx -all"')
    settle(served)
    change = change_to(served, ProposedSet(name, "TXT", (SPF,), ("v=spf1 mx -all",), ttl=60))
    assert carry_out(begin(store, change), quiet).end is End.MADE
    assert served.primary.texts(name) == [(600, f'"{SPF}"')]


def test_what_a_wildcard_answers_is_not_taken_for_the_names_own(
    served: Served, store: Store
) -> None:
    name = f"_dmarc.wild.{ZONE}"
    assert served.primary.texts(name) == [(3600, '"v=spf1 -all"')]
    change = change_to(served, ProposedSet(name, "TXT", (DMARC,)))
    assert change.before == Records()
    assert carry_out(begin(store, change), quiet).end is End.MADE
    assert everywhere(served, name) == [[(3600, f'"{DMARC}"')]] * 2
    assert carry_out(begin(store, change.inverse), quiet).end is End.MADE
    assert everywhere(served, name) == [[(3600, '"v=spf1 -all"')]] * 2


@pytest.mark.parametrize("label", ["", "_dmarc.", "mail._domainkey."])
def test_a_record_that_would_hide_those_of_a_wildcard_is_refused(
    served: Served, label: str
) -> None:
    domain = f"d{next(numbers)}.wild.{ZONE}"
    with pytest.raises(Failed, match=rf"^the records of {domain} come from a wildcard"):
        change_to(served, ProposedSet(f"{label}{domain}", "TXT", (SPF,)))


@pytest.mark.parametrize("below", ["_dmarc.", "*."])
def test_beside_a_wildcard_what_exists_gets_its_records(
    served: Served, store: Store, below: str
) -> None:
    """A name that is there only because of names below it, one of them a wildcard, say."""
    domain = f"d{next(numbers)}.wild.{ZONE}"
    assert served.change(f"{below}{domain}", '"there"') == 0
    settle(served)
    change = change_to(served, ProposedSet(domain, "TXT", (SPF,)))
    assert carry_out(begin(store, change), quiet).end is End.MADE
    assert everywhere(served, domain) == [[(3600, f'"{SPF}"')]] * 2


def test_an_alias_is_not_written_over(served: Served) -> None:
    with pytest.raises(Failed, match=rf"alias.{ZONE} is an alias \(CNAME\) of {ZONE}"):
        present(served.account, f"alias.{ZONE}", "TXT")


def test_a_name_in_a_zone_below_is_refused(served: Served) -> None:
    with pytest.raises(Failed, match=rf"{ONE} has no authority over d.child.{ZONE}"):
        present(served.account, f"d.child.{ZONE}", "TXT")
    with pytest.raises(dns_update.Refused, match="has no authority"):
        dns_update.require_zone(served.account, f"child.{ZONE}")


@pytest.mark.parametrize(
    ("key_name", "secret", "complaint"),
    [
        ("nobody", rig.SECRET, r"does not take the key nobody: .*\(BADKEY\)"),
        (rig.KEY_NAME, rig.OTHER_SECRET, r"another secret or algorithm .* mailfix \(BADSIG\)"),
        ("stranger", rig.SECRET, r"(no leave .*\(REFUSED\))|(take the key stranger.*\(BADKEY\))"),
    ],
)
def test_a_wrong_key_is_told_and_its_secret_is_not(
    served: Served, tmp_path: Path, name: str, key_name: str, secret: str, complaint: str
) -> None:
    key_file = rig.write_key(tmp_path / "key", key_name, secret)
    account = replace(served.account, key_file=str(key_file))
    with pytest.raises(Failed, match=rf"^{ONE}.*{complaint}") as failure:
        plan(account, name)
    assert secret not in str(failure.value)
    assert "\n" not in str(failure.value)


def test_a_secondary_takes_no_updates(served: Served, name: str) -> None:
    account = replace(served.account, server=TWO)
    with pytest.raises(Failed, match=rf"^{TWO}.*(REFUSED|BADKEY|NOTAUTH)"):
        plan(account, name)


def test_a_server_without_the_zone_is_told(served: Served) -> None:
    account = replace(served.account, zone="example.net")
    with pytest.raises(Failed, match=rf"^{ONE} .*(REFUSED|may not serve the zone)"):
        plan(account, "d.example.net")


def test_a_dead_server_is_told(served: Served, name: str) -> None:
    account = replace(served.account, server=NOBODY)
    with pytest.raises(Failed, match=rf"^{NOBODY} cannot be reached: Connection refused$"):
        plan(account, name)


def test_a_server_whose_name_leads_nowhere_is_told(served: Served, name: str) -> None:
    account = replace(served.account, server="ns.example.net")
    with pytest.raises(Failed, match=r"^the address of ns.example.net cannot be found: "):
        plan(account, name)


def test_a_server_that_keeps_silent_is_waited_for_a_few_seconds(served: Served, name: str) -> None:
    account = replace(served.account, server=NOBODY)
    with socket.create_server((NOBODY, rig.PORT)):
        begun = time.monotonic()
        with pytest.raises(Failed, match=rf"^{NOBODY} gives no answer$"):
            plan(account, name)
    assert time.monotonic() - begun < 10


def test_the_key_is_looked_at_again_when_the_change_is_made(
    served: Served, store: Store, tmp_path: Path, name: str
) -> None:
    key_file = rig.write_key(tmp_path / "key")
    account = replace(served.account, key_file=str(key_file))
    change = plan(account, name)
    key_file.chmod(0o640)
    outcome = carry_out(begin(store, change), quiet)
    assert f"the key {key_file} has mode 0640 and not 0600: chmod 600" in outcome.reason
    assert served.primary.texts(name) == []


def test_the_secret_is_kept_nowhere(served: Served, store: Store, name: str) -> None:
    change = change_to(served, ProposedSet(name, "TXT", (SPF,)))
    journal = begin(store, change)
    assert carry_out(journal, quiet).end is End.MADE
    written = Path(journal.file).read_text()
    assert str(served.key_file) in written
    assert rig.SECRET not in written
    assert rig.SECRET not in repr((change, change.preview(), change.describe()))


def test_what_was_interrupted_is_taken_back_by_whoever_comes_next(
    served: Served, store: Store, name: str
) -> None:
    change = change_to(served, ProposedSet(name, "TXT", (SPF,)))
    journal = begin(store, change)
    journal.write(Event.INTENT, 0)
    change.make()
    (outcome,) = recovery.recover(store, quiet)
    assert outcome.end is End.TAKEN_BACK
    assert everywhere(served, name) == [[], []]


@contextlib.contextmanager
def without_network() -> Iterator[None]:
    """As it is when the recovery runs in the boot."""
    with rig.alone():
        yield


def test_at_boot_everything_else_is_taken_back_and_the_record_later(
    served: Served, store: Store, name: str, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"before\n")
    change = change_to(served, ProposedSet(name, "TXT", (SPF,)))
    changes: tuple[Change, ...] = (
        change,
        FileChange.of(str(file), read_state(str(file)), b"after\n"),
    )
    journal = begin(store, *changes, boot_id="another boot")
    for step, each in enumerate(changes):
        journal.write(Event.INTENT, step)
        each.make()
        journal.write(Event.DONE, step)
    begun = time.monotonic()
    with without_network():
        (outcome,) = recovery.recover(store, quiet, boot=True)
    assert time.monotonic() - begun < 5
    assert outcome.end is End.STUCK
    assert outcome.problems == (
        f"publish TXT of {name} at {ONE}: {ONE} cannot be reached: Network is unreachable",
    )
    assert file.read_bytes() == b"before\n"
    (later,) = recovery.recover(store, quiet)
    assert later.end is End.TAKEN_BACK
    assert everywhere(served, name) == [[], []]
    found = store.read(1)
    assert found is not None
    assert found.state is State.TAKEN_BACK


def test_the_tests_run_as_root() -> None:
    """Otherwise no key file would be taken, and every refusal above would be that one."""
    assert os.geteuid() == 0
