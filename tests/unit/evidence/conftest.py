"""The pieces of a deployed stage's evidence, without a stage: a journal, and a reader of logs that writes to it."""

from __future__ import annotations

import itertools

import pytest

from stagefright.invoking import FUNCTION_TYPE
from stagefright.targets.evidence.log_reader import LogReader
from stagefright.targets.evidence.observed_journal import ObservedJournal
from stagefright.targets.evidence.wiring import Unwired
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


class Wired(Unwired):
    """
    What hands events to whom: `Wired(Worker=["Orders"])`.

    `told` are the resources that settings name, by function; `types` those of resources. What is no consumer's source, and no consumer, is
    not known.
    """

    def __init__(self, *, told=None, types=None, functions=(), **sources):
        self._sources = {name: frozenset(found) for name, found in sources.items()}
        self._told = {name: frozenset(found) for name, found in (told or {}).items()}
        self._types = {**dict.fromkeys((*functions, *self._told), FUNCTION_TYPE), **(types or {})}

    def sources(self, consumer):
        return self._sources.get(consumer, frozenset())

    def reports_failures(self, function, source):
        return False

    def told_of(self, function):
        return self._told.get(function, frozenset())

    def type_of(self, name):
        return self._types.get(name)


@pytest.fixture
def call(journal):
    """Writes a call of the test's, and what it was answered."""

    def write(*ids, at=-0.1, **detail):
        detail = {"service": "sns", "operation": "Publish", "ids": list(ids), **detail}
        return journal.write_past(T0 + at, "call", "test", detail)

    return write
