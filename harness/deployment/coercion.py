"""
CloudFormation's properties as an API's parameters.

Templates write numbers and booleans as text, or text as numbers, and CloudFormation takes either; the API does not. The API's own model says what
each should be.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from stagefright.errors import TemplateError, nearest
from stagefright.wording import shorten

SLIP_CUTOFF = 0.85
"""How alike an unknown member must be to a known one to count as misspelt; higher, since some names of CloudFormation differ a little."""


def parameters(client: Any, operation: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """
    Those of `properties` that the operation knows, as the types that it wants.

    `operation` is the API's name, such as `CreateTable`.
    """
    shape = client.meta.service_model.operation_model(operation).input_shape
    return {
        name: _coerce(value, shape.members[name], name) for name, value in properties.items() if name in shape.members
    }


def _coerce(value: Any, shape: Any, path: str) -> Any:
    convert = _CONVERTERS.get(shape.type_name)
    return value if convert is None else convert(value, shape, path)


def _structure(value: Any, shape: Any, path: str) -> Any:
    if not isinstance(value, Mapping):
        raise _wrong(path, "a mapping", value)
    for name in value:
        _check_spelling(path, str(name), list(shape.members))
    return {
        name: _coerce(part, shape.members[name], f"{path}.{name}")
        for name, part in value.items()
        if name in shape.members
    }


def _check_spelling(path: str, name: str, known: list[str]) -> None:
    """Refuse what looks like a slip; a member that the API does not have may be CloudFormation's own."""
    if name not in known and difflib.get_close_matches(name, known, n=1, cutoff=SLIP_CUTOFF):
        raise TemplateError(f"{path} has no property {name!r}. {nearest(name, known)}")


def _list(value: Any, shape: Any, path: str) -> Any:
    if not isinstance(value, list):
        raise _wrong(path, "a list", value)
    return [_coerce(part, shape.member, f"{path}[{place}]") for place, part in enumerate(value)]


def _map(value: Any, shape: Any, path: str) -> Any:
    if path == "Tags":
        return tags(value)
    if not isinstance(value, Mapping):
        raise _wrong(path, "a mapping", value)
    return {str(name): _coerce(part, shape.value, f"{path}.{name}") for name, part in value.items()}


def _integer(value: Any, _shape: Any, path: str) -> Any:
    is_part = isinstance(value, float) and not value.is_integer()
    try:
        if not (is_part or isinstance(value, bool)):
            return int(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise _wrong(path, "a whole number", value)


def _float(value: Any, _shape: Any, path: str) -> Any:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise _wrong(path, "a number", value) from None


def _boolean(value: Any, _shape: Any, path: str) -> Any:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise _wrong(path, "true or false", value)


def _string(value: Any, _shape: Any, path: str) -> Any:
    if isinstance(value, Mapping | list):
        raise _wrong(path, "text", value)
    return text(value)


def _wrong(path: str, wanted: str, value: Any) -> TemplateError:
    return TemplateError(f"{path} must be {wanted}; it is {shorten(value)}.")


_CONVERTERS = {
    "structure": _structure,
    "list": _list,
    "map": _map,
    "integer": _integer,
    "long": _integer,
    "float": _float,
    "double": _float,
    "boolean": _boolean,
    "string": _string,
}


def text(value: Any) -> str:
    """
    A value as the string that a string-typed attribute wants; documents become JSON.

    >>> text(True), text({"a": 1})
    ('true', '{"a": 1}')
    """
    import json

    if isinstance(value, Mapping | list):
        return json.dumps(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def tags(value: Any) -> dict[str, str]:
    """CloudFormation's list of tags as a mapping."""
    if isinstance(value, Mapping):
        return {str(name): text(part) for name, part in value.items()}
    return {str(tag["Key"]): text(tag["Value"]) for tag in value or []}


def only(path: str, value: Any, *known: str) -> Mapping[str, Any]:
    """
    A mapping, checked to have no other members than these.

    >>> only("Filter", {"S3Key": {}}, "S3Key")
    {'S3Key': {}}
    """
    if not isinstance(value, Mapping):
        raise _wrong(path, "a mapping", value)
    for name in value:
        if name not in known:
            raise TemplateError(f"{path} has no property {name!r}. {nearest(str(name), list(known))}")
    return value


def mappings(properties: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """A property that is a list of mappings, or not there."""
    value = properties.get(name) or []
    if not isinstance(value, list) or not all(isinstance(part, Mapping) for part in value):
        raise _wrong(name, "a list of mappings", value)
    return value


def one_of(path: str, value: Any, *known: str) -> str:
    """
    A value that must be one of a few words.

    >>> one_of("StreamMode", "ON_DEMAND", "PROVISIONED", "ON_DEMAND")
    'ON_DEMAND'
    """
    if value not in known:
        raise TemplateError(f"{path} is {shorten(value)}. {nearest(str(value), known)}")
    return str(value)


def true_or_false(properties: Mapping[str, Any], name: str) -> bool:
    """A property that is true or false, perhaps written as text; it is false if it is not there."""
    return bool(_boolean(properties.get(name, False), None, name))


def whole_number(properties: Mapping[str, Any], name: str, default: int = 0) -> int:
    """
    A property that is a whole number, perhaps written as text.

    >>> whole_number({"ShardCount": "2"}, "ShardCount")
    2
    """
    return int(_integer(properties.get(name, default), None, name))
