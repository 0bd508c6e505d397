"""What the administrator may choose about ``mailfix report``: what is kept, and who is told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mailfix.model import Refusal
from mailfix.setting_values import HOST_NAME, Reader, block, path, server, whole
from mailfix.yaml_text import shown

PROMETHEUS_FILE = "/var/lib/prometheus/node-exporter/mailfix.prom"
MAX_URL = 2000
MAX_RECIPIENTS = 10
MAX_CREDENTIAL = 200
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.?|[0-9a-f:.]*:[0-9a-f:.]*")
_LOCAL_PART = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~][A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{0,63}"
_ADDRESS = re.compile(rf"({_LOCAL_PART})(@(?P<domain>.+))?")


class When(StrEnum):
    """Which runs are told of: those with news, or all."""

    CHANGE = "change"
    ALWAYS = "always"


class Tls(StrEnum):
    """How a connection to a mail server is encrypted (RFC 8314, RFC 3207)."""

    STARTTLS = "starttls"
    IMPLICIT = "implicit"
    NONE = "none"


USUAL_PORT: Mapping[Tls, int] = {Tls.STARTTLS: 587, Tls.IMPLICIT: 465, Tls.NONE: 25}


@dataclass(frozen=True, slots=True)
class Webhook:
    """``url`` takes the JSON document of a report by POST.

    ``token_file`` is the path of a file, root's alone, with the bearer token (RFC 6750, section
    2.1). One try takes at most ``seconds``.
    """

    url: str
    token_file: str | None = None
    seconds: int = 10
    tries: int = 3
    when: When = When.CHANGE


@dataclass(frozen=True, slots=True)
class Smarthost:
    """A mail server that takes our mail; ``port`` None is the usual one for its kind of TLS.

    ``password_file`` is the path of a file, root's alone, with the password of ``user``.
    """

    host: str
    port: int | None = None
    tls: Tls = Tls.STARTTLS
    user: str | None = None
    password_file: str | None = None

    @property
    def dialled(self) -> int:
        return self.port or USUAL_PORT[self.tls]


@dataclass(frozen=True, slots=True)
class Mail:
    """``to`` are addresses or local users; ``sender`` None is root at this host.

    Without a ``smarthost`` the mail goes through this host's own sendmail(8).
    """

    to: tuple[str, ...] = ("root",)
    sender: str | None = None
    smarthost: Smarthost | None = None


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """``keep`` is how many reports are kept.

    ``steady_runs`` is how many runs in a row what comes and goes must last before it is told again.
    ``prometheus`` is the path of the file for node_exporter's textfile collector. A door that is
    None is shut.
    """

    keep: int = 60
    steady_runs: int = 2
    prometheus: str | None = PROMETHEUS_FILE
    webhook: Webhook | None = None
    mail: Mail | None = Mail()


def report_settings(value: Any, where: str) -> ReportSettings:
    """Read the block ``report``; raises :class:`mailfix.model.Refusal`."""
    return ReportSettings(**block(value, where, _READERS))


def _or_off(reader: Reader) -> Reader:
    """YAML reads ``off`` as false, unless it stands in quotation marks."""

    def read(value: Any, where: str) -> Any:
        if value is False or value == "off":
            return None
        return reader(value, where)

    return read


def _prometheus(value: Any, where: str) -> str:
    """The collector reads no other files (node_exporter, textfile collector)."""
    file = path(value, where)
    if not file.endswith(".prom"):
        raise Refusal(f"{where}: expected a path that ends with .prom, or off")
    return file


def _webhook(value: Any, where: str) -> Webhook:
    return Webhook(**block(value, where, _WEBHOOK, ("url",)))


def _url(value: Any, where: str) -> str:
    import urllib.parse

    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise Refusal(f"{where}: expected an address that begins with https://")
    try:
        parts = urllib.parse.urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise Refusal(f"{where}: {shown(value)} is not a web address") from None
    if not _HOST.fullmatch(host or "") or " " in value or len(value) > MAX_URL or parts.fragment:
        raise Refusal(f"{where}: {shown(value)} is not a web address")
    if parts.username is not None:
        raise Refusal(f"{where}: put the secret into token_file, not into the address")
    if parts.scheme != "https" and not (parts.scheme == "http" and host in LOOPBACK):
        raise Refusal(f"{where}: expected https:// (http:// to this very host alone)")
    return value


def _when(value: Any, where: str) -> When:
    if value not in list(When):
        raise Refusal(f"{where}: expected change or always")
    return When(value)


def _mail(value: Any, where: str) -> Mail:
    found = block(value, where, _MAIL)
    if "from" in found:
        found["sender"] = found.pop("from")
    return Mail(**found)


def _recipients(value: Any, where: str) -> tuple[str, ...]:
    given = value if isinstance(value, list) else [value]
    if not 1 <= len(given) <= MAX_RECIPIENTS:
        raise Refusal(f"{where}: expected one to {MAX_RECIPIENTS} addresses")
    return tuple(_address(each, where) for each in given)


def _address(value: Any, where: str) -> str:
    """A local user or an address without quotes or comments (RFC 5321, section 4.1.2)."""
    found = _ADDRESS.fullmatch(value) if isinstance(value, str) else None
    domain = found and found["domain"]
    if found is None or (domain is not None and not HOST_NAME.fullmatch(domain)):
        raise Refusal(f"{where}: {shown(value)} is neither a mail address nor a local user")
    return found[0]


def _smarthost(value: Any, where: str) -> Smarthost:
    smarthost = Smarthost(**block(value, where, _SMARTHOST, ("host",)))
    if (smarthost.user is None) != (smarthost.password_file is None):
        raise Refusal(f"{where}: user and password_file belong together")
    if smarthost.user and smarthost.tls is Tls.NONE and smarthost.host not in LOOPBACK:
        raise Refusal(f"{where}: a password is not sent without TLS: set tls to starttls")
    return smarthost


def _relay(value: Any, where: str) -> str:
    return value if value == "localhost" else server(value, where)


def _tls(value: Any, where: str) -> Tls:
    if value not in list(Tls):
        raise Refusal(f"{where}: expected starttls, implicit or none")
    return Tls(value)


def _user(value: Any, where: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_CREDENTIAL:
        raise Refusal(f"{where}: expected a name of at most {MAX_CREDENTIAL} characters")
    if not value.isprintable():
        raise Refusal(f"{where}: {shown(value)} is not a user's name")
    return value


_WEBHOOK: Mapping[str, Reader] = {
    "url": _url,
    "token_file": path,
    "seconds": whole(1, 60),
    "tries": whole(1, 5),
    "when": _when,
}
_SMARTHOST: Mapping[str, Reader] = {
    "host": _relay,
    "port": whole(1, 65535),
    "tls": _tls,
    "user": _user,
    "password_file": path,
}
_MAIL: Mapping[str, Reader] = {"to": _recipients, "from": _address, "smarthost": _smarthost}
_READERS: Mapping[str, Reader] = {
    "keep": whole(1, 10_000),
    "steady_runs": whole(1, 100),
    "prometheus": _or_off(_prometheus),
    "webhook": _or_off(_webhook),
    "mail": _or_off(_mail),
}
