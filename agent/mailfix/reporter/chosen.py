"""The settings of the report, for what has to go on even where they cannot be used."""

from __future__ import annotations

from mailfix import auditor
from mailfix.model import Refusal
from mailfix.report_settings import ReportSettings


def report_settings() -> tuple[ReportSettings, str]:
    """The administrator's choices and "", or the defaults and why the choices cannot be used."""
    try:
        return auditor.settings().report, ""
    except Refusal as refusal:
        return ReportSettings(), str(refusal)
