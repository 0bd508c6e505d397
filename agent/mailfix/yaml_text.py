"""Reading YAML that an administrator wrote: one mapping, or one clear line about what is wrong."""

from __future__ import annotations

from typing import Any

from mailfix.model import Refusal

_CONSTRUCTOR_ERRORS = (ValueError, LookupError, AttributeError, TypeError, RecursionError)


def parse_mapping(text: str, where: str) -> dict[str, Any] | None:
    """Return the mapping of a YAML document with text keys, None for an empty document.

    Raises :class:`mailfix.model.Refusal`.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        content = yaml.load(text, loader)  # noqa: S506
    except (yaml.YAMLError, *_CONSTRUCTOR_ERRORS) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise Refusal(f"{where}{line}: this is not valid YAML") from None
    if content is None:
        return None
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise Refusal(f"{where}: expected 'name: value' lines")
    return content


def shown(value: Any) -> str:
    """Return a value as it can be named in a complaint: short, whatever it is."""
    return repr(value[:80]) if isinstance(value, str) else f"a {type(value).__name__}"
