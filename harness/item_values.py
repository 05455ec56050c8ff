"""Items of DynamoDB tables from plain Python, and whether they have the table's key."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from stagefright.errors import UsageError
from stagefright.wording import shorten

_TYPES = {"S": "text", "N": "a number", "B": "bytes"}
"""The types that a key may have."""


def check_key(
    table: str, schema: Mapping[str, str], item: Mapping[str, Any], stored: Mapping[str, Mapping[str, Any]]
) -> None:
    missing = [name for name in schema if name not in stored]
    verb = "is" if len(missing) == 1 else "are"
    problems = [f"{', '.join(missing)} {verb} missing"] if missing else []
    problems += [
        f"{name} is {shorten(item[name])} and should be {_TYPES[kind]}"
        for name, kind in schema.items()
        if name in stored and kind not in stored[name]
    ]
    if problems:
        raise UsageError(
            f"{table}'s key is {', '.join(schema)}; {'; '.join(problems)}. The item: {shorten(dict(item))}"
        )


def serialized(table: str, name: str, value: Any) -> dict[str, Any]:
    from boto3.dynamodb.types import TypeSerializer

    try:
        return dict(TypeSerializer().serialize(_storable(value)))
    except TypeError:
        raise UsageError(
            f"{table} cannot hold {name} = {value!r}. It takes text, numbers, bytes, booleans, None, and lists, sets and dicts of these."
        ) from None


def _storable(value: Any) -> Any:
    """DynamoDB's numbers are decimal; boto3 refuses floats because it cannot know how they should be rounded."""
    if isinstance(value, float):
        return Decimal(str(value))
    if isinstance(value, Mapping):
        return {key: _storable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(item) for item in value]
    return value
