"""The public suffix list, as a package of the system brought it."""

from __future__ import annotations

from mailfix.host import Host
from mailfix.mail_records.public_suffix import PublicSuffixes, parse_list
from mailfix.model import Fact, Known, Unknown

FILES = (
    "/usr/share/publicsuffix/public_suffix_list.dat",
    "/usr/share/publicsuffix/effective_tld_names.dat",
)
LEAST_RULES = 1000


def read(host: Host, files: tuple[str, ...] = FILES) -> Fact[PublicSuffixes]:
    """Return the list of Debian's package ``publicsuffix`` or EL's ``publicsuffix-list``.

    Unknown where it is not installed, or is too short to be the list.
    """
    for file in files:
        text = host.read(file)
        if isinstance(text, Unknown):
            return text
        if text.value is not None:
            suffixes = parse_list(text.value)
            if len(suffixes.exact) < LEAST_RULES:
                return Unknown(f"{file} is not the whole public suffix list: reinstall its package")
            return Known(suffixes)
    return Unknown("the public suffix list is not installed: install the package publicsuffix")
