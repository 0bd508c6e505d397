"""Where the rules come from at boot, and what the firewall will be after it. Pure.

``written`` finds the rules in the files that the boot loads, ``owners`` knows the programs that
make their own rules anew, ``tracing`` tells for each running rule where it comes back from, and
``boot`` puts together the ruleset of after the next boot.
"""

from __future__ import annotations

from mailfix.firewall.origins.boot import AfterBoot, after_boot
from mailfix.firewall.origins.openings import Opening, openings
from mailfix.firewall.origins.owners import OWNERS, Owner, owners_in
from mailfix.firewall.origins.tracing import Comeback, Origin, Origins, Place, Sources, trace
from mailfix.firewall.origins.written import (
    Kind,
    Written,
    nft_includes,
    written_for_iptables,
    written_for_nft,
)

__all__ = [
    "OWNERS",
    "AfterBoot",
    "Comeback",
    "Kind",
    "Opening",
    "Origin",
    "Origins",
    "Owner",
    "Place",
    "Sources",
    "Written",
    "after_boot",
    "nft_includes",
    "openings",
    "owners_in",
    "trace",
    "written_for_iptables",
    "written_for_nft",
]
