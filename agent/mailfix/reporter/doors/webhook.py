"""The webhook: a JSON document, sent by POST to a server of the administrator's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from mailfix.host import https
from mailfix.host.https import Page
from mailfix.host.secret_file import NotSecret, read_word
from mailfix.model import Fact, Unknown
from mailfix.report.news import document
from mailfix.report_settings import Webhook, When
from mailfix.reporter.doors.door import Delivery, Errand

NAME = "webhook"
PAUSE_S = 1.0
"""Before the second try; each further one is twice as long."""
_TRY_AGAIN = frozenset({408, 429})
"""Request Timeout and Too Many Requests (RFC 9110, 15.5.9; RFC 6585, 4)."""


def through(errand: Errand) -> Delivery:
    """Send the document of the report, where somebody wants to know."""
    webhook = errand.settings.webhook
    if webhook is None:
        return Delivery(NAME, "skipped", "none is set")
    if webhook.when is When.CHANGE and not errand.bulletin.news.is_change:
        return Delivery(NAME, "skipped", "nothing has changed")
    return send(webhook, document.document(errand.bulletin))


def send(webhook: Webhook, content: Mapping[str, Any]) -> Delivery:
    """Send a document; again and again, but never for ever."""
    try:
        headers = _headers(webhook)
    except NotSecret as error:
        return Delivery(NAME, "failed", str(error))
    body = json.dumps(content, ensure_ascii=False).encode()
    return asyncio.run(_send(webhook, body, headers))


def _headers(webhook: Webhook) -> dict[str, str]:
    kind = {"Content-Type": "application/json; charset=utf-8"}
    if webhook.token_file is None:
        return kind
    return kind | {"Authorization": f"Bearer {read_word(webhook.token_file, 'the token')}"}


async def _send(webhook: Webhook, body: bytes, headers: Mapping[str, str]) -> Delivery:
    """The path of the address may be a secret: only the host is told."""
    from urllib.parse import urlsplit

    host = urlsplit(webhook.url).hostname
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
