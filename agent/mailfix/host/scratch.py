"""Programs run one after another in a network namespace of their own, which ends with them.

Interfaces, addresses, sockets and firewall rules belong to a network namespace
(network_namespaces(7)): what the programs load is gone with the last of them, and the host's own
is not touched.
"""

from __future__ import annotations

import marshal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mailfix.host import process
from mailfix.host.clock import Deadline
from mailfix.host.files import scratch_file
from mailfix.host.process import Output
from mailfix.model import Fact, Known, Unknown

_CHILD = str(Path(__file__).with_name("scratch_child.py"))


@dataclass(frozen=True, slots=True)
class Command:
    """A program by its absolute path, its arguments, and what it reads from its input."""

    argv: tuple[str, ...]
    text_in: str = ""


async def run(
    commands: Sequence[Command], deadline: Deadline, timeout_s: float
) -> Fact[tuple[Output, ...]]:
    """Run all commands in order, whatever their exit status, and return what each printed.

    ``timeout_s`` is for all of them together. Unknown where there is no such namespace to be had.
    """
    with scratch_file("commands") as file:
        wanted = [(list(map(_bytes, each.argv)), _bytes(each.text_in)) for each in commands]
        Path(file).write_bytes(marshal.dumps(wanted))
        argv = (sys.executable, "-I", "-S", _CHILD, file)
        told = await process.run(argv, deadline, timeout_s)
        if isinstance(told, Unknown):
            return Unknown("trying the saved firewall rules did not end in time")
        if told.value.code != 0:
            return Unknown(f"no scratch network namespace can be made: {told.value.complaint}")
        outputs = marshal.loads(Path(file).read_bytes())
    return Known(tuple(Output(code, _text(out), _text(err)) for code, out, err in outputs))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _text(content: bytes) -> str:
    return content.decode("utf-8", "surrogateescape")
