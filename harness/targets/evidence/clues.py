"""
The ids in what was seen and logged, by which one thing is known to have led to another.

Two kinds. A *name* is the id that AWS gave one thing: a message id, an event id, a sequence number, a request id. Whoever names it has met it.
A *thread* is an id that is handed on from one thing to the next: a correlation id, or the root of an X-Ray trace. Code often takes the name
of what came first for the thread, so a name that stands where a thread does is no proof that its thing was met.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from stagefright.targets.evidence.envelopes import Envelope, attribute_text, ended_request, envelopes_of
from stagefright.targets.evidence.json_lines import root_of
from stagefright.targets.evidence.lines import said

CORRELATION_KEYS = ("x-correlation-id", "correlation_id", "correlation-id")
"""Where a correlation id stands: in headers, `__context`, message attributes and logs. Case, hyphens and underscores do not matter."""

TRACE_KEYS = ("AWSTraceHeader", "X-Amzn-Trace-Id", "xray_trace_id", "trace_header")
"""Where a trace header, or its root, stands."""

PLACEHOLDERS = frozenset({"-", "false", "n/a", "na", "nil", "none", "not-set", "null", "true", "undefined", "unknown"})
"""What loggers write where there is no id."""

DEPTH_MAX = 12
"""How deep a value is searched; JSON text inside of JSON text counts like any other level."""

TEXT_MAX = 1_048_576
"""Longer texts than AWS's largest payload are not searched."""

LINES_JOINED_MAX = 2_000
"""Over how many log events a JSON value may be broken: `json.dumps(event, indent=2)` makes one of each line."""

_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{7,}")

_PAIR = re.compile(
    r"""(?<![\w.-])([A-Za-z_][\w.-]{0,63}|(?i:correlation\ id))["']?"""
    r"""(?:=|[ ]{0,3}:\s{0,3}|[ ]{1,3}=[ ]{1,3})"""
    # What is printed of an attribute of a message holds its value.
    r"""(?:\{[^{}]{0,200}?Value["']?\s{0,3}:\s{0,3})?"""
    r"""["']?([^\s"',;&(){}\[\]]+)"""
)
"""A name and a value in plain text: `x-correlation-id=c-1`, `correlationId: "c-1"`, also as a dict or an object is printed."""


@dataclass
class Clues:
    """The ids in something."""

    threads: set[str] = field(default_factory=set)
    received: dict[str, Envelope] = field(default_factory=dict)
    """The events whose envelopes were logged or handed on, by name and in order: whoever has one has received it."""
    mentioned: set[str] = field(default_factory=set)
    """Words that may be the name of anything."""
    ended: dict[str, None] = field(default_factory=dict)
    """The requests that Lambda's records for destinations tell of."""
    handed_on: list[str] = field(default_factory=list)
    """Its threads, each as often as it stands there."""


class Reader:
    """Finds clues; `keys` are more names of correlation ids than the usual ones."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._keys = {_plain(key) for key in (*CORRELATION_KEYS, *keys)}

    def of_log(self, lines: Iterable[str]) -> Clues:
        """What the lines of one invocation say, in their order."""
        clues, texts = Clues(), [said(line) for line in lines]
        for text in texts:
            self._read_line(text, clues)
        for text in _broken(texts):
            self._search(text, clues, 0)
        return clues

    def _read_line(self, text: str, clues: Clues) -> None:
        values = list(_objects(text))
        found, printed = Clues(), Clues()
        for value in values:
            self._search(value, found, 0)
        is_json = bool(values) and text.lstrip()[:1] in ("{", "[")
        for told in _messages(values) if is_json else [text]:
            self._read_text(told, printed)
        # A name that only stands where a thread does was handed on, and perhaps not met.
        words = Counter(_TOKEN.findall(text))
        for thread, times in (Counter(found.handed_on) | Counter(printed.handed_on)).items():
            words.subtract(_TOKEN.findall(thread) * times)
        clues.mentioned.update(word for word, count in words.items() if count > 0)
        clues.threads |= found.threads | printed.threads
        clues.received |= found.received
        clues.ended |= found.ended

    def _read_text(self, text: str, clues: Clues) -> None:
        for name, value in _PAIR.findall(text[:TEXT_MAX]):
            self._read(name.rpartition(".")[2], value, clues)

    def of_event(self, detail: Mapping[str, Any]) -> Clues:
        """What an event carries, in its payload and its attributes."""
        clues = Clues()
        self._search(dict(detail), clues, 0)
        return clues

    def _search(self, value: Any, clues: Clues, depth: int) -> None:
        if depth > DEPTH_MAX:
            return
        if isinstance(value, Mapping):
            self._read_object(value, clues)
            for key, item in value.items():
                self._read(str(key), item, clues)
                self._search(item, clues, depth + 1)
        elif isinstance(value, list | tuple):
            for item in value:
                self._search(item, clues, depth + 1)
        elif isinstance(value, str | bytes):
            for found in _objects(value):
                self._search(found, clues, depth + 1)

    def _read_object(self, value: Mapping[str, Any], clues: Clues) -> None:
        for envelope in envelopes_of(value):
            clues.received.setdefault(envelope.name, envelope)
        request_id = ended_request(value)
        if request_id is not None:
            clues.ended[request_id] = None

    def _read(self, key: str, item: Any, clues: Clues) -> None:
        is_trace = _plain(key) in _TRACES
        if not is_trace and _plain(key) not in self._keys:
            return
        text = attribute_text(item)
        if text is not None and text.lower() not in PLACEHOLDERS:
            thread = root_of(text) if is_trace else text
            clues.threads.add(thread)
            clues.handed_on.append(thread)


def _plain(key: str) -> str:
    """
    A key without what people write differently.

    >>> _plain("X-Correlation-Id") == _plain("x_correlation_id")
    True
    """
    return re.sub(r"[^a-z0-9]", "", key.lower())


_TRACES = {_plain(key) for key in TRACE_KEYS}


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


def _messages(values: Iterable[Any]) -> Iterator[str]:
    """The words that a structured log wraps: Lambda's JSON format and most loggers call them `message`, structlog `event`."""
    for value in values:
        if isinstance(value, Mapping):
            yield from (value[name] for name in ("message", "msg", "event") if isinstance(value.get(name), str))


_BEGUN = re.compile(r'[{\[]\s*(?:["{\[]|$)')
"""How an object or an array of more than numbers begins."""


def _broken(texts: list[str]) -> Iterator[str]:
    """JSON that was broken over several log events: at its line ends, or anywhere because one event would have been too long."""
    parts: list[str] = []
    depth, in_string = 0, False
    for text in texts:
        begun = None if parts else _BEGUN.search(text)
        if not parts and begun is None:
            continue
        parts.append(text if begun is None else text[begun.start() :])
        depth, in_string = _nesting(parts[-1], depth, in_string=in_string)
        if depth <= 0 or len(parts) > LINES_JOINED_MAX:
            if depth <= 0 and len(parts) > 1:
                yield "".join(parts)
            parts, depth, in_string = [], 0, False


def _nesting(text: str, depth: int, *, in_string: bool) -> tuple[int, bool]:
    """How deep in brackets, and whether in a string, a JSON text is at its end."""
    for mark in re.findall(r'\\.|["{}\[\]]', text):
        if mark == '"':
            in_string = not in_string
        elif not in_string and mark[0] != "\\":
            depth += 1 if mark in "{[" else -1
    return depth, in_string
