"""
The constraints that AWS's own models state and the SDK does not check: lengths, ranges, patterns and enumerations.

The words are those of AWS's services: `1 validation error detected: Value 'x' at 'name' failed to satisfy constraint: ...`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any


def faults(service: str, operation: str, params: Mapping[str, Any]) -> list[str]:
    """
    What is wrong with the parameters of a call, a sentence for each fault.

    >>> faults("scheduler", "GetSchedule", {"Name": "no blanks"})
    ["Value 'no blanks' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [0-9a-zA-Z-_.]+"]
    """
    return list(_structure(_shape(service, operation), params, ""))


def message(found: Sequence[str]) -> str:
    """The faults of a call as one message."""
    return f"{len(found)} validation error{'s' if len(found) > 1 else ''} detected: {'; '.join(found)}"


@lru_cache(maxsize=64)
def _shape(service: str, operation: str) -> Any:
    from stagefright.aws_api import sessions

    return sessions.service_model(service).operation_model(operation).input_shape


def _structure(shape: Any, value: Mapping[str, Any], path: str) -> Iterator[str]:
    for name, member in shape.members.items():
        if value.get(name) is not None:
            # Paths begin each name with a small letter, whatever the API calls it.
            yield from _member(member, value[name], f"{path}{name[0].lower()}{name[1:]}")


def _member(shape: Any, value: Any, path: str) -> Iterator[str]:
    if shape.type_name == "structure":
        yield from _structure(shape, value, f"{path}.")
    elif shape.type_name == "list":
        yield from _limits(shape, value, len(value), "length", path)
        for number, item in enumerate(value, start=1):
            yield from _member(shape.member, item, f"{path}.{number}.member")
    elif shape.type_name == "string":
        yield from _text(shape, value, path)
    elif shape.type_name in ("integer", "long", "double", "float"):
        yield from _limits(shape, value, value, "value", path)


def _text(shape: Any, value: str, path: str) -> Iterator[str]:
    yield from _limits(shape, value, len(value), "length", path)
    if shape.enum and value not in shape.enum:
        yield _fault(value, path, f"Member must satisfy enum value set: [{', '.join(shape.enum)}]")
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, value):
        yield _fault(value, path, f"Member must satisfy regular expression pattern: {pattern}")


def _limits(shape: Any, value: Any, measure: float, what: str, path: str) -> Iterator[str]:
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and measure < low:
        yield _fault(value, path, f"Member must have {what} greater than or equal to {low}")
    if high is not None and measure > high:
        yield _fault(value, path, f"Member must have {what} less than or equal to {high}")


def _fault(value: Any, path: str, constraint: str) -> str:
    return f"Value '{value}' at '{path}' failed to satisfy constraint: {constraint}"
