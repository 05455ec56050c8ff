"""
CloudFormation's properties as an API's parameters.

Templates write numbers and booleans as text, or text as numbers, and CloudFormation takes either; the API does not. The API's own model says what
each should be.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def parameters(client: Any, operation: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """
    Those of `properties` that the operation knows, as the types that it wants.

    `operation` is the API's name, such as `CreateTable`.
    """
    shape = client.meta.service_model.operation_model(operation).input_shape
    return {name: _coerce(value, shape.members[name]) for name, value in properties.items() if name in shape.members}


def _coerce(value: Any, shape: Any) -> Any:
    convert = _CONVERTERS.get(shape.type_name)
    return value if convert is None else convert(value, shape)


def _structure(value: Any, shape: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {name: _coerce(part, shape.members[name]) for name, part in value.items() if name in shape.members}


def _list(value: Any, shape: Any) -> Any:
    return [_coerce(part, shape.member) for part in value] if isinstance(value, list) else value


def _map(value: Any, shape: Any) -> Any:
    return {str(name): _coerce(part, shape.value) for name, part in value.items()} if isinstance(value, Mapping) else value


def _integer(value: Any, _shape: Any) -> Any:
    try:
        return int(value)
    except (TypeError, ValueError):
        return value


def _float(value: Any, _shape: Any) -> Any:
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


def _boolean(value: Any, _shape: Any) -> Any:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    return value


def _string(value: Any, _shape: Any) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int | float) else value


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
    return str(_string(value, None))


def tags(value: Any) -> dict[str, str]:
    """CloudFormation's list of tags as a mapping."""
    if isinstance(value, Mapping):
        return {str(name): text(part) for name, part in value.items()}
    return {str(tag["Key"]): text(tag["Value"]) for tag in value or []}
