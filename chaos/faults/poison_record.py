"""PoisonRecord: among the events there is one that the consumer cannot read."""

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
    AcceptedPoint,
    DeliveryFault,
)
from stagefright.chaos.faults.fault import Harm

UNREADABLE = '{"unreadable": '
"""What queues, topics and streams carry by default: the beginning of a JSON text."""

_OBJECTS = (BUS, *TABLES)
"""What carries objects; all else carries text, and a stream any bytes."""


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class PoisonRecord(DeliveryFault[AcceptedPoint]):
    """
    Put an event with `payload` right behind each event that the source accepts, by the source's own rules.

    It has the attributes, the message group and the partition key of the one before. On a bus `payload` is the `detail` (by default an empty one),
    in a table the attributes of a new item (by default none but its key): the item is really written, into the same item collection
    if the table has a sort key.

    >>> PoisonRecord()
    PoisonRecord()
    >>> PoisonRecord(payload="{broken").at_most(1)
    PoisonRecord(payload='{broken').at_most(1)
    """

    kind = "poison_record"
    turn = 40
    applies_to = (QUEUE, TOPIC, BUS, STREAM, *TABLES)
    strikes_at = (AcceptedPoint,)
    strikes_when = "An event must be accepted inside the block."
    is_for_fifo = True
    why_not = dict.fromkeys(FUNCTIONS, "a function has no events of its own; plan it for what triggers the function")

    payload: str | bytes | Mapping[str, Any] | None = None

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """A payload that some source could carry."""
        payload = settings.get("payload")
        wrong = super().problems(settings)
        if payload is not None and not isinstance(payload, str | bytes | Mapping):
            wrong.append(
                f"payload is {payload!r}; it should be text, bytes (for a stream) or a dict (for a bus or a table)"
            )
        if payload in ("", b""):
            wrong.append("payload is empty; no queue and no topic accepts that")
        return wrong

    def misfit(self, resource_type: str, physical_id: str) -> str | None:
        """Besides its type, the payload must be something that the source can carry."""
        payload = self.payload
        if payload is not None and resource_type in self.applies_to:
            if resource_type in _OBJECTS and not isinstance(payload, Mapping):
                return f"there the payload is a dict, not {payload!r}"
            if resource_type not in _OBJECTS and isinstance(payload, Mapping):
                return f"there the payload is text, not {payload!r}"
            if isinstance(payload, bytes) and resource_type != STREAM:
                return "only a stream carries bytes; give the payload as text"
        return super().misfit(resource_type, physical_id)

    def prepare(self, point: AcceptedPoint) -> Harm:
        """Choose the payload."""
        return {"payload": self._payload_for(point.kind)}

    def _payload_for(self, kind: str) -> str | bytes | Mapping[str, Any]:
        if kind in ("bus", "table"):
            return {} if self.payload is None else self.payload
        payload = UNREADABLE if self.payload is None else self.payload
        return payload.encode() if kind == "stream" and isinstance(payload, str) else payload

    def strike(self, point: AcceptedPoint, harm: Harm) -> None:
        """Let the source accept it."""
        point.follow(harm["payload"])
