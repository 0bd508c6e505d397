"""The mail of a report: what it says, how long it waits, and to whom it is handed over."""

from __future__ import annotations

import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session
from hypothesis import given
from hypothesis import strategies as st

from mailfix.comparison.news import News
from mailfix.host import mail_out, process
from mailfix.model import Refusal
from mailfix.report import mail
from mailfix.report.mail import Letter
from mailfix.report.news import text
from mailfix.report_settings import Mail, ReportSettings, Smarthost, Tls
from mailfix.reporter import mailing, outbox
from mailfix.reporter.doors import Delivery, Places, deliver
from tests.property.hostile import ANY_TEXT
from tests.unit.bulletins import BLOCKED, STARTED, bulletin
from tests.unit.certificate import make_certificate, server_side

RELAYED = Mail(smarthost=Smarthost("127.0.0.1"))
LETTER = Letter("s", "a text\n", STARTED)
MAIL = mail.write(LETTER, "root@mail.example.com", ("root",))


def parsed(content: bytes) -> EmailMessage:
    message = message_from_bytes(content, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def here(tmp_path: Path) -> Places:
    return Places(state=str(tmp_path), journal=str(tmp_path / "journal"))


def spooled(tmp_path: Path, **more: Any) -> list[EmailMessage]:
    deliver(
        bulletin(BLOCKED, **more), ReportSettings(prometheus=None, mail=RELAYED), here(tmp_path)
    )
    return [parsed(each.read()) for each in outbox.waiting(str(tmp_path / "outbox"))]


def test_news_are_a_mail_that_waits_in_the_outbox(tmp_path: Path) -> None:
    (message,) = spooled(tmp_path)
    assert message["Subject"] == "[mailfix] mail.example.com: 1 new, 0 better, 0 still"
    assert message["From"] == "mailfix <root@mail.example.com>"
    assert message["To"] == "root"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime == STARTED
    assert message["Message-ID"].endswith("@mail.example.com>")
    plain = message.get_body(("plain",))
    assert plain is not None
    assert plain.get_content() == text.write(bulletin(BLOCKED), colour=False)
    (attached,) = message.iter_attachments()
    assert isinstance(attached, EmailMessage)
    page = (tmp_path / "reports" / "latest.html").read_text("utf-8")
    assert attached.get_content().rstrip("\n") == page
    (file,) = (tmp_path / "outbox").glob("*.eml")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_a_page_that_cannot_be_made_keeps_no_mail_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    (message,) = spooled(tmp_path)
    assert list(message.iter_attachments()) == []


def test_without_news_nobody_gets_mail(tmp_path: Path) -> None:
    assert spooled(tmp_path, news=News()) == []


def test_a_host_without_any_mail_program_has_that_door_shut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "PATH", str(tmp_path))
    made = deliver(bulletin(BLOCKED), ReportSettings(prometheus=None), here(tmp_path))
    why = "this host has no sendmail, and no smarthost is set"
    assert Delivery("mail", "skipped", why) in made


@pytest.mark.parametrize("host", ["this host", "a\r\nBcc: x@y.example", "evil@example.com", ""])
def test_a_host_without_a_name_sends_as_localhost(tmp_path: Path, host: str) -> None:
    (message,) = spooled(tmp_path, host=host)
    assert message["From"] == "mailfix <root@localhost>"
    assert message["Bcc"] is None


@given(ANY_TEXT, ANY_TEXT, st.none() | st.text())
def test_no_text_from_outside_makes_a_header(subject: str, text: str, page: str | None) -> None:
    safe = text.encode("utf-8", "backslashreplace").decode()
    page = page and page.encode("utf-8", "backslashreplace").decode()
    content = mail.write(Letter(subject, safe, STARTED, page), "a@b.example", ("root", "c@d.e"))
    content.decode("ascii")
    assert max(map(len, content.split(b"\n"))) <= 998
    names = set(parsed(content).keys())
    known = {"From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version"}
    assert names <= known | {"Content-Type", "Content-Transfer-Encoding"}
    assert mail.sender_of(content) == "a@b.example"


def test_the_page_comes_as_an_attachment_and_is_the_same() -> None:
    page = "<!doctype html><title>ä</title>" + "x" * 5000
    letter = Letter("s", "text\n", STARTED, page)
    (attached,) = parsed(mail.write(letter, "a@b.example", ("root",))).iter_attachments()
    assert attached.get_content_type() == "text/html"
    assert attached.get_filename() == "mailfix.html"
    assert isinstance(attached, EmailMessage)
    assert attached.get_content().rstrip("\n") == page


def test_the_outbox_holds_ten_and_the_oldest_make_room(tmp_path: Path) -> None:
    folder = str(tmp_path / "outbox")
    days = [STARTED + timedelta(days=day) for day in range(12)]
    dropped = [outbox.put(folder, MAIL, day) for day in days]
    assert dropped == [0] * 10 + [1, 1]
    assert [each.since for each in outbox.waiting(folder)] == days[2:]


def test_what_is_no_mail_of_ours_is_left_alone(tmp_path: Path) -> None:
    for name in ("README", "being-written", "20261399T000000000000Z.eml", "lock"):
        (tmp_path / name).write_text("")
    assert outbox.waiting(str(tmp_path)) == ()


@dataclass
class Letterbox:
    """A mail server that takes mail, or answers as it is told."""

    answer: str = "250 OK"
    farewell: str = "221 Bye"
    envelopes: list[Envelope] = field(default_factory=list)
    users: list[str] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Session, envelope: Envelope) -> str:
        self.envelopes.append(envelope)
        return self.answer

    async def handle_QUIT(self, server: Any, session: Session, envelope: Envelope) -> str:
        return self.farewell

    def authenticate(
        self, server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        self.users.append(f"{data.login.decode()}:{data.password.decode()}")
        return AuthResult(success=data.password == b"right")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls") / "server.pem")


@contextmanager
def listening(box: Letterbox, **how: Any) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    controller = Controller(box, hostname="127.0.0.1", port=port, **how)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def outbox_with(tmp_path: Path, *moments: datetime) -> str:
    folder = str(tmp_path / "outbox")
    for moment in moments:
        outbox.put(folder, MAIL, moment)
    return folder


def now() -> datetime:
    return datetime.now(UTC)


def test_a_smarthost_gets_it_over_verified_tls_and_knows_us(
    tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    password = tmp_path / "password"
    password.touch(0o600)
    password.write_text("right\n")
    folder, box = outbox_with(tmp_path, now()), Letterbox()
    how = {"tls_context": server_side(certificate), "require_starttls": True}
    with listening(box, **how, auth_required=True, authenticator=box.authenticate) as port:
        smarthost = Smarthost("127.0.0.1", port, user="me", password_file=str(password))
        done = mailing.send_waiting(Mail(("root", "a@b.example"), smarthost=smarthost), folder)
    assert (done.sent, done.left, done.troubles) == (1, 0, ())
    (envelope,) = box.envelopes
    assert envelope.mail_from == "root@mail.example.com"
    assert envelope.rcpt_tos == ["root@mail.example.com", "a@b.example"]
    assert isinstance(envelope.content, bytes)
    assert envelope.content == MAIL.replace(b"\n", b"\r\n")
    assert box.users == ["me:right"]
    assert outbox.waiting(folder) == ()


def left_by(tmp_path: Path, box: Letterbox, tls: Tls = Tls.NONE, **how: Any) -> str:
    """Why a mail was not taken."""
    folder = outbox_with(tmp_path, now())
    with listening(box, **how) as port:
        done = mailing.send_waiting(Mail(smarthost=Smarthost("127.0.0.1", port, tls)), folder)
    assert (done.sent, done.left, done.exit_code) == (0, 1, 1)
    assert len(outbox.waiting(folder)) == 1
    assert box.envelopes == [] or box.answer != "250 OK"
    return done.troubles[0]


def test_what_a_smarthost_refuses_waits(tmp_path: Path) -> None:
    why = left_by(tmp_path, Letterbox("451-try\r\n451 later"))
    assert why.startswith("127.0.0.1 refuses: 451 try later; ")
    assert why.endswith("waits for the next run")


def test_a_smarthost_that_takes_leave_badly_has_taken_the_mail(tmp_path: Path) -> None:
    folder = outbox_with(tmp_path, now())
    with listening(Letterbox(farewell="500 what?")) as port:
        done = mailing.send_waiting(Mail(smarthost=Smarthost("127.0.0.1", port, Tls.NONE)), folder)
    assert (done.sent, outbox.waiting(folder)) == (1, ())


def test_a_smarthost_that_cannot_prove_its_name_gets_nothing(
    tmp_path: Path, certificate: Path
) -> None:
    how = {"tls_context": server_side(certificate)}
    assert "its certificate is not good" in left_by(tmp_path, Letterbox(), Tls.STARTTLS, **how)


def test_a_smarthost_without_tls_gets_nothing_where_tls_is_wanted(tmp_path: Path) -> None:
    assert "STARTTLS" in left_by(tmp_path, Letterbox(), Tls.STARTTLS)


def test_implicit_tls_is_verified_too(
    tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, box = outbox_with(tmp_path, now()), Letterbox()
    with listening(box, ssl_context=server_side(certificate)) as port:
        settings = Mail(smarthost=Smarthost("127.0.0.1", port, Tls.IMPLICIT))
        assert "its certificate is not good" in mailing.send_waiting(settings, folder).troubles[0]
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert mailing.send_waiting(settings, folder).sent == 1


def test_nobody_there_keeps_the_mail_and_what_waited_for_a_week_is_dropped(tmp_path: Path) -> None:
    folder = outbox_with(tmp_path, now() - timedelta(days=8), now())
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    done = mailing.send_waiting(Mail(smarthost=Smarthost("127.0.0.1", port, Tls.NONE)), folder)
    assert (done.sent, done.left) == (0, 1)
    assert "waited too long and is dropped" in done.troubles[0]
    assert f"cannot be reached on tcp/{port}: Connection refused" in done.troubles[1]
    assert len(outbox.waiting(folder)) == 1


def test_a_password_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    password = tmp_path / "password"
    password.write_text("right\n")
    password.chmod(0o644)
    smarthost = Smarthost("127.0.0.1", 9, user="me", password_file=str(password))
    done = mailing.send_waiting(Mail(smarthost=smarthost), outbox_with(tmp_path, now()))
    assert "chmod 600" in done.troubles[0]


def sendmail(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of that name, found before any other."""
    program = folder / "sendmail"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(process, "PATH", f"{folder}:{process.PATH}")


def test_the_hosts_own_sendmail_gets_it_by_its_arguments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = tmp_path / "said"
    sendmail(tmp_path, f'printf "%s\\n" "$@" >{said}; cat >>{said}', monkeypatch)
    done = mailing.send_waiting(Mail(("root", "a@b.example")), outbox_with(tmp_path, now()))
    assert done.exit_code == 0
    arguments = "-i\n-f\nroot@mail.example.com\n--\nroot\na@b.example\n"
    assert said.read_bytes() == arguments.encode() + MAIL


def test_a_sendmail_that_refuses_leaves_it_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sendmail(tmp_path, "echo 'no space in the spool' >&2; exit 75", monkeypatch)
    done = mailing.send_waiting(Mail(), outbox_with(tmp_path, now()))
    assert done.exit_code == 1
    assert done.troubles[0].startswith("sendmail: no space in the spool; the mail of ")


def test_two_at_once_do_not_send_it_twice(tmp_path: Path) -> None:
    folder = outbox_with(tmp_path, now())
    with outbox.held(folder), pytest.raises(Refusal, match="another mailfix"):
        mailing.send_waiting(Mail(), folder)


def test_an_outbox_that_cannot_be_locked_is_refused_in_one_line(tmp_path: Path) -> None:
    folder = outbox_with(tmp_path, now())
    (Path(folder) / "lock").mkdir()
    with pytest.raises(Refusal, match=r"no mail is sent, for .*/lock cannot be locked"):
        mailing.send_waiting(Mail(), folder)


def test_a_sendmail_that_hangs_is_told_by_its_own_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_out, "SENDMAIL_S", 0.2)
    sendmail(tmp_path, "sleep 60", monkeypatch)
    (why,) = mailing.send_waiting(Mail(), outbox_with(tmp_path, now())).troubles
    assert why.startswith(f"{tmp_path}/sendmail -i -f root@mail.example.com -- root did not end")
