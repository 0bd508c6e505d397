"""A web server on loopback with a certificate of its own, that answers as a test tells it."""

from __future__ import annotations

import http.server
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.unit.certificate import server_side

Answer = Callable[["Handler"], None]


@dataclass
class Heard:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> Any:
        return json.loads(self.body)


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.heard.append(Heard(self.path, dict(self.headers), body))
        answers = self.server.answers
        answers[min(len(self.server.heard), len(answers)) - 1](self)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, answers: tuple[Answer, ...], bound: socket.socket) -> None:
        super().__init__(bound.getsockname(), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = bound
        self.server_activate()
        self.answers = answers
        self.heard: list[Heard] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gives up is what some tests are about."""


def _on_loopback() -> socket.socket:
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))
    return bound


@contextmanager
def serving(
    *answers: Answer,
    certificate: Path | None,
    name: str = "localhost",
    bound: socket.socket | None = None,
) -> Iterator[tuple[str, list[Heard]]]:
    """The server's address and what it heard; the last answer is given again and again.

    ``bound`` is a socket that has its address already, where that is not loopback's.
    """
    server = Server(answers, bound or _on_loopback())
    port = server.socket.getsockname()[1]
    scheme = "http"
    if certificate is not None:
        server.socket = server_side(certificate).wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        scheme = "https"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"{scheme}://{name}:{port}/hook?key=s3cret", server.heard
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


def says(status: int, body: bytes = b"", **headers: str) -> Answer:
    def answer(handler: Handler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def keeps_silent(handler: Handler) -> None:
    time.sleep(3)


def drips_for_ever(handler: Handler) -> None:
    for _ in range(100):
        handler.wfile.write(b"x")
        time.sleep(0.05)


def floods(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", str(100_000_000))
    handler.end_headers()
    for _ in range(10_000):
        handler.wfile.write(b"x" * 10_000)


def talks_nonsense(handler: Handler) -> None:
    handler.wfile.write(b"\x00\xffSSH-2.0-no web server\r\n\r\n")
