"""Internationalised domain names (RFC 5890) in the form that DNS has them."""

from __future__ import annotations

_TOLD_APART_SINCE_2008 = frozenset("\u00df\u03c2\u200c\u200d")


def to_ascii(text: str) -> str:
    """Return a domain name in A-labels, lower case, without its last dot.

    IDNA 2008 where the library for it is installed, else IDNA 2003, which treats a few letters
    otherwise: a name with one of those needs the library. Raises ValueError, its text one line.
    """
    import dns.exception
    import dns.name

    newest = getattr(dns.name, "have_idna_2008", False)
    if not newest and _TOLD_APART_SINCE_2008 & set(text):
        raise ValueError("needs python3-idna, or to be written with xn--")
    codec = dns.name.IDNA_2008_Practical if newest else dns.name.IDNA_2003_Practical
    try:
        name = dns.name.from_text(text, idna_codec=codec)
    except (dns.exception.DNSException, UnicodeError) as error:
        raise ValueError(str(error) or type(error).__name__) from None
    return name.to_text(omit_final_dot=True).lower()
