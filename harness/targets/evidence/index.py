"""What was observed of a deployed stage, by the ids in it; and what may have led to what, by time and wiring."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from typing import NamedTuple

from stagefright.journal import Record
from stagefright.targets.evidence.clues import Clues
from stagefright.targets.evidence.wiring import Wiring, routes
from stagefright.wording import listed

SKEW_S = 1.0
"""How far apart the clocks of two services of AWS may be; some of them stamp whole seconds."""

NEAR_S = 0.1
"""How far apart they are mostly: enough to tell which of two is the likelier."""

MAY_HAVE = "may have led to it"
"""How it is told that candidates are candidates."""

STREAM_SHARD = "shardId-"
"""How the id of a stream's record begins: its shard, a colon, its sequence number."""


class Finding(NamedTuple):
    """What led to something, as far as that is known."""

    causes: tuple[int, ...] = ()
    doubt: str | None = None
    """Why that is not proved; None if it is."""
    candidates: tuple[int, ...] = ()
    """What else may have: nobody can tell which it was."""
    via: tuple[str, ...] = ()
    """The resources that it passed on its way, and that nothing else shows."""


UNSOUGHT = Finding()
"""Nothing was found yet."""


@dataclass(eq=False)
class Node:
    """A record that has a cause: an event, or an invocation."""

    record: Record
    clues: Clues
    ended: float = float("inf")
    names: frozenset[str] = frozenset()
    """The ids that AWS gave it."""
    found: Finding = UNSOUGHT

    @property
    def is_event(self) -> bool:
        """Whether it is an event, or a dead letter that is one."""
        return self.record.kind != "invocation"

    @property
    def resource(self) -> str:
        """Where it was."""
        return self.record.resource

    @property
    def when(self) -> tuple[float, int]:
        """Its place in the order of time."""
        return self.record.at, self.record.n

    @property
    def ids(self) -> frozenset[str]:
        """What others may have as their thread: its threads, and its names, since code often makes a correlation id of one."""
        return self.names | self.clues.threads


def names_of(event: Record) -> Iterator[str]:
    """The ids by which an event is known."""
    for part in ("id", "request_id"):
        if event.detail.get(part):
            yield str(event.detail[part])
    name = str(event.detail.get("id", ""))
    if name.startswith(STREAM_SHARD):
        yield name.rpartition(":")[2]
    change = event.detail.get("data")
    if isinstance(change, Mapping) and "SequenceNumber" in change:
        yield str(change["SequenceNumber"])


class Index:
    """All that was observed; nodes in the order of time."""

    def __init__(self, records: Sequence[Record], nodes: Iterable[Node], wiring: Wiring) -> None:
        self.records = {record.n: record for record in records}
        self.wiring = wiring
        self.nodes = sorted(nodes, key=lambda node: node.when)
        self.events = [node for node in self.nodes if node.is_event]
        self.runs = [node for node in self.nodes if not node.is_event]
        self.by_n = {node.record.n: node for node in self.nodes}
        self.named: dict[str, list[Node]] = {}
        self.of_request: dict[str, list[Node]] = {}
        self.mentioning: dict[str, list[Node]] = {}
        self.sharing: dict[str, list[Node]] = {}
        self.outcomes = {r.cause: r for r in records if r.kind == "outcome" and r.cause is not None}
        self.calls: dict[str, int] = {}
        self.call_threads: dict[str, list[int]] = {}
        self.calls_that_wrote = [r for r in records if r.kind == "call" and r.detail.get("written")]
        self.invoking: dict[str, list[Record]] = {}
        """The test's calls that invoke a function."""
        self._leading: set[int] = set()
        """What is known to have led to a node."""
        self._taken: dict[str, list[tuple[str, set[int]]]] = {}
        self._reaching: dict[str, list[Node]] = {}
        self._routes = cache(lambda source, consumer: routes(wiring, source, consumer))
        self._told = cache(self._is_told)
        for node in self.nodes:
            self._note(node)
        for record in records:
            self._note_call(record)

    def _note(self, node: Node) -> None:
        for name in node.names if node.is_event else ():
            self.named.setdefault(name, []).append(node)
        if not node.is_event:
            self.of_request.setdefault(str(node.record.detail["request_id"]), []).append(node)
            for word in node.clues.mentioned:
                self.mentioning.setdefault(word, []).append(node)
        for one in node.ids:
            self.sharing.setdefault(one, []).append(node)

    def _note_call(self, record: Record) -> None:
        if record.kind == "call":
            if "target" in record.detail:
                self.invoking.setdefault(str(record.detail["target"]), []).append(record)
            self.calls |= dict.fromkeys(map(str, record.detail.get("ids", ())), record.n)
            for thread in (*record.detail.get("threads", ()), *record.detail.get("ids", ())):
                self.call_threads.setdefault(str(thread), []).append(record.n)

    # -- ancestry ------------------------------------------------------------------------------------------------------

    def causes_of(self, n: int) -> tuple[int, ...]:
        """What is known to have led to a record, directly."""
        node = self.by_n.get(n)
        if node is not None:
            return node.found.causes
        cause = self.records[n].cause if n in self.records else None
        return () if cause is None else (cause,)

    def settle(self, node: Node, found: Finding) -> None:
        """Take over what was found of a node."""
        node.found = found
        for cause in found.causes:
            self._leading |= {cause, *self.causes_of(cause)}
        self._taken.pop(node.resource, None)

    def leads_to(self, n: int, later: int) -> bool:
        """Whether a record is another one, or among what led to it."""
        if n not in self._leading:
            return n == later
        return n in self._above([later])

    def _above(self, numbers: Iterable[int]) -> set[int]:
        """Records, and all that led to them."""
        waiting, seen = [*numbers], set[int]()
        while waiting:
            one = waiting.pop()
            if one not in seen:
                seen.add(one)
                waiting += self.causes_of(one)
        return seen

    def surely_leads_to(self, n: int, later: int) -> bool:
        """The same, by proved edges."""
        return n in self.ancestors(later)

    def are_of_one_chain(self, one: Node, other: Node) -> bool:
        """Whether one of two has surely led to the other."""
        return self.surely_leads_to(one.record.n, other.record.n) or self.surely_leads_to(other.record.n, one.record.n)

    def ancestors(self, n: int) -> list[int]:
        """A record and what has surely led to it, nearest first; of a batch, by its first event."""
        found: list[int] = []
        one: int | None = n
        while one is not None and one not in found:
            found.append(one)
            node = self.by_n.get(one)
            is_sure = node is None or node.found.doubt is None
            one = next(iter(self.causes_of(one)), None) if is_sure else None
        return found

    def common_ancestor(self, numbers: Iterable[int]) -> int | None:
        """The nearest record that has surely led to all of them, or is the one that led to the others."""
        ways = [self.ancestors(n) for n in numbers]
        return next((n for n in ways[0] if all(n in way for way in ways[1:])), None) if ways else None

    def taken_by_others(self, run: Node) -> set[int]:
        """What has led to other invocations of the same function; attempts at one are not others."""
        if run.resource not in self._taken:
            self._taken[run.resource] = [
                (str(one.record.detail["request_id"]), {n for cause in one.found.causes for n in self.ancestors(cause)})
                for one in self.runs
                if one.resource == run.resource and one.found.causes
            ]
        own = str(run.record.detail["request_id"])
        return set().union(*(taken for request_id, taken in self._taken[run.resource] if request_id != own))

    def last_of_chains(self, nodes: Sequence[Node]) -> list[Node]:
        """Those that led to none of the others."""
        above = self._above(n for node in nodes for n in self.causes_of(node.record.n))
        return [one for one in nodes if one.record.n not in above]

    # -- time and wiring -----------------------------------------------------------------------------------------------

    def sharing_with(self, node: Node) -> list[Node]:
        """Those that have a thread of it, or are named by one, in the order of time."""
        found = {id(o): o for thread in node.clues.threads for o in self.sharing.get(thread, ()) if o is not node}
        # Its own id may be a thread of others; that makes them its effects, and not what led to it.
        return sorted(found.values(), key=lambda one: one.when)

    def ways(self, source: str, consumer: str) -> list[list[str]] | None:
        """What lies between two resources; None if that is not known, an empty list if nothing leads from one to the other."""
        found: list[list[str]] | None = self._routes(source, consumer)
        return found

    def may_reach(self, event: Node, consumer: str) -> bool:
        """Whether the events of a resource come to a consumer, as far as is known."""
        return self.ways(event.resource, consumer) != []

    def was_there(self, event: Node, run: Node) -> bool:
        """Whether an invocation can have been handed an event, as to its time: clocks that differ are allowed for if it comes from there."""
        skew_s = SKEW_S if self.ways(event.resource, run.resource) else 0.0
        return event.record.at <= run.record.at + skew_s

    def reaching(self, consumer: str, until: float) -> list[Node]:
        """The events until an instant that come to a consumer, as far as its wiring is known."""
        if consumer not in self._reaching:
            self._reaching[consumer] = [event for event in self.events if self.ways(event.resource, consumer)]
        return list(takewhile(lambda event: event.record.at <= until, self._reaching[consumer]))

    def makers(self, event: Node) -> list[Node]:
        """The functions that may have sent an event, by time and wiring."""
        at = event.record.at
        near = [run for run in self.runs if run.record.at <= at + 1 and at <= run.ended + SKEW_S]
        return [run for run in near if self.may_have_made(run, event) and self.may_send_to(run, event.resource)]

    def is_told(self, function: str, resource: str) -> bool:
        """Whether a function's settings name a resource, or something from which events come to it."""
        return self._told(function, resource)

    def _is_told(self, function: str, resource: str) -> bool:
        told = self.wiring.told_of(function) or frozenset()
        return resource in told or any(self.ways(one, resource) for one in sorted(told))

    def way_from(self, function: str, consumer: str) -> tuple[str, ...]:
        """What lies between a function and what it set in motion, if its settings name one way only."""
        told = self.wiring.told_of(function) or frozenset()
        if consumer in told:
            return ()
        found = [(one, *way) for one in sorted(told) for way in self.ways(one, consumer) or ()]
        return found[0] if len(found) == 1 else ()

    def may_send_to(self, run: Node, resource: str) -> bool:
        """A function is not taken for the sender of what it is fed with, unless its settings say so."""
        return not self.ways(resource, run.resource) or self.is_told(run.resource, resource)

    def may_have_made(self, run: Node, event: Node) -> bool:
        """
        Whether an event came to be while a function ran that had not been handed it.

        Some services stamp whole seconds; then what feeds the function is not taken for what it made.
        """
        if not event.names.isdisjoint(run.clues.received) or event.record.at > run.ended + SKEW_S:
            return False
        if event.record.at >= run.record.at:
            return True
        sources = self.wiring.sources(run.resource)
        is_blurred = _is_whole(event.record.at) and event.record.at + 1 > run.record.at
        return is_blurred and sources is not None and event.resource not in sources


def is_near(run: Node, event: Node) -> bool:
    """Whether an event came to be while a function ran, by clocks that go well."""
    blur_s = 1.0 if _is_whole(event.record.at) else 0.0
    return run.record.at - NEAR_S <= event.record.at + blur_s and event.record.at <= run.ended + NEAR_S


def was_running(run: Node, at: float) -> bool:
    """Whether an invocation had begun, and not ended, at an instant."""
    return run.record.at <= at <= run.ended


def numbers(nodes: Iterable[Node]) -> tuple[int, ...]:
    """Their records'."""
    return tuple(node.record.n for node in nodes)


def any_of(nodes: Sequence[Node]) -> str:
    """Some of which it is one, in words: `Worker or Other`, `any of 2 invocations of Worker`, `Worker or any of 3 events of Orders`."""
    counts = Counter((node.resource, node.is_event) for node in nodes)
    return listed(
        [
            f"any of {count} {'events' if is_event else 'invocations'} of {name}" if count > 1 else name
            for (name, is_event), count in counts.items()
        ],
        "or",
    )


def _is_whole(at: float) -> bool:
    return at == int(at)
