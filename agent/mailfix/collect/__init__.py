"""Every probe at once, each bounded by the deadline, none able to spoil the others."""

from __future__ import annotations

from mailfix.collect.look import collect
from mailfix.collect.mail_servers import mta_in_use

__all__ = ["collect", "mta_in_use"]
