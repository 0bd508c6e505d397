"""`mailfix report` on a booted host: each change is told by every door, and a broken one is alone.

One host goes through it all: healthy, a port blocked, mended, and then with mail itself broken.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from mailfix.report.document import SCHEMA_FILE
from mailfix.report.journal import Kind
from tests.unit.certificate import make_certificate
from tests.unit.web_server import Heard, says, serving

from .breakages import BREAKAGES
from .lab import Lab
from .mailhost import MailHost
from .names import OUTSIDE_IPV4

SCHEMA = Draft202012Validator(
    json.loads(SCHEMA_FILE.with_name("news.schema.json").read_text("utf-8"))
)
STATE = "/var/lib/mailfix"
METRICS = "/var/lib/prometheus/node-exporter/mailfix.prom"
SERVICE = "mailfix-report.service"
MAIL_SERVICE = "mailfix-mail.service"
HOOK = "outside.example.com"
BLOCKED = "firewall-inbound-blocked"
BROKEN_EXIM = "exim-config-invalid"
SUBJECT = {"port": 25, "family": "ipv4"}
PATIENCE_S = 60.0
INSTALL = f"""
ln -s /usr/local/bin/mailfix /usr/bin/mailfix
cp /opt/mailfix/systemd/mailfix-*.service /opt/mailfix/systemd/mailfix-*.timer /etc/systemd/system/
mkdir -p {METRICS.rpartition("/")[0]}
update-ca-certificates >/dev/null 2>&1
systemctl daemon-reload
"""
SHORT_CALENDAR = """[Timer]
OnCalendar=
OnActiveSec=200ms
AccuracySec=1ms
RandomizedDelaySec=0
"""

CRASH = """[Service]
ExecStart=
ExecStart=/bin/sh -c 'exit 70'
"""


@dataclass(frozen=True)
class Watched:
    """A host that reports on a timer, and the webhook that it tells."""

    host: MailHost
    heard: list[Heard]

    def next_report(self) -> dict[str, Any]:
        """Have a report made and told, and give what was kept of it."""
        before = self.report_files()
        self.run_once()
        (name,) = self.report_files() - before
        content: dict[str, Any] = json.loads(self.host.read(f"{STATE}/reports/{name}"))
        SCHEMA.validate(content)
        return content

    def run_once(self) -> None:
        """Let the timer fire, and wait until the mail's own unit is done."""
        mailed = self.invocation(MAIL_SERVICE)
        self.host.sh("systemctl restart mailfix-report.timer")
        deadline = time.monotonic() + PATIENCE_S
        while self.invocation(MAIL_SERVICE) == mailed or self.is_active(MAIL_SERVICE):
            assert time.monotonic() < deadline, self.host.sh(f"journalctl -u {SERVICE} -n 30")
            time.sleep(0.1)

    def report_files(self) -> set[str]:
        found = self.host.run(["sh", "-c", f"cd {STATE}/reports && ls *.json"])
        return set(found.stdout.split())

    def is_active(self, unit: str) -> bool:
        state = self.host.sh(f"systemctl show --value -p ActiveState {unit}").strip()
        return state not in ("inactive", "failed")

    def invocation(self, unit: str) -> str:
        return self.host.sh(f"systemctl show --value -p InvocationID {unit}").strip()

    def summary(self) -> str:
        """What the last run printed, as one line."""
        invocation = self.invocation(SERVICE)
        printed = self.host.sh(f"journalctl -o cat _SYSTEMD_INVOCATION_ID={invocation}")
        return " ".join(printed.split())

    def entries(self, kind: Kind) -> list[dict[str, str]]:
        """The entries of one kind that the last run wrote to the journal."""
        invocation = self.invocation(SERVICE)
        listed = self.host.sh(
            "journalctl -o json --output-fields=MESSAGE,MAILFIX_RULE,MAILFIX_SUBJECT,"
            f"MAILFIX_STATUS MESSAGE_ID={kind.value} _SYSTEMD_INVOCATION_ID={invocation}"
        )
        return [json.loads(line) for line in listed.splitlines()]

    def metrics(self) -> str:
        return self.host.read(METRICS)

    def page(self) -> str:
        return self.host.read(f"{STATE}/reports/latest.html")

    def mails(self) -> list[str]:
        """The subjects of the mails in root's mailbox."""
        box = self.host.run(["sh", "-c", "cat /var/mail/mail /var/mail/root"]).stdout
        return [line for line in box.splitlines() if line.startswith("Subject: ")]

    def check(self, *arguments: str) -> tuple[int, str]:
        """What a monitoring system gets: exit code and line."""
        done = self.host.run(["mailfix", "check", *arguments])
        return done.returncode, done.stdout

    def waiting(self) -> list[str]:
        return self.host.run(["sh", "-c", f"cd {STATE}/outbox && ls *.eml"]).stdout.split()


@pytest.fixture
def watched(lab: Lab, tmp_path: Path) -> Iterator[Watched]:
    certificate = make_certificate(tmp_path / "hook.pem", (f"DNS:{HOOK}",))
    authority = certificate.with_suffix(".crt").read_text("ascii")
    lab.host.write("/usr/local/share/ca-certificates/lab.crt", authority)
    lab.host.write("/etc/systemd/system/mailfix-report.timer.d/short.conf", SHORT_CALENDAR)
    lab.host.sh(INSTALL)
    bound = lab.internet.namespace.socket(socket.AF_INET)
    bound.bind((OUTSIDE_IPV4, 0))
    with serving(says(204), certificate=certificate, name=HOOK, bound=bound) as (url, heard):
        lab.host.write("/etc/mailfix/mailfix.yml", f"report: {{webhook: {{url: '{url}'}}}}\n")
        yield Watched(lab.host, heard)


def told(standings: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    return [(each["rule"], each["subject"]) for each in standings]


def outcomes(report: dict[str, Any]) -> dict[str, str]:
    return {each["door"]: each["outcome"] for each in report["deliveries"]}


def test_a_change_is_told_by_every_door_and_no_door_hangs_on_another(
    watched: Watched, lab: Lab
) -> None:
    healthy = watched.next_report()
    assert (healthy["summary"]["fail"], healthy["summary"]["unknown"]) == (0, 0)
    assert healthy["changed"] is False
    assert (watched.heard, watched.mails()) == ([], [])

    BREAKAGES["blocked-25"].apply(lab.host, lab.internet)
    blocked_is_new(watched)
    what_is_ignored_hides_nothing_else(watched)
    lab.host.load_nft("flush chain ip filter INPUT")
    blocked_is_better(watched)

    BREAKAGES["broken-own-conf"].apply(lab.host, lab.internet)
    broken_mail_is_told_by_the_others(watched)
    lab.host.sh("rm /etc/exim4/exim4.conf")
    what_waited_goes_when_mail_works(watched)

    lab.host.write(f"/etc/systemd/system/{SERVICE}.d/crash.conf", CRASH)
    lab.host.sh("systemctl daemon-reload")
    a_report_that_crashes_is_told_too(watched)


def blocked_is_new(watched: Watched) -> None:
    report = watched.next_report()
    assert told(report["new"]) == [(BLOCKED, SUBJECT)]
    assert [*report["better"], *report["still"], *report["wavering"], *report["unclear"]] == []
    assert set(outcomes(report).values()) == {"delivered"}, report["deliveries"]
    assert "mail.example.com: 1 new" in watched.summary()
    assert "NEW tcp/25 over IPv4 is blocked for the whole Internet" in watched.summary()
    (entry,) = watched.entries(Kind.NEW)
    assert (entry["MAILFIX_RULE"], entry["MAILFIX_STATUS"]) == (BLOCKED, "fail")
    assert entry["MAILFIX_SUBJECT"] == "family=ipv4 port=25"
    assert 'class="chapter new"' in watched.page()
    assert 'mailfix_news{kind="new"} 1' in watched.metrics()
    assert f'rule="{BLOCKED}"' in watched.metrics()
    assert told(watched.heard[-1].content["new"]) == [(BLOCKED, SUBJECT)]
    assert len(watched.heard) == 1
    assert [each for each in watched.mails() if "1 new, 0 better, 0 still" in each]
    assert watched.check()[0] == watched.check("--last")[0] == 2
    assert watched.check()[1].startswith("MAILFIX CRITICAL")


def what_is_ignored_hides_nothing_else(watched: Watched) -> None:
    this = [word for key, value in SUBJECT.items() for word in ("--subject", f"{key}={value}")]
    watched.host.run(["mailfix", "ignore", BLOCKED, *this, "--until", "1d", "--why", "by choice"])
    assert watched.check()[0] == 0
    watched.host.sh("ip6tables-nft -A INPUT -p tcp --dport 25 -j DROP")
    failed = [each for each in watched.host.audit().report["findings"] if each["status"] == "fail"]
    assert [each["subject"] for each in failed] == [{"port": 25, "family": "ipv6"}]
    watched.host.sh("ip6tables-nft -D INPUT -p tcp --dport 25 -j DROP")
    assert "by choice" in watched.host.sh("mailfix ignore")
    watched.host.run(["mailfix", "ignore", BLOCKED, *this, "--end"])


def blocked_is_better(watched: Watched) -> None:
    report = watched.next_report()
    assert told(report["better"]) == [(BLOCKED, SUBJECT)]
    assert [*report["new"], *report["still"], *report["wavering"], *report["unclear"]] == []
    assert set(outcomes(report).values()) == {"delivered"}, report["deliveries"]
    assert "mail.example.com: 1 better" in watched.summary()
    (entry,) = watched.entries(Kind.BETTER)
    assert (entry["MAILFIX_RULE"], entry["MAILFIX_STATUS"]) == (BLOCKED, "pass")
    assert 'class="chapter better"' in watched.page()
    assert 'mailfix_news{kind="better"} 1' in watched.metrics()
    assert f'rule="{BLOCKED}"' not in watched.metrics()
    assert told(watched.heard[-1].content["better"]) == [(BLOCKED, SUBJECT)]
    assert [each for each in watched.mails() if "0 new, 1 better, 0 still" in each]
    assert len(watched.mails()) == 2
    assert watched.check("--last")[0] == 0
    assert watched.check()[1].startswith("MAILFIX OK")


def broken_mail_is_told_by_the_others(watched: Watched) -> None:
    report = watched.next_report()
    assert [rule for rule, _ in told(report["new"])] == [BROKEN_EXIM]
    assert set(outcomes(report).values()) == {"delivered"}, report["deliveries"]
    assert [each["MAILFIX_RULE"] for each in watched.entries(Kind.NEW)] == [BROKEN_EXIM]
    assert [rule for rule, _ in told(watched.heard[-1].content["new"])] == [BROKEN_EXIM]
    assert f'rule="{BROKEN_EXIM}"' in watched.metrics()
    assert BROKEN_EXIM in watched.page()
    assert len(watched.mails()) == 2
    assert len(watched.waiting()) == 1


def what_waited_goes_when_mail_works(watched: Watched) -> None:
    report = watched.next_report()
    assert [rule for rule, _ in told(report["better"])] == [BROKEN_EXIM]
    assert watched.waiting() == []
    assert len(watched.mails()) == 4


def a_report_that_crashes_is_told_too(watched: Watched) -> None:
    told_before = len(watched.heard)
    watched.run_once()
    entry = watched.host.sh(f"journalctl -o cat MESSAGE_ID={Kind.REPORT_FAILED}")
    assert f"{SERVICE} failed" in entry
    assert "exit-code (exited 70)" in entry
    assert "mailfix_last_run_ok 0\n" in watched.metrics()
    assert watched.heard[told_before].content["schema"] == "mailfix.failure/1"
    assert "the report could not be made" in watched.mails()[-1]
    assert "multiple trigger source" not in watched.host.sh("journalctl -b")
