"""Certificates for servers on loopback, each its own authority."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

NAMES = ("DNS:localhost", "IP:127.0.0.1")


def make_certificate(file: Path, names: tuple[str, ...] = NAMES) -> Path:
    """A certificate and its key in one file."""
    key, certificate = file.with_suffix(".key"), file.with_suffix(".crt")
    subprocess.run(
        (
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt"),
            *("ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(key)),
            *("-out", str(certificate), "-subj", "/CN=localhost"),
            *("-addext", f"subjectAltName={','.join(names)}"),
        ),
        check=True,
        capture_output=True,
        timeout=60,
    )
    file.write_text(key.read_text() + certificate.read_text())
    return file


def server_side(file: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context
