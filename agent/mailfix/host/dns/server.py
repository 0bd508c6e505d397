"""One name server, and what was learnt of it while asking."""

from __future__ import annotations

from mailfix.host.dns.udp import Line

DNS_PORT = 53
_SILENCES = 3


class Server:
    """``takes_edns`` is False once it refused a question for its EDNS (RFC 6891 section 7)."""

    def __init__(self, address: str, port: int = DNS_PORT) -> None:
        self.address = address
        self.port = port
        self.line = Line(address, port)
        self.takes_edns = True
        self._silences = 0

    def __str__(self) -> str:
        return self.address if self.port == DNS_PORT else f"{self.address} port {self.port}"

    @property
    def seems_dead(self) -> bool:
        """It let several questions pass since it was last heard."""
        return self._silences >= _SILENCES

    def heard(self) -> None:
        self._silences = 0

    def kept_silent(self) -> None:
        self._silences += 1
