"""What the settings of steps and checks accept: in words for messages, and as a test."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from stagefright.errors import UsageError
from stagefright.spans import parse_span

WAIT_S_MAX = 366 * 86_400.0
"""No experiment waits longer than a year; the longest retention that AWS has for an event is that of a stream's record."""

DEPTH_MAX = 40
"""How deep a value may be nested; AWS's own documents stop at 32 (DynamoDB)."""

REFERENCES = ("Ref", "GetAtt", "Output")
"""How a value names something of the stage: its physical id, its ARN, or an output of the template."""


@dataclass(frozen=True)
class Kind:
    """What a setting accepts."""

    expected: str
    accepts: Callable[[object], bool]


def reference(value: object) -> tuple[str, str] | None:
    """
    What a value refers to, if it is a reference.

    >>> reference({"Ref": "Orders"}), reference({"Ref": "Orders", "other": 1})
    (('Ref', 'Orders'), None)
    """
    if isinstance(value, Mapping) and len(value) == 1:
        [(how, name)] = value.items()
        if how in REFERENCES and isinstance(name, str):
            return how, name.removesuffix(".Arn") if how == "GetAtt" else name
    return None


def is_number(value: object) -> bool:
    """Whether a value is a finite number; True is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def is_json(value: object, depth: int = DEPTH_MAX) -> bool:
    """Whether JSON can say a value, at a reasonable depth."""
    if isinstance(value, Mapping):
        return depth > 0 and all(isinstance(k, str) and is_json(v, depth - 1) for k, v in value.items())
    if isinstance(value, list | tuple):
        return depth > 0 and all(is_json(item, depth - 1) for item in value)
    return value is None or isinstance(value, str | bool) or is_number(value)


def as_text(value: Any) -> str:
    """A text as it is; anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_text(value: object) -> bool:
    return _is_name(value) or reference(value) is not None


def _is_json_mapping(value: object) -> bool:
    return isinstance(value, Mapping) and is_json(value)


def _is_attributes(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(name, str) and (isinstance(item, str) or is_number(item)) for name, item in value.items()
    )


def _is_span(value: object) -> bool:
    try:
        return isinstance(value, str | int | float) and parse_span(value) <= WAIT_S_MAX
    except (UsageError, OverflowError):
        return False


def _is_numbers(value: object) -> bool:
    return isinstance(value, list | tuple) and all(is_number(item) for item in value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


NAME = Kind("a logical id", _is_name)
TEXT = Kind("text", _is_text)
JSON = Kind("text, or what JSON can say", is_json)
BYTES_OR_JSON = Kind("text, bytes (!!binary), or what JSON can say", lambda v: isinstance(v, bytes) or is_json(v))
MAPPING = Kind("a mapping of what JSON can say", _is_json_mapping)
ATTRIBUTES = Kind("a mapping of names to texts or numbers", _is_attributes)
SPAN = Kind('a span of time such as "30s" or "5m", a year at most', _is_span)
SWITCH = Kind("true or false", lambda value: isinstance(value, bool))
NUMBER = Kind("a number", is_number)
COUNT = Kind("a whole number, 0 or more", _is_count)
NUMBERS = Kind("a list of numbers", _is_numbers)
