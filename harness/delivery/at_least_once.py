"""
What "at least once" means: now and then AWS hands the same event over twice, or a later one first.

Standard queues, standard topics, event buses, schedules and the notifications of buckets promise no more than that (semantics §3.2, §6.4, §6.6,
§10.2); FIFO queues, FIFO topics and streams do, so nothing here is ever asked about them. A world is exact by default. A project that wants to
see what its consumers make of it sets
`[tool.stagefright.at_least_once]`; a fault that hurts deliveries puts a decider of its own in front.

Each draw depends on the source, the event and the consumer alone, so the same seed gives the same duplicates, whatever else happens.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Literal, Protocol

from stagefright.chance import Chance
from stagefright.errors import SettingsError, nearest
from stagefright.journal import Journal

REORDER_DELAY_MS_MAX = 100.0
"""How long a reordered hand-over of a topic, a bus, a schedule or a bucket is held back at most. AWS gives no number."""

REORDER_PLACES_MAX = 10
"""How many later messages may overtake a reordered one in a queue. AWS gives no number."""

DUPLICATE_DELAY_MS_MAX = 1_000.0
"""How long after the first copy a topic, a bus, a schedule or a bucket hands the second one over, at most. AWS gives no number."""

STANDARD_TYPES = (
    "AWS::SQS::Queue",
    "AWS::SNS::Topic",
    "AWS::Events::EventBus",
    "AWS::Scheduler::Schedule",
    "AWS::S3::Bucket",
)
"""What delivers at least once; a FIFO one of these does not."""

DEFAULT_BUS = "default"
"""The bus that every account has; no template names it."""

Kind = Literal["queue", "topic", "bus", "schedule", "bucket"]


@dataclass(frozen=True, slots=True)
class HandOver:
    """One event on its way from a source to a consumer; all are logical ids, or names where a template gave none."""

    kind: Kind
    source: str
    event_id: str
    consumer: str
    """Who gets it. A queue does not know who will receive, so there it is the queue itself."""


@dataclass(frozen=True, slots=True)
class Decision:
    """
    What becomes of one hand-over.

    `delays_s` has one entry per copy: how long it is held back. None at all means that the event is lost. Of a queue's message
    every copy but the first comes when the one before was deleted and its visibility timeout is over.
    """

    delays_s: tuple[float, ...] = (0.0,)
    places: int = 0
    """How many later messages of the queue may be received before this one."""
    settings: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """What the journal says of why."""
    late: Literal["delay", "reorder"] = "delay"
    """What the journal calls it when the first copy is held back: harm in itself, or a way to let others pass."""


ONCE = Decision()
"""Exactly once, at once."""


def check_names(settings: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse a name that no standard queue, topic, bus, schedule or bucket of a stage has; a pattern may fit nothing, or what a test makes."""
    known = [*known, DEFAULT_BUS]
    for setting, value in settings.items():
        for name in value if isinstance(value, Mapping) else ():
            if name not in known and not any(character in name for character in "*?["):
                raise SettingsError(
                    f"at_least_once.{setting} names {name!r}, and the stage has no standard queue, topic, bus, schedule or bucket of that name. "
                    f"{nearest(name, known)} A pattern such as {name + '*'!r} names what tests make."
                )


Decider = Callable[[HandOver], Decision | None]
"""Decides on a hand-over, or leaves it to the next decider with None."""

Probability = float | Mapping[str, float]


class DeliveryKernel(Protocol):
    """What a delayed copy needs of the kernel."""

    def sleep(self, seconds: float) -> Any:
        """A future that settles after a span of virtual time."""

    def spawn(self, coroutine: Coroutine[Any, Any, None], *, name: str, cause: int | None = None) -> Any:
        """Start a task."""


class AtLeastOnce:
    """
    Decides how often, when and in which order a world's events are handed over.

    `deciders` are asked first, the newest before the others; a reset takes them away. Who plans faults adds one.
    """

    def __init__(
        self,
        chance: Chance,
        journal: Journal,
        kernel: DeliveryKernel,
        settings: Mapping[str, Probability] | None = None,
    ) -> None:
        self._chance = chance
        self._journal = journal
        self._kernel = kernel
        self._settings = {name: value for name, value in (settings or {}).items() if value}
        self.deciders: list[Decider] = []

    def reset(self) -> None:
        """Forget the deciders that a test has added."""
        self.deciders.clear()

    @property
    def is_exact(self) -> bool:
        """Whether everything is handed over once and at once, so that nobody need ask."""
        return not (self._settings or self.deciders)

    def decide(self, hand_over: HandOver) -> Decision:
        """What becomes of a hand-over."""
        for decider in reversed(self.deciders):
            decision = decider(hand_over)
            if decision is not None:
                return decision
        return self._by_settings(hand_over)

    def hand_over(self, start: Callable[[int], None], hand_over: HandOver, cause: int) -> int:
        """Call `start` with its cause once per copy, each after its delay; the number of copies, which is 0 for what is lost."""
        decision = self.decide(hand_over)
        if decision is ONCE:
            start(cause)
            return 1
        if not decision.delays_s:
            self.note("drop", hand_over, decision, cause)
        for copy, delay_s in enumerate(decision.delays_s):
            self._copy(start, hand_over, decision, cause, copy, delay_s)
        return len(decision.delays_s)

    def _copy(
        self,
        start: Callable[[int], None],
        hand_over: HandOver,
        decision: Decision,
        cause: int,
        copy: int,
        delay_s: float,
    ) -> None:
        if copy or delay_s:
            cause = self.note("duplicate" if copy else decision.late, hand_over, decision, cause, delay_s=delay_s)
        if not delay_s:
            start(cause)
            return
        name = f"late copy of {hand_over.event_id} from {hand_over.source} to {hand_over.consumer}"
        self._kernel.spawn(self._later(start, cause, delay_s), name=name, cause=cause)

    async def _later(self, start: Callable[[int], None], cause: int, delay_s: float) -> None:
        await self._kernel.sleep(delay_s)
        start(cause)

    def note(self, fault: str, hand_over: HandOver, decision: Decision, cause: int | None, **harm: Any) -> int:
        """Write down what was done to an event; what follows from it names this record as its cause."""
        harm = {"ids": [hand_over.event_id], "source": hand_over.source, **harm}
        settings = dict(decision.settings)
        return self._journal.write(
            "fault", hand_over.consumer, cause=cause, fault=fault, settings=settings, harm=harm
        ).n

    def _by_settings(self, hand_over: HandOver) -> Decision:
        duplicate = self._strikes("duplicate_probability", hand_over)
        reorder = self._strikes("reorder_probability", hand_over)
        if not (duplicate or reorder):
            return ONCE
        key = (hand_over.source, hand_over.event_id, hand_over.consumer)
        in_queue = hand_over.kind == "queue"
        first_s = self._draw_s(REORDER_DELAY_MS_MAX, "reorder delay", *key) if reorder and not in_queue else 0.0
        again_s = 0.0 if in_queue else self._draw_s(DUPLICATE_DELAY_MS_MAX, "duplicate delay", *key)
        return Decision(
            (first_s, again_s) if duplicate else (first_s,),
            self._chance.choice(range(1, REORDER_PLACES_MAX + 1), "reorder places", *key)
            if reorder and in_queue
            else 0,
            {name: self._probability(name, hand_over.source) for name in self._settings},
            "reorder",
        )

    def _draw_s(self, limit_ms: float, *key: object) -> float:
        """From a millisecond to a limit, in whole milliseconds, so that a journal is easy to read."""
        return round(self._chance.uniform(1, limit_ms, *key)) / 1_000

    def _strikes(self, name: str, hand_over: HandOver) -> bool:
        probability = self._probability(name, hand_over.source)
        key = (name, hand_over.source, hand_over.event_id, hand_over.consumer)
        return probability > 0 and self._chance.uniform(0, 1, *key) < probability

    def _probability(self, name: str, source: str) -> float:
        """The number for a source; of several patterns that fit, the last one counts."""
        found = self._settings.get(name, 0.0)
        if not isinstance(found, Mapping):
            return found
        return next((found[pattern] for pattern in reversed(list(found)) if fnmatchcase(source, pattern)), 0.0)
