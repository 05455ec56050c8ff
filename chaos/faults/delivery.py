"""
What faults of deliveries have in common: where they strike, and what they can be planned for.

They need a local stage, which hands events over itself (`chaos/deliveries.py`); no function ever carries them. A strike says what should become of
an event on its way by way of the point's `course`; the world does it, and writes the fault's record when it happens: a duplicate that nobody
receives, or a message that nobody overtook, is no strike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

from stagefright.chaos.faults.fault import FUNCTIONS, Fault, Harm
from stagefright.chaos.faults.points import FaultPoint, fresh

QUEUE = "AWS::SQS::Queue"
TOPIC = "AWS::SNS::Topic"
BUS = "AWS::Events::EventBus"
STREAM = "AWS::Kinesis::Stream"
TABLES = ("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable", "AWS::Serverless::SimpleTable")

STREAM_ORDER = "a stream hands its records over in order, each until it succeeded, expired or was given up"
FIFO_ORDER = "a FIFO queue or topic hands each message over once and in order"


@dataclass
class Course:
    """What is to become of one hand-over; every fault that strikes adds to it."""

    delay_s: float = 0.0
    held_back_s: float = 0.0
    """How long the first copy is held back so that others pass."""
    places: int = 0
    """How many later messages of a queue may be received before this one."""
    copies_after_s: list[float] = field(default_factory=list)
    """One more copy each, so long after the first."""
    is_lost: bool = False
    effects: list[str] = field(default_factory=list)
    """What the present strike did: `delay`, `reorder`, `duplicate` or `drop`."""

    def delay(self, seconds: float) -> None:
        """Hand it over later."""
        self.delay_s += seconds
        self.effects.append("delay")

    def hold_back(self, seconds: float, places: int) -> None:
        """Let others pass: for a while, or so many of a queue's messages."""
        self.held_back_s += seconds
        self.places += places
        self.effects.append("reorder")

    def copy(self, after_s: float) -> None:
        """Hand it over once more."""
        self.copies_after_s.append(after_s)
        self.effects.append("duplicate")

    def lose(self) -> None:
        """Never hand it over."""
        self.is_lost = True
        self.effects.append("drop")


class DeliveryPoint(FaultPoint):
    """
    A place at which an event on its way could be hurt; resources are logical ids.

    `event` is what the journal says of the event, where it is on record: its `id`, its `body`, `message`, `detail` or `data`.
    """

    source: str = ""
    consumer: str = ""
    event_id: str = ""
    event: Mapping[str, Any] = fresh(default_factory=dict)
    nth: int = 0
    """How many points of the same identity there were before."""

    @property
    def identity(self) -> tuple[object, ...]:
        """The source, the consumer and the event."""
        return (type(self).__name__, self.source, self.consumer, self.event_id, self.nth)


class HandOverPoint(DeliveryPoint):
    """An event is about to be handed over to one consumer."""

    is_in_queue: bool = False
    """Whether a queue keeps it until somebody receives it."""
    course: Course = fresh(default_factory=Course)


class AcceptedPoint(DeliveryPoint):
    """A source has accepted an event; `follow(payload)` puts another one right behind it."""

    kind: str = ""
    follow: Callable[[Any], None] = fresh(default_factory=lambda: lambda payload: None)


class BatchPoint(DeliveryPoint):
    """A batch of `available` events, of which this is the first, is about to be handed over; `limit` is set to cut it."""

    available: int = 0
    limit: list[int] = fresh(default_factory=list)


class AdmissionPoint(DeliveryPoint):
    """A function is about to be invoked, with a request id; `refusals` is told a concurrency and a reason to refuse it."""

    running: int = 0
    has_rate: Callable[[int], bool] = fresh(default_factory=lambda: lambda concurrency: True)
    refusals: list[tuple[int, str]] = fresh(default_factory=list)


DeliveryPointT = TypeVar("DeliveryPointT", bound=DeliveryPoint)


@dataclass(frozen=True, eq=False, repr=False)
class DeliveryFault(Fault[DeliveryPointT], Generic[DeliveryPointT]):
    """A fault that strikes where events are handed over: on a local stage only, and never by a flag."""

    is_local = True

    is_for_fifo: ClassVar[bool] = False
    """Whether a FIFO queue or topic can suffer it."""

    strikes_when: ClassVar[str]
    """What must happen for the fault to strike, as a sentence for whose fault never did."""

    why_not: ClassVar[Mapping[str, str]] = {}
    """By resource type, why AWS would not do this there."""

    def misfit(self, resource_type: str, physical_id: str) -> str | None:
        """Why the fault cannot strike this resource, as a clause; None if it can."""
        if physical_id.endswith(".fifo") and resource_type in (QUEUE, TOPIC) and not self.is_for_fifo:
            return FIFO_ORDER
        if resource_type in self.applies_to:
            return None
        return self.why_not.get(resource_type, f"it is for {', '.join(self.applies_to)}")

    def heal(self, point: DeliveryPointT, harm: Harm) -> None:
        """Nothing lasts: what is on its way arrives."""


__all__ = [
    "BUS",
    "FUNCTIONS",
    "QUEUE",
    "STREAM",
    "TABLES",
    "TOPIC",
    "AcceptedPoint",
    "AdmissionPoint",
    "BatchPoint",
    "Course",
    "DeliveryFault",
    "DeliveryPoint",
    "HandOverPoint",
]
