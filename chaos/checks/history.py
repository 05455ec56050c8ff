"""A journal, read the way checks ask: which events a resource accepted, who ran with which of them, and how each run ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from stagefright.flow import HARMLESS_DROPS
from stagefright.journal import OBSERVED, UNPROVED, UNSURE, Record

TIMED_OUT = "Sandbox.Timedout"
"""The error type of an invocation that Lambda ended at its timeout."""


@dataclass(frozen=True)
class Run:
    """One invocation: what it worked on, and how it ended."""

    invocation: Record
    outcome: Record | None
    source: str | None
    """Where its events came from; None for a direct invocation."""
    items: tuple[str, ...]
    """The ids of the events that it worked on; of a direct invocation, its request id."""
    reported: frozenset[str]
    """Those that the function reported as failed, and that come again for it."""
    unheard: frozenset[str]
    """Those that it reported although its mapping does not listen: for Lambda they are done."""
    is_answer_known: bool = True
    """Whether it is known which of its events it reported as failed."""

    @property
    def function(self) -> str:
        return self.invocation.resource

    @property
    def failed(self) -> bool:
        return self.outcome is not None and "error_type" in self.outcome.detail

    @property
    def timed_out(self) -> bool:
        return self.outcome is not None and self.outcome.detail.get("error_type") == TIMED_OUT

    @property
    def ended_at(self) -> float | None:
        return None if self.outcome is None else self.outcome.at

    @property
    def duration_ms(self) -> float | None:
        return None if self.outcome is None else float(self.outcome.detail["duration_ms"])

    @property
    def succeeded_items(self) -> tuple[str, ...]:
        """The events that it has done its work for."""
        if self.outcome is None or self.failed or UNSURE in self.outcome.detail or not self.is_answer_known:
            return ()
        return tuple(item for item in self.items if item not in self.reported | self.unheard)

    @property
    def failed_items(self) -> tuple[str, ...]:
        """The events that it failed with."""
        if self.outcome is None:
            return ()
        return tuple(item for item in self.items if self.failed or item in self.reported)

    @property
    def last(self) -> Record:
        """The record that shows it best: how it ended, else that it began."""
        return self.outcome or self.invocation


class History:
    """The records of a journal, indexed."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.records = list(records)
        self._by_n = {record.n: record for record in self.records}
        self._children: dict[int, list[Record]] = {}
        for record in self.records:
            if record.cause is not None and UNPROVED not in record.detail:
                self._children.setdefault(record.cause, []).append(record)

    # -- the tree ----------------------------------------------------------------------------------------------------

    def of(self, *kinds: str, resource: str | None = None) -> Iterator[Record]:
        """The records of some kinds, of all resources or of one."""
        return (r for r in self.records if r.kind in kinds and resource in (None, r.resource))

    def cause_of(self, record: Record) -> Record | None:
        """The record that led to this one, if it is part of the evidence; what is only likely to have led to it is not."""
        return None if record.cause is None or UNPROVED in record.detail else self._by_n.get(record.cause)

    @cached_property
    def is_observed(self) -> bool:
        """Whether it is what was observed of a deployed stage, so that things may have happened that it does not show."""
        return any(OBSERVED in record.detail for record in self.records)

    def above(self, record: Record) -> Iterator[Record]:
        """What led to a record, nearest first."""
        cause = self.cause_of(record)
        while cause is not None:
            yield cause
            cause = self.cause_of(cause)

    def children(self, record: Record) -> list[Record]:
        """What a record led to directly."""
        return self._children.get(record.n, [])

    def done_by(self, run: Run, *kinds: str) -> list[Record]:
        """What the code of one run did itself: not what its events led to."""
        return [r for r in self._children.get(run.invocation.n, ()) if r.kind in kinds]

    # -- runs --------------------------------------------------------------------------------------------------------

    @cached_property
    def runs(self) -> list[Run]:
        """Every invocation, in order."""
        return [self._run(record) for record in self.of("invocation")]

    def runs_of(self, function: str) -> list[Run]:
        """The invocations of one function, in order."""
        return [run for run in self.runs if run.function == function]

    def _run(self, invocation: Record) -> Run:
        outcome = next((r for r in self._children.get(invocation.n, ()) if r.kind == "outcome"), None)
        source, items = self._worked_on(invocation)
        reported = frozenset(self._reported(outcome))
        unheard = _identifiers(outcome).intersection(items) - reported
        return Run(invocation, outcome, source, items, reported, unheard, self._is_answer_known(invocation, outcome))

    def _is_answer_known(self, invocation: Record, outcome: Record | None) -> bool:
        """A log does not have the answer, which matters if the mapping reads batch item failures from it."""
        if outcome is None or "payload" in outcome.detail or OBSERVED not in outcome.detail:
            return True
        cause = self.cause_of(invocation)
        return cause is None or cause.kind != "delivery" or cause.detail.get("reports_failures") is False

    def _worked_on(self, invocation: Record) -> tuple[str | None, tuple[str, ...]]:
        # What a fault did to an event on its way stands between its delivery and the run.
        cause = next((r for r in self.above(invocation) if r.kind != "fault"), None)
        if cause is not None and cause.kind == "delivery":
            return cause.detail.get("source"), tuple(cause.detail["ids"])
        if cause is not None and cause.kind == "event":
            return cause.resource, (str(cause.detail.get("id", cause.n)),)
        return None, (str(invocation.detail["request_id"]),)

    def _reported(self, outcome: Record | None) -> Iterator[str]:
        if outcome is not None and "error_type" not in outcome.detail:
            for record in self._children.get(outcome.n, ()):
                if record.kind == "retry":
                    yield from record.detail.get("ids", ())

    def strikes(self, run: Run) -> list[Record]:
        """The faults that struck a run."""
        return self.done_by(run, "fault")

    def is_under_fault(self, run: Run) -> bool:
        """Whether a fault struck a run, or a function that it waited for, be it through an API."""
        return run.invocation.n in self._under_fault

    @cached_property
    def _under_fault(self) -> set[int]:
        found: set[int] = set()
        for fault in self.of("fault"):
            for record in self.above(fault):
                if not _is_waited_for(record):
                    break
                found.add(record.n)
        return found

    # -- ends --------------------------------------------------------------------------------------------------------

    @cached_property
    def _by_request(self) -> Mapping[str, Run]:
        return {str(run.invocation.detail["request_id"]): run for run in self.runs}

    def items_of(self, record: Record) -> tuple[str, ...]:
        """The events that a `dead_letter`, `dropped` or `retry` record is about; Lambda's own queue knows only its request's id."""
        found: list[str] = []
        for one in record.detail.get("ids", ()):
            run = self._by_request.get(one)
            found += self._handed_over(record, one) if run is None else run.items
        return tuple(found)

    def _handed_over(self, record: Record, one: str) -> Sequence[str]:
        """The events that a function was handed whose invocation, with the id `one`, never ran; else what the id names."""
        above = next((r for r in self.above(record) if r.kind != "fault"), None)
        ends_here = above is not None and above.resource in (record.resource, record.detail.get("source"))
        is_meant = above is not None and above.kind == "delivery" and ends_here and one not in above.detail["ids"]
        return above.detail["ids"] if above is not None and is_meant else [one]

    @cached_property
    def dead_letters(self) -> list[Record]:
        """Events that were given up and kept."""
        return [record for record in self.of("dead_letter") if not record.detail.get("lost")]

    @cached_property
    def losses(self) -> list[Record]:
        """Events that were given up and kept nowhere; what AWS drops by design is none."""
        return [r for r in self.of("dropped") if not str(r.detail.get("reason", "")).startswith(HARMLESS_DROPS)]

    @property
    def end(self) -> float:
        """When the evidence ends."""
        return self.records[-1].at if self.records else 0.0


def _identifiers(outcome: Record | None) -> frozenset[str]:
    """The batch item failures in an answer."""
    payload = None if outcome is None else outcome.detail.get("payload")
    failures = payload.get("batchItemFailures") if isinstance(payload, dict) else None
    found = failures if isinstance(failures, list) else []
    return frozenset(str(failure.get("itemIdentifier")) for failure in found if isinstance(failure, dict))


def _is_waited_for(record: Record) -> bool:
    """Whether what caused a record waits for what it leads to: an invocation, an SDK call, a request to an API."""
    return record.kind in ("invocation", "call") or (record.kind == "event" and "route" in record.detail)
