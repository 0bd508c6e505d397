"""Write them into folders: python3 -m scripts.command_files FOLDER, from the top of the checkout.

FOLDER gets ``man/``, ``bash/``, ``zsh/`` and ``fish/``. The pages bear the date of
SOURCE_DATE_EPOCH (reproducible-builds.org), or today's.
"""

from __future__ import annotations

import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from . import bash, fish, manual, zsh
from .commands import Command, commands

PROSE = Path(__file__).resolve().parents[2] / "packaging" / "man"


def main(folder: Path) -> None:
    known = commands()
    for name, text in files(known).items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


def files(known: tuple[Command, ...]) -> dict[str, str]:
    """The texts by their path in the folder."""
    date = datetime.fromtimestamp(int(os.environ.get("SOURCE_DATE_EPOCH", time.time())), UTC).date()
    overview = (PROSE / "mailfix.8").read_text(encoding="utf-8")
    return {
        "man/mailfix.8": manual.overview(overview, known, date),
        **{f"man/mailfix-{each.name}.8": manual.page(each, prose(each), date) for each in known},
        "bash/mailfix": bash.completion(known),
        "zsh/_mailfix": zsh.completion(known),
        "fish/mailfix.fish": fish.completion(known),
    }


def prose(command: Command) -> str:
    """What the page tells besides the command's own help, in the language of mdoc(7)."""
    file = PROSE / f"mailfix-{command.name}.mdoc"
    return file.read_text(encoding="utf-8") if file.exists() else ""


if __name__ == "__main__":
    main(Path(sys.argv[1]))
