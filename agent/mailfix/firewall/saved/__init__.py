"""Changing one line of the files that the boot makes firewall rules of. Pure.

``lines`` knows the deeds, ``restore`` the files of iptables-restore, ``native`` those of nft, and
``settings`` the owners' lists.
"""

from __future__ import annotations

from mailfix.firewall.saved.lines import Deed, Unclear, Verb
from mailfix.firewall.saved.native import has_set, with_deeds_for_nft, without_elements
from mailfix.firewall.saved.restore import with_deeds
from mailfix.firewall.saved.settings import with_item

__all__ = [
    "Deed",
    "Unclear",
    "Verb",
    "has_set",
    "with_deeds",
    "with_deeds_for_nft",
    "with_item",
    "without_elements",
]
