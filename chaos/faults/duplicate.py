"""Duplicate: an event is handed over more than once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stagefright.chaos.faults.delivery import (
    BUS,
    FUNCTIONS,
    QUEUE,
    STREAM,
    STREAM_ORDER,
    TABLES,
    TOPIC,
    DeliveryFault,
    HandOverPoint,
)
from stagefright.chaos.faults.fault import Harm
from stagefright.delivery.at_least_once import DUPLICATE_DELAY_MS_MAX

COPIES_MAX = 100


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Duplicate(DeliveryFault[HandOverPoint]):
    """
    Hand an event over once, and then `copies` times more.

    A queue's message is received again when it was deleted and its visibility timeout is over. A topic, a bus or Lambda's asynchronous
    queue hands the next copy over within a second of the first.

    >>> Duplicate()
    Duplicate()
    """

    kind = "duplicate"
    turn = 30
    applies_to = (QUEUE, TOPIC, BUS, *FUNCTIONS)
    strikes_at = (HandOverPoint,)
    strikes_when = "A copy must be handed over: a message of a queue must be received and deleted first."
    why_not = dict.fromkeys((STREAM, *TABLES), STREAM_ORDER)

    copies: int = 1

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """A number of copies from 1 on."""
        copies = settings.get("copies", 1)
        is_good = type(copies) is int and 1 <= copies <= COPIES_MAX
        wrong = [] if is_good else [f"copies is {copies!r}; it should be a whole number from 1 to {COPIES_MAX}"]
        return [*super().problems(settings), *wrong]

    def prepare(self, point: HandOverPoint) -> Harm:
        """Draw when each copy comes, in whole milliseconds; a queue's comes when the one before was deleted."""
        draws = [point.draw(1, DUPLICATE_DELAY_MS_MAX, f"copy {n}") for n in range(self.copies)]
        return {"after_s": [0.0 if point.is_in_queue else round(drawn) / 1_000 for drawn in draws]}

    def strike(self, point: HandOverPoint, harm: Harm) -> None:
        """Add the copies."""
        for after_s in harm["after_s"]:
            point.course.copy(after_s)
