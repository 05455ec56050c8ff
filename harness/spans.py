"""Spans of time as people write them: "30s", "5m", "1h30m", "250ms", or a number of seconds."""

from __future__ import annotations

import math
import re

from stagefright.errors import UsageError

Span = str | int | float
"""A length of time: text such as "1h30m", or seconds."""

UNITS_S = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
"""The units of a span, in seconds, longest first."""

_PART = re.compile(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*")


def parse_span(span: Span) -> float:
    """
    The seconds in a span.

    >>> parse_span("1h30m"), parse_span("250ms"), parse_span(2)
    (5400.0, 0.25, 2.0)
    """
    if isinstance(span, bool) or not isinstance(span, str | int | float):
        raise UsageError(
            f"A span of time is text or a number of seconds, not {span!r} ({type(span).__name__}). {_HINT}"
        )
    if not isinstance(span, str):
        return _checked(float(span), span)
    return _checked(_parse_text(span), span)


def format_span(seconds: float) -> str:
    """
    Seconds as a span that `parse_span` reads back, to the millisecond.

    >>> format_span(5400), format_span(0.25), format_span(30), format_span(1.5)
    ('1h30m', '250ms', '30s', '1s500ms')
    """
    if math.isinf(seconds):
        return "any time"
    left_ms = round(seconds * 1000)
    parts = []
    for unit, length_s in UNITS_S.items():
        count, left_ms = divmod(left_ms, round(length_s * 1000))
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


def _parse_text(text: str) -> float:
    position, total = 0, 0.0
    stripped = text.strip()
    while position < len(stripped):
        part = _PART.match(stripped, position)
        if part is None:
            raise UsageError(
                f"{text!r} is not a span of time: {stripped[position:]!r} is not a number with a unit. {_HINT}"
            )
        number, unit = part.groups()
        if unit not in UNITS_S and not (unit == "" and part.span() == (0, len(stripped))):
            what = f"the unit {unit!r} is unknown" if unit else f"{number} has no unit"
            raise UsageError(f"{text!r} is not a span of time: {what}. {_HINT}")
        total += float(number) * UNITS_S.get(unit, 1.0)
        position = part.end()
    if not stripped:
        raise UsageError(f"An empty text is not a span of time. {_HINT}")
    return total


def _checked(seconds: float, asked: Span) -> float:
    if math.isnan(seconds) or seconds < 0:
        raise UsageError(f"A span of time cannot be {asked!r}: it is zero or more seconds. {_HINT}")
    return seconds


_HINT = 'Write "250ms", "30s", "5m", "1h30m" or "2d", or a number of seconds.'
