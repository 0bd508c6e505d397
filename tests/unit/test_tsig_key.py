"""The key file of dns_updates: as tsig-keygen writes it, refused where others could read it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from mailfix.host.dns_update.key import TsigKey, parse_key, read_key
from mailfix.host.dns_update.trouble import Refused
from mailfix.host.secret_file import LIMIT

SECRET = "bWFpbGZpeC10ZXN0LXNlY3JldA=="
PLAIN = f'key "mailfix" {{\n\talgorithm hmac-sha256;\n\tsecret "{SECRET}";\n}};\n'
KEYGEN = shutil.which("tsig-keygen", path="/usr/sbin:/usr/bin")
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="a key file must belong to root")


def write(path: Path, text: str = PLAIN, mode: int = 0o600) -> str:
    path.write_text(text)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        f"key mailfix {{ secret {SECRET}; algorithm HMAC-SHA256; }};",
        f'# one\n// two\n/* 3\n*/key "Mailfix." {{ algorithm "hmac-sha256"; secret "{SECRET}"; }}',
    ],
)
def test_a_key_is_read_as_bind_reads_it(text: str) -> None:
    assert parse_key(text, "the key") == TsigKey("mailfix", "hmac-sha256", SECRET)


@AS_ROOT
@pytest.mark.skipif(KEYGEN is None, reason="tsig-keygen is not installed")
@pytest.mark.parametrize("algorithm", ["hmac-sha1", "hmac-sha256", "hmac-sha512"])
def test_what_tsig_keygen_writes_is_read(tmp_path: Path, algorithm: str) -> None:
    assert KEYGEN is not None
    done = subprocess.run(
        [KEYGEN, "-a", algorithm, "mail.example"], capture_output=True, text=True, check=True
    )
    key = read_key(write(tmp_path / "key", done.stdout))
    assert (key.name, key.algorithm) == ("mail.example", algorithm)
    assert key.secret in done.stdout


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "does not hold what tsig-keygen writes"),
        (SECRET, "does not hold what tsig-keygen writes"),
        (PLAIN + PLAIN, "holds more than one key"),
        (PLAIN.replace("hmac-sha256", "hmac-md5"), "of no algorithm that is in use"),
        (PLAIN.replace("\talgorithm hmac-sha256;\n", ""), "of no algorithm"),
        (PLAIN.replace(SECRET, "not base64"), "no secret in base64"),
        (PLAIN.replace(SECRET, ""), "no secret in base64"),
        (PLAIN.replace(SECRET, "ä"), "no secret in base64"),
        (PLAIN.replace('"mailfix"', '"a b"'), "a name that no key can have"),
        (PLAIN.replace(f'"{SECRET}"', f'"{SECRET}'), "a quotation mark too few"),
        (PLAIN.replace("algorithm", "secret"), "one algorithm and one secret"),
        (PLAIN.replace(";", ""), "one algorithm and one secret"),
    ],
)
def test_anything_else_is_refused_in_one_line_that_tells_no_secret(
    text: str, complaint: str
) -> None:
    with pytest.raises(Refused) as refusal:
        parse_key(text, "the key /etc/mailfix/key")
    told = str(refusal.value)
    assert told.startswith("the key /etc/mailfix/key ")
    assert complaint in told
    assert "\n" not in told
    assert SECRET not in told


def test_a_key_that_is_shown_keeps_its_secret() -> None:
    assert SECRET not in repr(parse_key(PLAIN, "the key"))


@AS_ROOT
@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_a_private_file_of_root_is_read(tmp_path: Path, mode: int) -> None:
    assert read_key(write(tmp_path / "key", mode=mode)).name == "mailfix"


@AS_ROOT
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o700, 0o4600])
def test_a_file_that_is_open_to_others_is_refused_with_what_mends_it(
    tmp_path: Path, mode: int
) -> None:
    path = write(tmp_path / "the key", mode=mode)
    with pytest.raises(Refused, match=f"has mode {mode:04o} and not 0600: chmod 600 '{path}'$"):
        read_key(path)


@AS_ROOT
def test_a_file_of_somebody_else_is_refused_with_what_mends_it(tmp_path: Path) -> None:
    path = write(tmp_path / "key")
    os.chown(path, 65534, 65534)
    with pytest.raises(Refused, match=f"does not belong to root: chown root:root {path}$"):
        read_key(path)


@AS_ROOT
def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(write(tmp_path / "key"))
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    for path in (link, pipe, tmp_path, tmp_path / "nothing"):
        with pytest.raises(Refused, match=f"^the key {path} "):
            read_key(str(path))


@AS_ROOT
def test_a_large_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused, match=f"larger than {LIMIT} bytes"):
        read_key(write(tmp_path / "key", "#" * (LIMIT + 1)))
