"""What repeated and reordered deliveries do to a system: effects once, and in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from stagefright.chaos.checks.history import History, Run
from stagefright.chaos.checks.verdict import Check, Verdict
from stagefright.journal import UNPROVED, Record
from stagefright.wording import plural

Effect = str | Callable[[Record], bool]
"""What counts as an effect: a resource that accepts an event, an SDK call such as `"dynamodb.PutItem"` that was not refused, or a predicate."""


def idempotent(consumer: str, effect: Effect, *, per_event: int = 1) -> Check:
    """
    However often `consumer` runs with an event, it has its effect no more than `per_event` times.

    An SDK call that was refused, such as a conditional write that found the item, is no effect. Unknown if no event came more than once.
    """
    return _Idempotent(consumer, effect, per_event)


def has_effect(consumer: str, effect: Effect) -> Check:
    """
    Each event that `consumer` succeeded with has had its effect, in one of its attempts. Unknown if it never succeeded.
    """
    return _HasEffect(consumer, effect)


def in_order(consumer: str, *, by: str | None = None) -> Check:
    """
    `consumer` finishes the events of one key in the order in which they were accepted.

    `by` names the part of the event that is the key; by default its FIFO group or its partition key, else all events of one source
    are one sequence. An event that was given up does not hold up later ones. Unknown if no key had two events.
    """
    return _InOrder(consumer, by)


class _Effective(Check):
    """What checks of effects share: which records are effects of a run."""

    effect: Effect

    def _effects(self, history: History, run: Run) -> Iterator[Record]:
        for record in history.done_by(run, "call", "event", "log"):
            if self._is_effect(record):
                yield record
            if record.kind == "call":
                yield from (
                    child for child in history.children(record) if child.kind == "event" and self._is_effect(child)
                )

    def _is_seen(self, history: History, runs: Iterable[Run]) -> bool:
        """Whether on a deployed stage all effects of some runs can be seen: they are logged, or observed and each proved to be somebody's."""
        runs = list(runs)
        found = [record for run in runs for record in self._effects(history, run)]
        resources = {record.resource for record in found if record.kind == "event"}
        stray = any(UNPROVED in event.detail and event.resource in resources for event in history.of("event"))
        return bool(found) and not stray and all(run.outcome is not None for run in runs)

    def _is_effect(self, record: Record) -> bool:
        if callable(self.effect):
            return self.effect(record)
        if record.kind == "call":
            call = f"{record.detail.get('service')}.{record.detail.get('operation')}"
            return call == self.effect and not record.detail.get("error")
        return record.kind == "event" and record.resource == self.effect


class _Idempotent(_Effective):
    name = "idempotent"

    def __init__(self, consumer: str, effect: Effect, per_event: int) -> None:
        self.consumer = consumer
        self.effect = effect
        self._per_event = per_event

    def doubt(self, history: History, verdict: Verdict) -> str | None:
        """That there was no second effect is only known if all effects are seen."""
        is_known = verdict.broken or self._is_seen(history, history.runs_of(self.consumer))
        return None if is_known else f"Effects of {self.consumer} may have gone unseen."

    def judge(self, history: History) -> Verdict:
        repeated = [group for group in _groups(history.runs_of(self.consumer)) if len(group) > 1]
        if not repeated:
            ran = plural(len(history.runs_of(self.consumer)), "time")
            return self._unknown(f"No event came to {self.consumer} more than once; it ran {ran}.")
        for group in repeated:
            items = {item for run in group for item in run.items}
            effects = [record for run in group for record in self._effects(history, run)]
            if len(effects) > len(items) * self._per_event:
                told = (
                    f"{plural(len(items), 'event')} in {plural(len(group), 'run')} had {plural(len(effects), 'effect')}"
                )
                return self._broken(
                    f"{told}: {', '.join(sorted(items))}.", evidence=effects, counts={"effects": len(effects)}
                )
        return self._holds(
            f"{plural(len(repeated), 'event or batch').replace('batchs', 'batches')} came again without a second effect."
        )


class _HasEffect(_Effective):
    name = "has_effect"

    def __init__(self, consumer: str, effect: Effect) -> None:
        self.consumer = consumer
        self.effect = effect

    def doubt(self, history: History, verdict: Verdict) -> str | None:  # noqa: ARG002 - what was seen is enough
        """An effect that is missing may have gone unseen."""
        return f"Effects of {self.consumer} may have gone unseen." if verdict.broken else None

    def judge(self, history: History) -> Verdict:
        groups = _groups(history.runs_of(self.consumer))
        done = [group for group in groups if any(run.succeeded_items for run in group)]
        if not done:
            return self._unknown(f"{self.consumer} succeeded with no event.")
        for group in done:
            items = {item for run in group for item in run.succeeded_items}
            effects = sum(1 for run in group for _ in self._effects(history, run))
            if effects < len(items):
                told = (
                    f"{plural(len(items), 'event')} done, with {plural(effects, 'effect')}: {', '.join(sorted(items))}"
                )
                return self._broken(f"{told}.", evidence=[run.last for run in group])
        return self._holds(f"{plural(len(done), 'event or batch')} had the effect.".replace("batchs", "batches"))


def _groups(runs: list[Run]) -> list[list[Run]]:
    """Runs that share an event, directly or through others: a batch may come again in parts."""
    group_of: dict[str, list[Run]] = {}
    for run in runs:
        related = {id(group_of[item]): group_of[item] for item in run.items if item in group_of}
        group = max(related.values(), key=len, default=[])
        for other in related.values():
            if other is not group:
                group += other
                group_of |= {item: group for one in other for item in one.items}
        group.append(run)
        group_of |= dict.fromkeys(run.items, group)
    return list({id(group): group for group in group_of.values()}.values())


class _InOrder(Check):
    name = "in_order"

    def __init__(self, consumer: str, by: str | None) -> None:
        self.consumer = consumer
        self.by = by

    def judge(self, history: History) -> Verdict:
        runs = history.runs_of(self.consumer)
        sequences = self._sequences(history, {item for run in runs for item in run.items})
        compared = {key: events for key, events in sequences.items() if len(events) > 1}
        if not compared:
            return self._unknown(f"No two events of one key came to {self.consumer}, so there was no order to keep.")
        finished = _finished(history, runs)
        for key, events in compared.items():
            for earlier, later in _pairs_out_of_order(events, finished):
                said = f"{_id(later)} was finished before {_id(earlier)}, which was accepted first"
                of_key = f" (key {key[1]})" if key[1] is not None else ""
                ends = [finished[_id(one)][1] for one in (later, earlier) if _id(one) in finished]
                return self._broken(f"{said}{of_key}.", evidence=[earlier, later, *ends])
        return self._holds(
            f"{plural(len(compared), 'key')} with {plural(sum(map(len, compared.values())), 'event')}, all in order."
        )

    def doubt(self, history: History, verdict: Verdict) -> str | None:
        """Both of two events that are out of order must be seen to be finished; and all of them, if none is."""
        runs = history.runs_of(self.consumer)
        finished = _finished(history, runs)
        events = [
            event
            for sequence in self._sequences(history, {i for run in runs for i in run.items}).values()
            for event in sequence
        ]
        if verdict.broken:
            events = [event for event in verdict.evidence if event.kind == "event"]
        waiting = [event for event in events if _id(event) not in finished]
        return (
            f"{plural(len(waiting), 'event')} {'was' if len(waiting) == 1 else 'were'} not seen to be finished."
            if waiting
            else None
        )

    def _sequences(self, history: History, items: set[str]) -> dict[tuple[str, object], list[Record]]:
        found: dict[tuple[str, object], list[Record]] = {}
        for record in history.of("event"):
            if _id(record) in items:
                found.setdefault((record.resource, self._key(record)), []).append(record)
        return found

    def _key(self, record: Record) -> object:
        if self.by is not None:
            return record.detail.get(self.by)
        return record.detail.get("group_id") or record.detail.get("key")


def _id(event: Record) -> str:
    return str(event.detail.get("id", event.n))


def _finished(history: History, runs: list[Run]) -> dict[str, tuple[tuple[int, int], Record]]:
    """When each event was first done with: its run's end and its place in the batch; given up counts too."""
    ends: dict[str, tuple[tuple[int, int], Record]] = {}
    for run in runs:
        for place, item in enumerate(run.items):
            if item in run.succeeded_items:
                ends.setdefault(item, ((run.last.n, place), run.last))
    for record in (*history.dead_letters, *history.of("dropped")):
        for item in history.items_of(record):
            if item not in ends or record.n < ends[item][0][0]:
                ends[item] = ((record.n, 0), record)
    return ends


def _pairs_out_of_order(
    events: list[Record], finished: dict[str, tuple[tuple[int, int], Record]]
) -> Iterator[tuple[Record, Record]]:
    """An event that is not finished at all is behind every later one that is."""
    slowest: Record | None = None
    for event in events:
        if slowest is not None and _id(event) in finished and _place(event, finished) < _place(slowest, finished):
            yield slowest, event
        if slowest is None or _place(event, finished) > _place(slowest, finished):
            slowest = event


def _place(event: Record, finished: dict[str, tuple[tuple[int, int], Record]]) -> tuple[float, int]:
    end = finished.get(_id(event))
    return (float("inf"), 0) if end is None else end[0]
