"""Checks of what the next boot makes of the firewall."""

from __future__ import annotations

from collections.abc import Iterator

from mailfix.facts import BootFile, Flow, HostAddress, Listener, Prospect
from mailfix.model import WHOLE, Family, Unknown, percent
from mailfix.predicates.answer import Answer, failed, passed, unknown
from mailfix.predicates.listening import serves


def open_after_boot(
    listeners: tuple[Listener, ...],
    addresses: tuple[HostAddress, ...],
    after_boot: tuple[Prospect, ...],
    family: Family,
) -> Iterator[Answer]:
    """What passes the firewall today passes it after the next boot."""
    served = {each.port for each in listeners if serves(each, family, addresses)}
    for prospect in after_boot:
        if prospect.flow is Flow.OUT or prospect.port in served:
            yield _judged(prospect)


def _judged(prospect: Prospect) -> Answer:
    subject = {"port": prospect.port, "family": prospect.family.value, "flow": prospect.flow.value}
    words: dict[str, str | int] = {
        "port": _port(prospect),
        "number": prospect.port,
        "share": "" if prospect.lost > WHOLE else f" for {percent(prospect.lost)} of the Internet",
        "cause": _cause(prospect),
        "opener": _opener(prospect),
    }
    if prospect.lost and prospect.doubt:
        closed = f"{words['port']} is open now and may be closed{words['share']} after the next"
        return unknown(
            subject,
            f"{closed} boot, by {prospect.cause}; but {prospect.doubt}",
            _evidence(prospect),
        )
    if prospect.lost:
        return failed(subject, words, _evidence(prospect), advice=_advice(prospect))
    if prospect.undecided:
        whether = f"whether {words['port']} stays open after the next boot is undecided"
        return unknown(subject, f"{whether}: {prospect.doubt}")
    return passed(subject, words)


def _port(prospect: Prospect) -> str:
    flow = "outgoing " if prospect.flow is Flow.OUT else ""
    return f"{flow}tcp/{prospect.port} over {prospect.family.label}"


def _cause(prospect: Prospect) -> str:
    if prospect.answer:
        return f"the answers will be stopped by {prospect.cause}"
    return prospect.cause


def _opener(prospect: Prospect) -> str:
    if prospect.opener:
        return f"; the rule that opens it now is saved nowhere: {prospect.opener}"
    return "" if prospect.today else "; the rules of now do not have it"


_OUT = {
    "ufw": "Let ufw open it: ufw allow out {number}/tcp",
    "CSF": "Add {number} to TCP_OUT and TCP6_OUT in /etc/csf/csf.conf, then: csf -r",
}
_IN = {
    "ufw": "Let ufw open it: ufw allow {number}/tcp",
    "firewalld": "Let firewalld keep it: firewall-cmd --permanent --add-port={number}/tcp",
    "CSF": "Add {number} to TCP_IN and TCP6_IN in /etc/csf/csf.conf, then: csf -r",
}


def _advice(prospect: Prospect) -> str | None:
    """The owner's own way; None where the rules are in a file of the administrator's."""
    ways = _OUT if prospect.flow is Flow.OUT else _IN
    return ways.get(prospect.service)


def _evidence(prospect: Prospect) -> tuple[str, ...]:
    told = [f"will block: {prospect.cause}"]
    if prospect.opener:
        told.append(f"opens it now: {prospect.opener}")
    return tuple(told)


def boot_file_loads(boot_files: tuple[BootFile, ...]) -> Iterator[Answer]:
    """The boot's own program takes each file of firewall rules."""
    for each in boot_files:
        subject = {"file": each.file}
        words = {"file": each.file, "service": each.service}
        if isinstance(each.complaint, Unknown):
            yield unknown(subject, each.complaint.reason)
        elif each.complaint.value is None:
            yield passed(subject, words)
        else:
            yield failed(subject, {**words, "complaint": each.complaint.value})
