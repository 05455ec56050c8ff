"""Latency: the handler starts late."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from stagefright.chaos.faults.fault import Fault, Harm, Reader, duration_problems, refuse
from stagefright.chaos.faults.points import Invocation


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Latency(Fault[Invocation]):
    """
    Delay the handler by `delay_ms`, or by a draw from [`min_delay_ms`, `max_delay_ms`).

    The delay counts towards the function's timeout, as it would on AWS.

    >>> Latency(delay_ms=400)
    Latency(delay_ms=400)
    >>> Latency(min_delay_ms=100, max_delay_ms=400).range_ms
    (100, 400)
    """

    def __new__(cls, *misplaced: Any, **_settings: Any) -> Self:
        """Refuse a bare number, which does not say whether it is the delay or a bound of it."""
        if misplaced:
            refuse(f"{cls.__name__} takes its settings by name", [f"say {cls.__name__}(delay_ms={misplaced[0]!r})"])
        return super().__new__(cls)

    kind = "latency"
    turn = 10

    delay_ms: float | None = None
    min_delay_ms: float | None = None
    max_delay_ms: float | None = None

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """A fixed delay or both ends of a range, not a mixture."""
        return [*super().problems(settings), *delay_problems(settings)]

    @property
    def range_ms(self) -> tuple[float, float]:
        """The bounds of the delay; they are the same for a fixed one."""
        return delay_range_ms(self.delay_ms, self.min_delay_ms, self.max_delay_ms)

    def translations(self) -> dict[Reader, dict[str, Any]]:
        """chaos-lambda knows a fixed delay of whole milliseconds only, and ignores any other."""
        low, high = self.range_ms
        said: dict[Reader, dict[str, Any]] = {
            Reader.FAILURE_LAMBDA_0X: {"failureMode": "latency", "minLatency": low, "maxLatency": high},
            Reader.FAILURE_LAMBDA_1X: {"latency": {"min_latency": low, "max_latency": high}},
        }
        if low == high == int(low):
            said[Reader.CHAOS_LAMBDA] = {"fault_type": "latency", "delay": int(low)}
        return said

    def prepare(self, point: Invocation) -> Harm:
        """Draw the delay."""
        return {"latency_ms": point.draw(*self.range_ms)}

    def strike(self, point: Invocation, harm: Harm) -> None:  # noqa: ARG002 (the contract)
        """Sleep."""
        time.sleep(harm["latency_ms"] / 1000)

    def heal(self, point: Invocation, harm: Harm) -> None:
        """Nothing lasts."""


def delay_range_ms(
    delay_ms: float | None, min_delay_ms: float | None, max_delay_ms: float | None
) -> tuple[float, float]:
    """The bounds of a delay whose settings have no problems; they are the same for a fixed one."""
    if delay_ms is not None:
        return delay_ms, delay_ms
    assert min_delay_ms is not None
    assert max_delay_ms is not None
    return min_delay_ms, max_delay_ms


def delay_problems(settings: Mapping[str, Any]) -> list[str]:
    """What is wrong with a delay that is either fixed or a range."""
    names = ("delay_ms", "min_delay_ms", "max_delay_ms")
    return duration_problems(settings, *names) or _range_problems(*(settings.get(name) for name in names))


def _range_problems(delay_ms: float | None, min_delay_ms: float | None, max_delay_ms: float | None) -> list[str]:
    is_range = (min_delay_ms is not None, max_delay_ms is not None)
    if delay_ms is not None and any(is_range):
        return ["delay_ms and a range are both given; say one of them"]
    if delay_ms is None and not all(is_range):
        return ["no delay is given; say delay_ms=..., or min_delay_ms=... and max_delay_ms=..."]
    if min_delay_ms is not None and max_delay_ms is not None and max_delay_ms < min_delay_ms:
        return [f"max_delay_ms ({max_delay_ms}) is less than min_delay_ms ({min_delay_ms})"]
    return []
