"""What mail servers say, parsed: greetings and capabilities of SMTP, IMAP and POP3. Pure."""

from __future__ import annotations

import re

from mailfix.outside.model import Speech

_SMTP_LINE = re.compile(r"[2-5][0-9][0-9](?:[ -]|$)", re.ASCII)
_STARTTLS_WORD = {Speech.SMTP: "STARTTLS", Speech.IMAP: "STARTTLS", Speech.POP3: "STLS"}
IMAP_TAG = "a"


def speech_of(banner: str) -> Speech:
    """The protocol whose server greets so."""
    if banner.startswith("SSH-"):
        return Speech.SSH
    if banner.startswith("HTTP/") or banner.lstrip()[:5].lower() in ("<html", "<!doc"):
        return Speech.HTTP
    if banner.startswith(("\x15\x03", "\x16\x03")):
        return Speech.TLS
    if banner.startswith(("* OK", "* PREAUTH", "* BYE")):
        return Speech.IMAP
    if banner.startswith(("+OK", "-ERR")):
        return Speech.POP3
    if _SMTP_LINE.match(banner):
        return Speech.FTP if _is_ftp(banner) else Speech.SMTP
    return Speech.UNKNOWN


def _is_ftp(banner: str) -> bool:
    return "FTP" in banner.upper() and "SMTP" not in banner.upper()


def reply_code(reply: str) -> int | None:
    """The code of an SMTP reply (RFC 5321, section 4.2)."""
    return int(reply[:3]) if _SMTP_LINE.match(reply) else None


def greeted_name(banner: str) -> str:
    """The host name with which an SMTP server greets (RFC 5321, section 4.2), or nothing."""
    words = banner.split("\n")[0][4:].split()
    return words[0] if words and speech_of(banner) is Speech.SMTP else ""


def refuses(banner: str) -> str:
    """``later`` or ``never`` where a greeting is a refusal (421, 554, BYE, -ERR), else nothing."""
    code = reply_code(banner)
    if code is not None and code >= 400:
        return "later" if code < 500 else "never"
    return "later" if banner.startswith(("* BYE", "-ERR")) else ""


def capability_question(speech: Speech, own_name: str) -> str:
    """The command that asks a server for its capabilities; empty for a server without any."""
    return {
        Speech.SMTP: f"EHLO {own_name}",
        Speech.IMAP: f"{IMAP_TAG} CAPABILITY",
        Speech.POP3: "CAPA",
    }.get(speech, "")


def starttls_command(speech: Speech) -> str:
    """RFC 3207 (SMTP), RFC 9051 section 6.2.1 (IMAP), RFC 2595 (POP3)."""
    return {
        Speech.SMTP: "STARTTLS",
        Speech.IMAP: f"{IMAP_TAG} STARTTLS",
        Speech.POP3: "STLS",
    }[speech]


def is_complete(speech: Speech, lines: list[str], *, is_listing: bool = False) -> bool:
    """Whether these lines, at least one, are a whole reply; ``is_listing`` for POP3's CAPA."""
    last = lines[-1]
    if speech is Speech.SMTP:
        return not (last[:3].isdigit() and last[3:4] == "-")
    if speech is Speech.IMAP:
        return last.startswith(f"{IMAP_TAG} ")
    if speech is Speech.POP3 and is_listing:
        return last == "." or lines[0].startswith("-ERR")
    return True


def agrees(speech: Speech, reply: str) -> bool:
    """Whether the last line of a reply says yes."""
    last = reply.rpartition("\n")[2]
    if speech is Speech.IMAP:
        return last.startswith(f"{IMAP_TAG} OK")
    if speech is Speech.POP3:
        return reply.startswith("+OK")
    return last.startswith("2")


def capabilities(speech: Speech, reply: str) -> tuple[str, ...]:
    """The capabilities in a server's answer, each as the server wrote it; none in a refusal."""
    if not agrees(speech, reply):
        return ()
    lines = reply.split("\n")
    if speech is Speech.SMTP:
        found = [line[4:] for line in lines[1:]]
    elif speech is Speech.IMAP:
        told = [line for line in lines if line.upper().startswith("* CAPABILITY ")]
        found = [word for line in told for word in line.split()[2:]]
    else:
        found = [line for line in lines[1:] if line != "."]
    return tuple(word.strip() for word in found if word.strip())


def offers_starttls(speech: Speech, offered: tuple[str, ...]) -> bool:
    """Whether these capabilities contain an upgrade to TLS."""
    return _STARTTLS_WORD.get(speech) in {word.upper() for word in offered}
