"""Names of mail domains: which can have mail at all, and how they are shown."""

from __future__ import annotations

import re

SPECIAL_USE = frozenset(
    {
        *("localhost", "local", "localdomain", "invalid", "test", "onion", "internal", "lan"),
        *("home.arpa", "in-addr.arpa", "ip6.arpa", "home", "corp", "intranet", "private"),
    }
)
"""No mail of the Internet comes to these (RFC 6761, 6762, 7686, 8375, and custom)."""

_NAME = re.compile(
    r"(?=.{1,253}$)(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.(?!\d+$)[a-z0-9-]{1,63}"
)


def is_within(name: str, parent: str) -> bool:
    """Tell whether a name is another or lies below it (RFC 1034 section 3.1); both lower case."""
    return name == parent or name.endswith(f".{parent}")


def is_mail_domain(name: str) -> bool:
    """Tell whether a name in A-labels, lower case, can be a mail domain on the Internet.

    A name without a dot, a name for special use (RFC 6761) and an address cannot.
    """
    if not _NAME.fullmatch(name):
        return False
    labels = name.split(".")
    return labels[-1] not in SPECIAL_USE and ".".join(labels[-2:]) not in SPECIAL_USE


def shown_domain(name: str) -> str:
    """Return a domain as people know it: ``müller.example (xn--mller-kva.example)``.

    A name without an internationalised label (RFC 5890), and one that cannot be printed, is
    returned as it is.
    """
    if "xn--" not in name:
        return name
    try:
        unicode = ".".join(_unicode_label(label) for label in name.split("."))
    except UnicodeError:
        return name
    return f"{unicode} ({name})" if unicode.isprintable() and unicode != name else name


def _unicode_label(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    return label.removeprefix("xn--").encode("ascii").decode("punycode")
