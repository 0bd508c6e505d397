"""What waits to be sent: one file each, named by its time, the oldest go first.

/var/lib/mailfix/outbox/20261123T040312000000Z.eml     a mail
/var/lib/mailfix/unsent/20261123T040312000000Z.json    what the webhook did not take
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from mailfix.host import durable
from mailfix.model import Refusal

LIMIT = 10
"""Files of a kind; a host whose mail is broken for long has said all there is to say."""
LONGEST = timedelta(days=7)
_STAMP = "%Y%m%dT%H%M%S%fZ"
_NAME = re.compile(r"[0-9]{8}T[0-9]{12}Z\.(eml|json)")


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits since ``since`` (UTC)."""

    path: str
    since: datetime

    def is_too_old(self, now: datetime) -> bool:
        return now - self.since > LONGEST

    def read(self) -> bytes:
        """Raises OSError."""
        content = durable.read(self.path)
        return content.data if content else b""


def put(folder: str, content: bytes, moment: datetime, kind: str = "eml") -> int:
    """Add one, all of it UTF-8; raises OSError. Returns how many old ones made room for it."""
    durable.make_folder(folder)
    path = os.path.join(folder, f"{moment.strftime(_STAMP)}.{kind}")
    durable.keep(path, content.decode())
    too_many = waiting(folder)[:-LIMIT]
    for each in too_many:
        remove(each)
    return len(too_many)


def waiting(folder: str) -> tuple[Waiting, ...]:
    """All that wait, the oldest first; raises OSError."""
    try:
        names = sorted(filter(_NAME.fullmatch, os.listdir(folder)))
    except FileNotFoundError:
        return ()
    dated = ((name, _time_of(name)) for name in names)
    return tuple(Waiting(os.path.join(folder, name), since) for name, since in dated if since)


def _time_of(name: str) -> datetime | None:
    with contextlib.suppress(ValueError):
        return datetime.strptime(name.partition(".")[0], _STAMP).replace(tzinfo=UTC)
    return None


def remove(each: Waiting) -> None:
    """Raises OSError."""
    durable.remove(each.path)


@contextmanager
def held(folder: str) -> Iterator[None]:
    """Be the only one who sends.

    Raises :class:`mailfix.model.Refusal` where another one does, or the lock cannot be had.
    """
    lock = os.path.join(folder, "lock")
    with ExitStack() as stack:
        try:
            stack.enter_context(durable.locked(lock))
        except BlockingIOError:
            raise Refusal("another mailfix is sending its mails: wait for it") from None
        except OSError as error:
            raise Refusal(
                f"no mail is sent, for {lock} cannot be locked: {error.strerror}"
            ) from None
        yield
