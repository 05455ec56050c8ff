"""The causal tree of journal records: each record names what led to it, so it needs no guessing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from stagefright.journal import CANDIDATES, Record


class Numbered(Protocol):
    """Records by number, causes before their effects."""

    def __getitem__(self, n: int, /) -> Record: ...

    def since(self, n: int) -> Iterator[Record]:
        """The records from number `n` on."""
        ...


class CausalTree:
    """Records by what they hang under: each under the first of its causes that is among them."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.by_n = {record.n: record for record in records}
        self.roots: list[Record] = []
        self.children: dict[int, list[Record]] = {}
        self.outcomes: dict[int, Record] = {}
        self.batched: dict[int, Record] = {}
        """Events that a delivery took along in a batch, besides the one that it hangs under."""
        self.perhaps: dict[int, Record] = {}
        """By what may have led to them: records of a deployed stage."""
        for record in self.by_n.values():
            self._index(record)

    def cause_of(self, record: Record) -> Record | None:
        """What a record hangs under by its first cause, if that is among them."""
        return None if record.cause is None else self.by_n.get(record.cause)

    def preorder(self, roots: list[Record]) -> Iterator[Record]:
        """The records from these on, each before what it led to."""
        stack = roots[::-1]
        while stack:
            record = stack.pop()
            yield record
            stack.extend(reversed(self.children.get(record.n, [])))

    def way_of(self, record: Record) -> Iterator[Record]:
        """What led to a record, the record, and what it led to."""
        above, cause = [], record.cause
        while cause is not None and cause in self.by_n:
            above.append(self.by_n[cause])
            cause = above[-1].cause
        yield from reversed(above)
        yield from self.preorder([record])

    def below(self, record: Record) -> list[Record]:
        """All that a record led to, in order of number."""
        found, stack = [], [record]
        while stack:
            children = self.children.get(stack.pop().n, [])
            found += children
            stack += children
        return sorted(found, key=lambda record: record.n)

    def is_step(self, record: Record) -> bool:
        """
        Whether a record is a step of the way: an event that was accepted, or a function that ran.

        A dead letter that is sent to its queue makes an event there, which is the end of the way and not a part of it.
        """
        if record.kind == "invocation" or self.is_handed_on(record):
            return True
        cause = self.cause_of(record)
        return record.kind == "event" and (cause is None or cause.kind != "dead_letter")

    def is_handed_on(self, record: Record) -> bool:
        """Whether a delivery led to another one from there: a pipe passes on what it gets, and accepts no events of its own."""
        below = self.children.get(record.n, ()) if record.kind == "delivery" else ()
        return any(one.kind == "delivery" and one.detail.get("source") == record.resource for one in below)

    def _index(self, record: Record) -> None:
        parent = next((cause for cause in causes_of(record) if cause in self.by_n), None)
        if parent is None:
            self.roots.append(record)
        else:
            self.children.setdefault(parent, []).append(record)
            self.batched |= dict.fromkeys((cause for cause in causes_of(record) if cause != parent), record)
        self.perhaps |= dict.fromkeys(record.detail.get(CANDIDATES, ()), record)
        if record.kind == "outcome" and record.cause is not None:
            self.outcomes[record.cause] = record


def causes_of(record: Record) -> Iterator[int]:
    """The numbers of what led to a record, the first of which it hangs under."""
    if record.cause is not None:
        yield record.cause
    yield from record.detail.get("causes", ())


def descendants(journal: Numbered, root: Record, strays: list[Record]) -> Iterator[Record]:
    """
    A record and all that it led to; causes come before their effects, so one pass is enough.

    What may have been led to by one of these, and hangs elsewhere or nowhere, is added to `strays`.
    """
    included = {root.n}
    yield root
    for record in journal.since(root.n + 1):
        if any(cause in included for cause in causes_of(record)):
            included.add(record.n)
            yield record
        elif not included.isdisjoint(record.detail.get(CANDIDATES, ())):
            strays.append(record)
