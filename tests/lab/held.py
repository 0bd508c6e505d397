"""A test that waits to be interrupted; only test_lab.py runs it, by name."""

from __future__ import annotations

import os
import time
from pathlib import Path

from .lab import Lab

HELD_SECONDS = 60.0


def test_hold(lab: Lab) -> None:
    Path(os.environ["MAILFIX_LAB_HELD"]).write_text(lab.name, encoding="utf-8")
    time.sleep(HELD_SECONDS)
