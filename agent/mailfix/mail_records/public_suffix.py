"""Mozilla's list of the domains under which others register theirs (https://publicsuffix.org/)."""

from __future__ import annotations

from dataclasses import dataclass

_COMMENT = "//"
_EXCEPTION = "!"
_WILDCARD = "*."
LEAST_LABELS = 2


@dataclass(frozen=True, slots=True)
class PublicSuffixes:
    """The rules of the list, in A-labels; an exception and a wildcard without their sign.

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
        labels = name.split(".")
        for start in range(len(labels)):
            rest = ".".join(labels[start:])
            if rest in self.exceptions:
                return rest
            if rest in self.exact or ".".join(labels[start + 1 :]) in self.wildcards:
                return ".".join(labels[max(start - 1, 0) :])
        return ".".join(labels[-LEAST_LABELS:])


def parse_list(text: str) -> PublicSuffixes:
    """Read the list's text: one rule a line, up to the first space, ``//`` for comments."""
    exact, wildcards, exceptions = set(), set(), set()
    for line in text.splitlines():
        if not line or line.startswith(_COMMENT) or line.isspace():
            continue
        rule = line.split(maxsplit=1)[0].lower()
        if rule.startswith(_EXCEPTION):
            exceptions.add(a_labels(rule[1:]))
        elif rule.startswith(_WILDCARD):
            wildcards.add(a_labels(rule[2:]))
        else:
            exact.add(a_labels(rule))
    return PublicSuffixes(frozenset(exact), frozenset(wildcards), frozenset(exceptions))


def a_labels(name: str) -> str:
    """Return a name of the list in A-labels (RFC 5890); the list's U-labels are normalised."""
    if name.isascii():
        return name
    return ".".join(
        label if label.isascii() else f"xn--{label.encode('punycode').decode('ascii')}"
        for label in name.split(".")
    )
