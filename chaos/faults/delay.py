"""Delay: an event arrives late."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from stagefright.chaos.faults.delivery import (
    BUS,
    FUNCTIONS,
    QUEUE,
    STREAM,
    TABLES,
    TOPIC,
    DeliveryFault,
    HandOverPoint,
)
from stagefright.chaos.faults.fault import Harm, refuse

DELAY_MS_MAX = 24 * 3600 * 1_000
"""A day: the longest for which EventBridge itself may hold an event back."""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Delay(DeliveryFault[HandOverPoint]):
    """
    Hand an event over `delay_ms` later than AWS would.

    What keeps order goes on keeping it: behind a late message of a FIFO group, or a late record of a shard, the later ones wait.

    >>> Delay(delay_ms=400)
    Delay(delay_ms=400)
    """

    def __new__(cls, *misplaced: Any, **_settings: Any) -> Self:
        """Refuse a bare number, which does not say its unit."""
        if misplaced:
            refuse(f"{cls.__name__} takes its settings by name", [f"say {cls.__name__}(delay_ms={misplaced[0]!r})"])
        return super().__new__(cls)

    kind = "delay"
    turn = 10
    applies_to = (QUEUE, TOPIC, BUS, STREAM, *TABLES, *FUNCTIONS)
    strikes_at = (HandOverPoint,)
    strikes_when = "An event must be accepted, and come to a consumer, inside the block."
    is_for_fifo = True

    delay_ms: float = 0

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """A number of milliseconds above 0."""
        wrong = super().problems(settings)
        delay_ms = settings.get("delay_ms", 0)
        is_number = isinstance(delay_ms, int | float) and not isinstance(delay_ms, bool)
        if not is_number or not 0 < delay_ms <= DELAY_MS_MAX:
            wrong.append(f"delay_ms is {delay_ms!r}; it should be a number above 0, up to {DELAY_MS_MAX} (a day)")
        return wrong

    def prepare(self, point: HandOverPoint) -> Harm:  # noqa: ARG002 (the contract)
        """Nothing to draw."""
        return {"delay_ms": self.delay_ms}

    def strike(self, point: HandOverPoint, harm: Harm) -> None:
        """Hold it back."""
        point.course.delay(harm["delay_ms"] / 1_000)
