"""Files that are there completely or not at all, and stay after a power cut.

A file is replaced by writing another beside it, flushing that to the disk (fsync(2)), renaming it
over the old one (rename(2)) and flushing the folder.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from mailfix.model import Refusal

LIMIT = 64 * 1024 * 1024
"""Bytes of a file that is kept; a larger one is refused."""

LABELS = frozenset(
    {"security.selinux", "security.SMACK64", "security.apparmor", "security.ima", "security.evm"}
)
"""Extended attributes that the kernel gives a file by its own policy (xattr(7))."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """What a file has besides its content: permission bits, owner, times in ns, attributes.

    A time of None is that of the file's making.
    """

    mode: int
    uid: int
    gid: int
    accessed_ns: int | None = None
    modified_ns: int | None = None
    extended: tuple[tuple[str, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Content:
    """A regular file; ``links`` counts its names."""

    data: bytes
    attributes: Attributes
    links: int = 1


def read(path: str) -> Content | None:
    """The file at ``path``, which is no symbolic link; None where there is nothing.

    Raises:
        OSError: it is something else, too large, or cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(0, "it is not a regular file", path)
        if status.st_size > LIMIT:
            raise OSError(0, f"it is larger than {LIMIT} bytes", path)
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(LIMIT + 1)
        return Content(data, _attributes(descriptor, status), status.st_nlink)
    finally:
        os.close(descriptor)


def _attributes(descriptor: int, status: os.stat_result) -> Attributes:
    extended = tuple((name, os.getxattr(descriptor, name)) for name in _names(descriptor))
    return Attributes(
        mode=stat.S_IMODE(status.st_mode),
        uid=status.st_uid,
        gid=status.st_gid,
        accessed_ns=status.st_atime_ns,
        modified_ns=status.st_mtime_ns,
        extended=extended,
    )


def _names(descriptor: int) -> list[str]:
    """Raises OSError; a file system without extended attributes has none."""
    try:
        return sorted(os.listxattr(descriptor))
    except OSError as error:
        if error.errno != errno.ENOTSUP:
            raise
        return []


def replace(path: str, data: bytes, attributes: Attributes, beside: str) -> None:
    """Have ``path`` hold exactly this, or leave it as it is; returns once it is on the disk.

    ``beside`` is the path, in the same folder, of the file that is written first. What is left
    there of an interrupted attempt is written over. Raises OSError.
    """
    try:
        _write(beside, data, attributes)
        os.rename(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            remove(beside)
        raise
    flush_folder(os.path.dirname(path))


def keep(path: str, text: str) -> None:
    """Have a file of our own, which we alone may read, hold this text; raises OSError.

    The folder must be ours alone, too.
    """
    own = Attributes(0o600, os.geteuid(), os.getegid())
    replace(path, text.encode(), own, beside=f"{path}.new")


def _write(path: str, data: bytes, attributes: Attributes) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        _write_all(descriptor, data)
        os.fchown(descriptor, attributes.uid, attributes.gid)
        os.fchmod(descriptor, attributes.mode)
        _extend(descriptor, dict(attributes.extended))
        if attributes.accessed_ns is not None and attributes.modified_ns is not None:
            os.utime(descriptor, ns=(attributes.accessed_ns, attributes.modified_ns))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _extend(descriptor: int, wanted: dict[str, bytes]) -> None:
    """A new file may have inherited some from its folder, such as an access list (acl(5))."""
    for name in _names(descriptor):
        if name not in wanted and name not in LABELS:
            os.removexattr(descriptor, name)
    for name, value in wanted.items():
        os.setxattr(descriptor, name, value)


def _write_all(descriptor: int, data: bytes) -> None:
    """A disk that is full may take a part and then refuse."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def remove(path: str) -> None:
    """Have nothing at ``path``, on the disk, too; raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    flush_folder(os.path.dirname(path))


def append(path: str, data: bytes) -> None:
    """Add to the end of a file, made with mode 0600 if need be, and flush it.

    Raises OSError; what was added is then cut off again as far as the disk lets itself be told.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        try:
            _write_all(descriptor, data)
            os.fsync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def make_folder(path: str, mode: int = 0o700) -> None:
    """Have a folder at ``path``, on the disk, too; raises OSError.

    One that is there already may be what an interrupted attempt left unflushed.
    """
    try:
        os.mkdir(path, mode)
    except FileExistsError:
        if not os.path.isdir(path):
            raise
    flush_folder(os.path.dirname(path))


def flush_folder(path: str) -> None:
    """Have the names in a folder on the disk; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: str, *, wait: bool = False) -> Iterator[int]:
    """Hold the lock of a file, made if need be; gives its descriptor.

    The kernel frees it when the process ends, however it ends (flock(2)).

    Raises:
        BlockingIOError: somebody else holds it, and ``wait`` is False.
    """
    import fcntl

    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def keeping(where: str) -> Iterator[None]:
    """Whatever the disk does not take within raises :class:`mailfix.model.Refusal`."""
    try:
        yield
    except OSError as error:
        hint = "; run it as root" if isinstance(error, PermissionError) else ""
        reason = f"{error.strerror}{hint}"
        raise Refusal(f"nothing can be kept in {error.filename or where}: {reason}") from None


@contextmanager
def alone(lock: str, *folders: str) -> Iterator[None]:
    """Be the only one who holds a lock, once others are done; the folders are made if need be.

    Raises :class:`mailfix.model.Refusal` where nothing can be written there.
    """
    with ExitStack() as stack:
        with keeping(os.path.dirname(lock)):
            for each in folders:
                make_folder(each)
            stack.enter_context(locked(lock, wait=True))
        yield
