"""Files that decide what root does: they must be root's alone."""

from __future__ import annotations

import os
import shlex
import stat

from mailfix.model import Refusal


def require_roots_own(path: str, status: os.stat_result) -> None:
    """Raises :class:`mailfix.model.Refusal` where somebody else could write there."""
    if status.st_uid != 0 or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        name = shlex.quote(path)
        raise Refusal(
            f"{path}: must belong to root and be writable by root alone "
            f"(chown root {name}; chmod go-w {name})"
        )
