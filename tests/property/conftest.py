"""The same examples in every run; MAILFIX_EXPLORE=1 looks for new ones."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "mailfix",
    deadline=None,
    derandomize=not os.environ.get("MAILFIX_EXPLORE"),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("mailfix")
