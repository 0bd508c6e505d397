"""An nft rule's statements in the syntax of nft(8), as ``nft list ruleset`` would show them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from mailfix.firewall.nft.selectors import Json

MAX_TEXT = 400
"""Characters; sets of thousands of elements are cut."""


def rule_text(expressions: Sequence[Json]) -> str:
    """The rule in one line, cut at MAX_TEXT; never raises."""
    text = " ".join(filter(None, (_statement(each) for each in expressions)))
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 4] + " ..."


def _statement(statement: Json) -> str:
    try:
        ((kind, body),) = statement.items()
        writer = _STATEMENTS.get(kind)
        if writer is not None:
            return writer(body)
        return kind if body is None else f"{kind} {_raw(body)}"
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return _raw(statement)


def _raw(value: Json) -> str:
    try:
        return json.dumps(value)[:MAX_TEXT]
    except RecursionError:
        return "..."


def _match(body: Mapping[str, Json]) -> str:
    operator = body["op"]
    left, right = _value(body["left"]), _value(body["right"])
    if "fib" in body["left"] and isinstance(body["right"], bool):
        right = "exists" if body["right"] else "missing"
    if operator in ("==", "in") and "&" not in body["left"]:
        return f"{left} {right}"
    return f"{left} {'==' if operator == 'in' else operator} {right}"


def _value(value: Json) -> str:
    if isinstance(value, dict) and len(value) == 1:
        ((kind, body),) = value.items()
        writer = _VALUES.get(kind)
        return writer(body) if writer is not None else f"{kind} {_raw(body)}"
    if isinstance(value, list):
        return ",".join(_value(each) for each in value)
    if isinstance(value, bool):
        return "exists" if value else "missing"
    return str(value)


def _payload(body: Mapping[str, Json]) -> str:
    if "field" in body:
        return f"{body['protocol']} {body['field']}"
    return f"@{body['base']},{body['offset']},{body['len']}"


def _ct(body: Mapping[str, Json]) -> str:
    direction = f"{body['dir']} " if "dir" in body else ""
    return f"ct {direction}{body['key']}"


def _meta(body: Mapping[str, Json]) -> str:
    key = str(body["key"])
    short = ("iif", "iifname", "oif", "oifname")
    return key if key in short else f"meta {key}"


def _set(body: Json) -> str:
    if isinstance(body, str):
        return body
    shown = ", ".join(_pair(each) for each in body[:20])
    return f"{{ {shown}{', ...' if len(body) > 20 else ''} }}"


def _pair(element: Json) -> str:
    if isinstance(element, list) and len(element) == 2:
        return f"{_value(element[0])} : {_statement(element[1])}"
    return _value(element)


def _binary(operator: str) -> Callable[[Json], str]:
    def write(body: Sequence[Json]) -> str:
        left, right = (f"({_value(each)})" if _nested(each) else _value(each) for each in body)
        return f"{left} {operator} {right}"

    return write


def _nested(value: Json) -> bool:
    if isinstance(value, dict):
        return not {"&", "|", "^"}.isdisjoint(value)
    return isinstance(value, list)


_VALUES: Mapping[str, Callable[[Json], str]] = {
    "payload": _payload,
    "meta": _meta,
    "ct": _ct,
    "fib": lambda body: f"fib {' . '.join(body['flags'])} {body['result']}",
    "set": _set,
    "prefix": lambda body: f"{_value(body['addr'])}/{body['len']}",
    "range": lambda body: f"{_value(body[0])}-{_value(body[1])}",
    "concat": lambda body: " . ".join(_value(each) for each in body),
    "elem": lambda body: _value(body["val"]),
    "map": lambda body: f"{_value(body['key'])} map {_value(body['data'])}",
    "&": _binary("&"),
    "|": _binary("|"),
    "^": _binary("^"),
}


def _counter(body: Json) -> str:
    return f"counter name {_raw(body)}" if isinstance(body, str) else "counter"


def _log(body: Json) -> str:
    settings = body if isinstance(body, dict) else {}
    words = [
        f"{key} {_raw(value) if key == 'prefix' else _value(value)}"
        for key, value in settings.items()
    ]
    return " ".join(["log", *words])


def _limit(body: Json) -> str:
    if isinstance(body, str):
        return f"limit name {_raw(body)}"
    over = "over " if body.get("inv") else ""
    return f"limit rate {over}{body['rate']}/{body['per']}"


def _reject(body: Json) -> str:
    if not isinstance(body, dict) or not body:
        return "reject"
    detail = f" {body['expr']}" if "expr" in body else ""
    return f"reject with {body['type']}{detail}"


def _translation(kind: str) -> Callable[[Json], str]:
    def write(body: Json) -> str:
        if not isinstance(body, dict):
            return kind
        address = _value(body["addr"]) if "addr" in body else ""
        port = f":{_value(body['port'])}" if "port" in body else ""
        return f"{kind} to {address}{port}" if address or port else kind

    return write


_STATEMENTS: Mapping[str, Callable[[Json], str]] = {
    "match": _match,
    "counter": _counter,
    "log": _log,
    "limit": _limit,
    "reject": _reject,
    "jump": lambda body: f"jump {body['target']}",
    "goto": lambda body: f"goto {body['target']}",
    "vmap": lambda body: f"{_value(body['key'])} vmap {_value(body['data'])}",
    "mangle": lambda body: f"{_value(body['key'])} set {_value(body['value'])}",
    "dnat": _translation("dnat"),
    "snat": _translation("snat"),
    "redirect": _translation("redirect"),
    "masquerade": _translation("masquerade"),
    "xt": lambda body: f"xt {body['type']} {_raw(body['name'])}",
    "set": lambda body: f"{body['op']} {body['set']} {{ {_value(body['elem'])} }}",
    "ct count": lambda body: f"ct count {'over ' if body.get('inv') else ''}{body['val']}",
    "queue": lambda body: "queue",
}
