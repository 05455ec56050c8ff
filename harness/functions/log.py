"""
The log of a function: the lines that land in CloudWatch Logs of the world.

Lines are kept here and given to the emulated CloudWatch Logs only when somebody asks it, because writing each line there would cost more than
most invocations. The newest stay in memory; older ones move to a temporary file, as the journal's records do.
"""

from __future__ import annotations

import json
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from stagefright.journal import Journal


class LogLine(NamedTuple):
    """One line: where it belongs and when it was written (epoch milliseconds)."""

    group: str
    stream: str
    at_ms: int
    text: str


class FunctionLog:
    """The log stream of one execution environment."""

    def __init__(
        self, sink: LogSink, *, function: str, group: str, stream: str, settings: Mapping[str, Any] | None = None
    ) -> None:
        self.settings = settings or {}
        """The function's `LoggingConfig`."""
        self.group = group
        self.stream = stream
        self.function = function
        self.tail: list[str] = []
        """What the present invocation has written, for the caller who asked for it (`LogType: Tail`)."""
        self._sink = sink

    def write(self, text: str, *, cause: int | None, platform: bool = False) -> None:
        """Append a line; what the platform writes (START, END, REPORT) is not journaled, what the code writes is."""
        for event in split_line(text):
            self._sink.append(self.group, self.stream, event)
            self.tail.append(event)
            if not platform:
                self._sink.journal.write("log", self.function, cause=cause, line=event)


class LogSink:
    """All lines that functions wrote and CloudWatch Logs has not been given yet; most of them wait on disk."""

    def __init__(self, journal: Journal, now_ms: Callable[[], int]) -> None:
        self.journal = journal
        self.deliver: Callable[[Iterable[LogLine]], None] = lambda lines: None
        """Writes lines to CloudWatch Logs; the door sets it."""
        self.on_line: list[Callable[[LogLine], None]] = []
        """Called with each line as it is written."""
        self._recent: list[LogLine] = []
        self._spilled: IO[str] | None = None
        self._now_ms = now_ms

    def append(self, group: str, stream: str, text: str) -> None:
        line = LogLine(group, stream, self._now_ms(), text)
        self._recent.append(line)
        for notify in self.on_line:
            notify(line)
        if len(self._recent) >= IN_MEMORY_MAX:
            self._spill()

    def flush(self) -> None:
        """Give what is pending to CloudWatch Logs."""
        if self._recent or self._spilled is not None:
            self.deliver(self._pending())
            self.clear()

    def clear(self) -> None:
        """Forget what is pending."""
        self._recent.clear()
        if self._spilled is not None:
            self._spilled.close()
            self._spilled = None

    def _spill(self) -> None:
        if self._spilled is None:
            self._spilled = tempfile.TemporaryFile("w+", prefix="stagefright-log-", encoding="utf-8", newline="\n")  # noqa: SIM115
            # Closed even when the world is dropped unclosed, as part of a cycle of garbage.
            weakref.finalize(self, self._spilled.close)
        self._spilled.writelines(json.dumps(line) + "\n" for line in self._recent)
        self._recent.clear()

    def _pending(self) -> Iterator[LogLine]:
        if self._spilled is not None:
            self._spilled.seek(0)
            for line in self._spilled:
                yield LogLine(*json.loads(line))
        yield from self._recent


IN_MEMORY_MAX = 2_048
"""How many lines wait in memory before they move to a temporary file."""

EVENT_BYTES_MAX = 1_048_576
"""The size of one event in CloudWatch Logs; a longer line becomes several."""

_CHARACTER_BYTES_MAX = 4


def split_line(text: str, size_max: int = EVENT_BYTES_MAX) -> list[str]:
    """
    A line as events of at most `size_max` bytes each.

    >>> split_line("caf\u00e9 noir", 4)
    ['caf', '\u00e9 n', 'oir']
    """
    if len(text) * _CHARACTER_BYTES_MAX <= size_max:
        return [text]
    encoded = text.encode("utf-8", "surrogatepass")
    pieces, start = [], 0
    while len(encoded) - start > size_max:
        end = start + size_max
        # Continuation bytes of UTF-8 begin with the bits 10.
        while encoded[end] & 0b1100_0000 == 0b1000_0000:
            end -= 1
        pieces.append(encoded[start:end])
        start = end
    return [piece.decode("utf-8", "surrogatepass") for piece in [*pieces, encoded[start:]]]
