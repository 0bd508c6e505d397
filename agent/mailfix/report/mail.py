"""A report as a mail (RFC 5322): a plain text, and the page as an attachment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mailfix.report.escape import clip, escape

MAX_SUBJECT = 200
PAGE_NAME = "mailfix.html"


@dataclass(frozen=True, slots=True)
class Letter:
    """``text`` and ``page`` (HTML) are written as they are; ``moment`` (UTC) is its date."""

    subject: str
    text: str
    moment: datetime
    page: str | None = None


def write(letter: Letter, sender: str, to: Sequence[str]) -> bytes:
    """The mail, all of it ASCII, with lines of at most 998 characters that end with a line feed.

    ``sender`` and ``to`` are addresses as the settings let them in; ``sender`` has a domain.
    It says that a program wrote it (RFC 3834), so that nobody's holiday answers.
    """
    from email.message import EmailMessage
    from email.policy import default
    from email.utils import format_datetime

    mail = EmailMessage(default.clone(cte_type="7bit", linesep="\n"))
    mail["From"] = f"mailfix <{sender}>"
    mail["To"] = ", ".join(to)
    mail["Subject"] = clip(f"[mailfix] {escape(letter.subject)}", MAX_SUBJECT)
    mail["Date"] = format_datetime(letter.moment)
    mail["Message-ID"] = f"<mailfix.{letter.moment:%Y%m%dT%H%M%S%f}@{sender.rpartition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(letter.text)
    if letter.page is not None:
        mail.add_attachment(letter.page, subtype="html", filename=PAGE_NAME, cte="base64")
    return mail.as_bytes()


def sender_of(mail: bytes) -> str:
    """The address in the From line of a mail that :func:`write` wrote; "" where there is none."""
    from email import message_from_bytes
    from email.policy import default

    addresses = getattr(message_from_bytes(mail, policy=default)["From"], "addresses", ())
    return addresses[0].addr_spec if addresses else ""
