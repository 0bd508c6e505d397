"""What report runs leave for the ones after them.

/var/lib/mailfix/report.lock               who makes a report right now
/var/lib/mailfix/standings.json            what the comparison hands on
/var/lib/mailfix/reports/20261123T060000000000Z.json   one report, as news.schema.json describes it
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from mailfix.comparison.codec import Unreadable, decode, encode
from mailfix.comparison.records import Standings
from mailfix.host import durable
from mailfix.host.files import read_text
from mailfix.model import Unknown
from mailfix.reporter.doors.door import STATE_FOLDER

MAX_STANDINGS = durable.LIMIT
MAX_KEPT = 256 * 1024 * 1024
"""Bytes of all reports together; the oldest beyond that go."""
_REPORT = re.compile(r"[0-9]{8}T[0-9]{12}Z\.json")


@dataclass(frozen=True, slots=True)
class Store:
    """The state folder of one host, as far as reports are concerned."""

    folder: str = STATE_FOLDER

    @property
    def reports(self) -> str:
        return os.path.join(self.folder, "reports")

    @property
    def _standings(self) -> str:
        return os.path.join(self.folder, "standings.json")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only one who makes a report, once another has made its own.

        Raises :class:`mailfix.model.Refusal` where the state folder cannot be written.
        """
        lock = os.path.join(self.folder, "report.lock")
        with durable.alone(lock, self.folder, self.reports):
            yield

    def standings(self) -> Standings:
        """What the last run handed on; without any, nothing was found before.

        Raises :class:`Unreadable` where that cannot be read; says why.
        """
        text = read_text(self._standings, MAX_STANDINGS)
        if isinstance(text, Unknown):
            raise Unreadable(text.reason)
        if text.value is None:
            return Standings()
        try:
            return decode(json.loads(text.value))
        except Unreadable as error:
            raise Unreadable(f"{self._standings}: {error}") from None
        except (ValueError, RecursionError):
            raise Unreadable(f"{self._standings}: it is not JSON") from None

    def set_aside(self) -> str:
        """Move a file of standings that cannot be read out of the way; the path that it has now.

        Raises :class:`mailfix.model.Refusal`.
        """
        aside = f"{self._standings}.unreadable"
        with durable.keeping(self.folder):
            os.replace(self._standings, aside)
            durable.flush_folder(self.folder)
        return aside

    def keep(self, standings: Standings, document: str, started: datetime, number: int) -> None:
        """Keep the outcome of one run, and the last ``number`` reports.

        Raises :class:`mailfix.model.Refusal` where the disk does not take it.
        """
        name = _name(started)
        with durable.keeping(self.folder):
            durable.keep(os.path.join(self.reports, name), document)
            durable.keep(self._standings, json.dumps(encode(standings)))
            self._forget_old(number, name)

    def _forget_old(self, number: int, newest: str) -> None:
        """Never the newest one; raises OSError.

        What was made by a clock that has been put back since counts as the oldest.
        """
        room, kept = MAX_KEPT, 0
        for name in sorted(self.names(), key=lambda each: (each <= newest, each), reverse=True):
            path = os.path.join(self.reports, name)
            with contextlib.suppress(OSError):
                room -= os.path.getsize(path)
                if kept and (kept >= number or room < 0):
                    os.unlink(path)
                kept += 1

    def names(self) -> list[str]:
        """The file names of the reports that are kept, the oldest first; raises OSError."""
        try:
            listed = os.listdir(self.reports)
        except FileNotFoundError:
            return []
        return sorted(name for name in listed if _REPORT.fullmatch(name))

    def last(self, now: datetime) -> str | None:
        """The path of the last report up to ``now`` (UTC); raises OSError.

        Those after it are of a clock that has been put back since.
        """
        until = _name(now)
        found = next((name for name in reversed(self.names()) if name <= until), None)
        return found and os.path.join(self.reports, found)


THIS_HOST = Store()


def _name(started: datetime) -> str:
    return started.strftime("%Y%m%dT%H%M%S%fZ.json")
