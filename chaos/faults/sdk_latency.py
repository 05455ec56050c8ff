"""SdkLatency: AWS takes its time."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any

from stagefright.chaos.faults.fault import Harm
from stagefright.chaos.faults.latency import delay_problems, delay_range_ms
from stagefright.chaos.faults.sdk_call import SdkCall
from stagefright.chaos.faults.sdk_fault import SdkFault


@dataclass(frozen=True, eq=False, repr=False)
class SdkLatency(SdkFault):
    """
    Delay the answers to the attempts at an operation by `delay_ms`, or by a draw from [`min_delay_ms`, `max_delay_ms`).

    A delay beyond the client's `read_timeout` ends in botocore's `ReadTimeoutError`, of a call that took effect.

    >>> SdkLatency("dynamodb", "GetItem", delay_ms=250)
    SdkLatency(service='dynamodb', operation='GetItem', delay_ms=250)
    """

    kind = "sdk_latency"
    turn = 65

    _: KW_ONLY
    delay_ms: float | None = None
    min_delay_ms: float | None = None
    max_delay_ms: float | None = None

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """A fixed delay or both ends of a range, not a mixture."""
        return [*super().problems(settings), *delay_problems(settings)]

    def decide(self, point: SdkCall) -> Harm:
        """Draw the delay."""
        return {"latency_ms": point.draw(*delay_range_ms(self.delay_ms, self.min_delay_ms, self.max_delay_ms))}

    def strike(self, point: SdkCall, harm: Harm) -> Exception | None:
        """Sleep, unless the client's patience ends before."""
        from botocore.exceptions import ReadTimeoutError

        patience_s = point.attempt.read_timeout_s
        delay_s = harm["latency_ms"] / 1000
        if patience_s is None or delay_s < patience_s:
            time.sleep(delay_s)
            return None
        point.attempt.proceed()
        time.sleep(patience_s)
        return ReadTimeoutError(endpoint_url=point.attempt.request.url, error=f"no answer within {patience_s:g} s")
