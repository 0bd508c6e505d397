"""The host as the audit's probes would see it once the files of a draft are written."""

from __future__ import annotations

import glob
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from mailfix.changes.draft import Draft
from mailfix.firewall.origins.written import nft_includes, statements
from mailfix.host import Host
from mailfix.model import Fact, Known
from mailfix.probes.boot import files
from mailfix.probes.boot.files import BootFiles
from mailfix.probes.boot.load import Load
from mailfix.probes.boot.nft import INCLUDE_PATH, MAX_DEPTH

PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class DraftedHost(Host):
    """``drafted`` are the files of the draft by their real paths, None for one that goes."""

    drafted: Mapping[str, str | None] = field(default_factory=dict)

    def read(self, path: str) -> Fact[str | None]:
        real = os.path.realpath(path)
        return Known(self.drafted[real]) if real in self.drafted else Host.read(self, path)


def host_with(draft: Draft) -> DraftedHost:
    plain = Host.within(PATIENCE_S)
    drafted = {
        path: None if data is None else data.decode("utf-8", "surrogateescape")
        for path, data in draft.contents.items()
    }
    return DraftedHost(plain.dns, plain.deadline, plain.is_root, drafted)


def boot_files(host: DraftedHost) -> BootFiles:
    """What the boot will load: nft reads what it includes itself, so that is put in its place."""
    found = files.find(host)
    loads = tuple(_whole(host, each) if _is_drafted(host, each) else each for each in found.loads)
    return replace(found, loads=loads)


def _is_drafted(host: DraftedHost, load: Load) -> bool:
    if load.family is not None or load.arguments[:1] != ("-f",):
        return False
    named = {load.file, *(each.file for each in load.written), *_included(host, load.file, 0)}
    return any(os.path.realpath(each) in host.drafted for each in named)


def _included(host: DraftedHost, file: str, depth: int) -> set[str]:
    text = host.read(file)
    if not isinstance(text, Known) or text.value is None or depth > MAX_DEPTH:
        return set()
    found = {name for pattern in nft_includes(text.value) for name in _named(pattern)}
    return found.union(*(_included(host, each, depth + 1) for each in found))


def _named(pattern: str) -> list[str]:
    return sorted(glob.glob(pattern if pattern.startswith("/") else f"{INCLUDE_PATH}/{pattern}"))


def _whole(host: DraftedHost, load: Load) -> Load:
    return replace(load, arguments=("-f", "-"), text=_text(host, load.file, 0))


def _text(host: DraftedHost, file: str, depth: int) -> str:
    """The file with the text of what it includes in place of each include."""
    read = host.read(file)
    text = read.value or "" if isinstance(read, Known) else ""
    if depth > MAX_DEPTH:
        return text
    for each in reversed(list(statements(text))):
        for pattern in nft_includes(each.text):
            inner = "\n".join(_text(host, name, depth + 1) for name in _named(pattern))
            text = f"{text[: each.begins]}{inner}{text[each.ends :]}"
    return text
