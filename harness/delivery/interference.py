"""
Where faults reach into deliveries, besides `at_least_once.py`: what a source accepts, how big batches are, and who may run.

Nobody reaches in by default, and then nothing here costs anything. Whoever plans faults adds hooks; a reset takes them away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from stagefright.delivery.at_least_once import Decider

if TYPE_CHECKING:
    from stagefright.services.queue import Queue

SourceKind = Literal["queue", "topic", "bus", "stream", "table"]

Follow = Callable[[Any, int], None]
"""Puts an event with this payload right behind another one, by the source's own rules; the number is the record that causes it."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """A source has accepted an event; sources and consumers are logical ids, or names where a template gave none."""

    kind: SourceKind
    source: str
    event_id: str
    record: int
    """The journal's number of the event."""
    follow: Follow


@dataclass(frozen=True, slots=True)
class Gathering:
    """A batch is about to be taken from a source."""

    kind: SourceKind
    source: str
    consumer: str
    first_id: str
    attempt: int
    """How often the first of its events is handed out now."""
    available: int
    """How many events it would have."""
    record: int | None
    """The journal's number of the first event."""


@dataclass(frozen=True, slots=True)
class Admission:
    """A function is about to be invoked."""

    function: str
    request_id: str
    attempt: int
    cause: int | None
    running: int = 0
    """How many invocations of it are under way."""
    has_rate: Callable[[int], bool] = field(default=lambda concurrency: True, compare=False)
    """Whether the rate of requests that a reserved concurrency brings allows one more (§1.8)."""


@dataclass(frozen=True, slots=True)
class Throttle:
    """An invocation is refused as if the function had reserved this concurrency."""

    concurrency: int
    reason: str


class Interference:
    """The hooks; all of them count, and of several throttles the newest one's."""

    def __init__(self, deciders: list[Decider]) -> None:
        self.deciders = deciders
        """Those of `AtLeastOnce`."""
        self.on_accepted: list[Callable[[Acceptance], None]] = []
        self.batch_limits: list[Callable[[Gathering], int | None]] = []
        self.throttles: list[Callable[[Admission], Throttle | None]] = []
        self._within: set[str] = set()

    def reset(self) -> None:
        """Take all hooks away."""
        self.deciders.clear()
        self.on_accepted.clear()
        self.batch_limits.clear()
        self.throttles.clear()

    def accepted(
        self, kind: SourceKind, source: str, detail: Mapping[str, Any], record: int | None, follow: Follow
    ) -> None:
        """A source accepted the event of a journal record; what is put behind it is nobody's business any more."""
        if not self.on_accepted or record is None or source in self._within:
            return
        self._within.add(source)
        try:
            for hook in tuple(self.on_accepted):
                hook(Acceptance(kind, source, str(detail["id"]), record, follow))
        finally:
            self._within.discard(source)

    def batch_max(self, gathering: Gathering) -> int:
        """How many events a batch may have of those that are there: at least one."""
        for hook in tuple(self.batch_limits):
            limit = hook(gathering)
            if limit is not None:
                gathering = replace(gathering, available=max(1, min(limit, gathering.available)))
        return gathering.available

    def receive_max(self, queue: Queue, source: str, consumer: str, size: int) -> int:
        """How many messages a receiver of a queue, who asks for `size`, gets at most."""
        first = queue.oldest_receivable() if self.batch_limits else None
        if first is None:
            return size
        available, attempt = min(size, queue.depth().visible), first.receive_count + 1
        gathering = Gathering("queue", source, consumer, first.id, attempt, available, first.record)
        limit = self.batch_max(gathering)
        return size if limit == available else limit

    def throttle(self, admission: Admission) -> Throttle | None:
        """What stands in the way of an invocation, if anything does."""
        for hook in reversed(self.throttles):
            throttle = hook(admission)
            if throttle is not None:
                return throttle
        return None
