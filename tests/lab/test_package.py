"""The Debian package: built the same each time, and on a booted host from install to purge."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import pytest

from tests.full import FULL

from .breakages import BREAKAGES
from .image import BASE, SUITE, TRIXIE, Layer
from .internet import State
from .lab import Lab, running_lab
from .mailhost import MailHost
from .names import HOST_IPV4
from .workshop import LATER_VERSION, build, inside, later, workshop

pytestmark = pytest.mark.usefixtures("lab_machine")

SUITES = {SUITE: BASE} | ({TRIXIE.suite: TRIXIE} if FULL else {})
WITHOUT_THE_CHECKOUT = "rm /usr/local/bin/mailfix\n"
LATER = "2031-05-06 07:08:09"
SETTINGS = "/etc/mailfix/mailfix.yml"
REPORT = "mailfix-report.service"
TIMER = "mailfix-report.timer"
RECOVER = "mailfix-recover.service"
# Logs and caches of systemd's and dpkg's own change whatever is installed.
TRACES = """
find /etc /home /lib /opt /root /srv /usr /var -xdev \\
    \\( -path /var/log -o -path '/var/cache/*' -o -path /var/lib/dpkg -o -path /var/lib/apt \\
       -o -path /var/spool/exim4 -o -path /var/lib/exim4 -o -path /var/mail \\
       -o -path /var/tmp -o -path /etc/ld.so.cache \\) -prune \\
    -o -not -name package.deb -not -name later.deb -printf '%p %m %u %l\\n' | sort
find /run /tmp /var/cache -name '*mailfix*'
systemctl list-units --all --plain --no-legend 'mailfix*'
"""


@dataclass(frozen=True, slots=True)
class Installed:
    """A booted host that has never seen mailfix, and two releases of the package on its disk."""

    lab: Lab
    host: MailHost
    package: str
    later: str


@contextmanager
def fresh(layer: Layer) -> Iterator[Installed]:
    with workshop(layer.suite) as place:
        package = build(place)
        newer = later(place, package)
        bare = replace(layer, setup=f"{layer.setup}{WITHOUT_THE_CHECKOUT}")
        with running_lab(bare) as lab:
            names = {"package": package, "later": newer}
            for name, file in names.items():
                shutil.copyfile(file, lab.host.root / "root" / f"{name}.deb")
            yield Installed(lab, lab.host, "/root/package.deb", "/root/later.deb")


@pytest.mark.parametrize("suite", SUITES)
def test_it_is_built_the_same_each_time_and_lintian_has_nothing_to_say(suite: str) -> None:
    with workshop(suite) as place:
        first = build(place).read_bytes()
        elsewhere = {"TMPDIR": "/var/tmp/some/where", "TZ": "Asia/Tokyo", "HOME": "/nonexistent"}
        again = build(place, umask="077", clock=LATER, **elsewhere).read_bytes()
        complaints = inside(place, "lintian --fail-on none /out/mailfix_*.deb")
        content = inside(place, "dpkg-deb -c /out/mailfix_*.deb")

    assert first == again
    assert complaints == ""
    assert "ptr-missing/rule.yml" in content
    assert ".pass.yml" not in content


@pytest.mark.parametrize("suite", SUITES)
def test_from_install_to_purge(suite: str) -> None:
    with fresh(SUITES[suite]) as installed:
        host = installed.host
        before = host.sh(TRACES)

        apt(host, "install", installed.package)
        sees_units(host)
        tells_a_failure(host)
        repairs(installed)
        upgrades(installed)
        removes(host)
        apt(host, "purge", "mailfix")

        assert host.sh(TRACES) == before


def apt(host: MailHost, act: str, what: str) -> None:
    host.sh(
        f"DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends {act} {what}",
        timeout=120,
    )


def sees_units(host: MailHost) -> None:
    """The units wait, and the package's own test (autopkgtest) is content."""
    assert host.sh(f"systemctl is-enabled {TIMER} {RECOVER}").split() == ["enabled", "enabled"]
    assert TIMER in host.sh("systemctl list-timers --no-legend 'mailfix*'")
    host.sh("systemd-analyze verify --man=no /lib/systemd/system/mailfix-*.service")
    host.sh("/opt/mailfix/packaging/debian/tests/installed")
    assert "mailfix" in host.sh("journalctl --list-catalog")


def tells_a_failure(host: MailHost) -> None:
    """A report that cannot be made is told in the journal, and by mail as soon as that can go."""
    host.append(SETTINGS, "guard_seconds: soon\n")
    assert host.run(["systemctl", "start", REPORT]).returncode != 0
    host.sh("systemctl start mailfix-report-failed.service")
    assert "guard_seconds" in host.sh("journalctl -t mailfix -u mailfix-report-failed.service")

    host.sh(f"sed -i /guard_seconds:.soon/d {SETTINGS}; systemctl start {REPORT}")

    wait_for_mail(host, "the report could not be made")


def wait_for_mail(host: MailHost, subject: str) -> None:
    """exim has put it into a mailbox: the units could do all that this takes."""
    found = f"grep -qr '^Subject: .mailfix. .*{subject}' /var/mail"
    host.sh(f'timeout 20 sh -c "until {found}; do sleep 0.1; done"', timeout=30)


def repairs(installed: Installed) -> None:
    """Audit, fix, confirm and undo; while a fix waits, the package stays."""
    host = installed.host
    BREAKAGES["blocked-25"].apply(host, installed.lab.internet)
    assert host.audit().exit_code == 1
    host.sh(f"systemctl start {REPORT}")
    wait_for_mail(host, "1 new")
    fixed = host.run(["mailfix", "fix", "--yes"], timeout=120)
    assert fixed.returncode == 0, fixed.stderr
    host.wait_port(25, State.OPEN, HOST_IPV4)

    refused = host.run(["apt-get", "-q", "-y", "remove", "mailfix"])

    assert refused.returncode != 0
    assert "mailfix confirm" in f"{refused.stdout}{refused.stderr}"
    host.sh(f"mailfix confirm && systemctl is-active {TIMER}")
    host.sh("mailfix undo --yes --no-guard", timeout=120)
    host.wait_port(25, State.SILENT, HOST_IPV4)


def upgrades(installed: Installed) -> None:
    """What the administrator wrote, and what mailfix did and saw, is there afterwards."""
    host = installed.host
    host.append(SETTINGS, "guard_seconds: 60\n")
    state = "cd /var/lib/mailfix && find . -type f -not -name lock | sort | xargs sha256sum"
    before, history = host.sh(state), host.sh("mailfix history")

    apt(host, "install", installed.later)

    assert LATER_VERSION in host.sh("dpkg-query -W mailfix")
    assert (host.sh(state), host.sh("mailfix history")) == (before, history)
    assert host.read(SETTINGS).endswith("guard_seconds: 60\n")
    host.sh(f"systemctl is-active {TIMER}; systemctl is-enabled {RECOVER}")


def removes(host: MailHost) -> None:
    """Even while a report is being made, which is then no failure to be told or to stay listed."""
    host.sh(f"systemctl start --no-block {REPORT}; sleep 0.3")
    apt(host, "remove", "mailfix")

    assert host.sh("systemctl list-units --plain --no-legend 'mailfix*'") == ""
    assert host.sh(f"ls {SETTINGS} /var/lib/mailfix/transactions")
