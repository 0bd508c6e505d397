"""The systemd unit that takes back at boot what a crash or a restart left unfinished.

A package brings ``mailfix-recover.service``. Where that is not enabled, a unit of the same
content, for the program that is running, lies in /etc/systemd/system while a transaction is open.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence

from mailfix.changes import Failed
from mailfix.changes.file import FileChange, read_state
from mailfix.host import durable, itself, program
from mailfix.model import Known

PACKAGED = "mailfix-recover.service"
PENDING = "mailfix-recover-pending.service"
UNITS_FOLDER = "/etc/systemd/system"
TARGET = "sysinit.target"

_TEXT = """\
[Unit]
Description=Take back what mailfix left unfinished or unconfirmed
Documentation=man:mailfix(8)
DefaultDependencies=no
RequiresMountsFor={mounts}
After=local-fs.target systemd-remount-fs.service
# What is taken back is as before when the network and the services that read it start.
Wants=network-pre.target
Before=network-pre.target sysinit.target shutdown.target
Before=nftables.service netfilter-persistent.service ufw.service firewalld.service
Before=iptables.service ip6tables.service csf.service exim4.service exim.service
Conflicts=shutdown.target

[Service]
Type=oneshot
# So that nothing starts it a second time in the same boot.
RemainAfterExit=yes
{environment}ExecStart={command}
TimeoutStartSec=2min

[Install]
WantedBy=sysinit.target
"""


def text(command: Sequence[str], mounts: Sequence[str], environment: str = "") -> str:
    """The unit's text; ``mounts`` are folders whose file systems it needs."""
    return _TEXT.format(
        mounts=" ".join(_quoted(each) for each in mounts),
        environment=f"Environment={_quoted(environment)}\n" if environment else "",
        command=" ".join(_quoted(each) for each in command),
    )


def _quoted(word: str) -> str:
    """A word of a unit file: no specifier, no variable, no blank divides it (systemd.syntax(7))."""
    plain = word.replace("%", "%%")
    if not any(sign in plain for sign in " \t\"'\\$;"):
        return plain
    escaped = plain.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$")
    return f'"{escaped}"'


def put(state_folder: str) -> None:
    """Have a unit for the next boot, on the disk; raises Failed."""
    if _is_packaged():
        return
    mounts = dict.fromkeys((state_folder, *itself.folders()))
    unit = text(itself.command("recover", "--boot"), tuple(mounts), itself.environment())
    FileChange.of(_unit(), read_state(_unit()), unit.encode()).make()
    try:
        _link_it()
    except OSError as error:
        raise Failed(f"{_link()} cannot be made: {error.strerror}") from None


def _is_packaged() -> bool:
    told = program.run(("systemctl", "is-enabled", "--quiet", PACKAGED))
    return isinstance(told, Known) and told.value.code == 0


def _link_it() -> None:
    with contextlib.suppress(FileExistsError):
        durable.make_folder(os.path.dirname(_link()), 0o755)
    with contextlib.suppress(FileExistsError):
        os.symlink(_unit(), _link())
    durable.flush_folder(os.path.dirname(_link()))


def remove() -> None:
    """Have no unit of our own any longer, nor a half-written one; raises OSError or Failed."""
    if os.path.lexists(_link()):
        durable.remove(_link())
    FileChange(_unit(), read_state(_unit()), None).make()
    with contextlib.suppress(OSError):
        os.rmdir(os.path.dirname(_link()))


def _unit() -> str:
    return os.path.join(UNITS_FOLDER, PENDING)


def _link() -> str:
    return os.path.join(UNITS_FOLDER, f"{TARGET}.wants", PENDING)
