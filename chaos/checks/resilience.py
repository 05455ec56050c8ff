"""How a system behaves around a fault: it falls back, it recovers, it does not make things worse, and it does not go round in circles."""

from __future__ import annotations

from typing import Any

from stagefright.chaos.checks.calls import refuse_unknown_call
from stagefright.chaos.checks.history import History, Run
from stagefright.chaos.checks.verdict import Check, Verdict
from stagefright.journal import UNSURE, Record
from stagefright.wording import plural

RECURSION_MAX = 16
"""How often AWS lets one chain invoke the same function (aws-semantics §7)."""


def fallback_used(function: str, *, answers: Any = None) -> Check:
    """
    Each run of `function` that a fault struck, or whose SDK call was refused, answered all the same.

    `answers`: with this payload, or one that satisfies this predicate. Unknown if no run was hurt.
    """
    return _FallbackUsed(function, answers)


def recovered_after_heal(function: str, *, fault_on: str | None = None) -> Check:
    """
    After the last fault that struck `function`, or the one that it depends on, it ran, and never failed.

    Unknown if no fault struck, or it did not run again.
    """
    return _RecoveredAfterHeal(function, fault_on)


def no_retry_storm(function: str, *, calls_max: float, to: str | None = None) -> Check:
    """
    `function` makes no more than `calls_max` SDK calls for each event that comes in, all attempts together.

    `to` counts those to one service (`"dynamodb"`) or operation (`"dynamodb.PutItem"`). Unknown if nothing came in.
    """
    return _NoRetryStorm(function, calls_max, to)


def recursion_stopped(function: str, *, invocations_max: int = RECURSION_MAX) -> Check:
    """
    A chain in which `function` causes its own next invocation ends, after `invocations_max` invocations at most.

    Unknown if it never caused one.
    """
    return _RecursionStopped(function, invocations_max)


class _FallbackUsed(Check):
    name = "fallback_used"

    def __init__(self, function: str, answers: Any) -> None:
        self.function = function
        self.answers = answers

    def judge(self, history: History) -> Verdict:
        hurt = [run for run in history.runs_of(self.function) if _wounds(history, run)]
        if not hurt:
            ran = plural(len(history.runs_of(self.function)), "time")
            return self._unknown(f"Nothing went wrong in {self.function}, so it needed no fallback; it ran {ran}.")
        for run in hurt:
            fault = self._fault(run)
            if fault is not None:
                return self._broken(f"{self.function} {fault}.", evidence=[*_wounds(history, run), run.last])
        return self._holds(
            f"{self.function} answered in {plural(len(hurt), 'run')} in which something went wrong.",
            counts={"hurt": len(hurt)},
        )

    def doubt(self, history: History, verdict: Verdict) -> str | None:
        """A run must be seen to end, and with what, if that matters; its log has no answers."""
        hurt = [run for run in history.runs_of(self.function) if _wounds(history, run)]
        if verdict.broken and any(run.failed for run in hurt):
            return None
        if any(run.outcome is None for run in hurt):
            return f"A run of {self.function} was not seen to end."
        if any(UNSURE in run.outcome.detail for run in hurt if run.outcome is not None):
            return f"The log of {self.function} does not say whether it failed."
        is_answer_seen = all("payload" in run.outcome.detail for run in hurt if run.outcome is not None)
        return None if self.answers is None or is_answer_seen else f"What {self.function} answered is not in its log."

    def _fault(self, run: Run) -> str | None:
        if run.outcome is None:
            return "never ended"
        if run.failed:
            return f"failed with {run.outcome.detail['error_type']}: {run.outcome.detail.get('error_message')}"
        payload = run.outcome.detail.get("payload")
        fits = self.answers(payload) if callable(self.answers) else self.answers in (None, payload)
        return None if fits else f"answered {payload!r}"


def _wounds(history: History, run: Run) -> list[Record]:
    """What went wrong in a run: faults that struck it, and its SDK calls that were refused."""
    return [r for r in history.done_by(run, "fault", "call") if r.kind == "fault" or r.detail.get("error")]


class _RecoveredAfterHeal(Check):
    name = "recovered_after_heal"

    def __init__(self, function: str, fault_on: str | None) -> None:
        self.function = function
        self.fault_on = fault_on

    def judge(self, history: History) -> Verdict:
        victim = self.fault_on or self.function
        struck = [run for run in history.runs_of(victim) if history.strikes(run)]
        if not struck:
            return self._unknown(f"No fault struck {victim}.")
        runs = history.runs_of(self.function)
        hurt = [run for run in runs if run.invocation.n <= struck[-1].last.n]
        healed_from = max(run.last.n for run in (*hurt, struck[-1]))
        after = [run for run in runs if run.invocation.n > healed_from]
        if not after:
            return self._unknown(f"{self.function} did not run again after the last fault.")
        failed = [run for run in after if run.failed or (run.outcome is None and not history.is_observed)]
        if failed:
            told = f"{self.function} failed in {len(failed)} of {plural(len(after), 'run')} after the last fault"
            return self._broken(f"{told}.", evidence=[run.last for run in failed], counts={"failed": len(failed)})
        return self._holds(
            f"{plural(len(after), 'run')} after the last fault, none failed.", counts={"runs": len(after)}
        )

    def doubt(self, history: History, verdict: Verdict) -> str | None:
        """Each run must be seen to end well."""
        runs = history.runs_of(self.function)
        if not verdict.broken and any(run.outcome is None or UNSURE in run.outcome.detail for run in runs):
            return f"A run of {self.function} was not seen to end, or its log does not say how."
        return None


class _NoRetryStorm(Check):
    name = "no_retry_storm"

    def doubt(self, history: History, verdict: Verdict) -> str | None:  # noqa: ARG002 - whatever they are
        """The calls of a function are seen by a local stage alone."""
        return f"The SDK calls of {self.function} cannot be seen on a deployed stage."

    def __init__(self, function: str, calls_max: float, to: str | None) -> None:
        self.function = function
        self.calls_max = calls_max
        self.to = to
        if to is not None:
            refuse_unknown_call(self.name, to)

    def judge(self, history: History) -> Verdict:
        runs = history.runs_of(self.function)
        if not runs:
            return self._unknown(f"{self.function} never ran.")
        events = {item for run in runs for item in run.items}
        calls = [call for run in runs for call in history.done_by(run, "call") if self._is_counted(call)]
        ratio = len(calls) / len(events)
        told = f"{plural(len(calls), 'call')} out for {plural(len(events), 'event')} in: {ratio:.3g} each"
        if ratio > self.calls_max:
            return self._broken(
                f"{told}, more than {self.calls_max:g}.",
                evidence=calls,
                counts={"calls": len(calls), "events": len(events)},
            )
        return self._holds(f"{told}.", counts={"calls": len(calls), "events": len(events)})

    def _is_counted(self, call: Record) -> bool:
        service = str(call.detail.get("service"))
        return self.to in (None, service, f"{service}.{call.detail.get('operation')}")


class _RecursionStopped(Check):
    name = "recursion_stopped"

    def __init__(self, function: str, invocations_max: int) -> None:
        self.function = function
        self.invocations_max = invocations_max

    def judge(self, history: History) -> Verdict:
        chain = max((self._chain(history, run) for run in history.runs_of(self.function)), key=len, default=[])
        if len(chain) < 2:
            return self._unknown(f"{self.function} never caused an invocation of itself.")
        told = f"{self.function} was invoked {len(chain)} times in one chain"
        if len(chain) > self.invocations_max:
            return self._broken(
                f"{told}, more than {self.invocations_max}.", evidence=chain, counts={"invocations": len(chain)}
            )
        return self._holds(f"{told}, and then no more.", evidence=chain[-1:], counts={"invocations": len(chain)})

    def doubt(self, history: History, verdict: Verdict) -> str | None:  # noqa: ARG002 - a chain that is seen is enough
        """That a chain has ended is not seen."""
        return (
            None
            if verdict.broken
            else f"That no further invocation of {self.function} follows cannot be seen on a deployed stage."
        )

    def _chain(self, history: History, run: Run) -> list[Record]:
        above = [r for r in history.above(run.invocation) if r.kind == "invocation" and r.resource == self.function]
        return [*reversed(above), run.invocation]
