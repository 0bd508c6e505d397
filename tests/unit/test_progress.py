"""How far a long audit has come, in words."""

from __future__ import annotations

import pytest

from mailfix.progress import Progress


@pytest.mark.parametrize(
    ("progress", "told"),
    [
        (Progress(), "still waiting for answers"),
        (Progress(1, 4, 2), "still waiting for answers: 50 % of what 1 mail domain takes"),
        (Progress(2000, 4, 1), "still waiting for answers: 25 % of what 2,000 mail domains take"),
    ],
)
def test_it_is_told_in_words(progress: Progress, told: str) -> None:
    assert str(progress) == told
