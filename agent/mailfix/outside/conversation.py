"""One look at one address and port: connect, listen, ask for capabilities, start TLS, leave."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from mailfix.facts import Way
from mailfix.host import dial
from mailfix.outside import protocols, x509
from mailfix.outside.channel import Channel, ClosedEarly, TooMuch
from mailfix.outside.model import SERVICES, Dialogue, Speech, Target, Tls

PATIENCE_FOR_GREETING = 0.7
_LEAVE_S = 0.5
_MAIL = (Speech.SMTP, Speech.IMAP, Speech.POP3)
_HOST_NAME = re.compile(r"[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+", re.ASCII)


@dataclass(frozen=True, slots=True)
class TlsContexts:
    """How to shake hands: as a careful client, and as one that wants to see whatever is there.

    ``has_store`` is False where this machine has no certificates to verify with.
    """

    strict: ssl.SSLContext
    lenient: ssl.SSLContext
    has_store: bool


def tls_contexts() -> TlsContexts:
    """The contexts for a whole look; names are compared later, so that a mismatch can be told."""
    strict = ssl.create_default_context()
    strict.check_hostname = False
    lenient = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    lenient.check_hostname = False
    lenient.verify_mode = ssl.CERT_NONE
    lenient.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    lenient.set_ciphers("ALL:@SECLEVEL=0")
    return TlsContexts(strict, lenient, _has_store())


def _has_store() -> bool:
    paths = ssl.get_default_verify_paths()
    if paths.cafile is not None:
        return True
    with suppress(OSError):
        return paths.capath is not None and any(Path(paths.capath).iterdir())
    return False


async def look(
    target: Target, address: str, port: int, timeout_s: float, contexts: TlsContexts
) -> Dialogue:
    """See what is at an address and port, within ``timeout_s`` seconds.

    A server whose certificate does not verify is called a second time to see it nevertheless,
    and one that keeps silent is offered TLS, which unmasks HTTP and misplaced TLS servers.
    Never raises for what the network or the server does.
    """
    deadline = time.monotonic() + timeout_s
    service = SERVICES.get(port)
    implicit_tls = service is not None and service.implicit_tls
    patience_s = timeout_s if implicit_tls else timeout_s * PATIENCE_FOR_GREETING
    strict = contexts.strict if contexts.has_store else contexts.lenient
    call = _Call(target, address, port)
    seen = await _converse(call, strict, timeout_s, patience_s, implicit_tls)
    if seen.outcome is not Way.OPEN:
        return replace(seen, no_route=_cannot_send(seen))
    if seen.tls is not None:
        return seen if contexts.has_store else replace(seen, tls=replace(seen.tls, verified=None))
    left_s = deadline - time.monotonic()
    if seen.tls_complaint and left_s > 0 and (seen.banner is None or not implicit_tls):
        again = await _converse(call, contexts.lenient, left_s, left_s, implicit_tls)
        return _as_unverified(seen, again)
    if seen.banner is None and not seen.detail and left_s > 0:
        return _unmasked(seen, await _converse(call, contexts.lenient, left_s, left_s, True))
    return seen


def _cannot_send(seen: Dialogue) -> bool:
    told = (Way.UNREACHABLE, Way.PROHIBITED, Way.ERROR)
    return seen.outcome in told and bool(dial.missing_route(seen.address))


def _as_unverified(strict: Dialogue, lenient: Dialogue) -> Dialogue:
    if lenient.tls is None:
        return strict
    doubted = replace(lenient.tls, verified=False, complaint=strict.tls_complaint)
    return replace(lenient, tls=doubted)


def _unmasked(silent: Dialogue, offered_tls: Dialogue) -> Dialogue:
    if offered_tls.tls is not None:
        return replace(offered_tls, speech=Speech.TLS)
    if offered_tls.banner is not None:
        return replace(silent, banner=offered_tls.banner, speech=offered_tls.speech)
    return silent


@dataclass(frozen=True, slots=True)
class _Call:
    target: Target
    address: str
    port: int

    @property
    def server_name(self) -> str | None:
        """The name to send in the TLS hello; an address is never sent (RFC 6066, section 3)."""
        return None if self.target.is_address else self.target.host


async def _converse(
    call: _Call, context: ssl.SSLContext, timeout_s: float, patience_s: float, implicit_tls: bool
) -> Dialogue:
    """One connection: at most ``timeout_s`` seconds, of which ``patience_s`` for the greeting."""
    deadline = time.monotonic() + timeout_s
    blank = Dialogue(call.address, dial.family_of(call.address), call.port, outcome=Way.OPEN)
    try:
        async with dial.connection(call.address, call.port, timeout_s) as sock:
            talk = _Talk(call, context, sock, blank)
            await talk.hold(deadline, patience_s, implicit_tls)
            return talk.seen
    except TimeoutError:
        return replace(blank, outcome=Way.TIMEOUT, detail="no answer")
    except OSError as error:
        return replace(blank, outcome=dial.outcome_of(error), detail=dial.describe(error))


class _Talk:
    """The conversation on one connection; ``seen`` grows with every reply."""

    def __init__(
        self, call: _Call, context: ssl.SSLContext, sock: socket.socket, blank: Dialogue
    ) -> None:
        self.seen = blank
        self._call = call
        self._context = context
        self._sock = sock
        self._channel = Channel(sock)

    async def hold(self, deadline: float, patience_s: float, implicit_tls: bool) -> None:
        """Talk until the deadline at most; what was seen until then stays."""
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                if implicit_tls and not await self._encrypt():
                    return
                async with asyncio.timeout(patience_s):
                    speech = await self._greeting()
                if speech in _MAIL and not protocols.refuses(self.seen.banner or ""):
                    await self._exchange(speech, implicit_tls)
        except TimeoutError:
            self._ran_out_of_time()
        except (ClosedEarly, TooMuch) as error:
            self._broke_off(error.heard, str(error))
        except OSError as error:
            self._broke_off("", dial.describe(error))

    async def _greeting(self) -> Speech:
        greeting = await self._channel.hear(
            lambda lines: protocols.is_complete(_kind(lines), lines)
        )
        self._heard(greeting)
        return protocols.speech_of(greeting)

    async def _exchange(self, speech: Speech, encrypted: bool) -> None:
        await self._channel.say(protocols.capability_question(speech, own_name(self._sock)))
        reply = await self._channel.hear(
            lambda lines: protocols.is_complete(speech, lines, is_listing=True)
        )
        offered = protocols.capabilities(speech, reply)
        can_start = protocols.offers_starttls(speech, offered)
        self.seen = replace(self.seen, capabilities=offered, starttls_offered=can_start)
        if can_start and not encrypted:
            await self._upgrade(speech)
        await self._leave(speech)

    async def _upgrade(self, speech: Speech) -> None:
        await self._channel.say(protocols.starttls_command(speech))
        reply = await self._channel.hear(lambda lines: protocols.is_complete(speech, lines))
        if protocols.agrees(speech, reply):
            await self._encrypt()
        else:
            refusal = f"STARTTLS is offered but refused: {reply}"
            self.seen = replace(self.seen, tls_complaint=refusal)

    async def _encrypt(self) -> bool:
        self.seen = replace(self.seen, tls_complaint="the TLS handshake did not end in time")
        try:
            await self._channel.start_tls(self._context, self._call.server_name)
        except ssl.SSLError as error:
            self._not_tls(_complaint(error))
            return False
        except ClosedEarly:
            self._not_tls("the server closed the connection during the TLS handshake")
            return False
        self.seen = replace(self.seen, tls=_tls(self._channel), tls_complaint="")
        return True

    async def _leave(self, speech: Speech) -> None:
        if self.seen.tls_complaint:
            return
        farewell = dial.farewell_to("* " if speech is Speech.IMAP else "+OK").decode().strip()
        with suppress(OSError):
            async with asyncio.timeout(_LEAVE_S):
                await self._channel.say(farewell)
                await self._channel.hear(lambda lines: True)

    def _heard(self, banner: str, detail: str = "") -> None:
        self.seen = replace(
            self.seen, banner=banner, speech=protocols.speech_of(banner), detail=detail
        )

    def _not_tls(self, complaint: str) -> None:
        self.seen = replace(self.seen, tls_complaint=complaint)
        answer = self._channel.answer_to_hello
        speech = protocols.speech_of(answer)
        if self.seen.banner is None and answer and speech is not Speech.TLS:
            self._heard(answer.splitlines()[0][: dial.LINE_LIMIT])

    def _ran_out_of_time(self) -> None:
        heard = self._channel.heard_so_far
        if self.seen.banner is None and heard:
            self._heard(heard, "the greeting was not complete in time")
        elif self.seen.banner is not None and self.seen.starttls_offered is None:
            self.seen = replace(self.seen, detail="no complete list of capabilities in time")

    def _broke_off(self, heard: str, detail: str) -> None:
        if self.seen.banner is None and heard:
            self._heard(heard, detail)
        else:
            self.seen = replace(self.seen, detail=detail)


def _kind(lines: list[str]) -> Speech:
    """A greeting is one line, but for SMTP's."""
    return Speech.SMTP if lines[0][:3].isdigit() else Speech.UNKNOWN


def _tls(channel: Channel) -> Tls:
    try:
        certificate = x509.decode(channel.peer_certificate)
    except ValueError as error:
        return Tls(channel.tls_version, None, verified=True, complaint=str(error))
    return Tls(channel.tls_version, certificate, verified=True)


def _complaint(error: ssl.SSLError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return (error.reason or str(error)).replace("_", " ").lower()


def own_name(sock: socket.socket) -> str:
    """The argument of EHLO: this machine's name if it is qualified, else its address literal.

    RFC 5321, sections 4.1.1.1 and 4.1.3.
    """
    name = socket.gethostname()
    if _HOST_NAME.fullmatch(name):
        return name
    address = ipaddress.ip_address(sock.getsockname()[0])
    return f"[{address}]" if address.version == 4 else f"[IPv6:{address}]"
