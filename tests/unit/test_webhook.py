"""The webhook, against a real server: what arrives, and what never keeps us for long."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mailfix.comparison.news import News
from mailfix.report.bulletin import Bulletin
from mailfix.report_settings import ReportSettings, Webhook, When
from mailfix.reporter import outbox
from mailfix.reporter.doors import Delivery, Places, deliver, webhook
from tests.unit import web_server
from tests.unit.bulletins import BLOCKED, bulletin
from tests.unit.certificate import make_certificate
from tests.unit.web_server import Answer, Heard, says, serving


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls") / "server.pem")


@pytest.fixture(autouse=True)
def quick(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setattr(webhook, "PAUSE_S", 0.01)


def sent(
    certificate: Path | None, *answers: Answer, tries: int = 3, token: str | None = None
) -> tuple[Delivery, list[Heard]]:
    with serving(*answers, certificate=certificate) as (url, heard):
        hook = Webhook(url, token, seconds=1, tries=tries)
        return webhook.send(hook, {"schema": "mailfix.news/1", "host": "präzise"}), heard


def test_the_document_arrives_with_the_token(certificate: Path, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.touch(0o600)
    token.write_text("abc.DEF-123\n")
    delivery, (request,) = sent(certificate, says(204), token=str(token))
    assert delivery == Delivery("webhook", "delivered", "localhost")
    assert request.content == {"schema": "mailfix.news/1", "host": "präzise"}
    assert request.path == "/hook?key=s3cret"
    assert request.headers["Authorization"] == "Bearer abc.DEF-123"
    assert request.headers["Content-Type"] == "application/json; charset=utf-8"


def test_a_report_with_news_is_sent_and_one_without_is_not(
    certificate: Path, tmp_path: Path
) -> None:
    places = Places(str(tmp_path), str(tmp_path / "journal"))
    with serving(says(200), certificate=certificate) as (url, heard):
        settings = ReportSettings(prometheus=None, mail=None, webhook=Webhook(url))
        always = replace(settings, webhook=Webhook(url, when=When.ALWAYS))
        deliver(bulletin(BLOCKED), settings, places)
        assert [each.content["new"][0]["rule"] for each in heard] == ["firewall-inbound-blocked"]
        quiet = bulletin(BLOCKED, news=News())
        assert Delivery("webhook", "skipped", "nothing has changed") in deliver(
            quiet, settings, places
        )
        assert len(heard) == 1
        deliver(quiet, always, places)
        assert [each.content["changed"] for each in heard] == [True, False]


def todays(told: Bulletin) -> Bulletin:
    return replace(told, report=replace(told.report, started=datetime.now(UTC)))


def test_what_was_not_taken_goes_with_the_next_report_that_is(
    certificate: Path, tmp_path: Path
) -> None:
    places = Places(str(tmp_path), str(tmp_path / "journal"))
    answers = (says(404), says(204), says(404), says(503), says(204))
    with serving(*answers, certificate=certificate) as (url, heard):
        settings = ReportSettings(prometheus=None, mail=None, webhook=Webhook(url, tries=1))
        quiet, loud = todays(bulletin(BLOCKED, news=News())), todays(bulletin(BLOCKED))
        assert outcome(deliver(loud, settings, places)).endswith("waits for the next report")
        assert outcome(deliver(quiet, settings, places)) == "delivered: localhost"
        assert outcome(deliver(quiet, settings, places)) == "skipped: nothing has changed"
        assert [each.content["changed"] for each in heard] == [True, True]

        deliver(loud, settings, places)
        assert "what waits from earlier was not taken" in outcome(deliver(quiet, settings, places))
        assert len(outbox.waiting(places.unsent)) == 1
        assert outcome(deliver(loud, settings, places)) == "delivered: localhost"
        assert len(heard) == 6
        assert outbox.waiting(places.unsent) == ()


def test_what_waits_for_too_long_goes_unsent(certificate: Path, tmp_path: Path) -> None:
    places = Places(str(tmp_path), str(tmp_path / "journal"))
    for days in (8, 2, 1):
        moment = datetime.now(UTC) - timedelta(days=days)
        outbox.put(places.unsent, b"{}", moment, "json")
    with serving(says(500), certificate=certificate) as (url, heard):
        settings = ReportSettings(prometheus=None, mail=None, webhook=Webhook(url))
        deliver(bulletin(BLOCKED, news=News()), settings, places)
    assert len(heard) == 1
    assert len(outbox.waiting(places.unsent)) == 2


def outcome(deliveries: Iterable[Delivery]) -> str:
    (found,) = (each for each in deliveries if each.door == "webhook")
    return f"{found.outcome}: {found.detail}"


@pytest.mark.parametrize(
    ("answer", "tries", "why"),
    [
        (says(500), 3, "localhost: it answers 500"),
        (says(429), 3, "localhost: it answers 429"),
        (says(404), 1, "localhost: it answers 404"),
        (says(307, Location="https://localhost:1/elsewhere"), 1, "localhost: it answers 307"),
        (web_server.keeps_silent, 2, "localhost: localhost kept silent"),
        (web_server.drips_for_ever, 2, "localhost: localhost kept silent"),
        (web_server.talks_nonsense, 3, "it does not answer as a web server"),
    ],
)
def test_what_is_not_taken_is_tried_again_where_that_may_help(
    certificate: Path, answer: Answer, tries: int, why: str
) -> None:
    began = time.monotonic()
    delivery, heard = sent(certificate, answer, tries=min(tries, 3) if tries > 1 else 3)
    assert (delivery.outcome, len(heard)) == ("failed", tries)
    assert why in delivery.detail
    assert "s3cret" not in delivery.detail
    assert time.monotonic() - began < 8


def test_a_server_that_stumbles_gets_it_in_the_end(certificate: Path) -> None:
    delivery, heard = sent(certificate, says(503), web_server.talks_nonsense, says(200))
    assert (delivery.outcome, len(heard)) == ("delivered", 3)


def test_an_answer_without_end_is_read_no_further(certificate: Path) -> None:
    assert sent(certificate, web_server.floods)[0].outcome == "delivered"


def test_nothing_is_sent_to_a_server_that_cannot_prove_its_name(
    tmp_path: Path, certificate: Path
) -> None:
    other = make_certificate(tmp_path / "other.pem", ("DNS:example.com",))
    delivery, heard = sent(other, says(200), tries=1)
    assert (delivery.outcome, heard) == ("failed", [])
    assert "its certificate is not good" in delivery.detail


def test_a_name_that_the_certificate_lacks_is_no_proof(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_certificate(tmp_path / "other.pem", ("DNS:example.com",))
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    delivery, heard = sent(other, says(200), tries=1)
    assert (delivery.outcome, heard) == ("failed", [])
    assert "its certificate is not good" in delivery.detail


def test_nobody_there_is_told() -> None:
    with serving(says(200), certificate=None) as (url, _):
        pass
    delivery = webhook.send(Webhook(url, tries=2), {})
    assert delivery.outcome == "failed"


@pytest.mark.skipif(os.geteuid() != 0, reason="the file must belong to root")
@pytest.mark.parametrize(
    ("content", "mode", "why"),
    [
        ("abc", 0o640, "has mode 0640 and not 0600: chmod 600"),
        ("abc\r\nX-Injected: 1", 0o600, "does not hold one line"),
        ("", 0o600, "does not hold one line"),
    ],
)
def test_a_token_that_others_know_or_that_is_none_is_not_sent(
    certificate: Path, tmp_path: Path, content: str, mode: int, why: str
) -> None:
    token = tmp_path / "token"
    token.write_bytes(content.encode())
    token.chmod(mode)
    delivery, heard = sent(certificate, says(200), token=str(token))
    assert (delivery.outcome, heard) == ("failed", [])
    assert why in delivery.detail
    assert "abc" not in delivery.detail


def test_on_this_very_host_no_certificate_is_wanted() -> None:
    assert sent(None, says(200))[0].outcome == "delivered"
