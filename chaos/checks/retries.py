"""Whether what failed was tried again, and how often, and when."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest

from stagefright.chaos.checks.history import History, Run
from stagefright.chaos.checks.verdict import Check, Verdict
from stagefright.spans import Span, parse_span
from stagefright.wording import neat, plural

OBSERVED_TOLERANCE = 0.25
"""By which share of itself an attempt on a deployed stage may come early or late: AWS says "one minute", and queues ahead of it."""

OBSERVED_SLACK_S = 2.0
"""And by how many seconds besides."""


def retried(function: str, *, times: int | None = None, at: Sequence[float] | None = None) -> Check:
    """
    Each event that `function` failed with was tried again.

    `times`: exactly so many more times, for an event that never succeeded. `at`: at these seconds since its first attempt (on a
    deployed stage, a quarter more or less).
    Unknown if the function never failed.
    """
    return _Retried(function, times, None if at is None else list(at))


def timed_out_within(function: str, within: Span) -> Check:
    """
    Each run of `function` that a fault struck, or a function that it invoked, or that ended by its timeout, ended within a span
    such as `"3s"`.

    Unknown if there was no such run: nothing has tested the time limit.
    """
    return _TimedOutWithin(function, within)


class _Retried(Check):
    name = "retried"

    def __init__(self, function: str, times: int | None, at: list[float] | None) -> None:
        self.function = function
        self.times = times
        self.at = at

    def judge(self, history: History) -> Verdict:
        failing = {
            item: runs for item, runs in _by_item(history, self.function).items() if item in runs[0].failed_items
        }
        if not failing:
            ran = plural(len(history.runs_of(self.function)), "time")
            return self._unknown(f"{self.function} never failed; it ran {ran}.")
        tolerance = OBSERVED_TOLERANCE if history.is_observed else 0.0
        for item, runs in failing.items():
            fault = self._fault(item, runs, tolerance)
            if fault is not None and not (history.is_observed and self._may_come(item, runs, tolerance)):
                return self._broken(f"Event {item}: {fault}.", evidence=[run.last for run in runs])
        retries = sum(len(runs) - 1 for runs in failing.values())
        what = f"{plural(len(failing), 'event')} that {self.function} failed with"
        return self._holds(f"{what}: {retries} retries in all.", counts={"events": len(failing), "retries": retries})

    def doubt(self, history: History, verdict: Verdict) -> str | None:
        """An attempt that is missing may still come; that none follows is known of an event that is kept as a dead letter."""
        if verdict.broken:
            return None
        kept = {item for record in history.dead_letters for item in history.items_of(record)}
        for item, runs in _by_item(history, self.function).items():
            if item not in runs[0].failed_items:
                continue
            fault = self._fault(item, runs, OBSERVED_TOLERANCE)
            if fault is not None:
                return f"Event {item}: {fault} so far, and more may come."
            is_over = item in kept or any(item in run.succeeded_items for run in runs)
            if not is_over and (self.times is not None or self.at is not None):
                return f"Event {item} may be tried again: it was neither seen to succeed nor to be dead-lettered."
        return None

    def _may_come(self, item: str, runs: list[Run], tolerance: float) -> bool:
        """Whether more attempts could make good what is missing."""
        wanted = self.times if self.at is None else len(self.at) - 1
        if wanted is None:
            return True
        if len(runs) - 1 >= wanted or any(item in run.succeeded_items for run in runs):
            return False
        offsets = [run.invocation.at - runs[0].invocation.at for run in runs]
        return self.at is None or not _differs(offsets, self.at[: len(offsets)], tolerance, may_stop_early=False)

    def _fault(self, item: str, runs: list[Run], tolerance: float) -> str | None:
        offsets = [neat(run.invocation.at - runs[0].invocation.at) for run in runs]
        never_succeeded = not any(item in run.succeeded_items for run in runs)
        if len(runs) == 1 and self.times != 0 and self.at != [0]:
            return "it was tried once and never again"
        if self.times is not None and never_succeeded and len(runs) != self.times + 1:
            return f"it was tried again {len(runs) - 1} times, not {self.times}"
        if self.at is not None and _differs(offsets, self.at, tolerance, may_stop_early=not never_succeeded):
            return f"its attempts came at {offsets} s, not at {self.at} s"
        return None


def _differs(found: Sequence[float], wanted: Sequence[float], tolerance: float, *, may_stop_early: bool) -> bool:
    """Whether instants differ, by more than a share of themselves (and a second or two) if there is a tolerance."""
    if may_stop_early:
        wanted = wanted[: len(found)]
    return any(
        f is None or w is None or abs(f - w) > (tolerance * w + OBSERVED_SLACK_S if tolerance else 1e-6)
        for f, w in zip_longest(found, wanted)
    )


def _by_item(history: History, function: str) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = {}
    for run in history.runs_of(function):
        for item in run.items:
            found.setdefault(item, []).append(run)
    return found


class _TimedOutWithin(Check):
    name = "timed_out_within"

    def __init__(self, function: str, within: Span) -> None:
        self.function = function
        self.within = within
        self._limit_ms = parse_span(within) * 1_000

    def doubt(self, history: History, verdict: Verdict) -> str | None:
        """A run that is not seen to end may have ended in time."""
        if verdict.holds or any((run.duration_ms or 0.0) > self._limit_ms for run in history.runs_of(self.function)):
            return None
        return f"A run of {self.function} was not seen to end."

    def judge(self, history: History) -> Verdict:
        tested = [run for run in history.runs_of(self.function) if run.timed_out or history.is_under_fault(run)]
        ended = [(run, run.duration_ms) for run in tested]
        if not ended:
            return self._unknown(
                f"No fault struck {self.function} or what it invoked, and it never timed out: its time limit was not tested."
            )
        late = [run for run, took_ms in ended if took_ms is None or took_ms > self._limit_ms]
        if late:
            worst = max(late, key=lambda run: run.duration_ms or float("inf"))
            took = "never ended" if worst.duration_ms is None else f"took {worst.duration_ms:g} ms"
            return self._broken(
                f"{self.function} {took}.", evidence=[run.last for run in late], counts={"late": len(late)}
            )
        slowest = max(took_ms or 0.0 for _, took_ms in ended)
        return self._holds(
            f"{plural(len(ended), 'run')} under a fault, the slowest {slowest:g} ms.", counts={"runs": len(ended)}
        )
