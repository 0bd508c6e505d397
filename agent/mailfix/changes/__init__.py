"""Changes of the host as data: what is there now, what shall be, and the way between the two.

A change is made by ``make`` and taken back by making its ``inverse``. It is written to the journal
before it is made, so that another process, perhaps after a crash or a reboot, can look at the
present and tell how far it got.
"""

from __future__ import annotations

from mailfix.changes.change import Change, Drift, Failed, Forcible, Place, Present, Seen, Untouched

__all__ = ["Change", "Drift", "Failed", "Forcible", "Place", "Present", "Seen", "Untouched"]
