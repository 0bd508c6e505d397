"""Mail: put into the outbox, from which a unit of its own sends it."""

from __future__ import annotations

from mailfix.host import durable, mail_out
from mailfix.host.files import read_text
from mailfix.model import Known
from mailfix.report import mail
from mailfix.report.journal import counts_of
from mailfix.report.mail import Letter
from mailfix.report.news import text
from mailfix.report_settings import Mail
from mailfix.reporter import outbox
from mailfix.reporter.doors import page
from mailfix.reporter.doors.door import Delivery, Errand, Places
from mailfix.setting_values import HOST_NAME

NAME = "mail"
NOBODY = "localhost"
MAX_PAGE = 4 * 1024 * 1024
"""Bytes; the page is bounded to about half of that."""


def through(errand: Errand) -> Delivery:
    """Write a mail where something has changed; it is not sent yet."""
    settings, bulletin = errand.settings.mail, errand.bulletin
    if settings is None:
        return Delivery(NAME, "skipped", "it is switched off")
    if not bulletin.news.is_change:
        return Delivery(NAME, "skipped", "nothing has changed")
    report = bulletin.report
    letter = Letter(
        f"{report.host}: {counts_of(bulletin.news)}",
        text.write(bulletin, colour=False),
        report.started,
        _page(errand),
    )
    return put(letter, report.host, settings, errand.places)


def _page(errand: Errand) -> str | None:
    """The page as its own door has written it; without one the mail goes all the same."""
    written = Delivery(page.NAME, "delivered", errand.places.page)
    if written not in errand.before:
        return None
    content = read_text(errand.places.page, MAX_PAGE)
    return content.value if isinstance(content, Known) else None


def put(letter: Letter, host: str, settings: Mail, places: Places) -> Delivery:
    """Have a letter in the outbox, on the disk; raises OSError."""
    if settings.smarthost is None and not mail_out.has_sendmail():
        return Delivery(NAME, "skipped", "this host has no sendmail, and no smarthost is set")
    written = mail.write(letter, _sender(settings, host), settings.to)
    durable.make_folder(places.state)
    dropped = outbox.put(places.outbox, written, letter.moment)
    more = f", where {dropped} made room for it" if dropped else ""
    return Delivery(NAME, "delivered", f"put into {places.outbox}{more}")


def _sender(settings: Mail, host: str) -> str:
    """A name of this host that is none may hold anything."""
    sender = settings.sender or "root"
    if "@" in sender:
        return sender
    return f"{sender}@{host if HOST_NAME.fullmatch(host) else NOBODY}"
