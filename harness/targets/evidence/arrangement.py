"""What was found out of a deployed stage, as the journal of a local one has it: in the order of time and cause, with deliveries and dead letters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from stagefright.journal import CANDIDATES, OBSERVED, UNPROVED, Record
from stagefright.targets.evidence.given_up import SUCCESS, condition_of, request_ended, undelivered
from stagefright.targets.evidence.implied import Numbers
from stagefright.targets.evidence.index import Index, Node
from stagefright.targets.stack import PIPE_TYPE

UNKNOWN = "nothing seen names its cause"
"""Why a record has none."""

UNDELIVERED = "undelivered"
"""The condition of a message that lies, in its envelope, where its topic does not deliver: on the dead-letter queue of a subscription."""


@dataclass(frozen=True)
class Arranged:
    """Records in the order of time and cause, and where those of the journal have gone."""

    records: list[Record]
    places: Mapping[int, int]
    drawn_for: Mapping[int, int]
    """The records of the journal for which others were drawn, by the numbers of these."""

    def __getitem__(self, n: int) -> Record:
        return self.records[n]

    def since(self, n: int) -> Iterator[Record]:
        """The records from number `n` on."""
        return iter(self.records[n:])

    def of_journal_since(self, n: int) -> list[Record]:
        """The records that the journal has from number `n` on, with those that were drawn for them."""
        places = [place for number, place in self.places.items() if self.drawn_for.get(number, number) >= n]
        return [self.records[place] for place in sorted(places)]


class Arrangement:
    """Puts the nodes of an index, and the records beside them, in order."""

    def __init__(self, index: Index, numbers: Numbers) -> None:
        self._index = index
        self._numbers = numbers

    def arranged(self) -> Arranged:
        """All of them."""
        places: dict[int, int] = {}
        found: list[Record] = []
        for record in self._in_order():
            for made in self._written(record):
                places[made.n] = len(found)
                found.append(made)
        records = [_renumbered(record, place, places) for place, record in enumerate(found)]
        return Arranged(records, places, self._numbers.drawn_for)

    def _in_order(self) -> list[Record]:
        order: list[Record] = []
        emitted: set[int] = set()
        for record in sorted(self._index.records.values(), key=lambda r: (r.at, r.n)):
            self._emit(record, order, emitted)
        return order

    def _emit(self, record: Record, order: list[Record], emitted: set[int]) -> None:
        """A record, after what led to it."""
        waiting = [record]
        while waiting:
            one = waiting[-1]
            missing = [n for n in self._causes_of(one) if n not in emitted]
            if missing:
                waiting += [self._index.records[n] for n in missing]
                continue
            waiting.pop()
            if one.n not in emitted:
                emitted.add(one.n)
                order.append(one)

    def _causes_of(self, record: Record) -> list[int]:
        return [n for n in self._index.causes_of(record.n) if n in self._index.records]

    # -- a node's records ----------------------------------------------------------------------------------------------

    def _written(self, record: Record) -> list[Record]:
        """The record with its edges; before an invocation the deliveries that it came by."""
        node = self._index.by_n.get(record.n)
        if node is None:
            return [record]
        causes = self._causes_of(record)
        detail = {**record.detail, **_doubts(node)}
        record = replace(record, cause=causes[0] if causes else None, detail=detail)
        parent = self._index.records.get(causes[0]) if causes else None
        if parent is None:
            return [record]
        return self._of_event(node, record, parent) if node.is_event else [*self._handed_over(node, record, parent)]

    def _handed_over(self, node: Node, record: Record, parent: Record) -> Iterator[Record]:
        """A record, and how the events came to it: by what lies between, if there is one way only."""
        causes = self._causes_of(record)
        is_handed = parent.kind in ("event", "dead_letter") and not self._is_open(node, causes)
        way = self._way(node, parent) if is_handed else node.found.via
        if not is_handed and not way:
            yield record
            return
        source, above = parent.resource, causes[0]
        is_kept = node.found.doubt is None
        for consumer in (*way, record.resource):
            is_first, is_between = above == causes[0], consumer != record.resource
            detail: dict[str, Any] = {
                "source": source,
                # What they are called behind the first resource, is not known.
                "ids": [self._name(n) for n in causes] if is_handed and is_first else [],
                "attempt": record.detail.get("attempt", 1),
                "reports_failures": self._index.wiring.reports_failures(record.resource, source),
                OBSERVED: True,
                **({"taken_over": True} if is_between and is_kept and self._keeps(consumer) else {}),
                **({"causes": causes[1:]} if is_first and causes[1:] else {}),
            }
            number = self._numbers.take(record.n)
            yield Record(number, record.at, "delivery", consumer, above, detail)
            source, above = consumer, number
        # Of an invocation that was handed something, nobody knows what; that is no empty event.
        unknown = {"event": None} if record.kind == "invocation" and "event" not in record.detail else {}
        yield replace(record, cause=above, detail={**record.detail, **unknown})

    def _keeps(self, resource: str) -> bool:
        """Whether what was handed to a resource is its own from then on; a pipe gives it back if its target fails."""
        return self._index.wiring.type_of(resource) != PIPE_TYPE

    def _is_open(self, node: Node, causes: list[int]) -> bool:
        """Whether it hangs under what led to all candidates, and not under one of them."""
        return bool(node.found.candidates) and causes[0] not in node.found.candidates

    def _way(self, node: Node, parent: Record) -> tuple[str, ...]:
        found = self._index.ways(parent.resource, node.resource) or []
        return tuple(found[0]) if len(found) == 1 else ()

    def _name(self, n: int) -> str:
        return str(self._index.records[n].detail.get("id", n))

    def _of_event(self, node: Node, event: Record, parent: Record) -> list[Record]:
        """An event that was handed on, or that is a dead letter: moved by a redrive, or sent for the request, or the event, that was given up."""
        if event.kind == "dead_letter":
            return [event]
        request_id = request_ended(event)
        if request_id is not None and parent.kind in ("outcome", "invocation") and condition_of(event) != SUCCESS:
            return self._sent_there(event, parent, condition_of(event), [request_id])
        if parent.kind != "event":
            return [event]
        if _is_moved(self._index.by_n[parent.n], node):
            moved = {"source": parent.resource, "condition": "maxReceiveCount", "ids": [str(event.detail.get("id"))]}
            return [replace(event, kind="dead_letter", detail={**event.detail, **moved})]
        code = undelivered(event)
        if code is not None or self._index.ways(parent.resource, event.resource) == []:
            return self._sent_there(event, parent, code or UNDELIVERED, [self._name(parent.n)])
        return [*self._handed_over(node, event, parent)]

    def _sent_there(self, event: Record, parent: Record, condition: str, ids: list[str]) -> list[Record]:
        detail = {"source": parent.resource, "condition": condition, "ids": ids, OBSERVED: True}
        number = self._numbers.take(event.n)
        return [Record(number, event.at, "dead_letter", event.resource, parent.n, detail), replace(event, cause=number)]


def _is_moved(parent: Node, event: Node) -> bool:
    """Whether a message was moved: it has kept its id."""
    return parent.resource != event.resource and not parent.names.isdisjoint(event.names)


def _doubts(node: Node) -> dict[str, Any]:
    found = node.found
    if found.causes and found.doubt is None:
        return {}
    candidates = {CANDIDATES: list(found.candidates)} if found.candidates else {}
    return {UNPROVED: found.doubt or UNKNOWN, **candidates}


def _renumbered(record: Record, place: int, places: Mapping[int, int]) -> Record:
    cause = None if record.cause is None else places.get(record.cause)
    detail = record.detail
    for part in ("causes", CANDIDATES):
        if part in detail:
            detail = {**detail, part: [places[n] for n in detail[part] if n in places]}
    return replace(record, n=place, cause=cause, detail=detail)
