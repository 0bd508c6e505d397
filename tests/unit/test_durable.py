"""Files are replaced whole or not at all, with everything that they had."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from mailfix.host import durable
from mailfix.host.durable import Attributes

PLAIN = Attributes(0o640, os.geteuid(), os.getegid())
ACL = "system.posix_acl_access"
DEFAULT_ACL = "system.posix_acl_default"
FOR_ONE_MORE_USER = struct.pack(
    "<I" + "HHI" * 5,
    *(2, 1, 6, 0xFFFFFFFF, 2, 4, 4321, 4, 4, 0xFFFFFFFF, 16, 4, 0xFFFFFFFF, 32, 0, 0xFFFFFFFF),
)


@pytest.fixture
def folder() -> Iterator[Path]:
    """In memory, where every kind of attribute is taken."""
    made = Path(mkdtemp(prefix="mailfix-durable-", dir="/dev/shm"))
    yield made
    shutil.rmtree(made)


def put(path: Path, data: bytes, attributes: Attributes = PLAIN) -> None:
    durable.replace(str(path), data, attributes, str(path.with_name(".beside")))


def test_what_was_read_is_put_back_with_owner_mode_times_and_attributes(folder: Path) -> None:
    path = folder / "a.conf"
    path.write_bytes(b"\xff\x00old")
    path.chmod(0o4711)
    os.setxattr(path, "user.note", b"\x00\xff")
    os.utime(path, ns=(5, 0))
    kept = durable.read(str(path))
    assert kept is not None
    put(path, b"new")
    assert path.read_bytes() == b"new"
    assert os.listxattr(path) == []
    put(path, kept.data, kept.attributes)
    assert durable.read(str(path)) == kept
    assert path.stat().st_mtime_ns == 0
    assert os.listdir(folder) == ["a.conf"]


def test_a_file_made_without_times_has_those_of_its_making(folder: Path) -> None:
    put(folder / "a.conf", b"new")
    (folder / "b.conf").touch()
    made, beside = ((folder / name).stat().st_mtime_ns for name in ("a.conf", "b.conf"))
    assert abs(beside - made) < 10**9


def test_a_folder_with_a_default_access_list_does_not_give_it_to_what_is_put_there(
    folder: Path,
) -> None:
    try:
        os.setxattr(folder, DEFAULT_ACL, FOR_ONE_MORE_USER)
    except OSError:
        pytest.skip("no access lists on this file system")
    (folder / "other").touch()
    assert ACL in os.listxattr(folder / "other")
    put(folder / "a.conf", b"secret")
    assert os.listxattr(folder / "a.conf") == []
    assert stat.S_IMODE((folder / "a.conf").stat().st_mode) == PLAIN.mode


def test_attributes_that_cannot_be_listed_are_not_taken_for_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(descriptor: int) -> list[str]:
        raise OSError(errno.EIO, "Input/output error")

    (folder / "a.conf").touch()
    monkeypatch.setattr(os, "listxattr", broken)
    with pytest.raises(OSError, match="Input/output error"):
        durable.read(str(folder / "a.conf"))


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("a", path)])
def test_what_is_no_regular_file_is_refused_at_once(folder: Path, make: object) -> None:
    path = str(folder / "odd")
    make(path)  # type: ignore[operator]
    with pytest.raises(OSError, match=r"regular|links|directory"):
        durable.read(path)


def test_nothing_at_all_is_told_from_what_cannot_be_read(folder: Path) -> None:
    assert durable.read(str(folder / "none" / "deeper")) is None


def test_what_cannot_be_put_in_place_leaves_nothing_beside(folder: Path) -> None:
    (folder / "a.conf").mkdir()
    with pytest.raises(OSError, match="directory"):
        put(folder / "a.conf", b"new")
    assert os.listdir(folder) == ["a.conf"]


def test_a_trap_laid_beside_is_not_written_through(folder: Path) -> None:
    (folder / "victim").write_bytes(b"kept")
    (folder / ".beside").symlink_to("victim")
    put(folder / "a.conf", b"new")
    assert (folder / "victim").read_bytes() == b"kept"
    assert sorted(os.listdir(folder)) == ["a.conf", "victim"]


def test_what_is_added_stays_for_its_owner_alone(folder: Path) -> None:
    previous = os.umask(0)
    try:
        durable.make_folder(str(folder / "state"))
        durable.append(str(folder / "state/journal"), b"one\n")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((folder / "state").stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "state/journal").stat().st_mode) == 0o600


def test_what_could_not_be_added_in_full_is_cut_off_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    file = str(folder / "journal")
    durable.append(file, b"one\n")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        with pytest.raises(OSError, match="Input/output error"):
            durable.append(file, b"two\n")
    durable.append(file, b"three\n")
    assert Path(file).read_bytes() == b"one\nthree\n"


def test_a_folder_that_is_there_already_is_taken_and_a_file_is_not(folder: Path) -> None:
    durable.make_folder(str(folder / "a"))
    durable.make_folder(str(folder / "a"))
    (folder / "b").touch()
    with pytest.raises(FileExistsError):
        durable.make_folder(str(folder / "b"))
    (folder / "c").symlink_to("a")
    durable.make_folder(str(folder / "c"))


def test_a_lock_is_held_until_its_holder_lets_go(folder: Path) -> None:
    lock = str(folder / "lock")
    with durable.locked(lock), pytest.raises(BlockingIOError), durable.locked(lock):
        pass
    with durable.locked(lock):
        assert stat.S_IMODE(os.stat(lock).st_mode) == 0o600
