"""Checks of the signature on a domain's mail, and of the key that receivers find for it."""

from __future__ import annotations

from collections.abc import Iterator

from mailfix.facts import MailDomains, Mta
from mailfix.mail_records.dkim import (
    ED25519,
    RSA,
    KeyFault,
    KeyVerdict,
    PublishedKey,
    PublishedKeys,
    Signature,
    Signing,
)
from mailfix.model import Known, Subject, Unknown
from mailfix.predicates.answer import Answer, failed, passed, unknown

STRONG_BITS = 2048
ONLY_ED25519_ADVICE = (
    "Gmail, Microsoft and others do not check ed25519 signatures: sign with an RSA key as well, "
    "under a selector of its own (exim: dkim_selector takes a list)."
)
PANEL_ADVICE = {
    "FASTPANEL": "Switch DKIM on for {domain} in FASTPANEL, in the settings of its mail domain.",
    "HestiaCP": "Switch it on for {domain} in HestiaCP (Mail, edit the domain, DKIM support), or "
    "run: v-add-mail-domain-dkim USER {domain}",
    "cPanel": "Switch it on for {domain} in cPanel (Email Deliverability, Manage, DKIM), or run: "
    "/usr/local/cpanel/bin/dkim_keys_install USER",
    "DirectAdmin": "Make the key for {domain}: "
    "/usr/local/directadmin/scripts/dkim_create.sh {domain}",
}
KEYLESS_ADVICE = (
    "Exim is set to sign, but finds no key for {domain}. Make one (openssl genrsa 2048), which "
    "exim's user may read, where the setting looks for it: dkim_private_key = {setting}"
)
_UNREADABLE = frozenset({KeyFault.SEVERAL, KeyFault.REVOKED, KeyFault.INVALID})
_UNUSABLE = _UNREADABLE | {KeyFault.UNSUITABLE}
_UNCOMPARED = _UNREADABLE | {KeyFault.MISSING}


def dkim_signed(
    in_dns: bool, mta: Mta | None, domains: MailDomains | None, signing: Signing | None, domain: str
) -> Iterator[Answer]:
    """The MTA puts a signature on mail of the domain.

    Silent where a smart host may do so, and where the MTA means to sign and fails.
    """
    if not in_dns or mta is None or not mta.sends_directly:
        return
    subject = {"domain": domain}
    if signing is None or (not signing.signatures and not signing.trouble):
        keyless = KEYLESS_ADVICE if signing else None
        advice = PANEL_ADVICE.get(domains.panel, keyless) if domains else keyless
        words = {"domain": domain, "setting": signing.setting if signing else ""}
        yield failed(subject, words, advice=advice)
    elif signing.signatures and not signing.trouble:
        names = ", ".join(f"d={each.domain} s={each.selector}" for each in signing.signatures)
        yield passed(subject, {"domain": domain, "signatures": names})


def dkim_signing_works(in_dns: bool, signing: Signing | None, domain: str) -> Iterator[Answer]:
    """What the MTA is set to sign with, it can sign with."""
    if not in_dns or signing is None or not (signing.signatures or signing.trouble):
        return
    effect = "is not sent (dkim_strict)" if signing.strict else "leaves unsigned"
    words = {"domain": domain, "why": signing.trouble, "effect": effect}
    yield (
        failed({"domain": domain}, words) if signing.trouble else passed({"domain": domain}, words)
    )


def dkim_key_published(
    in_dns: bool, dkim_key: PublishedKeys | None, domain: str
) -> Iterator[Answer]:
    """Each selector that signs has a key record."""
    for key in _keys(in_dns, dkim_key):
        match key.verdict:
            case Unknown(reason):
                yield unknown(_subject(domain, key.signature), reason)
            case Known(verdict):
                yield _answer(domain, key.signature, verdict, verdict.fault is KeyFault.MISSING)


def dkim_key_usable(in_dns: bool, dkim_key: PublishedKeys | None, domain: str) -> Iterator[Answer]:
    """Receivers can read each key that is published, and may use it for mail."""
    for signature, verdict in _known(in_dns, dkim_key):
        if verdict.fault is not KeyFault.MISSING:
            yield _answer(domain, signature, verdict, verdict.fault in _UNUSABLE)


def dkim_key_matches(in_dns: bool, dkim_key: PublishedKeys | None, domain: str) -> Iterator[Answer]:
    """The key that is published belongs to the private key that signs.

    Silent where that private key is known to be of no use.
    """
    for signature, verdict in _known(in_dns, dkim_key):
        if verdict.fault in _UNCOMPARED or (verdict.uncompared and signature.trouble):
            continue
        if verdict.uncompared:
            yield unknown(_subject(domain, signature), verdict.uncompared)
        else:
            yield _answer(domain, signature, verdict, verdict.fault is KeyFault.DIFFERS)


def dkim_key_strong(in_dns: bool, dkim_key: PublishedKeys | None, domain: str) -> Iterator[Answer]:
    """The keys are such as receivers want them: RSA, of 2048 bits at least."""
    sound = [each for each in _known(in_dns, dkim_key) if each[1].fault is None]
    only_ed25519 = all(verdict.kind == ED25519 for _, verdict in sound)
    for signature, verdict in sound:
        if verdict.kind == RSA:
            yield _answer(domain, signature, verdict, verdict.bits < STRONG_BITS)
        elif only_ed25519:
            yield failed(
                _subject(domain, signature),
                _words(domain, signature, verdict),
                advice=ONLY_ED25519_ADVICE,
                fixable=False,
            )


def dkim_not_testing(in_dns: bool, dkim_key: PublishedKeys | None, domain: str) -> Iterator[Answer]:
    """No key is marked as being tried out only."""
    for signature, verdict in _known(in_dns, dkim_key):
        if verdict.fault is None:
            yield _answer(domain, signature, verdict, verdict.testing)


def _keys(in_dns: bool, dkim_key: PublishedKeys | None) -> tuple[PublishedKey, ...]:
    return dkim_key.keys if in_dns and dkim_key else ()


def _known(in_dns: bool, dkim_key: PublishedKeys | None) -> Iterator[tuple[Signature, KeyVerdict]]:
    """Leave out what could not be looked up: that is told once, where it ought to be found."""
    for key in _keys(in_dns, dkim_key):
        if isinstance(key.verdict, Known):
            yield key.signature, key.verdict.value


def _answer(domain: str, signature: Signature, verdict: KeyVerdict, wrong: bool) -> Answer:
    subject, words = _subject(domain, signature), _words(domain, signature, verdict)
    return failed(subject, words, verdict.evidence) if wrong else passed(subject, words)


def _subject(domain: str, signature: Signature) -> Subject:
    subject = {"domain": domain, "selector": signature.selector}
    return subject if signature.domain == domain else subject | {"signer": signature.domain}


def _words(domain: str, signature: Signature, verdict: KeyVerdict) -> dict[str, str | int]:
    return {
        "domain": domain,
        "name": signature.name,
        "file": signature.file or "exim's configuration",
        "detail": verdict.detail,
        "kind": verdict.kind,
        "bits": verdict.bits,
        "record": verdict.proposal.told() if verdict.proposal else _by_hand(signature),
    }


def _by_hand(signature: Signature) -> str:
    if not signature.file:
        return "the public half of the key in exim's configuration"
    return f"the public half of the key, as root: openssl pkey -pubout -in {signature.file}"
