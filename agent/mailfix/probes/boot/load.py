"""One run of a program at boot that loads firewall rules from a file."""

from __future__ import annotations

from dataclasses import dataclass

from mailfix.firewall.origins import Written, written_for_iptables
from mailfix.host import Host
from mailfix.model import Family, Unknown

RESTORE = {Family.IPV4: "iptables-restore", Family.IPV6: "ip6tables-restore"}


@dataclass(frozen=True, slots=True)
class Load:
    """``program`` reads ``text``; nft (``family`` None) reads the file itself.

    ``mentions`` is the text of the file and of all that it includes. A file that cannot be read
    has the reason in ``problem``. ``keeps`` adds to what is there instead of replacing it.
    """

    service: str
    file: str
    program: str
    family: Family | None
    text: str = ""
    mentions: str = ""
    written: tuple[Written, ...] = ()
    problem: str = ""
    arguments: tuple[str, ...] = ()

    @property
    def keeps(self) -> bool:
        return "-n" in self.arguments


def restored(
    host: Host,
    service: str,
    file: str,
    family: Family,
    *,
    root: str = "",
    arguments: tuple[str, ...] = (),
    program: str = "",
) -> Load | None:
    """A file for iptables-restore; None where there is no such file."""
    text = host.read(root + file)
    program = program or RESTORE[family]
    if isinstance(text, Unknown):
        return Load(service, file, program, family, problem=text.reason)
    if text.value is None:
        return None
    written = written_for_iptables(file, family, text.value)
    return Load(service, file, program, family, text.value, text.value, written, "", arguments)
