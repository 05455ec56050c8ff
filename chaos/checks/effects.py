"""What repeated and reordered deliveries do to a system: effects once, and in order."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from itertools import repeat

from stagefright.chaos.checks.attribution import attributed, repeated
from stagefright.chaos.checks.calls import is_call, refuse_unknown_call
from stagefright.chaos.checks.history import History, Run
from stagefright.chaos.checks.verdict import Check, Verdict
from stagefright.journal import UNPROVED, Record
from stagefright.wording import plural

Effect = str | Callable[[Record], bool]
"""What counts as an effect: a resource that accepts an event, an SDK call such as `"dynamodb.PutItem"` that was not refused, or a predicate."""


Part = str | Callable[[Record], object]
"""What tells effects apart: a part of their detail, such as `"body"`, or what a function makes of the record."""


def idempotent(consumer: str, effect: Effect, *, per_event: int = 1, by: Part | None = None) -> Check:
    """
    However often `consumer` runs with an event, it has its effect no more than `per_event` times.

    An SDK call that was refused, such as a conditional write that found the item, is no effect; one that botocore made again because
    the answer was lost is as many as took effect. Unknown if no event came more than once, and no call was repeated.

    Of a batch the journal does not say which event had an effect. If a batch with an event that never succeeded leaves room for doubt, the
    check is unknown, and `by` helps: the part of an effect that says whose it is, so that no two effects of one key are allowed.
    """
    return _Idempotent(consumer, effect, per_event, by)


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

    def _set_effect(self, effect: Effect) -> None:
        if isinstance(effect, str) and is_call(effect):
            refuse_unknown_call(self.name, effect)
        self.effect = effect

    def named(self) -> list[str]:
        """An effect that is no SDK call is a resource."""
        is_resource = isinstance(self.effect, str) and not is_call(self.effect)
        return [*super().named(), *([str(self.effect)] if is_resource else [])]

    def _effects(self, history: History, run: Run) -> Iterator[Record]:
        """The effects of a run; a call that took effect more than once is as many."""
        for record in history.done_by(run, "call", "event", "log"):
            if self._is_effect(record):
                yield from repeat(record, _took_effect(record))
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
            return call == self.effect
        return record.kind == "event" and record.resource == self.effect


def _took_effect(record: Record) -> int:
    """How often AWS did what a record stands for."""
    if record.kind != "call":
        return 1
    return int(record.detail.get("took_effect", 0 if record.detail.get("error") else 1))


class _Idempotent(_Effective):
    name = "idempotent"

    def __init__(self, consumer: str, effect: Effect, per_event: int, by: Part | None) -> None:
        self.consumer = consumer
        self._set_effect(effect)
        self.by = by
        self._per_event = per_event

    def doubt(self, history: History, verdict: Verdict) -> str | None:
        """That there was no second effect is only known if all effects are seen."""
        is_known = verdict.broken or self._is_seen(history, history.runs_of(self.consumer))
        return None if is_known else f"Effects of {self.consumer} may have gone unseen."

    def judge(self, history: History) -> Verdict:
        runs = history.runs_of(self.consumer)
        effects = {id(run): list(self._effects(history, run)) for run in runs}
        tested = [group for group in _groups(runs) if len(group) > 1 or _has_repeated_call(effects[id(group[0])])]
        if not tested:
            return self._unknown(
                f"No event came to {self.consumer} more than once; it ran {plural(len(runs), 'time')}."
            )
        verdicts = [self._judge_group(group, effects) for group in tested] + self._judge_keys(runs, effects)
        worst = max(verdicts, key=lambda verdict: verdict.rank, default=None)
        if worst is not None and not worst.holds:
            return worst
        return self._holds(
            f"{plural(len(tested), 'event or batch').replace('batchs', 'batches')} came again without a second effect."
        )

    def _judge_group(self, group: list[Run], effects: Mapping[int, list[Record]]) -> Verdict:
        items = sorted({item for run in group for item in run.items})
        had = [record for run in group for record in effects[id(run)]]
        told = f"{plural(len(items), 'event')} in {plural(len(group), 'run')} had {plural(len(had), 'effect')}"
        if self._attributed(group, effects, set(items)) < len(had):
            return self._broken(f"{told}: {', '.join(items)}.", evidence=_once(had), counts={"effects": len(had)})
        succeeded = {item for run in group for item in run.succeeded_items}
        is_certain = len(items) == 1 or self._attributed(group, effects, succeeded) == len(had)
        if is_certain or self.by is not None:
            return self._holds(f"{told}.")
        failed = [item for item in items if item not in succeeded]
        return self._unknown(
            f"{told}, and {', '.join(failed)} never succeeded, so the journal does not show whose the effects are. "
            "Say by= which part of an effect tells."
        )

    def _attributed(self, group: list[Run], effects: Mapping[int, list[Record]], items: set[str]) -> int:
        candidates = ([item for item in run.items if item in items] for run in group for _ in effects[id(run)])
        return attributed(candidates, per_event=self._per_event)

    def _judge_keys(self, runs: list[Run], effects: Mapping[int, list[Record]]) -> list[Verdict]:
        if self.by is None:
            return []
        keyed = [(self._key(record), record) for run in runs for record in effects[id(run)]]
        keys = repeated((key for key, _ in keyed if key is not None), per_event=self._per_event)
        if not keys:
            return []
        evidence = [record for key, record in keyed if key in keys]
        told = ", ".join(repr(key) for key in keys)
        reason = f"more than {plural(self._per_event, 'effect')} for {told}."
        return [self._broken(reason, evidence=_once(evidence), counts={"effects": len(evidence)})]

    def _key(self, record: Record) -> object:
        found = self.by(record) if callable(self.by) else record.detail.get(str(self.by))
        return found if isinstance(found, Hashable) else repr(found)


def _has_repeated_call(effects: list[Record]) -> bool:
    """Whether botocore made a call again that had taken effect; the repeat may have been refused."""
    return any(
        record.detail.get("attempts", 1) > 1 and _took_effect(record) > (0 if record.detail.get("error") else 1)
        for record in effects
    )


def _once(records: list[Record]) -> list[Record]:
    return list({record.n: record for record in records}.values())


class _HasEffect(_Effective):
    name = "has_effect"

    def __init__(self, consumer: str, effect: Effect) -> None:
        self.consumer = consumer
        self._set_effect(effect)

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
            had = [[item for item in run.items if item in items] for run in group for _ in self._effects(history, run)]
            effects = attributed(had, per_event=1)
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
