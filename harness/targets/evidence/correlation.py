"""
Draws the edges of a deployed stage's flows: which record led to which.

An edge is proved by a name (the answer to a call, the invocation's log or a later event names the event) or by a thread that only one
candidate shares. Where nothing proves it but one thing alone is likely, the edge is drawn and marked `unproved`; so is what came from nobody
knows where.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from stagefright.journal import OBSERVED, UNPROVED, Record
from stagefright.targets.evidence.clues import Clues, Reader

SKEW_S = 1.0
"""How far apart the clocks of two services of AWS may be; some of them stamp whole seconds."""


class Wiring(Protocol):
    """What hands events to a function."""

    def sources(self, function: str) -> frozenset[str] | None:
        """The resources that a function gets events from, by logical id; None if that is not known."""
        ...

    def reports_failures(self, function: str, source: str) -> bool | None:
        """Whether the function's answer to a batch from there may name items that failed; None if that is not known."""
        ...


class Unwired:
    """Nothing is known."""

    def sources(self, function: str) -> frozenset[str] | None:  # noqa: ARG002 - of any function
        """None."""
        return None

    def reports_failures(self, function: str, source: str) -> bool | None:  # noqa: ARG002 - of any function
        """None."""
        return None


@dataclass
class _Node:
    """A record that has a cause: an event, or an invocation."""

    record: Record
    clues: Clues
    ended: float = float("inf")
    causes: list[int] = field(default_factory=list)
    is_proved: bool = True


@dataclass(frozen=True)
class Arranged:
    """Records in the order of time and cause, and where those of the journal have gone."""

    records: list[Record]
    places: Mapping[int, int]

    def __getitem__(self, n: int) -> Record:
        return self.records[n]

    def since(self, n: int) -> Iterator[Record]:
        """The records from number `n` on."""
        return iter(self.records[n:])

    def of_journal_since(self, n: int) -> list[Record]:
        """The records that the journal has from number `n` on, with those that were drawn for them."""
        places = [place for number, place in self.places.items() if (number if number >= 0 else -1 - number) >= n]
        return [self.records[place] for place in sorted(places)]


def arrange(records: Sequence[Record], *, keys: Iterable[str] = (), wiring: Wiring | None = None) -> Arranged:
    """The records of a journal of observations, as a local stage would have written them."""
    return _Correlation(records, Reader(keys), wiring or Unwired()).arranged()


class _Correlation:
    def __init__(self, records: Sequence[Record], reader: Reader, wiring: Wiring) -> None:
        self._records = {record.n: record for record in records}
        self._wiring = wiring
        lines = _lines(records)
        self._ended = {r.cause: r.at for r in records if r.kind == "outcome" and r.cause is not None}
        self._events = [_Node(r, reader.of_event(r.detail)) for r in records if r.kind == "event"]
        self._runs = [
            _run(r, reader.of_log(lines.get(r.n, ())), self._ended) for r in records if r.kind == "invocation"
        ]
        self._events.sort(key=_when)
        self._runs.sort(key=_when)
        self._nodes = {node.record.n: node for node in (*self._events, *self._runs)}
        self._named: dict[str, list[_Node]] = {}
        for node in self._events:
            self._named.setdefault(str(node.record.detail.get("id", "")), []).append(node)
        self._calls = {name: r.n for r in records if r.kind == "call" for name in r.detail.get("ids", ())}
        self._threads_of_calls = {
            r.n: set(r.detail["threads"]) for r in records if r.kind == "call" and "threads" in r.detail
        }
        for find in (self._named_causes, self._threaded_causes, self._likely_causes):
            for node in (*self._events, *self._runs):
                if not node.causes:
                    self._assign(node, find(node), is_proved=find != self._likely_causes)

    def _assign(self, node: _Node, causes: Iterable[int], *, is_proved: bool) -> None:
        node.causes = [cause for cause in dict.fromkeys(causes) if not self._leads_to(node.record.n, cause)]
        node.is_proved = is_proved and bool(node.causes)

    def _leads_to(self, n: int, later: int) -> bool:
        """Whether record `n` is among what led to `later`, so that an edge back would close a circle."""
        waiting, seen = [later], set[int]()
        while waiting:
            one = waiting.pop()
            if one == n:
                return True
            if one not in seen:
                seen.add(one)
                node, record = self._nodes.get(one), self._records[one]
                waiting += node.causes if node is not None else [record.cause] if record.cause is not None else []
        return False

    # -- names ---------------------------------------------------------------------------------------------------------

    def _named_causes(self, node: _Node) -> list[int]:
        if node.record.cause is not None:
            return [node.record.cause]
        return self._event_named(node) if node.record.kind == "event" else self._run_named(node)

    def _event_named(self, node: _Node) -> list[int]:
        name = str(node.record.detail.get("id", ""))
        earlier = [other for other in self._named.get(name, ()) if _when(other) < _when(node)]
        if earlier:  # a redrive keeps the message's id
            return [earlier[-1].record.n]
        failed = self._given_up(node.record)
        if failed is not None:
            return [failed]
        if name in self._calls:
            return [self._calls[name]]
        carried = self._of_names(node)
        if carried:
            return [carried[-1].record.n]
        makers = [run for run in self._runs if name in run.clues.mentioned and self._may_have_made(run, node)]
        return [makers[0].record.n] if name and makers else []

    def _may_have_made(self, run: _Node, event: _Node) -> bool:
        """
        Whether an event came to be while a function ran that had not been handed it.

        Some services stamp whole seconds; then what feeds the function is not taken for what it made.
        """
        if str(event.record.detail.get("id", "")) in run.clues.received or event.record.at > run.ended + SKEW_S:
            return False
        if event.record.at >= run.record.at:
            return True
        sources = self._wiring.sources(run.record.resource)
        is_blurred = event.record.at == int(event.record.at) and event.record.at + 1 > run.record.at
        return is_blurred and sources is not None and event.record.resource not in sources

    def _given_up(self, event: Record) -> int | None:
        """The last outcome of the request that an event on a dead-letter queue or a destination tells of."""
        request_id = _request_given_up(event)
        runs = [run for run in self._runs if request_id and run.record.detail.get("request_id") == request_id]
        if not runs:
            return None
        last = runs[-1].record.n
        return next((r.n for r in self._records.values() if r.kind == "outcome" and r.cause == last), last)

    def _run_named(self, node: _Node) -> list[int]:
        request_id = str(node.record.detail["request_id"])
        siblings = [run for run in self._runs if run.record.detail["request_id"] == request_id and run.causes]
        if siblings:
            return siblings[0].causes
        received = self._of_names(node)
        if received:
            return _of_one_resource(received)
        if request_id in self._calls:
            return [self._calls[request_id]]
        callers = [
            run
            for run in self._runs
            if run.record.detail["request_id"] != request_id
            and request_id in run.clues.mentioned
            and _when(run) <= _when(node)
        ]
        if callers:
            return [callers[0].record.n]
        return _of_one_resource(self._met(node)) or self._calls_met(node)

    def _calls_met(self, node: _Node) -> list[int]:
        """The test's call whose answer had an id that a run knows, where the event itself was not observed."""
        names = (*node.clues.received, *node.clues.mentioned)
        calls = {self._calls[name] for name in names if name in self._calls}
        return sorted(n for n in calls if self._records[n].at <= node.record.at + SKEW_S)[-1:]

    def _of_names(self, node: _Node) -> list[_Node]:
        """The events whose envelope was logged or carried; of a chain of them the last, which was the one that was handed over."""
        found = [self._last_before(node, name) for name in node.clues.received]
        events = [event for event in found if event is not None and event is not node]
        return [one for one in events if not any(o is not one and self._carries(o, one) for o in events)]

    def _carries(self, event: _Node, other: _Node) -> bool:
        return str(other.record.detail.get("id", "")) in event.clues.received

    def _last_before(self, node: _Node, name: str) -> _Node | None:
        found = [event for event in self._named.get(name, ()) if event.record.at <= node.record.at + SKEW_S]
        return found[-1] if found else None

    def _met(self, node: _Node) -> list[_Node]:
        """The events that were there when a run began, and that its log names: those that it can have been handed."""
        sources = self._wiring.sources(node.record.resource)
        events = [event for name in node.clues.mentioned if (event := self._last_before(node, name)) is not None]
        met = [e for e in events if (sources is None or e.record.resource in sources) and e.record.at <= node.record.at]
        return sorted(met, key=_when)

    # -- threads -------------------------------------------------------------------------------------------------------

    def _threaded_causes(self, node: _Node) -> list[int]:
        if not node.clues.threads:
            return []
        if node.record.kind == "event":
            makers = [run for run in self._runs if self._may_have_made(run, node) and _share(run, node)]
            return [makers[0].record.n] if len(makers) == 1 else []
        running = [
            run for run in self._runs if run is not node and _was_running(run, node.record.at) and _share(run, node)
        ]
        sources = self._wiring.sources(node.record.resource)
        events = [
            event
            for event in self._events
            if _share(event, node)
            and event.record.at <= node.record.at + SKEW_S
            and (sources is None or event.record.resource in sources)
        ]
        last = [
            event
            for event in events
            if not any(self._leads_to(event.record.n, o.record.n) for o in events if o is not event)
        ]
        if len(last) == 1:
            return [last[0].record.n]
        if last:
            return []
        calls = [n for n, threads in self._threads_of_calls.items() if not threads.isdisjoint(node.clues.threads)]
        found = [run.record.n for run in running] or calls
        return found if len(found) == 1 else []

    # -- likelihood ----------------------------------------------------------------------------------------------------

    def _likely_causes(self, node: _Node) -> list[int]:
        if node.record.kind == "event":
            makers = [run for run in self._runs if self._may_have_made(run, node)]
            return [makers[0].record.n] if len(makers) == 1 else []
        sources = self._wiring.sources(node.record.resource) or frozenset()
        waiting = [e for e in self._events if e.record.resource in sources and e.record.at <= node.record.at + SKEW_S]
        taken = {cause for run in self._runs if run.record.resource == node.record.resource for cause in run.causes}
        fresh = [event for event in waiting if event.record.n not in taken]
        return [(fresh[0] if fresh else waiting[-1]).record.n] if waiting else []

    # -- the order -----------------------------------------------------------------------------------------------------

    def arranged(self) -> Arranged:
        order: list[Record] = []
        emitted: set[int] = set()
        for record in sorted(self._records.values(), key=lambda r: (r.at, r.n)):
            self._emit(record, order, emitted)
        places: dict[int, int] = {}
        found: list[Record] = []
        for record in order:
            for made in self._written(record):
                places[made.n] = len(found)
                found.append(made)
        return Arranged([_renumbered(record, place, places) for place, record in enumerate(found)], places)

    def _emit(self, record: Record, order: list[Record], emitted: set[int]) -> None:
        """A record, after what led to it."""
        waiting = [record]
        while waiting:
            one = waiting[-1]
            missing = [n for n in self._causes_of(one) if n not in emitted]
            if missing:
                waiting += [self._records[n] for n in missing]
                continue
            waiting.pop()
            if one.n not in emitted:
                emitted.add(one.n)
                order.append(one)

    def _causes_of(self, record: Record) -> list[int]:
        node = self._nodes.get(record.n)
        causes = node.causes if node is not None else [] if record.cause is None else [record.cause]
        return [n for n in causes if n in self._records]

    def _written(self, record: Record) -> list[Record]:
        """The record with its edges; before an invocation the delivery that it came by."""
        node = self._nodes.get(record.n)
        if node is None:
            return [record]
        doubt = {} if node.is_proved else {UNPROVED: _doubt(node)}
        causes = node.causes
        record = replace(record, cause=causes[0] if causes else None, detail={**record.detail, **doubt})
        parent = self._records.get(causes[0]) if causes else None
        if record.kind == "event":
            return _as_dead_letter(record, parent)
        if parent is None or parent.kind != "event":
            return [record]
        detail = {
            "source": parent.resource,
            "ids": [str(self._records[n].detail.get("id", n)) for n in causes],
            "attempt": record.detail["attempt"],
            "reports_failures": self._wiring.reports_failures(record.resource, parent.resource),
            OBSERVED: True,
            **({"causes": causes[1:]} if causes[1:] else {}),
        }
        delivery = Record(_delivery_number(record.n), record.at, "delivery", record.resource, causes[0], detail)
        event = {"event": None} if "event" not in record.detail else {}
        return [delivery, replace(record, cause=delivery.n, detail={**record.detail, **event})]


def _delivery_number(n: int) -> int:
    """A number for the delivery of an invocation that no record of the journal has."""
    return -1 - n


def _renumbered(record: Record, place: int, places: Mapping[int, int]) -> Record:
    cause = None if record.cause is None else places.get(record.cause)
    detail = record.detail
    if "causes" in detail:
        detail = {**detail, "causes": [places[n] for n in detail["causes"] if n in places]}
    return replace(record, n=place, cause=cause, detail=detail)


def _lines(records: Sequence[Record]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for record in records:
        if record.kind == "log" and record.cause is not None:
            found.setdefault(record.cause, []).append(str(record.detail.get("line", "")))
    return found


def _run(record: Record, clues: Clues, ended: Mapping[int, float]) -> _Node:
    trace = record.detail.get("trace_id")
    if trace:
        clues.threads.add(str(trace))
    return _Node(record, clues, ended.get(record.n, float("inf")))


def _when(node: _Node) -> tuple[float, int]:
    return node.record.at, node.record.n


def _was_running(run: _Node, at: float) -> bool:
    return run.record.at <= at <= run.ended


def _share(one: _Node, other: _Node) -> bool:
    return not one.clues.threads.isdisjoint(other.clues.threads)


def _of_one_resource(events: Sequence[_Node]) -> list[int]:
    """The events of one batch: those of the resource of the last of them."""
    return [event.record.n for event in events if event.record.resource == events[-1].record.resource]


def _doubt(node: _Node) -> str:
    return "no correlation id in the logs" if node.causes else "nothing seen names its cause"


def _request_given_up(event: Record) -> str | None:
    attributes = event.detail.get("attributes")
    if isinstance(attributes, Mapping) and "ErrorCode" in attributes:
        return _text(attributes.get("RequestID"))
    context = _destination_context(event)
    return None if context is None else _text(context.get("requestId"))


def _destination_context(event: Record) -> Mapping[str, Any] | None:
    """The part of Lambda's record of a failed request that says whose it was (aws-semantics §2.3, §4.5)."""
    from stagefright.event import parsed

    payload = next((event.detail[part] for part in ("body", "message", "detail") if part in event.detail), None)
    found = parsed(payload)
    context = found.get("requestContext") if isinstance(found, Mapping) else None
    return context if isinstance(context, Mapping) and "condition" in context else None


def _text(value: Any) -> str | None:
    if isinstance(value, Mapping):
        value = next((value[name] for name in ("StringValue", "stringValue", "Value") if name in value), None)
    return value if isinstance(value, str) and value else None


def _as_dead_letter(event: Record, parent: Record | None) -> list[Record]:
    """An event that is a dead letter, as one: moved there by a redrive, or sent there by Lambda with the request that failed."""
    if parent is None:
        return [event]
    name = event.detail.get("id")
    if parent.kind == "event" and parent.detail.get("id") == name and parent.resource != event.resource:
        detail = {**event.detail, "source": parent.resource, "condition": "maxReceiveCount", "ids": [str(name)]}
        return [replace(event, kind="dead_letter", detail=detail)]
    request_id = _request_given_up(event)
    if request_id is None or parent.kind not in ("outcome", "invocation"):
        return [event]
    context = _destination_context(event) or {}
    if context.get("condition") == "Success":
        return [event]
    detail = {"source": parent.resource, "condition": context.get("condition", "RetriesExhausted"), "ids": [request_id]}
    letter = Record(
        _delivery_number(event.n), event.at, "dead_letter", event.resource, parent.n, {**detail, OBSERVED: True}
    )
    return [letter, replace(event, cause=letter.n)]
