"""The webhook: a JSON document, sent by POST to a server of the administrator's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from mailfix.host import durable, https
from mailfix.host.clock import Deadline
from mailfix.host.https import Page
from mailfix.host.secret_file import NotSecret, read_word
from mailfix.model import Fact, Unknown
from mailfix.report.news import document
from mailfix.report_settings import Webhook, When
from mailfix.reporter import outbox
from mailfix.reporter.doors.door import Delivery, Errand, Places

NAME = "webhook"
LEFT_S = 120.0
"""After which nothing more of what waits is begun."""
PAUSE_S = 1.0
"""Before the second try; each further one is twice as long."""
_TRY_AGAIN = frozenset({408, 429})
"""Request Timeout and Too Many Requests (RFC 9110, 15.5.9; RFC 6585, 4)."""


def through(errand: Errand) -> Delivery:
    """Send the document of the report, where somebody wants to know, and what waits."""
    webhook, bulletin = errand.settings.webhook, errand.bulletin
    if webhook is None:
        return Delivery(NAME, "skipped", "none is set")
    if webhook.when is When.ALWAYS or bulletin.news.is_change:
        content = document.document(bulletin)
        return tell(webhook, content, bulletin.report.started, errand.places)
    if outbox.waiting(errand.places.unsent):
        return _send_left(webhook, errand.places)
    return Delivery(NAME, "skipped", "nothing has changed")


def tell(
    webhook: Webhook, content: Mapping[str, Any], moment: datetime, places: Places
) -> Delivery:
    """Send a document and then what waits; what is not taken waits for the next run."""
    done = send(webhook, content)
    if done.outcome == "delivered":
        return _send_left(webhook, places)
    try:
        durable.make_folder(places.state)
        outbox.put(places.unsent, _written(content), moment, "json")
    except OSError as error:
        return replace(done, detail=f"{done.detail}; it cannot be kept: {error.strerror}")
    return replace(done, detail=f"{done.detail}; it waits for the next report")


def _send_left(webhook: Webhook, places: Places) -> Delivery:
    """The oldest first, each once and none after a failure; what is too old goes unsent."""
    once, now = replace(webhook, tries=1), datetime.now(UTC)
    done = Delivery(NAME, "delivered", f"{_host(webhook)}")
    deadline = Deadline.after(LEFT_S)
    for each in outbox.waiting(places.unsent):
        if done.outcome == "delivered" and deadline.within(1.0):
            done = _send_body(once, each.read())
        if done.outcome == "delivered" or each.is_too_old(now):
            outbox.remove(each)
    if done.outcome == "failed":
        return replace(done, detail=f"{done.detail}; what waits from earlier was not taken")
    return done


def send(webhook: Webhook, content: Mapping[str, Any]) -> Delivery:
    """Send a document; again and again, but never for ever."""
    return _send_body(webhook, _written(content))


def _written(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode()


def _send_body(webhook: Webhook, body: bytes) -> Delivery:
    try:
        headers = _headers(webhook)
    except NotSecret as error:
        return Delivery(NAME, "failed", str(error))
    return asyncio.run(_send(webhook, body, headers))


def _headers(webhook: Webhook) -> dict[str, str]:
    kind = {"Content-Type": "application/json; charset=utf-8"}
    if webhook.token_file is None:
        return kind
    return kind | {"Authorization": f"Bearer {read_word(webhook.token_file, 'the token')}"}


async def _send(webhook: Webhook, body: bytes, headers: Mapping[str, str]) -> Delivery:
    host = _host(webhook)
    for number in range(webhook.tries):
        if number:
            await asyncio.sleep(PAUSE_S * 2 ** (number - 1))
        answer = await https.post(webhook.url, body, headers, webhook.seconds)
        trouble = _trouble(answer)
        if not trouble:
            return Delivery(NAME, "delivered", f"{host}")
        if not _may_be_better_later(answer):
            break
    return Delivery(NAME, "failed", f"{host}: {trouble}")


def _host(webhook: Webhook) -> str | None:
    """The path of the address may be a secret: only the host is told."""
    from urllib.parse import urlsplit

    return urlsplit(webhook.url).hostname


def _trouble(answer: Fact[Page]) -> str:
    if isinstance(answer, Unknown):
        return answer.reason
    page = answer.value
    return page.trouble or ("" if page.status // 100 == 2 else f"it answers {page.status}")


def _may_be_better_later(answer: Fact[Page]) -> bool:
    """Redirects and refusals are the server's last word; its own errors are not (RFC 9110, 15)."""
    if isinstance(answer, Unknown) or answer.value.trouble:
        return True
    return answer.value.status >= 500 or answer.value.status in _TRY_AGAIN
