"""The big providers' mail servers: they greet, talk and remember, and never take a message."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass, field

from .names import SERVERS

LINE_SECONDS = 60.0
NAME_OF = {address: name for name, pair in SERVERS.items() for address in pair}
REPLIES = {
    "RSET": "250 2.0.0 OK",
    "NOOP": "250 2.0.0 OK",
    "MAIL": "550 5.7.1 This lab takes no mail",
    "RCPT": "503 5.5.1 MAIL first",
    "DATA": "503 5.5.1 RCPT first",
}
GREETING = "220 {name} ESMTP lab sink"


@dataclass(slots=True)
class Visit:
    """One connection to port 25: who came, to which server, and what HELO or EHLO was said."""

    peer: str
    server: str
    helo: str | None = None
    commands: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Sink:
    """``greeting`` may be changed to any line; None accepts the connection and stays silent."""

    greeting: str | None = GREETING
    visits: list[Visit] = field(default_factory=list)
    _servers: list[asyncio.Server] = field(default_factory=list)

    async def serve(self, mail: list[socket.socket], control: list[socket.socket]) -> None:
        """Accept SMTP on the first sockets, plain connections on the others."""
        for sock in mail:
            self._servers.append(await asyncio.start_server(self._smtp, sock=sock))
        for sock in control:
            self._servers.append(await asyncio.start_server(hold_open, sock=sock))

    def close(self) -> None:
        """Accept no more; from any thread."""
        for server in self._servers:
            server.get_loop().call_soon_threadsafe(server.close)

    async def _smtp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server = NAME_OF.get(writer.get_extra_info("sockname")[0], "unknown")
        visit = Visit(peer=writer.get_extra_info("peername")[0], server=server)
        self.visits.append(visit)
        try:
            await self._converse(visit, reader, writer)
        except (OSError, ValueError, TimeoutError):
            return
        finally:
            writer.close()

    async def _converse(
        self, visit: Visit, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self.greeting is None:
            await reader.read()
            return
        say(writer, self.greeting.format(name=visit.server))
        while line := await asyncio.wait_for(reader.readline(), LINE_SECONDS):
            command = line.decode("ascii", "replace").strip()
            visit.commands.append(command)
            verb, _, argument = command.partition(" ")
            if verb.upper() == "QUIT":
                say(writer, f"221 2.0.0 {visit.server} closing")
                return
            if verb.upper() in {"HELO", "EHLO"}:
                visit.helo = argument
                greet_back(writer, visit.server, extended=verb.upper() == "EHLO")
            else:
                say(writer, REPLIES.get(verb.upper(), "502 5.5.1 Not here"))
            await writer.drain()


def say(writer: asyncio.StreamWriter, line: str) -> None:
    writer.write(f"{line}\r\n".encode("ascii", "replace"))


def greet_back(writer: asyncio.StreamWriter, name: str, *, extended: bool) -> None:
    if extended:
        say(writer, f"250-{name} at your service")
        say(writer, "250-SIZE 35882577")
        say(writer, "250 8BITMIME")
    else:
        say(writer, f"250 {name} at your service")


async def hold_open(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Keep a connection until the other side ends it."""
    try:
        await reader.read()
    except OSError:
        return
    finally:
        writer.close()
