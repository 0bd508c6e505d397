"""Mozilla's list of the domains under which others register theirs (https://publicsuffix.org/)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_RULE = re.compile(r"^[ \t]*(?!//)(\S+)", re.MULTILINE)
_EXCEPTION = "!"
_WILDCARD = "*."
_ACE = "xn--"
LEAST_LABELS = 2


@dataclass(frozen=True, slots=True)
class PublicSuffixes:
    """The rules of the list, in U-labels; an exception and a wildcard without their sign.

    The private section counts, as DMARC wants it: mail of one customer of a provider must not
    speak for another's (RFC 7489 section 3.2).
    """

    exact: frozenset[str]
    wildcards: frozenset[str]
    exceptions: frozenset[str]

    def organisational_domain(self, name: str) -> str:
        """Return the domain that was registered: one label below the longest public suffix.

        ``name`` is in A-labels, lower case, without last dot. A public suffix is returned as it is.
        """
        labels, shown = name.split("."), u_labels(name).split(".")
        for start in range(len(labels)):
            rest = ".".join(shown[start:])
            if rest in self.exceptions:
                return ".".join(labels[start:])
            if rest in self.exact or ".".join(shown[start + 1 :]) in self.wildcards:
                return ".".join(labels[max(start - 1, 0) :])
        return ".".join(labels[-LEAST_LABELS:])


def parse_list(text: str) -> PublicSuffixes:
    """Read the list's text: one rule a line, up to the first space, ``//`` for comments."""
    rules = _RULE.findall(text.lower())
    return PublicSuffixes(
        exact=frozenset(rules),
        wildcards=frozenset(rule[2:] for rule in rules if rule.startswith(_WILDCARD)),
        exceptions=frozenset(rule[1:] for rule in rules if rule.startswith(_EXCEPTION)),
    )


def u_labels(name: str) -> str:
    """Return a name in U-labels (RFC 5890), as the list has it; a label that is none stays."""
    return ".".join(map(_u_label, name.split("."))) if _ACE in name else name


def _u_label(label: str) -> str:
    if not label.startswith(_ACE):
        return label
    try:
        return label.removeprefix(_ACE).encode("ascii").decode("punycode")
    except UnicodeError:
        return label
