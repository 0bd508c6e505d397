"""Sending what waits in the outbox; what is not accepted stays there for the next run."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from datetime import UTC, datetime

from mailfix.host import journald, kernel_name, mail_out
from mailfix.host.clock import Deadline
from mailfix.host.mail_out import Encryption, Envelope, NotTaken, Relay
from mailfix.host.secret_file import NotSecret, read_word
from mailfix.report import journal
from mailfix.report.mail import sender_of
from mailfix.report_settings import Mail, Smarthost
from mailfix.reporter import outbox
from mailfix.reporter.chosen import report_settings
from mailfix.reporter.doors.door import THIS_HOST, Places
from mailfix.reporter.outbox import Waiting

PATIENCE_S = 240.0
"""After which no further mail is begun."""


@dataclass(frozen=True, slots=True)
class Mailing:
    """``sent`` counts mails; ``troubles`` says of each that was not sent why, and what now."""

    sent: int
    left: int
    troubles: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 nothing is left, 1 something is."""
        return 1 if self.left else 0


def run(places: Places = THIS_HOST) -> Mailing:
    """Send what waits, as the settings say; what could not be sent is told to the journal.

    Where the settings cannot be used, root is told that they cannot.
    """
    mail = report_settings()[0].mail
    done = send_waiting(mail, places.outbox) if mail else Mailing(0, 0, ())
    with contextlib.suppress(OSError):
        journald.send(map(journal.mail_left, done.troubles), places.journal)
    return done


def send_waiting(mail: Mail, folder: str) -> Mailing:
    """Send every mail that waits, the oldest first.

    Raises :class:`mailfix.model.Refusal` where another process is at it.
    """
    if not os.path.isdir(folder):
        return Mailing(0, 0, ())
    with outbox.held(folder):
        return _send_all(mail, folder)


def _send_all(mail: Mail, folder: str) -> Mailing:
    deadline, now = Deadline.after(PATIENCE_S), datetime.now(UTC)
    sent, left, troubles = 0, 0, []
    for each in outbox.waiting(folder):
        try:
            if not deadline.within(1.0):
                raise NotTaken("the time for sending mails is over")
            _send(mail, each)
            sent += 1
        except NotTaken as trouble:
            if not each.is_too_old(now):
                left += 1
                troubles.append(f"{trouble}; the mail of {_day(each)} waits for the next run")
                continue
            troubles.append(f"{trouble}; the mail of {_day(each)} waited too long and is dropped")
        outbox.remove(each)
    return Mailing(sent, left, tuple(troubles))


def _day(each: Waiting) -> str:
    return each.since.strftime("%Y-%m-%d")


def _send(mail: Mail, each: Waiting) -> None:
    try:
        content = each.read()
    except OSError as error:
        raise NotTaken(f"{each.path} cannot be read: {error.strerror}") from None
    sender = sender_of(content)
    if mail.smarthost is None:
        mail_out.through_sendmail(content, Envelope(sender, mail.to))
        return
    domain = sender.rpartition("@")[2]
    to = tuple(one if "@" in one else f"{one}@{domain}" for one in mail.to)
    envelope = Envelope(sender, to)
    mail_out.through_relay(content, envelope, _relay(mail.smarthost), kernel_name.read())


def _relay(smarthost: Smarthost) -> Relay:
    password = ""
    if smarthost.password_file is not None:
        try:
            password = read_word(smarthost.password_file, "the password")
        except NotSecret as error:
            raise NotTaken(str(error)) from None
    encryption = Encryption(smarthost.tls.value)
    return Relay(smarthost.host, smarthost.dialled, encryption, smarthost.user, password)
