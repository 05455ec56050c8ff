"""Timeout: the function runs out of time before its handler starts, or with little left."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stagefright.chaos.faults.fault import Fault, Harm, Reader, duration_problems
from stagefright.chaos.faults.points import Invocation

OVERRUN_MS = 1000
"""
How far an unbuffered timeout sleeps past the deadline. `get_remaining_time_in_millis` rounds down, so a sleep of
exactly that long could end just before the function is stopped, and the handler would start.
"""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Timeout(Fault[Invocation]):
    """
    Sleep until the function times out; with `buffer_ms`, until only so much time is left, then run the handler.

    >>> Timeout()
    Timeout()
    >>> Timeout(buffer_ms=500)
    Timeout(buffer_ms=500)
    """

    kind = "timeout"
    turn = 20

    buffer_ms: float = 0

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """The buffer is a number of milliseconds."""
        return [*super().problems(settings), *duration_problems(settings, "buffer_ms")]

    def translations(self) -> dict[Reader, dict[str, Any]]:
        """Only failure-lambda 1.x has a timeout."""
        return {Reader.FAILURE_LAMBDA_1X: {"timeout": {"timeout_buffer_ms": self.buffer_ms}}}

    def prepare(self, point: Invocation) -> Harm:
        """Measure what is left of the function's time."""
        spare_ms = -OVERRUN_MS if self.buffer_ms == 0 else self.buffer_ms
        return {"sleep_ms": max(0, point.remaining_ms() - spare_ms), "timeout_buffer_ms": self.buffer_ms}

    def strike(self, point: Invocation, harm: Harm) -> None:  # noqa: ARG002 (the contract)
        """Sleep."""
        time.sleep(harm["sleep_ms"] / 1000)

    def heal(self, point: Invocation, harm: Harm) -> None:
        """Nothing lasts."""
