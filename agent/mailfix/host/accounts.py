"""The user database: as whom the mail server runs."""

from __future__ import annotations

import grp
import pwd

from mailfix.facts import MailUser
from mailfix.model import Fact, Known, Unknown


def mail_user(user: str, group: str = "") -> Fact[MailUser]:
    """Return uid and gid of a user given by name or number; ``group`` outdoes its own group."""
    try:
        entry = pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
        gid = _gid(group) if group else entry.pw_gid
    except (KeyError, OverflowError, ValueError):
        return Unknown(f"the mail user {user or '(none)'} is not in the user database")
    return Known(MailUser(entry.pw_name, entry.pw_uid, gid))


def _gid(group: str) -> int:
    return int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
