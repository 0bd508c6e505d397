"""What mailfix tells of exim's signatures is what exim puts on mail, whatever is configured."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.full import FULL

from .image import BASE, TRIXIE
from .lab import Lab, running_lab
from .letter_box import LetterBox

pytestmark = pytest.mark.usefixtures("lab_machine")

LOCALMACROS = "/etc/exim4/exim4.conf.localmacros"
TEMPLATE = "/etc/exim4/exim4.conf.template"
SPLIT_MACROS = "/etc/exim4/conf.d/main/000_local_macros"
FOLDER = "/etc/exim4/dkim"
KEY = f"{FOLDER}/example.com.key"
DSEARCH = f"${{lookup{{$dkim_domain.key}}dsearch,ret=full{{{FOLDER}}}{{$value}}{{0}}}}"
FROM_DOMAIN = "${lc:${domain:$h_from:}}"
MANY = 1000
MANY_CASES = (
    *("looked up", "by the sender, if there is one", "tainted by the header", "not readable"),
    *("two domains", "nonsense in the setting", "another router for the domain"),
)
ASK = """
import asyncio, dataclasses, json, sys
sys.path.insert(0, "/opt/mailfix/agent")
sys.dont_write_bytecode = True
from mailfix.host import Host
from mailfix.model import Unknown
from mailfix.probes import exim, signing

def told(fact):
    if isinstance(fact, Unknown):
        return {"unknown": fact.reason}
    return {"signing": dataclasses.asdict(fact.value) if fact.value else None}

async def ask():
    host = Host.within(60)
    found = await exim.read(host, ())
    facts = await signing.read(host, found.told.value, sys.argv[1:])
    print(json.dumps({domain: told(fact) for domain, fact in facts.items()}))

asyncio.run(ask())
"""
SUITES = {"bookworm": BASE, "trixie": TRIXIE} if FULL else {"bookworm": BASE}


@dataclass(frozen=True, slots=True)
class Case:
    """Settings of exim, the signatures (d= and s=) that mail leaves with, and the complaint.

    ``trouble`` is part of why there is none, "" where mailfix must tell none.
    """

    key: str = DSEARCH
    domain: str = FROM_DOMAIN
    selector: str = "mail"
    prepare: str = "true"
    signed: frozenset[tuple[str, str]] = frozenset({("example.com", "mail")})
    trouble: str = ""


def unsigned(trouble: str = "", **settings: str) -> Case:
    return Case(signed=frozenset(), trouble=trouble, **settings)


def plain_where(condition: str) -> str:
    """Return a script that puts a router before the usual one, whose transport does not sign."""
    router = r"choice:\n  driver = dnslookup\n  domains = ! +local_domains\n  transport = plain"
    return (
        f"sed -i 's/^begin transports$/&\\nplain:\\n  driver = smtp\\n/' {TEMPLATE}; "
        f"sed -i 's/^dnslookup:$/{router}\\n  condition = {condition}\\n\\n&/' {TEMPLATE}"
    )


CASES = {
    "looked up": Case(),
    "by the envelope": Case(domain="$sender_address_domain"),
    "one for all": Case(domain="example.net", key=KEY, signed=frozenset({("example.net", "mail")})),
    "name made of a constant": Case(domain="example.com", key=f"{FOLDER}/$dkim_domain.key"),
    "capital letters": Case(domain="Example.COM"),
    "by the sender, if there is one": Case(
        domain="${if def:h_sender:{${domain:$h_sender:}}{${if def:h_from:{example.com}}}}"
    ),
    "two selectors": Case(
        selector="mail : second", signed=frozenset({("example.com", s) for s in ("mail", "second")})
    ),
    "two domains": Case(
        domain="example.com : example.net : example.com",
        key=KEY,
        signed=frozenset({(d, "mail") for d in ("example.com", "example.net")}),
    ),
    "selector by domain": Case(
        selector="${if eq{$dkim_domain}{example.com}{first}{other}}",
        signed=frozenset({("example.com", "first")}),
    ),
    "ed25519": Case(prepare=f"openssl genpkey -algorithm ed25519 >{KEY}"),
    "PKCS #1": Case(prepare=f"openssl rsa -in {KEY} -traditional -out {KEY} 2>/dev/null"),
    "key itself in the setting": Case(key=f"${{readfile{{{KEY}}}}}"),
    "another router for others": Case(
        prepare=plain_where("${if eq{$sender_address_domain}{example.net}}")
    ),
    "another router for the domain": unsigned(
        prepare=plain_where("${if eq{$sender_address_domain}{example.com}{yes}{no}}")
    ),
    "no key for the domain": unsigned(prepare=f"rm {KEY}"),
    "switched off": unsigned(key="0"),
    "tainted by the header": unsigned("Tainted", key=f"{FOLDER}/{FROM_DOMAIN}.key"),
    "tainted by the envelope": unsigned("Tainted", key=f"{FOLDER}/$sender_address_domain.key"),
    "tainted by d=": unsigned("Tainted", key=f"{FOLDER}/$dkim_domain.key"),
    "tainted for a lookup": unsigned(
        "Tainted", key=f"${{lookup{{x}}lsearch{{{FOLDER}/$sender_address_domain}}{{$value}}{{0}}}}"
    ),
    "not readable": unsigned("may not read", prepare=f"chmod 600 {KEY}"),
    "folder not readable": unsigned("may not read", key=KEY, prepare=f"chmod 700 {FOLDER}"),
    "readable by another group": unsigned(
        "may not read",
        prepare=f"adduser --quiet Debian-exim mail; chgrp mail {KEY}; chmod 640 {KEY}",
    ),
    "one of two keys missing": unsigned(
        "is missing",
        selector="mail : second",
        key=f"${{if eq{{$dkim_selector}}{{mail}}{{{KEY}}}{{{FOLDER}/none.key}}}}",
    ),
    "missing": unsigned("is missing", key=f"{FOLDER}/none.key"),
    "not a key": unsigned("no private key", prepare=f"echo nonsense >{KEY}"),
    "a certificate": unsigned("a certificate", prepare=f"cp /etc/ssl/mail/cert.pem {KEY}"),
    "encrypted": unsigned(
        "encrypted",
        prepare=f"openssl rsa -in {KEY} -aes128 -passout pass:word -out {KEY} 2>/dev/null",
    ),
    "nonsense in the setting": unsigned("nosuch", key="${nosuch:x}"),
    "forced failure": unsigned("fail", key="${lookup{x}lsearch{/etc/aliases}{$value}fail}"),
}


@pytest.fixture(scope="module", params=SUITES)
def signing_lab(request: pytest.FixtureRequest, lab_machine: None) -> Iterator[Lab]:
    """A host whose settings of DKIM each test makes anew."""
    with running_lab(SUITES[request.param]) as running:
        running.host.sh(f"cp -a {FOLDER} /root/dkim; cp {LOCALMACROS} /root/localmacros")
        running.host.sh(f"cp {TEMPLATE} /root/template")
        yield running


def reset(lab: Lab) -> None:
    """Take away every setting of DKIM, and put back the key and the routers."""
    lab.host.sh(f"rm -rf {FOLDER}; cp -a /root/dkim {FOLDER}; cp /root/template {TEMPLATE}")
    lab.host.sh(f"grep -v ^DKIM /root/localmacros >{LOCALMACROS}")


def configure(lab: Lab, case: Case) -> None:
    reset(lab)
    lab.host.sh(case.prepare)
    settings = {"DOMAIN": case.domain, "SELECTOR": case.selector, "PRIVATE_KEY": case.key}
    lines = (f"DKIM_{name} = {value}\n" for name, value in settings.items())
    lab.host.append(LOCALMACROS, "".join(lines))
    lab.host.sh("update-exim4.conf")


def asked(lab: Lab, *domains: str) -> dict[str, Any]:
    done = lab.host.run(["/usr/bin/python3", "-", *domains], text_in=ASK)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def sent(lab: Lab) -> frozenset[tuple[str, str]]:
    """Return d= and s= of each signature on a message that exim really sends."""
    box = LetterBox(lab.internet.namespace)
    taking = box.open()
    message = "From: anna@example.com\nSubject: test\n\ntest\n"
    sending = ["exim4", "-odi", "-f", "anna@example.com", f"x@{box.domain}"]
    assert lab.host.run(sending, text_in=message).returncode == 0
    text = "\n".join(box.message(taking))
    assert "Subject: test" in text, lab.host.sh("tail -n 5 /var/log/exim4/mainlog")
    headers = re.findall(r"^DKIM-Signature:.*(?:\n[ \t].*)*", text, re.MULTILINE)
    return frozenset(signature(header) for header in headers)


def signature(header: str) -> tuple[str, str]:
    tags = dict(re.findall(r"\b([ds])=([^;\s]+)", header))
    return tags["d"], tags["s"]


@pytest.mark.parametrize("name", CASES)
def test_what_is_told_is_what_is_sent(signing_lab: Lab, name: str) -> None:
    case = CASES[name]
    configure(signing_lab, case)
    told = asked(signing_lab, "example.com")["example.com"]["signing"]
    assert sent(signing_lab) == case.signed
    promised = {(each["domain"], each["selector"]) for each in (told or {}).get("signatures", ())}
    trouble = told["trouble"] if told else ""
    assert case.trouble in trouble
    assert bool(case.trouble) == bool(trouble)
    assert (promised if not case.trouble else frozenset()) == case.signed
    assert "PRIVATE" not in json.dumps(told)


@pytest.mark.parametrize("name", MANY_CASES)
def test_many_domains_are_told_like_one(signing_lab: Lab, name: str) -> None:
    configure(signing_lab, CASES[name])
    domains = ["example.com", *(f"d{number}.example" for number in range(MANY))]
    for number in range(0, MANY, 2):
        domain = f"d{number}.example"
        domains_key = f"{FOLDER}/{domain}.key"
        if number < 6:
            signing_lab.host.sh(f"cp -a {KEY} {domains_key}")
    started = time.monotonic()
    many = asked(signing_lab, *domains)
    assert time.monotonic() - started < 20
    few = asked(signing_lab, *domains[:8])
    assert {domain: many[domain] for domain in domains[:8]} == few
    assert {"unknown"} & {key for told in many.values() for key in told} == set()


@pytest.mark.parametrize("split", ["false", "true"])
def test_whoever_does_what_the_advice_says_signs(signing_lab: Lab, split: str) -> None:
    host = signing_lab.host
    reset(signing_lab)
    host.set_exim(dc_use_split_config=split)
    host.sh(f"rm -r {FOLDER}; cp {LOCALMACROS} {SPLIT_MACROS}; update-exim4.conf")
    advice = unsigned_advice(signing_lab)
    commands = re.findall(r"^ *(?:install|openssl|chown|chmod) .*", advice, re.MULTILINE)
    macros = re.findall(r"^ *DKIM_\w+ = .*", advice, re.MULTILINE)
    assert (len(commands), len(macros)) == (4, 3)
    host.sh("\n".join(commands))
    host.append(SPLIT_MACROS if split == "true" else LOCALMACROS, "\n".join(macros) + "\n")
    host.sh("update-exim4.conf")
    assert sent(signing_lab) == frozenset({("example.com", "mail")})
    told = asked(signing_lab, "example.com")["example.com"]["signing"]
    assert [each["domain"] for each in told["signatures"]] == ["example.com"]
    host.set_exim(dc_use_split_config="false")


def unsigned_advice(lab: Lab) -> str:
    findings = lab.host.audit().report["findings"]
    (finding,) = [each for each in findings if each["rule"] == "dkim-unsigned"]
    assert finding["status"] == "fail"
    return str(finding["advice"])
