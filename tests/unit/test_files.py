"""Files are read within bounds; what cannot be read is unknown, what is not there is known."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mailfix.host import files
from mailfix.model import Known, Unknown


def reason(path: Path, limit: int = 100) -> str:
    told = files.read_text(str(path), limit)
    assert isinstance(told, Unknown), told
    return told.reason


def test_a_file_is_its_text(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes("mail.example.com\u00e9\n".encode())
    assert files.read_text(str(tmp_path / "file")) == Known("mail.example.com\u00e9\n")


def test_a_missing_file_is_known_to_be_missing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert files.read_text(str(tmp_path / "none")) == Known(None)
    assert files.read_text(str(tmp_path / "file" / "below-a-file")) == Known(None)


def test_a_setting_of_the_kernel_is_read() -> None:
    forwarding = files.read_text("/proc/sys/net/ipv4/ip_forward")
    assert isinstance(forwarding, Known)
    assert forwarding.value in ("0\n", "1\n")


def test_a_dangling_link_is_a_missing_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "none")
    assert files.read_text(str(tmp_path / "link")) == Known(None)
    assert not files.exists(str(tmp_path / "link"))


def test_links_in_a_circle_are_unknown(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "link")
    assert "cannot be read" in reason(tmp_path / "link")


def test_a_fifo_does_not_hold_the_audit_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    assert reason(tmp_path / "fifo").endswith("is not a regular file")


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/null", "/dev/tty"])
def test_a_device_is_unknown(path: str) -> None:
    told = files.read_text(path)
    assert isinstance(told, Unknown)


def test_a_folder_is_unknown(tmp_path: Path) -> None:
    assert str(tmp_path) in reason(tmp_path)


def test_a_file_beyond_the_limit_is_unknown_not_cut(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x" * 100)
    assert files.read_text(str(tmp_path / "file"), 100) == Known("x" * 100)
    (tmp_path / "file").write_bytes(b"x" * 101)
    assert reason(tmp_path / "file").endswith("is larger than 100 bytes")


def test_bytes_that_are_not_utf8_are_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xff\x00\xc3")
    told = files.read_text(str(tmp_path / "file"))
    assert isinstance(told, Known)
    assert told.value is not None
    assert told.value.encode("utf-8", "surrogateescape") == b"\xff\x00\xc3"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give its rights up and take them back")
def test_a_refused_read_is_unknown_not_missing(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("x")
    file.chmod(0o600)
    tmp_path.chmod(0o700)
    os.seteuid(65534)
    try:
        read, listed = files.read_text(str(file)), files.names_in(str(tmp_path))
    finally:
        os.seteuid(0)
    assert isinstance(read, Unknown)
    assert "Permission denied" in read.reason
    assert isinstance(listed, Unknown)


def left_open(path: Path) -> set[str]:
    before = set(os.listdir("/proc/self/fd"))
    files.read_text(str(path))
    left = set(os.listdir("/proc/self/fd")) - before
    for descriptor in left:
        os.close(int(descriptor))
    return left


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path / "none", Path("/etc/passwd"), Path("/dev/zero")):
        assert left_open(path) == set()


def test_no_descriptor_of_a_folder_is_left_open(tmp_path: Path) -> None:
    assert left_open(tmp_path) == set()


def test_a_folder_has_sorted_names_and_a_missing_one_none(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).touch()
    assert files.names_in(str(tmp_path)) == Known(("a", "b"))
    assert files.names_in(str(tmp_path / "none")) == Known(())
    assert files.names_in(str(tmp_path / "a")) == Known(())
