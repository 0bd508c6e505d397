"""The page, as one file that any browser opens."""

from __future__ import annotations

import os

from mailfix.host import durable
from mailfix.report.html import page
from mailfix.reporter.doors.door import Delivery, Errand

NAME = "page"


def through(errand: Errand) -> Delivery:
    """Write the page of this report over that of the last."""
    bulletin, path = errand.bulletin, errand.places.page
    text = page.write(bulletin.report, bulletin.news, bulletin.acknowledged)
    durable.make_folder(errand.places.state)
    durable.make_folder(os.path.dirname(path))
    durable.keep(path, text)
    return Delivery(NAME, "delivered", path)
