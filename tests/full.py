"""Whether everything is tested, or the share for which CI has the time."""

from __future__ import annotations

import os

FULL = os.environ.get("MAILFIX_FULL") == "1"
