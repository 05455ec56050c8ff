"""
The ids in what was seen and logged, by which one thing is known to have led to another.

Two kinds. A *name* is the id that AWS gave one thing: a message id, an event id, a sequence number, a request id. Whoever names it has met it.
A *thread* is an id that is handed on from one thing to the next: a correlation id, or the root of an X-Ray trace.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from stagefright.targets.evidence.json_lines import root_of
from stagefright.targets.evidence.lines import said

CORRELATION_KEYS = ("x-correlation-id", "correlation_id", "correlation-id")
"""Where a correlation id stands: in headers, `__context`, message attributes and structured logs. Case, hyphens and underscores do not matter."""

TRACE_KEYS = ("AWSTraceHeader", "X-Amzn-Trace-Id", "xray_trace_id")
"""Where a trace header, or its root, stands."""

DEPTH_MAX = 12
"""How deep a value is searched; JSON text inside of JSON text counts like any other level."""

TEXT_MAX = 1_048_576
"""Longer texts than AWS's largest payload are not searched."""

_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{7,}")


@dataclass
class Clues:
    """The ids in something."""

    threads: set[str] = field(default_factory=set)
    received: dict[str, None] = field(default_factory=dict)
    """The names of events inside an envelope of AWS's, in order: what was logged or handed on is an event that was received."""
    mentioned: set[str] = field(default_factory=set)
    """Words that may be the name of anything."""


class Reader:
    """Finds clues; `keys` are more names of correlation ids than the usual ones."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._keys = {_plain(key) for key in (*CORRELATION_KEYS, *keys)}

    def of_log(self, lines: Iterable[str]) -> Clues:
        """What the lines of one invocation say."""
        clues = Clues()
        for line in lines:
            clues.mentioned.update(_TOKEN.findall(line))
            for value in _objects(said(line)):
                self._search(value, clues, 0)
        return clues

    def of_event(self, detail: Mapping[str, Any]) -> Clues:
        """What an event carries, in its payload and its attributes."""
        clues = Clues()
        self._search(dict(detail), clues, 0)
        return clues

    def _search(self, value: Any, clues: Clues, depth: int) -> None:
        if depth > DEPTH_MAX:
            return
        if isinstance(value, Mapping):
            clues.received.update(dict.fromkeys(_names(value)))
            for key, item in value.items():
                self._read(str(key), item, clues)
                self._search(item, clues, depth + 1)
        elif isinstance(value, list | tuple):
            for item in value:
                self._search(item, clues, depth + 1)
        elif isinstance(value, str | bytes):
            for found in _objects(value):
                self._search(found, clues, depth + 1)

    def _read(self, key: str, item: Any, clues: Clues) -> None:
        text = _attribute(item)
        if text is None:
            return
        if _plain(key) in self._keys:
            clues.threads.add(text)
        elif _plain(key) in _TRACES:
            clues.threads.add(root_of(text))


def _plain(key: str) -> str:
    """
    A key without what people write differently.

    >>> _plain("X-Correlation-Id") == _plain("x_correlation_id")
    True
    """
    return re.sub(r"[^a-z0-9]", "", key.lower())


_TRACES = {_plain(key) for key in TRACE_KEYS}


def _attribute(item: Any) -> str | None:
    """A text, or that of an attribute of a message."""
    if isinstance(item, Mapping):
        item = next((item[name] for name in ("StringValue", "stringValue", "Value") if name in item), None)
    return item if isinstance(item, str) and item else None


def _names(value: Mapping[str, Any]) -> Iterator[str]:
    """The name of the event whose envelope this is."""
    if "detail-type" in value and isinstance(value.get("id"), str):  # of EventBridge
        yield value["id"]
    if value.get("Type") == "Notification" and isinstance(value.get("MessageId"), str):  # of SNS
        yield value["MessageId"]
    source = str(value.get("eventSource", value.get("EventSource", "")))
    if source == "aws:sqs" and isinstance(value.get("messageId"), str):
        yield value["messageId"]
    if source == "aws:kinesis" and isinstance(value.get("kinesis"), Mapping):
        yield str(value["kinesis"].get("sequenceNumber"))
    if source == "aws:dynamodb" and isinstance(value.get("eventID"), str):
        yield value["eventID"]
    if source == "aws:s3" and isinstance(value.get("responseElements"), Mapping):
        yield str(value["responseElements"].get("x-amz-request-id"))


def _objects(text: str | bytes) -> Iterator[Any]:
    """The JSON in a text: all of it, or from the first brace of a line on, as in `event: {...}`."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    if len(text) > TEXT_MAX or ("{" not in text and "[" not in text):
        return
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = _embedded(text)
    if isinstance(found, dict | list):
        yield found


def _embedded(text: str) -> Any:
    start = text.find("{")
    if start < 0:
        return None
    try:
        return json.JSONDecoder().raw_decode(text, start)[0]
    except (ValueError, RecursionError):
        return None
