"""Handing over a finished mail: to this host's own mail server, or to one that relays for us."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from mailfix.host import process, program
from mailfix.model import Unknown

if TYPE_CHECKING:
    import smtplib

SENDMAIL = "sendmail"
SENDMAIL_S = 60.0
DIAL_S = 20.0
"""For each step of the conversation with a smarthost."""


class Encryption(StrEnum):
    """Of the connection (RFC 3207, RFC 8314)."""

    STARTTLS = "starttls"
    IMPLICIT = "implicit"
    NONE = "none"


class NotTaken(Exception):
    """The mail was not accepted; the text says by whom and why, may be from outside, one line."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who sends and who receives (RFC 5321, section 2.3.1)."""

    sender: str
    recipients: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Relay:
    """A mail server that takes our mail; without a ``user`` it is not asked to know us."""

    host: str
    port: int
    encryption: Encryption
    user: str | None = None
    password: str = field(default="", repr=False)


def has_sendmail() -> bool:
    """Whether this host has a program that takes mail as sendmail(8) does."""
    return process.find_program(SENDMAIL) is not None


def through_sendmail(mail: bytes, envelope: Envelope) -> None:
    """Hand an ASCII mail to sendmail(8), which answers for it from then on; raises NotTaken."""
    argv = (SENDMAIL, "-i", "-f", envelope.sender, "--", *envelope.recipients)
    done = program.run(argv, text_in=mail.decode("ascii"), timeout_s=SENDMAIL_S)
    if isinstance(done, Unknown):
        raise NotTaken(done.reason)
    if done.value.code:
        raise NotTaken(f"sendmail: {done.value.complaint}")


def through_relay(mail: bytes, envelope: Envelope, relay: Relay, name: str) -> None:
    """Hand a mail to another server, whose certificate must be good; raises NotTaken.

    ``name`` is what we call ourselves (EHLO). A server that takes it for some recipients has taken
    it: it answers to the sender for the others.
    """
    import smtplib
    import ssl

    try:
        with contextlib.closing(_connected(relay, name)) as server:
            if relay.user is not None:
                server.login(relay.user, relay.password)
            server.sendmail(envelope.sender, envelope.recipients, mail.replace(b"\n", b"\r\n"))
            # It has the mail, however it takes our leave.
            with contextlib.suppress(smtplib.SMTPException, OSError):
                server.quit()
    except ssl.SSLCertVerificationError as error:
        why = f"its certificate is not good: {error.verify_message}"
        raise NotTaken(f"{relay.host}: {why}") from None
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()))
        raise NotTaken(f"{relay.host} refuses the recipient: {code} {_said(text)}") from None
    except smtplib.SMTPResponseException as error:
        said = f"{error.smtp_code} {_said(error.smtp_error)}"
        raise NotTaken(f"{relay.host} refuses: {said}") from None
    except smtplib.SMTPException as error:
        raise NotTaken(f"{relay.host}: {_said(str(error))}") from None
    except OSError as error:
        why = error.strerror or str(error) or "it kept silent"
        raise NotTaken(f"{relay.host} cannot be reached on tcp/{relay.port}: {why}") from None


def _connected(relay: Relay, name: str) -> smtplib.SMTP:
    """A server that does not begin TLS when it should gets nothing (smtplib raises)."""
    import smtplib
    import ssl

    place = (relay.host, relay.port, name)
    if relay.encryption is Encryption.IMPLICIT:
        return smtplib.SMTP_SSL(*place, timeout=DIAL_S, context=ssl.create_default_context())
    server = smtplib.SMTP(*place, timeout=DIAL_S)
    if relay.encryption is Encryption.STARTTLS:
        try:
            server.starttls(context=ssl.create_default_context())
        except BaseException:
            server.close()
            raise
    return server


def _said(text: bytes | str) -> str:
    shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    return " ".join(shown.split())[:300]
