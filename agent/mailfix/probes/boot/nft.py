"""A file that ``nft -f`` loads, with what it includes."""

from __future__ import annotations

import glob

from mailfix.firewall.origins import nft_includes, written_for_nft
from mailfix.host import Host
from mailfix.model import Known, Unknown
from mailfix.probes.boot.load import Load

MAX_FILES = 200
MAX_DEPTH = 16
MAX_CHARACTERS = 16 * 1024 * 1024
INCLUDE_PATH = "/etc"


def load(host: Host, service: str, file: str, root: str) -> Load:
    """Read the file and its includes for the lines of their rules; nft itself loads them."""
    included = _Included(host, root)
    included.add(file, 0)
    return Load(
        service,
        file,
        "nft",
        None,
        mentions="\n".join(included.texts.values()),
        written=tuple(
            each for name, text in included.texts.items() for each in written_for_nft(name, text)
        ),
        problem=included.problem,
        arguments=("-f", root + file),
    )


class _Included:
    """The texts of a file and of what it includes, by name."""

    def __init__(self, host: Host, root: str) -> None:
        self._host = host
        self._root = root
        self._left = MAX_CHARACTERS
        self.texts: dict[str, str] = {}
        self.problem = ""

    def add(self, file: str, depth: int) -> None:
        if depth > MAX_DEPTH or len(self.texts) >= MAX_FILES or file in self.texts:
            return
        text = self._host.read(self._root + file)
        if isinstance(text, Unknown):
            self.problem = self.problem or text.reason
        if not isinstance(text, Known) or text.value is None:
            return
        self._left -= len(text.value)
        if self._left < 0:
            self.problem = f"{file} and what belongs to it are longer than {MAX_CHARACTERS}"
            return
        self.texts[file] = text.value
        for pattern in nft_includes(text.value):
            for found in self._named(pattern):
                self.add(found, depth + 1)

    def _named(self, pattern: str) -> list[str]:
        """The files that an include means (nft(8), INCLUDE FILES).

        Wildcards among the folders could mean the whole disk: those are left to nft.
        """
        whole = pattern if pattern.startswith("/") else f"{INCLUDE_PATH}/{pattern}"
        if glob.has_magic(whole.rpartition("/")[0]):
            return []
        found = sorted(glob.glob(glob.escape(self._root) + whole))[:MAX_FILES]
        return [name.removeprefix(self._root) for name in found]
