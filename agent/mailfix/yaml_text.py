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

    try:
        content = yaml.load(text, _loader(where))  # noqa: S506
    except Refusal:
        raise
    except (yaml.YAMLError, *_CONSTRUCTOR_ERRORS) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise Refusal(f"{where}{line}: this is not valid YAML") from None
    if content is None:
        return None
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise Refusal(f"{where}: expected 'name: value' lines")
    return content


def _loader(where: str) -> type:
    """A loader for which a name that is there twice is an error: the first would be lost."""
    import yaml

    safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    def construct_mapping(self: Any, node: Any, deep: bool = False) -> Any:
        seen = set()
        for key, _ in node.value:
            if isinstance(key.value, str) and key.value in seen:
                line = key.start_mark.line + 1
                raise Refusal(f"{where}, line {line}: {shown(key.value)} is there twice")
            seen.add(str(key.value))
        return safe.construct_mapping(self, node, deep)

    return type("Loader", (safe,), {"construct_mapping": construct_mapping})


def shown(value: Any) -> str:
    """Return a value as it can be named in a complaint: short, whatever it is."""
    return repr(value[:80]) if isinstance(value, str) else f"a {type(value).__name__}"
