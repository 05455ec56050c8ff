"""How payloads and instants are written in messages and trees: on one line, and not too long."""

from __future__ import annotations

import json
from typing import Any

SHOWN_MAX = 160
"""How many characters of a payload a message shows unless told otherwise."""


def shorten(value: object, length_max: int = SHOWN_MAX) -> str:
    """
    A payload on one line; what is cut is counted.

    >>> shorten({"author": "amy"}), shorten("x" * 30, 20)
    ('{"author": "amy"}', '"xxxxxxxxxx… (32 characters)')
    """
    return clip(_text(value), length_max)


def clip(text: str, length_max: int = SHOWN_MAX) -> str:
    """
    Words of somebody else (an error message) on one line; what is cut is counted.

    >>> clip("table\\nis down")
    'table is down'
    """
    line = " ".join(text.split())
    return line if len(line) <= length_max else f"{line[: max(1, length_max - 9)]}… ({len(line)} characters)"


def offset(seconds: float) -> str:
    """
    A moment, as seconds since something began.

    >>> offset(60.5)
    '+60.500s'
    """
    return f"{seconds:+.3f}s"


def neat(seconds: float) -> int | float:
    """
    Seconds to the millisecond, as an int when whole, so that a ladder reads `[0, 60, 180]`.

    >>> neat(60.0000001), neat(0.25)
    (60, 0.25)
    """
    rounded = round(seconds, 3)
    return int(rounded) if rounded.is_integer() else rounded


def plural(count: int, noun: str) -> str:
    """
    A count with its noun.

    >>> plural(1, "event"), plural(2, "event")
    ('1 event', '2 events')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _text(value: object) -> str:
    if isinstance(value, str) and value[:1] in "{[":
        return value
    try:
        return json.dumps(value, ensure_ascii=False, default=_as_text)
    except (TypeError, ValueError):
        return repr(value)


def _as_text(value: Any) -> str:
    return str(value)
