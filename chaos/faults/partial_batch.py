"""PartialBatch: a consumer gets fewer records at once than there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stagefright.chaos.faults.delivery import BUS, FUNCTIONS, QUEUE, STREAM, TABLES, TOPIC, BatchPoint, DeliveryFault
from stagefright.chaos.faults.fault import Harm

_SINGLY = "it hands events over one by one, so there is no batch to cut"
RECORDS_MAX = 10_000
"""The biggest batch of an event source mapping."""

_WHY_NOT = {
    TOPIC: _SINGLY,
    BUS: _SINGLY,
    **dict.fromkeys(FUNCTIONS, "a function takes what its trigger hands over; plan it for the queue or the stream"),
}


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class PartialBatch(DeliveryFault[BatchPoint]):
    """
    Cut a batch of a queue or a stream to its first `records`.

    `BatchSize` and `MaxNumberOfMessages` are upper limits, and AWS may stay below them at any time. What is cut off comes next: it was not
    received, so its receive count does not grow. Mappings, pipes and `ReceiveMessage` are cut, in order.

    >>> PartialBatch(records=3)
    PartialBatch(records=3)
    """

    kind = "partial_batch"
    turn = 50
    applies_to = (QUEUE, STREAM, *TABLES)
    strikes_at = (BatchPoint,)
    strikes_when = "More events than `records` must be there at once: send several before the consumer reads."
    is_for_fifo = True
    why_not = _WHY_NOT

    records: int = 1

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """A number of records from 1 on."""
        records = settings.get("records", 1)
        is_good = type(records) is int and 1 <= records <= RECORDS_MAX
        wrong = [] if is_good else [f"records is {records!r}; it should be a whole number from 1 to {RECORDS_MAX}"]
        return [*super().problems(settings), *wrong]

    def prepare(self, point: BatchPoint) -> Harm | None:
        """A batch that is as small already cannot be cut."""
        if point.available <= self.records:
            return None
        return {"handed_over": self.records, "left": point.available - self.records}

    def strike(self, point: BatchPoint, harm: Harm) -> None:
        """Cut it."""
        point.limit.append(harm["handed_over"])
