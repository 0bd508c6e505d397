"""Exim configurations as administrators write them, and some that nobody would: all of them valid.

Made from a number, so that the same ones can be put to exim itself, here or on a lab's host.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from random import Random

from mailfix.actions.exim import option_text
from mailfix.probes.exim import parse_options

OPTIONS = {
    "disable_ipv6": ("yes", "no", "TRUE", "false", "No", "MAC_TRUE"),
    "smtp_banner": ("one.example ESMTP", "$primary_hostname ESMTP two  words", "MAC_TEXT x"),
    "local_interfaces": ("127.0.0.1 : 192.0.2.1", "<; ::1 ; 0.0.0.0", "MAC_TEXT"),
    "primary_hostname": ("mail.example.com", "MAC_NAME"),
    "received_headers_max": ("30", "99"),
}
MACROS = {"MAC_TRUE": "true", "MAC_TEXT": "198.51.100.7", "MAC_NAME": "mac.example.com"}
NEW = {
    "disable_ipv6": "true",
    "smtp_banner": "new.example.com ESMTP",
    "local_interfaces": "<; 0.0.0.0",
    "primary_hostname": "new.example.com",
    "received_headers_max": "17",
}
ASKED = """
import json, subprocess, sys, tempfile
for text in json.load(sys.stdin):
    with tempfile.NamedTemporaryFile() as file:
        file.write(text.encode("latin-1"))
        file.flush()
        told = subprocess.run(
            ["exim4", "-C", file.name, "-bP", *sys.argv[1:]], capture_output=True, check=False
        )
    print(json.dumps([told.returncode, told.stdout.decode("latin-1")]))
"""
"""Read texts from the standard input, print what exim tells of each."""

Ask = Callable[[Sequence[bytes]], list[dict[str, str] | None]]
"""What exim tells of each text, by option; None where it refuses it."""


def text_of(number: int) -> bytes:
    """The configuration of a number."""
    random = Random(number)
    end = random.choice(("\n", "\n", "\r\n"))
    # Exim knows no directive that a carriage return follows.
    conditions = end == "\n"
    names = random.sample(sorted(OPTIONS), random.randint(1, len(OPTIONS)))
    lines = [f"{name} = {value}" for name, value in MACROS.items()]
    for name in names:
        lines += [_noise(random, conditions) for _ in range(random.randint(0, 2))]
        lines += _setting(random, name, conditions)
    if random.random() < 0.3:
        lines += ["begin acl", "check:", "  accept"]
    text = end.join(lines) + (end if random.random() < 0.7 else "")
    return text.encode("latin-1")


def _noise(random: Random, conditions: bool) -> str:
    plain = ["", "   ", "# disable_ipv6 = true", "  # \xff\xfe caf\xe9", "#" * 80]
    block = [".ifdef NOT_DEFINED\nsmtp_accept_max = nonsense\n.endif"] if conditions else []
    return random.choice(plain + block)


def _setting(random: Random, name: str, conditions: bool) -> list[str]:
    value = random.choice(OPTIONS[name])
    line = _line(random, name, value)
    line = random.choice(("", "", "  ", "\t")) + line + random.choice(("", "", "  ", " \t"))
    if conditions and random.random() < 0.15:
        return [".ifdef MAC_TRUE", line, ".endif"]
    if random.random() < 0.3:
        return _continued(random, line)
    return [line]


def _line(random: Random, name: str, value: str) -> str:
    hidden = "hide " if random.random() < 0.2 else ""
    if name == "disable_ipv6" and random.random() < 0.4:
        return hidden + random.choice(("", "no_", "not_")) + name
    equals = random.choice((" = ", "=", " =", "= ", "\t=  "))
    return f"{hidden}{name}{equals}{value}"


def _continued(random: Random, line: str) -> list[str]:
    name, equals, value = line.partition("=")
    if not equals:
        return [line]
    between = ["# in between"] if random.random() < 0.3 else []
    return [f"{name}{equals}\\" + random.choice(("", "  ")), *between, f"   {value.strip()}"]


def disagreements(texts: Sequence[bytes], ask: Ask) -> list[str]:
    """Where exim reads a text, or an edit of one, in another way than we do; [] for nowhere.

    Raises AssertionError where exim refuses so many of them that this proves nothing.
    """
    told = ask(texts)
    valid = [(text, each) for text, each in zip(texts, told, strict=True) if each is not None]
    assert len(valid) > 0.8 * len(texts), f"exim takes only {len(valid)} of {len(texts)}"
    found = [f"{text!r}: {why}" for text, each in valid for why in _misread(text, each)]
    edits = [
        (before, setting.name, option_text.with_value(text, setting, NEW[setting.name]))
        for text, before in valid
        for setting in option_text.settings(text)
        if setting.name in NEW and not setting.broken
    ]
    after = ask([text for _, _, text in edits])
    for (before, name, text), each in zip(edits, after, strict=True):
        if each != {**before, name: "yes" if name == "disable_ipv6" else NEW[name]}:
            found.append(f"{text!r}: after the edit exim tells {each}")
    return found


def _misread(text: bytes, told: dict[str, str]) -> list[str]:
    return [
        f"we read {setting.name} as {_meaning(text, setting)!r}, exim as {told[setting.name]!r}"
        for setting in option_text.settings(text)
        if setting.name in OPTIONS and _meaning(text, setting) != told[setting.name]
    ]


def _meaning(text: bytes, setting: option_text.Setting) -> str:
    """The value as ``exim -bP`` tells it."""
    value = setting.value
    if value is None:
        shown = text[setting.start : setting.end].decode("latin-1")
        return "no" if re.match(r"(hide\s+)?not?_", shown) else "yes"
    for macro, meant in MACROS.items():
        value = value.replace(macro, meant)
    if setting.name == "disable_ipv6":
        return "yes" if value.lower() in ("yes", "true") else "no"
    return value


def read_answers(lines: str, count: int) -> list[dict[str, str] | None]:
    """What :data:`ASKED` printed."""
    answers = [json.loads(line) for line in lines.splitlines()]
    assert len(answers) == count
    return [None if code else parse_options(told) for code, told in answers]


def ask_here(texts: Sequence[bytes]) -> list[dict[str, str] | None]:
    """Ask the exim of this machine."""
    done = subprocess.run(
        [sys.executable, "-c", ASKED, *OPTIONS],
        input=json.dumps([text.decode("latin-1") for text in texts]),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return read_answers(done.stdout, len(texts))
