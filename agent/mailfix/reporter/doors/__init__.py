"""The ways out of a report: each by itself, none of which may be mail alone."""

from mailfix.reporter.doors.delivering import deliver
from mailfix.reporter.doors.door import Delivery, Outcome, Places

__all__ = ["Delivery", "Outcome", "Places", "deliver"]
