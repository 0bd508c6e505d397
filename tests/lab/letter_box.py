"""A mail server of the lab's Internet that takes messages, and keeps the last one."""

from __future__ import annotations

import socket
import threading
from dataclasses import dataclass, field

from .names import OUTSIDE_IPV4
from .namespace import Namespace

PORT = 25
PATIENCE_S = 30.0


@dataclass(slots=True)
class LetterBox:
    """Waits for one message in the Internet's namespace; ``domain`` of mail that comes here."""

    namespace: Namespace
    domain: str = "outside.example.com"
    _lines: list[str] = field(default_factory=list)

    def open(self) -> threading.Thread:
        """Listen from now on; the thread ends with the first message."""
        listener = self.namespace.socket(socket.AF_INET)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((OUTSIDE_IPV4, PORT))
        listener.listen()
        listener.settimeout(PATIENCE_S)
        thread = threading.Thread(target=self._take, args=(listener,), daemon=True)
        thread.start()
        return thread

    def message(self, thread: threading.Thread) -> list[str]:
        """Return the lines of the message that came; none where none came in time."""
        thread.join(PATIENCE_S)
        return self._lines

    def _take(self, listener: socket.socket) -> None:
        self._lines = []
        with listener:
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                return
            with connection:
                connection.settimeout(PATIENCE_S)
                self._converse(connection)

    def _converse(self, connection: socket.socket) -> None:
        stream = connection.makefile("rwb")

        def say(line: str) -> None:
            stream.write(f"{line}\r\n".encode())
            stream.flush()

        say("220 letter-box ESMTP")
        for raw in stream:
            command = raw[:4].upper()
            if command == b"DATA":
                say("354 go on")
                self._lines = [line.decode("latin-1").rstrip() for line in until_dot(stream)]
            say("221 bye" if command == b"QUIT" else "250 fine")
            if command == b"QUIT":
                return


def until_dot(stream: object) -> list[bytes]:
    """Read a message up to the line with one dot (RFC 5321 section 4.1.1.4)."""
    lines: list[bytes] = []
    for line in stream:  # type: ignore[attr-defined]
        if line.rstrip() == b".":
            break
        lines.append(line)
    return lines
