"""HttpLatency: a host answers late."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

from stagefright.chaos.faults.fault import Harm
from stagefright.chaos.faults.http_exchange import HttpRequest
from stagefright.chaos.faults.http_fault import HttpFault
from stagefright.chaos.faults.latency import delay_problems, delay_range_ms


@dataclass(frozen=True, eq=False, repr=False)
class HttpLatency(HttpFault):
    """
    Delay the responses to HTTP requests by `delay_ms`, or by a draw from [`min_delay_ms`, `max_delay_ms`).

    A client whose timeout ends before gives up by itself; its request was received all the same.

    >>> HttpLatency(delay_ms=400, host="*.example.com")
    HttpLatency(host='*.example.com', delay_ms=400)
    """

    kind = "http_latency"
    turn = 80

    _: KW_ONLY
    delay_ms: float | None = None
    min_delay_ms: float | None = None
    max_delay_ms: float | None = None

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """A fixed delay or both ends of a range, not a mixture."""
        return [*super().problems(settings), *delay_problems(settings)]

    def decide(self, point: HttpRequest) -> Harm:
        """Draw the delay."""
        return {"latency_ms": point.draw(*delay_range_ms(self.delay_ms, self.min_delay_ms, self.max_delay_ms))}

    def strike(self, point: HttpRequest, harm: Harm) -> None:
        """Make the response late."""
        point.exchange.late_s += harm["latency_ms"] / 1000
