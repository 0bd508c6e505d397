"""Rules as data: loads and checks the folders under ``rules/``."""

from __future__ import annotations

import inspect
import os
import stat
import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

from mailfix.facts import Facts
from mailfix.mail_records.domain import DomainRecords
from mailfix.model import Family, Part, Refusal, Severity
from mailfix.ownership import require_roots_own
from mailfix.predicates import PREDICATES, Predicate
from mailfix.yaml_text import parse_mapping, shown

SITE_FOLDER = "/etc/mailfix/rules"
SITE_SEVERITIES = "severities.yml"
_REQUIRED = {"id", "title", "severity", "part", "why", "needs", "check", "messages"}
_OPTIONAL = {"scope", "subject", "each", "families", "params", "advice", "fix", "references"}
_FIX_KEYS = {"action", "automatic", "preview"}
_MESSAGES = {"fail", "pass"}
_FACTS = {each.name for each in fields(Facts)}
_DOMAIN_FACTS = {each.name for each in fields(DomainRecords)} - {"name", "longest_ttl"}


class Scope(StrEnum):
    """For which machines a rule is: those with an MTA, or any."""

    MTA = "mta"
    ANY = "any"


class Each(StrEnum):
    """Of what there may be many, so that the rule is put to each of them."""

    DOMAIN = "domain"


@dataclass(frozen=True, slots=True)
class RuleFix:
    """What ``mailfix fix`` does about a failure, in words with ``{names}`` to fill in."""

    action: str
    automatic: bool
    preview: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule: which facts it needs, the named check, and the words for its answers.

    ``part`` is where on mail's way it looks. ``needs`` are names of
    :class:`mailfix.facts.Facts`. With ``families`` the check is made once for each of them. With
    ``each`` it is made once for every mail domain, and ``needs`` may also be names of
    :class:`mailfix.mail_records.domain.DomainRecords`. ``subject`` names all that the subject of a
    finding may hold. ``scope`` says for which machines the rule is. Messages and advice hold plain
    ``{names}`` that the check fills in.
    """

    id: str
    title: str
    severity: Severity
    part: Part
    why: str
    needs: tuple[str, ...]
    check: Predicate
    messages: Mapping[str, str]
    scope: Scope = Scope.MTA
    families: tuple[Family, ...] = ()
    each: Each | None = None
    subject: tuple[str, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    advice: str | None = None
    fix: RuleFix | None = None
    references: tuple[str, ...] = ()

    @property
    def asked_of(self) -> tuple[str, ...]:
        """What the check is told besides facts and parameters."""
        return (*(["family"] if self.families else []), *([self.each.value] if self.each else []))


def named(name: str, rules: Iterable[Rule]) -> Rule:
    """Return the rule of that name; raises :class:`mailfix.model.Refusal` where there is none."""
    found = next((each for each in rules if each.id == name), None)
    if found is None:
        raise Refusal(f"there is no rule {shown(name)}; 'mailfix rules' lists them")
    return found


def shipped_folder() -> Path:
    """Return where the rules lie: in the installed package, or beside the checkout's ``agent/``."""
    installed = Path(__file__).resolve().with_name("rules")
    return installed if installed.is_dir() else Path(__file__).resolve().parents[2] / "rules"


def load(shipped: Path, site: Path) -> tuple[Rule, ...]:
    """Return the shipped rules and the administrator's, sorted by id.

    Raises :class:`mailfix.model.Refusal` where a rule is not usable, or where the administrator's
    folder could be written to by somebody else.
    """
    rules = {rule.id: rule for rule in _load_folder(shipped)}
    if not rules:
        raise Refusal(f"{shipped}: no rules found; reinstall mailfix")
    if site.is_dir():
        _refuse_if_writable_by_others(site)
        rules |= {rule.id: rule for rule in _load_folder(site)}
        rules = _with_severities(rules, site / SITE_SEVERITIES)
    return tuple(rules[name] for name in sorted(rules))


def _load_folder(folder: Path) -> list[Rule]:
    files = sorted(folder.glob("*/rule.yml"))
    rules = []
    for file in files:
        rule = parse(_yaml(file), str(file))
        if rule.id != file.parent.name:
            raise Refusal(f"{file}: the id {rule.id!r} is not the folder's name")
        rules.append(rule)
    return rules


def _refuse_if_writable_by_others(folder: Path) -> None:
    for path in [folder.parent, folder, *sorted(folder.rglob("*"))]:
        status = os.lstat(path)
        if stat.S_ISLNK(status.st_mode):
            raise Refusal(f"{path}: a link is not followed here; put the file itself")
        require_roots_own(str(path), status)


def _with_severities(rules: dict[str, Rule], file: Path) -> dict[str, Rule]:
    import dataclasses

    if not file.exists():
        return rules
    chosen = _yaml(file)
    changed = dict(rules)
    for name, value in chosen.items():
        if name not in rules:
            raise Refusal(f"{file}: there is no rule {name!r}")
        changed[name] = dataclasses.replace(rules[name], severity=_severity(value, str(file)))
    return changed


def _yaml(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeError) as error:
        raise Refusal(f"{file}: cannot be read: {type(error).__name__}") from None
    content = parse_mapping(text, str(file))
    if content is None:
        raise Refusal(f"{file}: is empty")
    return content


def parse(content: Mapping[str, Any], where: str) -> Rule:
    """Check one rule's content and return it; raises :class:`mailfix.model.Refusal`."""
    _check_keys(content, where)
    check = PREDICATES.get(_text(content["check"], where, "check"))
    if check is None:
        raise Refusal(f"{where}: there is no check {shown(content['check'])}")
    rule = Rule(
        id=_text(content["id"], where, "id"),
        title=_text(content["title"], where, "title"),
        severity=_severity(content["severity"], where),
        part=_part(content["part"], where),
        why=_text(content["why"], where, "why"),
        needs=_texts(content["needs"], where, "needs"),
        check=check,
        messages=_messages(content["messages"], where),
        scope=_scope(content.get("scope", Scope.MTA), where),
        families=_families(content.get("families", []), where),
        each=_each(content.get("each"), where),
        subject=_texts(content.get("subject", []), where, "subject"),
        params=_params(content.get("params", {}), where),
        advice=_template(content["advice"], where, "advice") if "advice" in content else None,
        fix=_fix(content.get("fix"), where),
        references=_texts(content.get("references", []), where, "references"),
    )
    _check_signature(rule, where)
    return rule


def _check_keys(content: Mapping[str, Any], where: str) -> None:
    for key in content:
        if key not in _REQUIRED | _OPTIONAL:
            raise Refusal(f"{where}: unknown key {shown(key)}")
    missing = _REQUIRED - set(content)
    if missing:
        raise Refusal(f"{where}: {', '.join(sorted(missing))} missing")


def _check_signature(rule: Rule, where: str) -> None:
    unheard = set(rule.needs) - (_FACTS | _DOMAIN_FACTS if rule.each else _FACTS)
    if unheard:
        raise Refusal(f"{where}: there are no facts called {', '.join(sorted(unheard))}")
    wanted = set(inspect.signature(rule.check).parameters)
    given = {*rule.needs, *rule.params, *rule.asked_of}
    if wanted != given:
        raise Refusal(
            f"{where}: the check {rule.check.__name__} takes {', '.join(sorted(wanted))}; "
            f"the rule gives {', '.join(sorted(given))}"
        )


def _params(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise Refusal(f"{where}: params must be 'name: value' lines")
    return value


def _severity(value: Any, where: str) -> Severity:
    try:
        return Severity(value)
    except ValueError:
        choices = ", ".join(Severity)
        raise Refusal(f"{where}: severity {shown(value)} is none of {choices}") from None


def _part(value: Any, where: str) -> Part:
    try:
        return Part(value)
    except ValueError:
        raise Refusal(f"{where}: part {shown(value)} is none of {', '.join(Part)}") from None


def _scope(value: Any, where: str) -> Scope:
    try:
        return Scope(value)
    except ValueError:
        raise Refusal(f"{where}: scope {shown(value)} is none of {', '.join(Scope)}") from None


def _each(value: Any, where: str) -> Each | None:
    try:
        return None if value is None else Each(value)
    except ValueError:
        raise Refusal(f"{where}: each {shown(value)} is none of {', '.join(Each)}") from None


def _families(value: Any, where: str) -> tuple[Family, ...]:
    try:
        return tuple(Family(each) for each in value)
    except (TypeError, ValueError):
        raise Refusal(f"{where}: families must be a list of {', '.join(Family)}") from None


def _text(value: Any, where: str, key: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Refusal(f"{where}: {key} must be a text")
    return value.strip()


def _template(value: Any, where: str, key: str) -> str:
    text = _text(value, where, key)
    try:
        parts = list(string.Formatter().parse(text))
    except ValueError as error:
        raise Refusal(f"{where}: {key}: {error}") from None
    for _, name, spec, conversion in parts:
        if name is not None and (not name.isidentifier() or spec or conversion):
            raise Refusal(f"{where}: {key}: only plain {{names}} are filled in, not {name!r}")
    return text


def _texts(value: Any, where: str, key: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise Refusal(f"{where}: {key} must be a list of texts")
    return tuple(value)


def _messages(value: Any, where: str) -> Mapping[str, str]:
    if not isinstance(value, dict) or set(value) != _MESSAGES:
        raise Refusal(f"{where}: messages must be given for fail and pass")
    return {key: _template(text, where, f"messages.{key}") for key, text in value.items()}


def _fix(value: Any, where: str) -> RuleFix | None:
    if value is None:
        return None
    if not isinstance(value, dict) or set(value) != _FIX_KEYS:
        raise Refusal(f"{where}: fix needs action, automatic and preview")
    return RuleFix(
        _text(value["action"], where, "fix.action"),
        value["automatic"] is True,
        _template(value["preview"], where, "fix.preview"),
    )
