"""
Tests of a single JSON value: what one entry of a pattern's value list accepts.

The rules are those of `aws/event-ruler`, the matcher behind EventBridge: types never mix (the number 1 is not the
string "1" and not `true`), and a value of another type than the operator's is "anything but" that operator.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

Test = Callable[[Any], bool]
"""Whether one JSON value (never a container) is accepted."""

Number = int | float | Decimal
"""A JSON number; `Decimal` because events may come from code that reads DynamoDB."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True, slots=True)
class Leaf:
    """One entry of a value list: a test, and its pattern text for explanations."""

    test: Test
    text: str


def is_number(value: object) -> bool:
    """Whether a JSON value is a number; Python's `True` is not one."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def text_of(value: object) -> str:
    """A pattern or event value as the user would write it."""
    return json.dumps(value, default=str, ensure_ascii=False)


def equals_number(wanted: Number, decimals: int | None) -> Test:
    """Equal as a number: 300 and 300.0 are the same (recorded from AWS, although its guide says otherwise)."""
    goal = _rounded(wanted, decimals)
    return lambda value: is_number(value) and _rounded(value, decimals) == goal


def equals_constant(wanted: object) -> Test:
    """`true`, `false` or `null`."""
    return lambda value: value is wanted


def equals_ignoring_case(wanted: str) -> Test:
    """Equal, whatever the case."""
    lowered = wanted.lower()
    return lambda value: isinstance(value, str) and value.lower() == lowered


def starts_with(prefix: str, *, ignore_case: bool = False) -> Test:
    """Strings that start so; the empty prefix accepts every string."""
    if ignore_case:
        lowered = prefix.lower()
        return lambda value: isinstance(value, str) and value.lower().startswith(lowered)
    return lambda value: isinstance(value, str) and value.startswith(prefix)


def ends_with(suffix: str, *, ignore_case: bool = False) -> Test:
    """Strings that end so; the empty suffix accepts every string."""
    if ignore_case:
        lowered = suffix.lower()
        return lambda value: isinstance(value, str) and value.lower().endswith(lowered)
    return lambda value: isinstance(value, str) and value.endswith(suffix)


def is_present(_value: object) -> bool:
    """Any value at all; a field without one never comes to a test."""
    return True


def none_of(tests: list[Test]) -> Test:
    """Anything but: accepts what all of `tests` refuse."""
    return lambda value: not any(test(value) for test in tests)


def in_range(
    low: Number | None, high: Number | None, *, open_low: bool = False, open_high: bool = False, decimals: int | None
) -> Test:
    """Numbers between two bounds, either of which may be missing; an open bound is itself left out."""
    floor = None if low is None else _rounded(low, decimals)
    ceiling = None if high is None else _rounded(high, decimals)

    def test(value: Any) -> bool:
        if not is_number(value):
            return False
        number = _rounded(value, decimals)
        above = floor is None or (number > floor if open_low else number >= floor)
        return above and (ceiling is None or (number < ceiling if open_high else number <= ceiling))

    return test


def in_addresses(first: Address, last: Address) -> Test:
    """Strings that are an IP address from a range."""

    def test(value: Any) -> bool:
        found = parse_address(value) if isinstance(value, str) else None
        return found is not None and found.version == first.version and int(first) <= int(found) <= int(last)

    return test


def parse_address(text: str) -> Address | None:
    """An IPv4 or IPv6 address, or None if the text is not one; names and zone ids are not."""
    if "%" in text:
        return None
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _rounded(value: Any, decimals: int | None) -> Any:
    if isinstance(value, Decimal):
        # RULER compares doubles; a whole `Decimal` stays exact, as an `int` does.
        value = int(value) if _is_whole(value) else float(value)
    return value if decimals is None else round(value, decimals)


_WHOLE_DIGITS_MAX = 40
"""More than DynamoDB's 38; `int` of a `Decimal` such as 1E+999999 would take for ever."""


def _is_whole(value: Decimal) -> bool:
    return value.is_finite() and value.adjusted() < _WHOLE_DIGITS_MAX and value == value.to_integral_value()
