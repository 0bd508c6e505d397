"""The mail host: a Debian container with its own systemd, disk and cable."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .children import kill, only_child, start, stop
from .image import BASE, Layer, lower_directories, mount_overlay
from .internet import HOST_DEVICE, Internet, State
from .leftovers import cgroup_directories
from .machine import CHECKOUT, LabError, environment
from .names import (
    DNS_IPV4,
    GATEWAY_IPV4,
    GATEWAY_IPV6,
    HOST_IPV4,
    HOST_IPV6,
    HOST_NAME,
)
from .namespace import Namespace, join

DEVICE = "eth0"
BOOT_SECONDS = 60.0
PORT_SECONDS = 45.0
READY_PORTS = (25, 587, 143)
ENTER_CGROUPS = 'while [ "$1" != -- ]; do echo $$ >"$1/cgroup.procs"; shift; done; shift; exec "$@"'
BOOTED = frozenset({"running", "degraded"})


@dataclass(frozen=True, slots=True)
class Audit:
    """One run of ``mailfix audit --format json`` on the host."""

    exit_code: int
    report: dict[str, Any]
    stderr: str


@dataclass(slots=True)
class MailHost:
    """A booted mail host; every path and command is the host's own."""

    name: str
    directory: Path
    namespace: Namespace
    internet: Internet
    layer: Layer = BASE
    _process: subprocess.Popen[bytes] | None = field(default=None)
    _leader: int = 0

    @property
    def root(self) -> Path:
        """The host's disk as this machine sees it; change files by ``write`` and ``sh``."""
        return self.directory / "merged"

    @property
    def leader(self) -> int:
        """The pid, on this machine, of the host's init."""
        return self._leader

    # Power and cable

    def start(self, stack: ExitStack) -> None:
        """Boot and wait until the mail ports answer outside; off with the stack."""
        self._plug_in()
        self._make_disk()
        stack.callback(self._switch_off)
        self._boot()
        self.wait_mail_ports()

    def reboot(self) -> None:
        """Restart the host the way its administrator would."""
        self.run(["systemctl", "reboot"])
        self._boot_again()

    def cut_power(self) -> None:
        """Stop every process of the host at once and boot it again; the disk stays as it was."""
        kill(self._leader)
        self._boot_again()

    def _boot_again(self) -> None:
        if self._process is not None:
            self._process.wait(BOOT_SECONDS)
        # A machine boots without firewall rules; the namespace would keep them.
        self.namespace.nft("flush ruleset")
        self._boot()

    def _boot(self) -> None:
        self._process = start(self._boot_command(), self.directory / "console.log")
        self._wait_booted()

    def _switch_off(self) -> None:
        if self._process is not None:
            stop(self._process)

    def _plug_in(self) -> None:
        self.namespace.create()
        join(self.namespace, DEVICE, self.internet.namespace, HOST_DEVICE)
        self.internet.plug_in_host()
        self.namespace.ip_batch(
            f"address add {HOST_IPV4}/24 dev {DEVICE}",
            f"address add {HOST_IPV6}/64 dev {DEVICE} nodad",
            f"route add default via {GATEWAY_IPV4}",
            f"route add default via {GATEWAY_IPV6}",
        )

    def _make_disk(self) -> None:
        upper, work = self.directory / "upper", self.directory / "work"
        for directory in (upper, work, self.root):
            directory.mkdir()
            directory.chmod(0o755)
        mount_overlay(self.root, lower_directories(self.layer), upper, work)
        (self.root / "etc/resolv.conf").write_text(f"nameserver {DNS_IPV4}\n", encoding="utf-8")

    def _boot_command(self) -> tuple[str, ...]:
        cgroups = [place / self.name for place in cgroup_directories()]
        for cgroup in cgroups:
            cgroup.mkdir(exist_ok=True)
        return (
            *("sh", "-ec", ENTER_CGROUPS, "sh", *map(str, cgroups), "--"),
            "systemd-nspawn",
            "--boot",
            "--register=no",
            "--keep-unit",
            "--capability=CAP_NET_ADMIN",
            "--resolv-conf=off",
            "--timezone=off",
            "--link-journal=no",
            f"--network-namespace-path={self.namespace.path}",
            f"--bind-ro={CHECKOUT}:/opt/mailfix",
            f"--machine={self.name}",
            f"--directory={self.root}",
        )

    def _wait_booted(self) -> None:
        deadline = time.monotonic() + BOOT_SECONDS
        while not self._is_booted():
            if time.monotonic() > deadline:
                raise LabError(f"the host did not boot:\n{self.console()}")
            time.sleep(0.02)

    def _is_booted(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            raise LabError(f"the host is off:\n{self.console()}")
        leader = only_child(self._process.pid)
        if leader is None:
            return False
        self._leader = leader
        return self.run(["systemctl", "is-system-running"]).stdout.strip() in BOOTED

    def console(self) -> str:
        """The end of what the host printed on its console."""
        log = self.directory / "console.log"
        return log.read_text(encoding="utf-8", errors="replace")[-3000:]

    # Working on the host

    def enter(self) -> tuple[str, ...]:
        """What goes before a command of this machine's to run it as root on the host."""
        return ("nsenter", "--all", f"--target={self._leader}", "--")

    def run(
        self,
        command: Sequence[str],
        *,
        user: str | None = None,
        text_in: str | None = None,
        timeout: float = 60.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program on the host, as root or as ``user``; a failure is the caller's to judge.

        Raises subprocess.TimeoutExpired; the program is dead then.
        """
        become = ("--reuid", user, "--regid", user, "--init-groups") if user else ()
        return subprocess.run(
            (*self.enter(), "setpriv", "--pdeathsig", "KILL", *become, "--", *command),
            input=text_in,
            stdin=subprocess.DEVNULL if text_in is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            env=environment(),
            check=False,
        )

    def sh(self, script: str, *, timeout: float = 60.0) -> str:
        """Run a shell script as root and give what it printed; LabError when a line fails."""
        done = self.run(["sh", "-ec", script], timeout=timeout)
        if done.returncode != 0:
            raise LabError(f"{script!r}: exit {done.returncode}: {done.stderr.strip()}")
        return done.stdout

    def write(self, path: str, text: str) -> None:
        """Put text into a file, whose folder is made if need be; mode and owner stay."""
        script = 'mkdir -p "$(dirname "$1")" && cat >"$1"'
        self._fed(["sh", "-c", script, "sh", path], text)

    def append(self, path: str, text: str) -> None:
        self._fed(["tee", "-a", path], text)

    def read(self, path: str) -> str:
        return self._fed(["cat", path], "")

    def _fed(self, command: Sequence[str], text: str) -> str:
        done = self.run(command, text_in=text)
        if done.returncode != 0:
            raise LabError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def restart_exim(self) -> None:
        """Restart exim as often as a test likes; LabError when systemd says that it failed."""
        self.sh("systemctl reset-failed exim4.service || true; systemctl restart exim4.service")

    def set_exim(self, **settings: str) -> None:
        """Change ``dc_*`` lines of update-exim4.conf.conf; exim is not restarted."""
        path = "/etc/exim4/update-exim4.conf.conf"
        lines = [
            line for line in self.read(path).splitlines() if line.split("=")[0] not in settings
        ]
        lines += [f"{name}='{value}'" for name, value in settings.items()]
        self.write(path, "\n".join(lines) + "\n")

    def set_hostname(self, name: str) -> None:
        """The kernel's name and /etc/hostname; /etc/hosts and exim are left as they are."""
        self.write("/etc/hostname", f"{name}\n")
        self.sh(f"hostname {name}")

    def load_iptables(
        self, text: str, family: int, backend: str = "nft", *, keep: bool = False
    ) -> None:
        """Load a ``*-save`` text for IPv4 (4) or IPv6 (6) by the backend nft or legacy.

        ``keep`` adds to what is there instead of replacing it.
        """
        tool = {4: "iptables", 6: "ip6tables"}[family]
        self._fed([f"{tool}-{backend}-restore", *(["--noflush"] if keep else [])], text)

    def load_nft(self, ruleset: str) -> None:
        """Run nftables commands, all or none."""
        self._fed(["nft", "-f", "-"], ruleset)

    def ip(self, *arguments: str) -> None:
        """Change the host's addresses, links and routes."""
        self.namespace.ip(*arguments)

    def audit(self, *arguments: str, timeout: float = 60.0) -> Audit:
        """Run ``mailfix audit`` there; LabError when it prints no JSON."""
        command = ["mailfix", "audit", "--format", "json", *arguments]
        done = self.run(command, timeout=timeout)
        try:
            report = json.loads(done.stdout)
        except ValueError as error:
            raise LabError(f"audit: exit {done.returncode}, no JSON: {done.stderr}") from error
        return Audit(done.returncode, report, done.stderr)

    def wait_port(self, port: int, state: State = State.OPEN, address: str = HOST_IPV4) -> None:
        """Wait until a port looks like that from outside; LabError when it never does."""
        deadline = time.monotonic() + PORT_SECONDS
        while (seen := self.internet.knock(address, port, timeout=1.0)) is not state:
            if time.monotonic() > deadline:
                raise LabError(f"{HOST_NAME} port {port} stays {seen.value}")
            time.sleep(0.02)

    def wait_mail_ports(self) -> None:
        """Wait until the mail servers of a healthy host greet over both families.

        Ports that begin with TLS are left out: a connection without it is written to the logs.
        """
        for address in (HOST_IPV4, HOST_IPV6):
            for port in READY_PORTS:
                self.wait_port(port, address=address)
