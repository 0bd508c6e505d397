"""A file whose content only root may know."""

from __future__ import annotations

import os
import shlex
import stat

LIMIT = 4096
"""Bytes; a key takes about a hundred."""

_MODES = frozenset({0o600, 0o400})


class NotSecret(ValueError):
    """The file is open to others, missing, or no such file; its text is one line."""


def read_secret(path: str, what: str) -> str:
    """The text of a file that belongs to root and that nobody else can read, byte by byte.

    ``what`` names it in complaints, for example "the key"; what it holds is never told.

    Raises :class:`NotSecret`.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise NotSecret(f"{what} {path} cannot be read: {error.strerror}") from None
    try:
        _require_private(os.fstat(descriptor), path, what)
        data = os.read(descriptor, LIMIT + 1)
    finally:
        os.close(descriptor)
    if len(data) > LIMIT:
        raise NotSecret(f"{what} {path} is larger than {LIMIT} bytes")
    return data.decode("latin-1")


def read_word(path: str, what: str) -> str:
    """The one line of visible ASCII in such a file: a password, a token.

    Raises :class:`NotSecret`.
    """
    text = read_secret(path, what).removesuffix("\n").removesuffix("\r")
    if not text or not text.isascii() or not text.isprintable():
        raise NotSecret(f"{what} {path} does not hold one line of visible ASCII characters")
    return text


def _require_private(status: os.stat_result, path: str, what: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise NotSecret(f"{what} {path} is not a regular file")
    name = shlex.quote(path)
    if status.st_uid != 0:
        raise NotSecret(f"{what} {path} does not belong to root: chown root:root {name}")
    mode = stat.S_IMODE(status.st_mode)
    if mode not in _MODES:
        raise NotSecret(f"{what} {path} has mode {mode:04o} and not 0600: chmod 600 {name}")
