"""Reading files whose content nobody vouches for."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mailfix.model import Fact, Known, Unknown

DEFAULT_LIMIT = 4 * 1024 * 1024
PIECE = 64 * 1024


def read_text(path: str, limit: int = DEFAULT_LIMIT) -> Fact[str | None]:
    """Return the text of a regular file, or None where there is no such file.

    ``limit`` is in bytes. A larger file, a file that is not regular (a FIFO would block for ever)
    and a refused read are Unknown. Bytes that are not UTF-8 are kept as surrogate escapes.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return Known(None)
    except OSError as error:
        return Unknown(f"{path} cannot be read: {error.strerror}")
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return Unknown(f"{path} is not a regular file")
        content = _read_up_to(descriptor, limit + 1)
    except OSError as error:
        return Unknown(f"{path} cannot be read: {error.strerror}")
    finally:
        os.close(descriptor)
    if len(content) > limit:
        return Unknown(f"{path} is larger than {limit} bytes")
    return Known(content.decode("utf-8", "surrogateescape"))


def _read_up_to(descriptor: int, limit: int) -> bytes:
    """Read in pieces: files of /proc/sys refuse to fill a buffer of megabytes (ENOMEM)."""
    content = bytearray()
    while chunk := os.read(descriptor, min(limit - len(content), PIECE)):
        content += chunk
    return bytes(content)


@contextmanager
def scratch_file(name: str) -> Iterator[str]:
    """Give the path of a file to be made in a folder that only we can read, gone afterwards."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="mailfix-") as folder:
        yield str(Path(folder) / name)


@contextmanager
def scratch_text(name: str, text: str) -> Iterator[str]:
    """Give the path of a file with that text, which only we can read, gone afterwards."""
    with scratch_file(name) as path:
        Path(path).write_text(text, "utf-8")
        yield path


def exists(path: str) -> bool:
    """Tell whether there is anything at ``path`` (a dangling link counts as nothing)."""
    try:
        return Path(path).exists()
    except OSError:
        return False


def names_in(directory: str) -> Fact[tuple[str, ...]]:
    """Return the sorted names in a directory; a missing directory has none."""
    try:
        return Known(tuple(sorted(entry.name for entry in Path(directory).iterdir())))
    except (FileNotFoundError, NotADirectoryError):
        return Known(())
    except OSError as error:
        return Unknown(f"{directory} cannot be read: {error.strerror}")
