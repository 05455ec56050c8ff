"""
The log of a function: the lines that land in CloudWatch Logs of the world.

Lines are kept here and given to the emulated CloudWatch Logs only when somebody asks it, because writing each line there would cost more than
most invocations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stagefright.journal import Journal


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line: where it belongs and when it was written (epoch milliseconds)."""

    group: str
    stream: str
    at_ms: int
    text: str


class FunctionLog:
    """The log stream of one execution environment."""

    def __init__(self, sink: LogSink, *, function: str, group: str, stream: str) -> None:
        self.group = group
        self.stream = stream
        self.function = function
        self._sink = sink

    def write(self, text: str, *, cause: int | None, platform: bool = False) -> None:
        """Append a line; what the platform writes (START, END, REPORT) is not journaled, what the code writes is."""
        self._sink.append(self.group, self.stream, text)
        if not platform:
            self._sink.journal.write("log", self.function, cause=cause, line=text)


class LogSink:
    """All lines that functions wrote and CloudWatch Logs has not been given yet."""

    def __init__(self, journal: Journal, now_ms: Callable[[], int]) -> None:
        self.journal = journal
        self.pending: list[LogLine] = []
        self.deliver: Callable[[list[LogLine]], None] = lambda lines: None
        """Writes lines to CloudWatch Logs; the door sets it."""
        self._now_ms = now_ms

    def append(self, group: str, stream: str, text: str) -> None:
        self.pending.append(LogLine(group, stream, self._now_ms(), text))
        if len(self.pending) >= PENDING_MAX:
            self.flush()

    def flush(self) -> None:
        """Give what is pending to CloudWatch Logs."""
        lines, self.pending = self.pending, []
        if lines:
            self.deliver(lines)

    def clear(self) -> None:
        """Forget what is pending."""
        self.pending.clear()


PENDING_MAX = 50_000
"""How many lines may wait in memory before they are given away."""
