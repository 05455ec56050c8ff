"""
What "at least once" means: now and then AWS hands the same event over twice, or a later one first.

Standard queues, standard topics, event buses, schedules, the notifications of buckets and asynchronous invocations promise no more than that
(semantics §2.1, §3.2, §6.4, §6.6, §10.2); FIFO queues, FIFO topics and streams do, so all that can become of their events is to be late, in
order. A world is exact by default. A project that wants to see what its consumers make of it sets
`[tool.stagefright.at_least_once]`; a fault that hurts deliveries puts a decider of its own in front.

Each draw depends on the source, the event and the consumer alone, so the same seed gives the same duplicates, whatever else happens.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import reduce
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

Kind = Literal["queue", "topic", "bus", "schedule", "bucket", "stream", "table", "function"]
Effect = Literal["delay", "reorder", "duplicate", "drop"]


@dataclass(frozen=True, slots=True)
class HandOver:
    """One event on its way from a source to a consumer; all are logical ids, or names where a template gave none."""

    kind: Kind
    source: str
    event_id: str
    consumer: str
    """Who gets it. A queue or a stream does not know who will read, so there it is the source itself."""
    group: str | None = None
    """
    Within what its source keeps order (a message group, a shard), None if it keeps none. Such an event comes once and in its turn, so it
    can only be late, and what stands behind it waits.
    """

    record: int | None = None
    """The journal's number of the event that was accepted, if it is on record."""

    @property
    def route(self) -> tuple[str, ...]:
        """What it has in common with those that it could overtake."""
        return (self.kind, self.source, self.consumer, self.group or "")


@dataclass(frozen=True, slots=True)
class Planned:
    """A fault that somebody planned, in the words in which the journal must name it."""

    resource: str
    fault: str
    settings: Mapping[str, Any]


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
    planned: Mapping[Effect, tuple[Planned, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """The faults behind each effect, where somebody planned them; `settings` and `late` say nothing then."""


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


Start = Callable[[Any], None]
"""Hands one copy over, given the record that causes it; None if nothing on record does."""


class DeliveryKernel(Protocol):
    """What a delayed copy needs of the kernel."""

    def now(self) -> float:
        """The virtual time."""

    def sleep(self, seconds: float) -> Any:
        """A future that settles after a span of virtual time."""

    def spawn(self, coroutine: Coroutine[Any, Any, None], *, name: str, cause: int | None = None) -> Any:
        """Start a task."""


@dataclass(slots=True)
class _Line:
    """Hand-overs of one route that keep their order: those that wait, and until when."""

    until: float = 0.0
    waiting: deque[tuple[Start, int | None]] = field(default_factory=deque)


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
        self._lines: dict[tuple[str, ...], _Line] = {}
        self._newest: dict[tuple[str, ...], tuple[int, str]] = {}
        """Of each route the newest hand-over that was made: its number, and its event."""
        self._count = 0
        self.deciders: list[Decider] = []

    def reset(self) -> None:
        """Forget the deciders that a test has added, and who was on the way."""
        self.deciders.clear()
        self._lines.clear()
        self._newest.clear()
        self._count = 0

    @property
    def is_exact(self) -> bool:
        """Whether everything is handed over once and at once, so that nobody need ask."""
        return not (self._settings or self.deciders or self._lines)

    def decide(self, hand_over: HandOver) -> Decision:
        """What becomes of a hand-over: what all who planned faults say together, else what one decider says, else chance."""
        said = [decision for decider in reversed(self.deciders) if (decision := decider(hand_over)) is not None]
        if said:
            decision = reduce(_together, said)
            return decision if hand_over.group is None else _in_order(decision)
        return ONCE if hand_over.group is not None or hand_over.kind == "function" else self._by_settings(hand_over)

    def hand_over(
        self, start: Start, hand_over: HandOver, cause: int | None, *, lose: Start = lambda cause: None
    ) -> int:
        """
        Call `start` with its cause once per copy, each after its delay; or `lose`, if that was decided.

        Returns the number of copies, which is 0 for what is lost.
        """
        decision = self.decide(hand_over)
        if hand_over.group is not None:
            self._queue_up(start, hand_over, decision, cause)
            return 1
        self._count += 1
        if not decision.delays_s:
            lose(self.note("drop", hand_over, decision, cause))
        for copy, delay_s in enumerate(decision.delays_s):
            self._copy(start, hand_over, decision, cause, copy, delay_s)
        return len(decision.delays_s)

    def _copy(
        self, start: Start, hand_over: HandOver, decision: Decision, cause: int | None, copy: int, delay_s: float
    ) -> None:
        if copy:
            cause = self.note("duplicate", hand_over, decision, cause, delay_s=delay_s)
        elif delay_s:
            effect: Effect = "delay" if decision.planned else decision.late
            cause = self.note(effect, hand_over, decision, cause, delay_s=delay_s)
        if not delay_s:
            self._newest[hand_over.route] = self._count, hand_over.event_id
            start(cause)
            return
        name = f"late copy of {hand_over.event_id} from {hand_over.source} to {hand_over.consumer}"
        late = self._later(start, hand_over, decision, cause, delay_s, None if copy else self._count)
        self._kernel.spawn(late, name=name, cause=cause)

    async def _later(
        self,
        start: Start,
        hand_over: HandOver,
        decision: Decision,
        cause: int | None,
        delay_s: float,
        number: int | None,
    ) -> None:
        """Hand over later; a first copy, which has a `number`, may have been overtaken meanwhile: then a fault has struck."""
        await self._kernel.sleep(delay_s)
        if number is not None:
            newest, overtaker = self._newest.get(hand_over.route, (0, ""))
            if newest > number and "reorder" in decision.planned:
                cause = self.note("reorder", hand_over, decision, cause, delay_s=delay_s, overtaken_by=overtaker)
            if newest < number:
                self._newest[hand_over.route] = number, hand_over.event_id
        start(cause)

    def _queue_up(self, start: Start, hand_over: HandOver, decision: Decision, cause: int | None) -> None:
        """Hand over in turn: not before its delay is over, nor before those that came first."""
        now, delay_s = self._kernel.now(), decision.delays_s[0]
        line = self._lines.get(hand_over.route)
        if delay_s:
            cause = self.note("delay", hand_over, decision, cause, delay_s=delay_s)
        if line is None and not delay_s:
            start(cause)
            return
        line = self._lines.setdefault(hand_over.route, _Line())
        line.until = max(line.until, now + delay_s)
        line.waiting.append((start, cause))
        name = f"late {hand_over.event_id} from {hand_over.source} to {hand_over.consumer}"
        self._kernel.spawn(self._in_turn(line, hand_over.route, line.until - now), name=name, cause=cause)

    async def _in_turn(self, line: _Line, route: tuple[str, ...], delay_s: float) -> None:
        await self._kernel.sleep(delay_s)
        start, cause = line.waiting.popleft()
        if not line.waiting:
            del self._lines[route]
        start(cause)

    def note(
        self, effect: Effect, hand_over: HandOver, decision: Decision, cause: int | None, **harm: Any
    ) -> int | None:
        """Write down what was done to an event; what follows from it names the last record as its cause."""
        harm = {"ids": [hand_over.event_id], "source": hand_over.source, "consumer": hand_over.consumer, **harm}
        by_chance = (Planned(hand_over.consumer, effect, decision.settings),)
        for planned in decision.planned.get(effect, () if decision.planned else by_chance):
            settings = dict(planned.settings)
            cause = self._journal.write(
                "fault", planned.resource, cause=cause, fault=planned.fault, settings=settings, harm=harm
            ).n
        return cause

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


def _in_order(decision: Decision) -> Decision:
    """What is left of a decision where a source keeps order and hands over once: that the event is late."""
    return replace(decision, delays_s=decision.delays_s[:1] or (0.0,), places=0)


def _together(one: Decision, other: Decision) -> Decision:
    """Two decisions at once, if faults are behind both; else the first one counts."""
    if not (one.planned and other.planned):
        return one
    effects = {**one.planned, **other.planned}
    planned = {effect: (*one.planned.get(effect, ()), *other.planned.get(effect, ())) for effect in effects}
    if not (one.delays_s and other.delays_s):
        return Decision((), planned=planned)
    first_s = one.delays_s[0] + other.delays_s[0]
    copies = [*(s + other.delays_s[0] for s in one.delays_s[1:]), *(s + one.delays_s[0] for s in other.delays_s[1:])]
    return Decision((first_s, *copies), one.places + other.places, planned=planned)
