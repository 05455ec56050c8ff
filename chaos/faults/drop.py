"""Drop: an event is lost, where AWS may lose one."""

from __future__ import annotations

from dataclasses import dataclass

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
from stagefright.chaos.faults.fault import Harm

_KEEPS = "keeps what it has accepted until a consumer is done with it, or until its retention ends"

_WHY_NOT = {
    QUEUE: f"SQS never loses a message: a queue {_KEEPS}",
    STREAM: f"a stream never loses a record: it {_KEEPS}",
    **dict.fromkeys(TABLES, f"a table's stream never loses a record: it {_KEEPS}"),
}


@dataclass(frozen=True, eq=False, repr=False)
class Drop(DeliveryFault[HandOverPoint]):
    """
    Lose an event on its way.

    Lambda may drop an asynchronous event when its queue is backed up. A topic or a bus gives an event up whose delivery fails on the client's
    side: the dead-letter queue of the subscription or the target keeps it, and without one it is lost.

    >>> Drop()
    Drop()
    """

    kind = "drop"
    turn = 0
    applies_to = (TOPIC, BUS, *FUNCTIONS)
    strikes_at = (HandOverPoint,)
    strikes_when = "An event must be on its way to a subscriber, a target or a function that is invoked asynchronously."
    why_not = _WHY_NOT

    def prepare(self, point: HandOverPoint) -> Harm:  # noqa: ARG002 (the contract)
        """Nothing to decide."""
        return {}

    def strike(self, point: HandOverPoint, harm: Harm) -> None:  # noqa: ARG002 (the contract)
        """Lose it."""
        point.course.lose()
