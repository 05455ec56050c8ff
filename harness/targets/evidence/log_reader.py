"""
Puts the lines of functions' logs together to invocations, and writes the records that they prove.

An environment has a log stream of its own and works on one invocation at a time, so what has no request id belongs to the invocation that
the stream is in. Lines may come late and in any order: an invocation is begun by the first line that tells of it, and corrected by later ones.
The attempts of an asynchronous invocation share their request id, and each has a START of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from stagefright.journal import UNSURE
from stagefright.targets.evidence.injections import read_injection
from stagefright.targets.evidence.lines import EXITED, TIMED_OUT, Line, read_line
from stagefright.targets.evidence.observed_journal import ObservedJournal

SKEW_S = 0.05
"""How far the platform's stamps of one invocation may be apart from what its duration says."""


TELLING_RUNTIMES = ("python", "nodejs")
"""The runtimes whose way to log an exception is known."""

TRACEBACK = "Traceback (most recent call last):"
"""How Python begins to tell of an exception."""


@dataclass
class _Attempt:
    """One invocation, as far as its lines have come."""

    function: str
    request_id: str
    record: int
    started: float
    is_started: bool = False
    """Whether its START was seen."""
    ended: float | None = None
    outcome: int | None = None
    error: dict[str, Any] = field(default_factory=dict)
    is_in_traceback: bool = False


@dataclass
class _Stream:
    """One log stream: the environment behind it."""

    attempts: list[_Attempt] = field(default_factory=list)
    begun_init: bool = False
    """Whether an environment began of which no invocation is known yet."""
    init_error: dict[str, Any] = field(default_factory=dict)

    def attempt_at(self, at: float) -> _Attempt | None:
        """The invocation that a line without a request id belongs to."""
        begun = [attempt for attempt in self.attempts if attempt.started <= at + SKEW_S]
        return begun[-1] if begun else None


class LogReader:
    """
    Reads the logs of a stage's functions into its journal.

    Some emulators write the traceback of an exception that left the handler line by line, without the `[ERROR]` of AWS's runtime. With
    `has_bare_tracebacks` such a one is the error of its invocation; on AWS it is only something that the code has printed.
    """

    def __init__(
        self,
        journal: ObservedJournal,
        runtime_of: Callable[[str], str] = lambda _: "python",
        *,
        has_bare_tracebacks: bool = False,
    ) -> None:
        self._journal = journal
        self._has_bare_tracebacks = has_bare_tracebacks
        self._runtime_of = runtime_of
        self._streams: dict[tuple[str, str], _Stream] = {}
        self._attempts: dict[tuple[str, str], list[_Attempt]] = {}

    def forget(self) -> None:
        """Begin anew, with a journal that was cleared."""
        self._streams.clear()
        self._attempts.clear()

    def take(self, at: float, function: str, stream: str, text: str) -> None:
        """Take in one log event of a function; `at` is its time stamp in epoch seconds."""
        text = text.rstrip("\n")
        line = read_line(text)
        place = self._streams.setdefault((function, stream), _Stream())
        if line.kind == "init":
            place.begun_init = True
            return
        if line.kind == "init_error":
            place.init_error = self._error(line)
            return
        attempt = self._attempt(place, function, at, line)
        match line.kind:
            case "start":
                self._start(place, attempt, at, line)
            case "end":
                self._trace(attempt, line)
            case "report":
                self._report(place, attempt, at, line)
            case "timeout" | "error":
                self._fail(attempt, line)
        if line.kind in ("error", "timeout", "other"):
            self._code_said(function, attempt, at, text)

    # -- which invocation ----------------------------------------------------------------------------------------------

    def _attempt(self, place: _Stream, function: str, at: float, line: Line) -> _Attempt | None:
        if line.request_id is None:
            return place.attempt_at(at)
        known = [one for one in place.attempts if one.request_id == line.request_id]
        latest = known[-1] if known else None
        if latest is None or _is_of_next(line, at, latest):
            return self._begin(place, function, line, at)
        return latest

    def _begin(self, place: _Stream, function: str, line: Line, at: float) -> _Attempt:
        assert line.request_id is not None
        siblings = self._attempts.setdefault((function, line.request_id), [])
        record = self._journal.write_past(
            at, "invocation", function, {"request_id": line.request_id, "attempt": len(siblings) + 1, "cold": None}
        )
        attempt = _Attempt(function, line.request_id, record.n, at)
        siblings.append(attempt)
        place.attempts.append(attempt)
        place.attempts.sort(key=lambda one: one.started)
        return attempt

    # -- what its lines say --------------------------------------------------------------------------------------------

    def _start(self, place: _Stream, attempt: _Attempt | None, at: float, line: Line) -> None:
        assert attempt is not None
        attempt.is_started = True
        details: dict[str, Any] = {"executed_version": line.detail["version"]}
        if place.begun_init:
            place.begun_init, details["cold"] = False, True
        self._journal.revise(attempt.record, **details, **_trace(line))
        self._place_in_time(attempt, at)

    def _place_in_time(self, attempt: _Attempt, at: float) -> None:
        """It began at its START, or so long before its end as it took, if its START was not seen, or is stamped with its end."""
        if attempt.ended is not None:
            latest = attempt.ended - self._took_s(attempt)
            is_stamped_with_end = at >= attempt.ended
            at = latest if is_stamped_with_end or at > latest + SKEW_S else at
        if at == attempt.started:
            return
        attempt.started = at
        self._journal.revise(attempt.record, at=at)
        siblings = sorted(self._attempts[attempt.function, attempt.request_id], key=lambda one: one.started)
        for number, one in enumerate(siblings, 1):
            self._journal.revise(one.record, attempt=number)

    def _took_s(self, attempt: _Attempt) -> float:
        assert attempt.outcome is not None
        return float(self._journal[attempt.outcome].detail["duration_ms"]) / 1_000

    def _report(self, place: _Stream, attempt: _Attempt | None, at: float, line: Line) -> None:
        assert attempt is not None
        if attempt.outcome is not None:  # told twice
            return
        error = self._reported_error(place, attempt, line)
        outcome = self._journal.write_past(
            at,
            "outcome",
            attempt.function,
            {"request_id": attempt.request_id, "duration_ms": line.detail.get("duration_ms", 0.0), **error},
            cause=attempt.record,
        )
        attempt.outcome, attempt.ended = outcome.n, at
        is_cold = "init_ms" in line.detail
        self._journal.revise(
            attempt.record, cold=is_cold or bool(self._journal[attempt.record].detail["cold"]), **_trace(line)
        )
        self._place_in_time(attempt, attempt.started)

    def _reported_error(self, place: _Stream, attempt: _Attempt, line: Line) -> dict[str, Any]:
        """How it failed, if it did: the platform's word, else the exception that the runtime has logged, else the init phase's."""
        told = {"error_type": line.detail["error_type"]} if "error_type" in line.detail else {}
        status = line.detail.get("status", "success")
        if status == "timeout":
            seconds = line.detail.get("duration_ms", 0.0) / 1_000
            message = f"RequestId: {attempt.request_id} Error: Task timed out after {seconds:.2f} seconds"
            return {"error_type": TIMED_OUT, "error_message": message}
        if status == "success":
            return attempt.error or self._doubt(attempt.function)
        found = {"error_type": EXITED, "error_message": None, **place.init_error, **attempt.error, **told}
        place.init_error = {}
        return found

    def _doubt(self, function: str) -> dict[str, Any]:
        """An end without an error is a good one if the runtime logs each exception that leaves the handler in a way that is known."""
        runtime = self._runtime_of(function)
        if runtime.startswith(TELLING_RUNTIMES):
            return {}
        return {UNSURE: f"the log of a function on {runtime or 'an image of its own'} does not say whether it failed"}

    def _fail(self, attempt: _Attempt | None, line: Line) -> None:
        if attempt is None:
            return
        attempt.error = self._error(line)
        if attempt.outcome is not None and "error_type" not in self._journal[attempt.outcome].detail:
            self._journal.revise(attempt.outcome, **attempt.error)

    def _error(self, line: Line) -> dict[str, Any]:
        if line.kind == "timeout":
            message = f"RequestId: {line.request_id} Error: {line.detail['error_message']}"
            return {"error_type": TIMED_OUT, "error_message": message}
        return {"error_type": line.detail["error_type"], "error_message": line.detail.get("error_message")}

    def _trace(self, attempt: _Attempt | None, line: Line) -> None:
        if attempt is not None and _trace(line):
            self._journal.revise(attempt.record, **_trace(line))

    def _read_traceback(self, attempt: _Attempt, text: str) -> None:
        """The line after a traceback's frames is the exception."""
        if text.startswith(TRACEBACK):
            attempt.is_in_traceback = True
        elif attempt.is_in_traceback and not text.startswith((" ", "\t")):
            attempt.is_in_traceback = False
            kind, _, message = text.partition(": ")
            attempt.error = {"error_type": kind.rpartition(".")[2], "error_message": message}

    def _code_said(self, function: str, attempt: _Attempt | None, at: float, text: str) -> None:
        if attempt is not None and self._has_bare_tracebacks:
            self._read_traceback(attempt, text)
        cause = None if attempt is None else attempt.record
        self._journal.write_past(at, "log", function, {"line": text}, cause=cause)
        injection = read_injection(text)
        if injection is not None:
            self._journal.write_past(at, "fault", function, injection, cause=cause)


def _is_of_next(line: Line, at: float, latest: _Attempt) -> bool:
    """Whether a line tells of the attempt after the latest one in its stream."""
    if line.kind == "start":
        return latest.is_started
    return line.kind == "report" and latest.ended is not None and at > latest.ended + SKEW_S


def _trace(line: Line) -> dict[str, Any]:
    return {"trace_id": line.detail["trace"]} if "trace" in line.detail else {}
