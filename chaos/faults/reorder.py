"""Reorder: a later event overtakes an earlier one."""

from __future__ import annotations

from dataclasses import dataclass

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
from stagefright.delivery.at_least_once import REORDER_DELAY_MS_MAX, REORDER_PLACES_MAX


@dataclass(frozen=True, eq=False, repr=False)
class Reorder(DeliveryFault[HandOverPoint]):
    """
    Hold an event back so that later ones may pass it.

    In a queue up to ten later messages may be received before it; a topic, a bus and Lambda's asynchronous queue hold it back for up to a
    tenth of a second. It strikes when another event does pass.

    >>> Reorder()
    Reorder()
    """

    kind = "reorder"
    turn = 20
    applies_to = (QUEUE, TOPIC, BUS, *FUNCTIONS)
    strikes_at = (HandOverPoint,)
    strikes_when = "Another event must pass: send several, and let them be received inside the block."
    why_not = dict.fromkeys((STREAM, *TABLES), STREAM_ORDER)

    def prepare(self, point: HandOverPoint) -> Harm:
        """Draw how many places, or how many milliseconds."""
        if point.is_in_queue:
            return {"places": int(point.draw(1, REORDER_PLACES_MAX + 1, "places")), "held_back_s": 0.0}
        return {"places": 0, "held_back_s": round(point.draw(1, REORDER_DELAY_MS_MAX, "held back")) / 1_000}

    def strike(self, point: HandOverPoint, harm: Harm) -> None:
        """Hold it back."""
        point.course.hold_back(harm["held_back_s"], harm["places"])
