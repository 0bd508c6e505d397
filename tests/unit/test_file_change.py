"""A file is changed only from what it was, and comes back exactly as it was."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp

import pytest

from mailfix.changes import Drift, Failed, Present
from mailfix.changes.draft import Draft
from mailfix.changes.file import FileChange, FileState, read_state
from mailfix.host import durable


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(mkdtemp(prefix="mailfix-file-", dir="/dev/shm"))
    yield made
    shutil.rmtree(made)


@pytest.fixture
def path(folder: Path) -> Path:
    made = folder / "a.conf"
    made.write_bytes(b"one\r\ntwo\xff\n")
    made.chmod(0o600)
    os.utime(made, ns=(0, 0))
    return made


def change(path: Path, after: bytes | None) -> FileChange:
    return Draft().file(str(path), after)


def everything(path: Path) -> tuple[bytes, int, int, list[str]]:
    status = path.stat()
    return path.read_bytes(), status.st_mode, status.st_mtime_ns, os.listdir(path.parent)


@pytest.mark.parametrize("after", [b"new\n", None])
def test_what_is_made_and_taken_back_is_as_it_was_even_from_the_first_second_of_1970(
    path: Path, after: bytes | None
) -> None:
    before = everything(path)
    made = change(path, after)
    made.make()
    made.verify()
    assert made.look().present is Present.AFTER
    assert read_state(str(path)) is None or path.stat().st_mtime_ns > 0
    made.inverse.make()
    made.inverse.verify()
    assert everything(path) == before


def test_a_new_file_is_everybodys_to_read_and_gone_when_taken_back(folder: Path) -> None:
    made = change(folder / "new.conf", b"x\n")
    made.make()
    made.verify()
    assert (folder / "new.conf").stat().st_mode & 0o7777 == 0o644
    made.inverse.make()
    made.inverse.verify()
    assert os.listdir(folder) == []


def test_making_again_changes_nothing(path: Path) -> None:
    made = change(path, b"new\n")
    made.make()
    once = everything(path)
    made.make()
    assert everything(path) == once


@pytest.mark.parametrize("what", ["content", "mode", "attribute", "gone"])
def test_what_somebody_else_did_meanwhile_is_not_overwritten(path: Path, what: str) -> None:
    made = change(path, b"new\n")
    match what:
        case "content":
            path.write_bytes(b"theirs\n")
        case "mode":
            path.chmod(0o640)
        case "attribute":
            os.setxattr(path, "user.theirs", b"1")
        case "gone":
            path.unlink()
    assert made.look().present is Present.OTHER
    with pytest.raises(Drift, match="somebody else"):
        made.make()


def test_what_somebody_else_wrote_is_shown(path: Path) -> None:
    made = change(path, b"new\n")
    path.write_bytes(b"theirs\n")
    assert "+theirs" in made.look().difference


def test_a_label_that_the_kernel_gave_is_no_difference(path: Path) -> None:
    made = change(path, b"new\n")
    made.make()
    now = read_state(str(path))
    assert now is not None
    labelled = (("security.selinux", b"system_u:object_r:etc_t:s0\0"),)
    attributes = durable.Attributes(
        now.attributes.mode, now.attributes.uid, now.attributes.gid, extended=labelled
    )
    assert made.after is not None
    assert made.after.is_like(FileState(now.data, attributes))


@pytest.mark.parametrize("name", ["a.conf", "new.conf"])
def test_what_an_interrupted_attempt_left_is_tidied_up_on_the_way_back(
    path: Path, name: str
) -> None:
    made = change(path.with_name(name), b"new\n")
    path.with_name(f".{name}.mailfix-new").write_bytes(b"half")
    made.inverse.make()
    assert os.listdir(path.parent) == ["a.conf"]


def test_what_cannot_be_tidied_up_is_told(path: Path) -> None:
    made = change(path, b"new\n")
    path.with_name(".a.conf.mailfix-new").mkdir()
    with pytest.raises(Failed, match=r"\.a\.conf|tidied"):
        made.inverse.make()


def test_a_file_that_never_could_be_made_needs_no_folder_on_the_way_back(folder: Path) -> None:
    made = change(folder / "none" / "a.conf", b"new\n")
    with pytest.raises(Failed, match="cannot be written"):
        made.make()
    made.inverse.make()
    made.inverse.verify()


def test_a_file_with_two_names_is_refused(path: Path) -> None:
    path.with_name("b.conf").hardlink_to(path)
    with pytest.raises(Failed, match="2 names"):
        change(path, b"new\n")


def test_a_link_is_followed_and_stays_a_link(path: Path) -> None:
    link = path.with_name("link.conf")
    link.symlink_to("a.conf")
    change(link, b"new\n").make()
    assert link.is_symlink()
    assert path.read_bytes() == b"new\n"


def test_a_link_that_leads_in_a_circle_is_refused(folder: Path) -> None:
    (folder / "a").symlink_to("b")
    (folder / "b").symlink_to("a")
    with pytest.raises(Failed, match="cannot be read"):
        change(folder / "a", b"new\n")


def test_changes_of_one_file_become_one(path: Path) -> None:
    draft = Draft()
    for data in (b"first\n", b"second\n"):
        draft = draft.with_changes([draft.file(str(path), data)])
    assert len(draft.changes) == 1
    now = draft.read(str(path))
    assert now is not None
    assert now.data == b"second\n"
    before = everything(path)
    draft.changes[0].make()
    assert path.read_bytes() == b"second\n"
    draft.changes[0].inverse.make()
    assert everything(path) == before


def test_the_preview_is_a_diff(path: Path) -> None:
    assert change(path, b"one\r\nnew\n").preview() == (
        f"--- {path}",
        f"+++ {path}",
        "@@ -1,2 +1,2 @@",
        " one",
        "-two\udcff",
        "+new",
    )
