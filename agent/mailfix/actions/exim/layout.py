"""Which files exim's configuration is made from, in which order, and who else writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailfix.facts import Layout

FOLDER = "/etc/exim4"
TEMPLATE = f"{FOLDER}/exim4.conf.template"
LOCAL_MACROS = f"{FOLDER}/exim4.conf.localmacros"
CHOICES = f"{FOLDER}/update-exim4.conf.conf"
MAIN_FOLDER = f"{FOLDER}/conf.d/main"
DEFAULTS = "/etc/default/exim4"
_PART = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Panel:
    """A hosting panel, known by a folder of its own, that writes exim's configuration, too.

    ``instead`` says how its own place for main options is used: the line stands for ``{line}``.
    Without one the file is edited, but not without asking: ``caution`` says why.
    """

    name: str
    marker: str
    instead: str = ""
    caution: str = ""


def _writes_at_upgrades(name: str) -> str:
    return f"{name} writes exim's configuration anew at some of its upgrades: look after each"


PANELS = (
    Panel(
        "cPanel",
        "/usr/local/cpanel",
        "put the line '{line}' into the section @CONFIG@ of /etc/exim.conf.local (WHM: Exim "
        "Configuration Manager, Advanced Editor, Add additional configuration setting), then run "
        "/scripts/buildeximconf and /scripts/restartsrv_exim: an edit of /etc/exim.conf is lost",
    ),
    Panel(
        "DirectAdmin",
        "/usr/local/directadmin",
        "put the line '{line}' into /etc/exim.variables.conf.custom, then run 'da build exim_conf' "
        "and restart exim: an edit of /etc/exim.conf is lost",
    ),
    Panel(
        "Plesk",
        "/usr/local/psa",
        "Plesk makes the mail server's configuration: change it in Plesk (Tools & Settings, Mail "
        "Server Settings); what was wanted in exim is '{line}'",
    ),
    Panel("HestiaCP", "/usr/local/hestia", caution=_writes_at_upgrades("HestiaCP")),
    Panel("VestaCP", "/usr/local/vesta", caution=_writes_at_upgrades("VestaCP")),
    Panel("FASTPANEL", "/usr/local/fastpanel2", caution=_writes_at_upgrades("FASTPANEL")),
    Panel("ISPmanager", "/usr/local/mgr5", caution=_writes_at_upgrades("ISPmanager")),
)
CPANEL = PANELS[0]


def main_files(layout: Layout, file: str, parts: tuple[str, ...]) -> tuple[str, ...]:
    """The files that make the main section, in the order in which exim reads them.

    ``file`` is the one that exim reads, ``parts`` the names in ``conf.d/main``:
    update-exim4.conf(8) takes those of letters, digits, ``_`` and ``-``, and ``NAME.rul`` in place
    of ``NAME``.
    """
    if layout is Layout.TEMPLATE:
        return (LOCAL_MACROS, TEMPLATE)
    if layout is Layout.SPLIT:
        names = sorted(each for each in parts if _PART.fullmatch(each))
        ruled = [f"{each}.rul" if f"{each}.rul" in parts else each for each in names]
        return tuple(f"{MAIN_FOLDER}/{each}" for each in ruled)
    return (file,)


def place_for_new(layout: Layout, file: str, option: str) -> str:
    """The file that a new main option goes to: at its very top, or all of it if it is new."""
    if layout is Layout.TEMPLATE:
        return TEMPLATE
    if layout is Layout.SPLIT:
        return f"{MAIN_FOLDER}/00_mailfix_{option}"
    return file
