"""The public half of a private key, as DNS publishes it, and nothing of the other half."""

from __future__ import annotations

import asyncio
import base64
import os
import stat
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from mailfix.facts import MailUser
from mailfix.host import Deadline
from mailfix.host.private_keys import key_of_text, read_key, readable_by
from mailfix.mail_records.dkim import PublicKey
from mailfix.model import Known, Unknown

PEM = serialization.Encoding.PEM
FORMS = (serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL)


@cache
def rsa_key(bits: int = 1024) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def written(
    key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey,
    form: serialization.PrivateFormat = FORMS[0],
    password: bytes = b"",
) -> str:
    lock: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        lock = serialization.BestAvailableEncryption(password)
    return key.private_bytes(PEM, form, lock).decode()


@pytest.mark.parametrize("form", FORMS, ids=("PKCS8", "traditional"))
@pytest.mark.parametrize("bits", [1024, 2048])
def test_an_rsa_key_is_read_as_a_library_reads_it(
    form: serialization.PrivateFormat, bits: int
) -> None:
    der = (
        rsa_key(bits)
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    found = key_of_text(written(rsa_key(bits), form))
    assert found.key == Known(PublicKey("rsa", bits, base64.b64encode(der).decode()))
    assert found.trouble == ""


def test_an_ed25519_key_has_32_bytes() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    found = key_of_text("a comment\n" + written(key))
    assert found.key == Known(PublicKey("ed25519", 256, base64.b64encode(raw).decode()))


@pytest.mark.parametrize(
    ("text", "trouble"),
    [
        ("", "no private key"),
        ("nonsense", "no private key"),
        ("-----BEGIN RSA PRIVATE KEY-----\n****\n-----END RSA PRIVATE KEY-----\n", "not base64"),
        ("-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n", "not DER"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "a certificate"),
        ("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "a public key"),
    ],
)
def test_what_nobody_can_sign_with(text: str, trouble: str) -> None:
    assert trouble in key_of_text(text).trouble


@pytest.mark.parametrize("form", FORMS, ids=("PKCS8", "traditional"))
def test_an_encrypted_key_is_of_no_use(form: serialization.PrivateFormat) -> None:
    assert "encrypted" in key_of_text(written(rsa_key(), form, b"word")).trouble


def test_a_key_of_another_kind_is_of_no_use() -> None:
    assert key_of_text(written(ec.generate_private_key(ec.SECP256R1()))).trouble


def test_nothing_of_the_private_half_is_told() -> None:
    secret = written(rsa_key(), FORMS[1])
    for text in (secret, secret[: len(secret) // 2], secret.replace("A", "*")):
        told = repr(key_of_text(text))
        assert not any(line in told for line in secret.splitlines()[5:])


def test_a_missing_file_is_told_and_one_that_we_may_not_read_is_unknown(tmp_path: Path) -> None:
    assert "missing" in read_key(str(tmp_path / "none")).trouble
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    found = read_key(str(fifo))
    assert isinstance(found.key, Unknown)
    assert found.trouble == ""


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter, unlike pytest's own."""
    with TemporaryDirectory(prefix="mailfix-test-") as name:
        folder = Path(name)
        folder.chmod(stat.S_IRWXU | stat.S_IXGRP | stat.S_IXOTH)
        yield folder


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_who_may_read_a_key_is_found_out_as_that_user(open_folder: Path) -> None:
    modes = {"all": 0o644, "group": 0o640, "root": 0o600}
    for name, mode in modes.items():
        (open_folder / name).write_text("key")
        (open_folder / name).chmod(mode)
    os.chown(open_folder / "group", 0, 65533)
    user = MailUser("nobody", 65534, 65533)
    paths = [str(open_folder / name) for name in (*modes, "none")]
    found = asyncio.run(readable_by(user, paths, Deadline.after(10)))
    assert found == Known(frozenset(paths[:2]))


def test_ten_thousand_paths_are_asked_about() -> None:
    user = MailUser("root", os.geteuid(), os.getegid())
    paths = [f"/nonexistent/{number}.example.key" for number in range(10_000)]
    found = asyncio.run(readable_by(user, [*paths, "/etc/passwd"], Deadline.after(30)))
    assert found == Known(frozenset({"/etc/passwd"})) or os.geteuid() != 0
