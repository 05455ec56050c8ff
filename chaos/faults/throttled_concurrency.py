"""ThrottledConcurrency: a function is refused the concurrency that it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stagefright.chaos.faults.delivery import (
    BUS,
    FUNCTIONS,
    QUEUE,
    STREAM,
    TABLES,
    TOPIC,
    AdmissionPoint,
    DeliveryFault,
)
from stagefright.chaos.faults.fault import Harm

CONCURRENCY_MAX = 100_000


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class ThrottledConcurrency(DeliveryFault[AdmissionPoint]):
    """
    Throttle a function's invocations as if its reserved concurrency were `concurrency`; with 0 it cannot run at all.

    Every trigger then does what it does on AWS: a synchronous caller gets `TooManyRequestsException`, an asynchronous event is tried again
    for up to six hours (with 0 it is given up at once), a queue's messages come back, and a stream's batch waits.

    >>> ThrottledConcurrency()
    ThrottledConcurrency()
    >>> ThrottledConcurrency(concurrency=5)
    ThrottledConcurrency(concurrency=5)
    """

    kind = "throttled_concurrency"
    turn = 60
    applies_to = FUNCTIONS
    strikes_at = (AdmissionPoint,)
    strikes_when = "More invocations than `concurrency` must be under way at once, or asked for with 0."
    why_not = dict.fromkeys(
        (QUEUE, TOPIC, BUS, STREAM, *TABLES), "only functions have a concurrency; plan it for the consumer"
    )

    concurrency: int = 0

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """A number from 0 on."""
        value = settings.get("concurrency", 0)
        is_good = type(value) is int and 0 <= value <= CONCURRENCY_MAX
        wrong = (
            [] if is_good else [f"concurrency is {value!r}; it should be a whole number from 0 to {CONCURRENCY_MAX}"]
        )
        return [*super().problems(settings), *wrong]

    def prepare(self, point: AdmissionPoint) -> Harm | None:
        """An invocation for which there is room is not struck."""
        if point.running >= self.concurrency:
            return {"reason": "ReservedFunctionConcurrentInvocationLimitExceeded", "running": point.running}
        if not point.has_rate(self.concurrency):
            return {"reason": "ReservedFunctionInvocationRateLimitExceeded", "running": point.running}
        return None

    def strike(self, point: AdmissionPoint, harm: Harm) -> None:
        """Refuse it."""
        point.refusals.append((self.concurrency, harm["reason"]))
