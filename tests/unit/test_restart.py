"""A restart and a unit's state as data: written, read, taken back, joined with others."""

from __future__ import annotations

import json

import pytest

from mailfix.apply.kinds import read_change, write_change
from mailfix.changes import Change, Place, Present
from mailfix.changes.draft import Draft
from mailfix.changes.restart import Restart, When
from mailfix.changes.serving import Daemon, Listening
from mailfix.changes.unit import AtBoot, Running
from mailfix.host.units import Link

UNIT = "exim4.service"
FORTH = Restart(UNIT, When.FORTH, (Listening("", 25),), (("disable_ipv6", "yes"),))
BACK = Restart(UNIT, When.BACK, (Listening("::", 465, False),), untouched=Daemon(7, 99, "boot"))
LINKS = (Link("/etc/rc2.d/K01exim4", "../init.d/exim4", 1_700_000_000_000_000_000),)


@pytest.mark.parametrize(
    "change", [FORTH, BACK, Running("exim", UNIT, True), AtBoot(UNIT, LINKS)], ids=repr
)
def test_what_is_written_to_the_journal_is_read_back(change: Change) -> None:
    plain = json.loads(json.dumps(write_change(change)))
    assert read_change(plain) == change
    assert change.inverse.inverse == change
    assert change.inverse != change


def test_a_restart_acts_at_the_end_of_the_way_that_is_its_own() -> None:
    assert (FORTH.place, BACK.place) == (Place.RESTART, Place.RESTART_ON_THE_WAY_BACK)
    assert (FORTH.inverse.place, BACK.inverse.place) == (BACK.place, FORTH.place)
    assert FORTH.cuts_off
    assert not BACK.cuts_off


def test_on_the_way_that_is_not_its_own_it_does_nothing() -> None:
    for idle in (BACK, FORTH.inverse):
        idle.make()
        idle.verify()
        assert idle.preview() == ()
    assert FORTH.look().present is Present.BEFORE


def test_of_several_restarts_one_is_made_that_holds_all_that_was_planned() -> None:
    later = Restart(UNIT, When.FORTH, (Listening("0.0.0.0", 25),), (("smtp_banner", "x"),))
    much_later = Restart(UNIT, When.BACK, ())
    draft = Draft().with_changes((BACK, FORTH)).with_changes((much_later, later))
    back, forth = draft.changes
    assert back == BACK
    assert isinstance(forth, Restart)
    assert forth.served == later.served
    assert dict(forth.options) == {"disable_ipv6": "yes", "smtp_banner": "x"}


def test_what_was_stopped_is_restarted_neither_forth_nor_back() -> None:
    for when in When:
        stopped = Restart(UNIT, when, (), runs=False)
        stopped.make()
        stopped.inverse.make()
        assert stopped.preview() == ()
        assert not stopped.cuts_off


def test_a_masked_unit_is_unmasked_before_it_is_enabled() -> None:
    masked = AtBoot(UNIT, (Link(f"/etc/systemd/system/{UNIT}", "/dev/null", 0),))
    assert masked.preview() == (f"systemctl unmask {UNIT}", f"systemctl enable {UNIT}")
    assert AtBoot(UNIT, LINKS).preview() == (f"systemctl enable {UNIT}",)
