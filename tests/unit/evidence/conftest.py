"""The pieces of a deployed stage's evidence, without a stage: a journal, and a reader of logs that writes to it."""

from __future__ import annotations

import itertools

import pytest

from stagefright.targets.evidence.log_reader import LogReader
from stagefright.targets.evidence.observed_journal import ObservedJournal
from stagefright.targets.wall_clock import WallClock

T0 = 1_795_200_000.0
"""When the evidence of these tests begins."""


class Log:
    """Writes a function's log as Lambda does, and hands it to the reader."""

    def __init__(self, reader):
        self.reader = reader
        self.streams = itertools.count()

    def line(self, at, text, *, function="Worker", stream="s1"):
        self.reader.take(T0 + at, function, stream, text)

    def invocation(self, request_id, *lines, at=0.0, took_ms=100.0, function="Worker", stream="s1", report=""):
        """START, what the code wrote, END and REPORT."""
        where = {"function": function, "stream": stream}
        self.line(at, f"START RequestId: {request_id} Version: $LATEST\n", **where)
        for text in lines:
            self.line(at + 0.01, text, **where)
        end = at + took_ms / 1_000
        self.line(end, f"END RequestId: {request_id}\n", **where)
        self.line(end, self.reported(request_id, took_ms, report), **where)

    def reported(self, request_id, took_ms=100.0, more=""):
        """A REPORT line as AWS writes it."""
        return (
            f"REPORT RequestId: {request_id}\tDuration: {took_ms:.2f} ms\tBilled Duration: {int(took_ms)} ms"
            f"\tMemory Size: 128 MB\tMax Memory Used: 36 MB\t{more}\n"
        )


@pytest.fixture
def journal():
    return ObservedJournal(WallClock())


@pytest.fixture
def log(journal):
    return Log(LogReader(journal))


@pytest.fixture
def event(journal):
    """Writes what a tap saw."""

    def write(resource, name, *, at=0.0, **detail):
        return journal.write_past(T0 + at, "event", resource, {"id": name, **detail})

    return write
