"""How payloads and instants are written in messages and trees: on one line, and not too long."""

from __future__ import annotations

import base64
import json
import linecache
from collections.abc import Callable, Sequence
from decimal import Decimal
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


def text_of(data: bytes) -> str:
    """
    Bytes for the journal: text if they are text, else base64.

    >>> text_of(b"hello"), text_of(bytes([255]))
    ('hello', '/w==')
    """
    try:
        return data.decode()
    except UnicodeDecodeError:
        return base64.b64encode(data).decode()


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


def listed(words: Sequence[str], conjunction: str = "and") -> str:
    """
    Words in a sentence.

    >>> listed(["A"]), listed(["A", "B", "C"]), listed(["A", "B"], "or")
    ('A', 'A, B and C', 'A or B')
    """
    return f" {conjunction} ".join([", ".join(words[:-1]), *words[-1:]] if len(words) > 1 else words)


def _text(value: object) -> str:
    if isinstance(value, str) and value[:1] in "{[":
        return value
    try:
        return json.dumps(value, ensure_ascii=False, default=_as_text)
    except (TypeError, ValueError):
        return repr(value)


def _as_text(value: Any) -> Any:
    """What JSON cannot say: DynamoDB's numbers and sets as plain ones, the rest as text."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    return str(value)


def source_of(function: Callable[..., Any]) -> str | None:
    """
    A lambda as it is written, on one line; None if its source is not at hand.

    >>> source_of(eval("lambda text: len(text) > 3")) is None
    True
    """
    code = getattr(function, "__code__", None)
    if code is None:
        return None
    spans = [
        ((line, column), (last, end))
        for line, last, column, end in code.co_positions()
        if line and last and column is not None and end is not None and (line, column) != (last, end)
    ]
    lines = linecache.getlines(code.co_filename)
    if not spans or not lines:
        return None
    (first, start), (last, end) = min(span[0] for span in spans), max(span[1] for span in spans)
    text = [line.encode() for line in lines[first - 1 : last]]
    if len(text) != last - first + 1:
        return None
    text[-1] = text[-1][:end]
    text[0] = text[0][start:]
    takes = " ".join(["lambda", ", ".join(code.co_varnames[: code.co_argcount])]).strip()
    return clip(f"{takes}: {b''.join(text).decode()}")


def name_of_condition(condition: Callable[[], Any]) -> str:
    """How a message calls a condition: a lambda by its source, anything else by its name."""
    name = str(getattr(condition, "__qualname__", repr(condition)))
    return (source_of(condition) or name) if name.endswith("<lambda>") else name
