"""The journal of a stage outside this process: what was observed of it, in the order in which it was observed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from stagefright.clock import Clock
from stagefright.journal import OBSERVED, Journal, Record

Arrange = Callable[[int], list[Record]]
"""Gives what was observed, from a number of the journal on, in the order of its causes."""


class ObservedJournal(Journal):
    """
    A journal whose records came to be known, each some time after it happened.

    So its order is not that of time, causes are added when they are found out, and it may not have everything. `arranged()` gives the same
    evidence as the journal of a local stage has it: in order of time, causes before their effects.
    """

    def __init__(self, clock: Clock, arrange: Arrange | None = None) -> None:
        super().__init__(clock)
        self._arrange = arrange

    def arranged(self, since: int = 0) -> list[Record]:
        """
        What is known now, with the edges that it proves; its records have numbers of their own.

        With `since`, what came to be known from that number on.
        """
        return super().arranged(since) if self._arrange is None else self._arrange(since)

    def revise(self, n: int, *, at: float | None = None, cause: int | None = None, **detail: Any) -> Record:
        """Correct a record by what became known later."""
        old = self[n]
        new = replace(
            old,
            at=old.at if at is None else at,
            cause=old.cause if cause is None else cause,
            detail={**old.detail, **detail},
        )
        self._replace(new)
        return new

    def _append(self, record: Record) -> Record:
        detail: Mapping[str, Any] = {**record.detail, OBSERVED: True}
        return super()._append(replace(record, detail=dict(detail)))
