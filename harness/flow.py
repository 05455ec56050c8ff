"""
The flow: the causal tree of one stimulus, or of all that happened since a moment, read from the journal.

Each record names the record that led to it, so the tree needs no guessing. A delivery of a batch has several causes; it
hangs under the first, and belongs to the flow of each.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from stagefright.errors import UnknownResource, UnprovedFlow, UsageError, nearest
from stagefright.event import Event, is_event
from stagefright.journal import CANDIDATES, OBSERVED, UNPROVED, UNSURE, Journal, Record
from stagefright.wording import clip, neat, offset, plural, shorten

LINES_MAX = 200
"""How many lines of a tree `str(flow)` shows; `flow.text(lines_max=None)` has them all."""

NOTHING_HAPPENED = "(nothing happened)"
"""How an empty tree is drawn."""

LEGEND = "? = not proved: "
"""How the last line of a tree with doubtful edges begins."""

REASONS_MAX = 5
"""How many reasons for doubts that line, or a warning, names."""

WHAT_PROVES = (
    'What proves an edge, and how code can log it, is told in docs/user-guide.md under "On a deployed stage". The tree (print the flow) '
    "marks what is not proved with ?."
)
"""How a warning about doubtful edges ends."""

HARMLESS_DROPS = ("filtered out", "duplicate")
"""How the reasons begin for which AWS drops an event by design: it only ends a flow if nothing else took the event."""


class Numbered(Protocol):
    """Records by number, causes before their effects."""

    def __getitem__(self, n: int, /) -> Record: ...

    def since(self, n: int) -> Iterator[Record]:
        """The records from number `n` on."""
        ...


@dataclass(frozen=True, slots=True)
class Attempts:
    """The invocations of one function: seconds since the first, and how each ended (an error type, or None)."""

    function: str
    at: list[int | float]
    outcomes: list[str | None]

    @property
    def count(self) -> int:
        """How many there were."""
        return len(self.at)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that was given up and kept; `at` in seconds since the flow began."""

    resource: str
    source: str
    condition: str
    ids: list[str]
    at: int | float


@dataclass(frozen=True, slots=True)
class Dropped:
    """
    An event that was given up and lost; `at` in seconds since the flow began.

    `status` is what the client of an HTTP request that failed was told.
    """

    resource: str
    reason: str
    ids: list[str]
    at: int | float
    status: int | None = None

    @property
    def told(self) -> str:
        """
        The same in words.

        >>> Dropped("Worker", "retention", ["1"], 0).told, Dropped("Worker", "KeyError: 'id'", [], 0, status=500).told
        ('Worker lost 1 event: retention', "Worker's request was answered 500: KeyError: 'id'")
        """
        if self.status is not None:
            return f"{self.resource}'s request was answered {self.status}: {clip(self.reason)}"
        if self.reason == "duplicate":
            return f"{self.resource} dropped a duplicate"
        lost = plural(len(self.ids), "event") if self.ids else "an event"
        return f"{self.resource} lost {lost}: {clip(self.reason)}"


@dataclass(frozen=True, slots=True)
class FlowError:
    """An invocation that failed; `at` in seconds since the flow began."""

    function: str
    type: str
    message: str
    at: int | float

    def __str__(self) -> str:
        return f"{self.function} failed at {offset(self.at)} with {self.type}: {self.message}"


class _Tree:
    """Records by what they hang under."""

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

    def _index(self, record: Record) -> None:
        parent = next((cause for cause in _causes(record) if cause in self.by_n), None)
        if parent is None:
            self.roots.append(record)
        else:
            self.children.setdefault(parent, []).append(record)
            self.batched |= dict.fromkeys((cause for cause in _causes(record) if cause != parent), record)
        self.perhaps |= dict.fromkeys(record.detail.get(CANDIDATES, ()), record)
        if record.kind == "outcome" and record.cause is not None:
            self.outcomes[record.cause] = record


class Flow:
    """
    What happened, as a tree; `print(flow)` draws it.

    Made of a journal (from record number `since` on), or of some records. `known` are the logical ids of the stage, and
    `functions` those of its functions; with them, asking for a name that does not exist is an error, and asking for a function
    that never ran gives no attempts. `name_of` understands other spellings of them.
    """

    def __init__(
        self,
        records: Iterable[Record],
        *,
        since: int = 0,
        known: Collection[str] = (),
        functions: Collection[str] = (),
        name_of: Callable[[str], str] = str,
    ) -> None:
        self.records = list(records.since(since) if isinstance(records, Journal) else records)
        self._known = known
        self._functions = functions
        self._name_of = name_of
        self.caveat: str | None = None
        """What is to be known of how much it proves, if it is the flow of a deployed stage; it ends the text."""
        self.strays: list[Record] = []
        """Records of a deployed stage that may belong to the flow: what led to them is one of several things, and some of these do."""
        self._focus: Record | None = None

    @classmethod
    def of(
        cls,
        journal: Numbered,
        n: int,
        *,
        known: Collection[str] = (),
        functions: Collection[str] = (),
        name_of: Callable[[str], str] = str,
    ) -> Flow:
        """The whole flow that record number `n` belongs to, from its stimulus on; its `path` is the way of that record."""
        root = journal[n]
        while root.cause is not None:
            root = journal[root.cause]
        strays: list[Record] = []
        flow = cls(_descendants(journal, root, strays), known=known, functions=functions, name_of=name_of)
        flow.strays = strays
        flow._focus = flow._tree.by_n.get(n)
        return flow

    def names(self) -> frozenset[str]:
        """What records may be about, if it is known."""
        return frozenset(self._known)

    @cached_property
    def _tree(self) -> _Tree:
        """Made when somebody asks: most tests settle again and again, and look at few of the flows that they get."""
        return _Tree(self.records)

    # -- what a test asks --------------------------------------------------------------------------------------------

    @cached_property
    def path(self) -> list[str]:
        """
        The resources that events passed and the functions that ran, in the order in which the tree reaches them.

        In the flow of one event: what led to it and what it led to, without the side branches that it had no part in.
        """
        if self._focus is not None or self.strays:
            way = {record.n for record in self._way}
            beside = [r for r in self.records if r.n not in way and not way.isdisjoint(r.detail.get(CANDIDATES, ()))]
            self._warn("path", self._way, lacking=[*beside, *self.strays], beginning=self._way[0], frames=4)
        return self._stations

    @cached_property
    def _way(self) -> list[Record]:
        return list(self._preorder(self._tree.roots) if self._focus is None else self._way_of(self._focus))

    @property
    def _stations(self) -> list[str]:
        return list(dict.fromkeys(record.resource for record in self._way if self._is_step(record)))

    def attempts(self, function: str) -> Attempts:
        """The invocations of a function in this flow."""
        function = self._name_of(function)
        runs = [record for record in self._of("invocation") if record.resource == function]
        known = self._functions or self._known
        if not runs and function not in known:
            ran = dict.fromkeys(record.resource for record in self._of("invocation"))
            raise UnknownResource(f"No function {function!r} ran in this flow. {nearest(function, known or ran)}")
        if self._focus is not None:
            lacking = [record for record in self.strays if record.resource == function]
            self._warn(f"attempts({function!r})", runs, lacking=lacking)
        start = runs[0].at if runs else 0.0
        return Attempts(function, [neat(run.at - start) for run in runs], [self._ended(run) for run in runs])

    def reached(self, resource: str) -> bool:
        """Whether an event came as far as a resource: accepted there, delivered to it, or kept by it as a dead letter."""
        resource = self._name_of(resource)
        found = any(
            record.resource == resource for record in self._of("event", "delivery", "invocation", "dead_letter")
        )
        if not found and self._known and resource not in self._known:
            raise UnknownResource(f"The stage has no resource {resource!r}. {nearest(resource, self._known)}")
        return found

    @property
    def dead_letters(self) -> list[DeadLetter]:
        """The events that were given up and kept."""
        kept = [record for record in self._of("dead_letter") if not record.detail.get("lost")]
        if self._focus is not None:
            self._warn("dead_letters", kept, lacking=[one for one in self.strays if one.kind == "dead_letter"])
        return [self._dead_letter(record, record.detail) for record in kept]

    @property
    def dropped(self) -> list[Dropped]:
        """The events that were given up and lost, filtered out or deleted."""
        return [self._dropped(record) for record in self._of("dropped")]

    @property
    def errors(self) -> list[FlowError]:
        """The invocations that failed."""
        return [
            FlowError(record.resource, _error_type(record), record.detail.get("error_message") or "", self._at(record))
            for record in self._of("outcome")
            if _failed(record)
        ]

    @cached_property
    def stopped_at(self) -> str | None:
        """
        The resource where the flow ended abnormally, or None if it did not.

        That is the function whose failure made AWS give the event up, else the resource that lost it, else a function whose
        last invocation failed.
        """
        for end in self._of("dead_letter", "dropped"):
            if end.kind == "dead_letter" or not self._is_harmless(end):
                return self._culprit(end)
        last = {record.resource: record for record in self._of("outcome")}
        return next((name for name, record in last.items() if _failed(record)), None)

    @property
    def unproved(self) -> list[str]:
        """On a deployed stage: the edges of the tree that the evidence does not prove. A local stage knows all of its causes."""
        return [self._doubt(record) for record in self.records if UNPROVED in record.detail]

    def __len__(self) -> int:
        return len(self.records)

    def __repr__(self) -> str:
        return f"<Flow of {plural(len(self), 'record')}: {' > '.join(self._stations) or 'nothing happened'}>"

    def __str__(self) -> str:
        return self.text()

    @cached_property
    def began_at(self) -> float:
        """When the first thing in it happened; on a deployed stage that is not always what was observed first."""
        return min(record.at for record in self.records)

    def text(self, lines_max: int | None = LINES_MAX) -> str:
        """The tree, one line per step, with virtual times since the flow began."""
        lines = list(self._lines())
        if lines_max is not None and len(lines) > lines_max:
            lines[lines_max:] = [f"... and {plural(len(lines) - lines_max, 'line')} more"]
        reasons = dict.fromkeys(str(r.detail[UNPROVED]) for r in self.records if UNPROVED in r.detail)
        legend = [LEGEND + _few(reasons)] if lines and reasons else []
        strays = [f"It may lack {_few(map(self._stray, self.strays))}."] if self.strays else []
        caveat = [] if self.caveat is None else [self.caveat]
        return "\n".join([*(lines or [NOTHING_HAPPENED]), *legend, *strays, *caveat])

    # -- doubts ------------------------------------------------------------------------------------------------------

    def _warn(
        self,
        what: str,
        records: Iterable[Record],
        *,
        lacking: Sequence[Record] = (),
        beginning: Record | None = None,
        frames: int = 3,
    ) -> None:
        """
        Say that an answer rests on edges that are not proved, lacks what may belong to it, or begins where nobody knows what came before.

        `frames` lie between here and who asked: one more if a `cached_property` does.
        """
        seen: dict[int, Record] = {}
        for record in records:
            above: Record | None = record
            while above is not None and above.n not in seen:
                seen[above.n] = above
                above = self._tree.by_n.get(above.cause) if above.cause is not None else None
        # A record of which nobody knows where it came from stands at the top of the tree, so no answer rests on that.
        doubtful = [record for record in seen.values() if UNPROVED in record.detail and record.cause in self._tree.by_n]
        told = [f"rests on what is not proved: {_few(map(self._doubt, doubtful))}"] if doubtful else []
        if lacking:
            told.append(f"may lack {_few(map(self._stray, lacking))}")
        if beginning is not None and UNPROVED in beginning.detail and beginning.cause is None:
            told.append(
                f"begins with {beginning.resource}, and may lack what came before: {beginning.detail[UNPROVED]}"
            )
        if told:
            warnings.warn(f"Flow.{what} {'; it '.join(told)}. {WHAT_PROVES}", UnprovedFlow, stacklevel=frames)

    def _doubt(self, record: Record) -> str:
        cause = self._tree.by_n.get(record.cause) if record.cause is not None else None
        source = None if cause is None else cause.detail["source"] if cause.kind == "delivery" else cause.resource
        what = f"{record.kind} {record.resource}" if source is None else f"{source} -> {record.resource}"
        return f"{what} ({record.detail[UNPROVED]})"

    def _stray(self, record: Record) -> str:
        return f"{record.kind} {record.resource} at {offset(self._at(record))} ({record.detail[UNPROVED]})"

    # -- reading the tree --------------------------------------------------------------------------------------------

    def _of(self, *kinds: str) -> Iterator[Record]:
        return (record for record in self.records if record.kind in kinds)

    def _at(self, record: Record) -> int | float:
        return neat(record.at - self.began_at)

    def _ended(self, invocation: Record) -> str | None:
        outcome = self._tree.outcomes.get(invocation.n)
        return _error_type(outcome) if outcome is not None and _failed(outcome) else None

    def _preorder(self, roots: list[Record]) -> Iterator[Record]:
        stack = roots[::-1]
        while stack:
            record = stack.pop()
            yield record
            stack.extend(reversed(self._tree.children.get(record.n, [])))

    def _way_of(self, record: Record) -> Iterator[Record]:
        above, cause = [], record.cause
        while cause is not None and cause in self._tree.by_n:
            above.append(self._tree.by_n[cause])
            cause = above[-1].cause
        yield from reversed(above)
        yield from self._preorder([record])

    def _is_step(self, record: Record) -> bool:
        """A dead letter that is sent to its queue makes an event there, which is the end of the path and not a part of it."""
        if record.kind == "invocation" or self._is_handed_on(record):
            return True
        cause = self._tree.by_n.get(record.cause) if record.cause is not None else None
        return record.kind == "event" and (cause is None or cause.kind != "dead_letter")

    def _is_handed_on(self, record: Record) -> bool:
        """Whether a delivery led to another one from there: a pipe passes on what it gets, and accepts no events of its own."""
        below = self._tree.children.get(record.n, ()) if record.kind == "delivery" else ()
        return any(one.kind == "delivery" and one.detail.get("source") == record.resource for one in below)

    def _dead_letter(self, record: Record, detail: dict[str, Any]) -> DeadLetter:
        source, condition = detail.get("source", ""), detail.get("condition", "")
        return DeadLetter(record.resource, source, condition, detail.get("ids", []), self._at(record))

    def _dropped(self, record: Record) -> Dropped:
        reason, ids, status = (record.detail.get(name) for name in ("reason", "ids", "status"))
        return Dropped(record.resource, reason or "", ids or [], self._at(record), status)

    # -- where it stopped --------------------------------------------------------------------------------------------

    def _is_harmless(self, dropped: Record) -> bool:
        if not str(dropped.detail.get("reason", "")).startswith(HARMLESS_DROPS):
            return False
        siblings = self._tree.children.get(dropped.cause, []) if dropped.cause is not None else []
        return any(sibling.kind in ("delivery", "invocation") for sibling in siblings) or not siblings

    def _culprit(self, end: Record) -> str:
        above = self._tree.by_n.get(end.cause) if end.cause is not None else None
        while above is not None:
            if above.kind in ("outcome", "invocation"):
                return above.resource
            if is_event(above):
                failed = [r for r in self._below(above) if r.kind == "outcome" and r.n < end.n and _failed(r)]
                return failed[-1].resource if failed else _victim(end)
            above = self._tree.by_n.get(above.cause) if above.cause is not None else None
        return _victim(end)

    def _below(self, record: Record) -> list[Record]:
        found, stack = [], [record]
        while stack:
            children = self._tree.children.get(stack.pop().n, [])
            found += children
            stack += children
        return sorted(found, key=lambda record: record.n)

    # -- drawing -----------------------------------------------------------------------------------------------------

    def _lines(self) -> Iterator[str]:
        stack = [(record, 0) for record in reversed(self._tree.roots)]
        while stack:
            record, depth = stack.pop()
            text = self._line(record)
            if text is not None:
                doubt = "? " if UNPROVED in record.detail else ""
                yield f"{offset(self._at(record)):<11} {'  ' * depth}{doubt}{text}"
                depth += 1
            stack.extend((child, depth) for child in reversed(self._tree.children.get(record.n, [])))

    def _line(self, record: Record) -> str | None:
        """The words for a record; None for one that is told by its children, or elsewhere."""
        draw = _WORDS.get(record.kind)
        return draw(self, record) if draw is not None else None

    def _call_line(self, record: Record) -> str | None:
        detail = record.detail
        has_effect = record.cause not in self._tree.by_n and record.n in self._tree.children
        if not has_effect and not detail.get("error"):
            return None
        error = f": refused with {detail['error']}" if detail.get("error") else ""
        return f"{record.resource} called {detail.get('service')}.{detail.get('operation')}{error}"

    def _event_line(self, record: Record) -> str:
        event = Event(record)
        if event.change is not None:
            return f"{record.resource} {event.change}" + self._fate_of(record)
        request = [record.detail[part] for part in ("method", "path") if part in record.detail]
        payload = event.payload
        words = [record.resource, "accepted", *request, *([shorten(payload)] if payload or not request else [])]
        return " ".join(words) + self._fate_of(record)

    def _fate_of(self, event: Record) -> str:
        """What became of an event that has nothing below it."""
        if event.n in self._tree.children or not self._is_step(event):
            return ""
        batch = self._tree.batched.get(event.n)
        if batch is not None:
            return f" (delivered to {batch.resource} in a batch)"
        if OBSERVED not in event.detail:
            return " (not delivered)"
        perhaps = self._tree.perhaps.get(event.n)
        return " (not seen to be delivered)" if perhaps is None else f" (perhaps delivered to {perhaps.resource})"

    def _delivery_line(self, record: Record) -> str | None:
        if self._is_handed_on(record):
            ids = record.detail.get("ids", ())
            what = plural(len(ids), "event") if ids else "something"
            return f"{record.resource} took {what} from {record.detail.get('source')}"
        if record.n in self._tree.children:
            return None
        return f"{record.resource}: attempt {record.detail.get('attempt', 1)} to deliver from {record.detail.get('source')}"

    def _invocation_line(self, record: Record) -> str:
        return f"{record.resource} attempt {record.detail.get('attempt', 1)}: {self._ending(record)}"

    def _ending(self, invocation: Record) -> str:
        outcome = self._tree.outcomes.get(invocation.n)
        if outcome is None:
            return "still running"
        took = f"after {outcome.detail.get('duration_ms', 0):g} ms"
        if _failed(outcome):
            return f"failed {took} with {_error_type(outcome)}: {clip(outcome.detail.get('error_message') or '')}"
        return f"ended {took}; {outcome.detail[UNSURE]}" if UNSURE in outcome.detail else f"ok {took}"

    def _retry_line(self, record: Record) -> str:
        due = record.detail.get("due")
        when = "" if due is None else f" at {offset(due - self.began_at)}"
        return f"{record.resource} will be tried again{when} ({record.detail.get('reason')})"

    def _dead_letter_line(self, record: Record) -> str:
        verb = "did not take" if record.detail.get("lost") else "keeps"
        return f"{record.resource} {verb} a dead letter of {record.detail.get('source')} ({record.detail.get('condition')})"

    def _dropped_line(self, record: Record) -> str:
        return self._dropped(record).told

    def _fault_line(self, record: Record) -> str:
        return (
            f"fault {record.detail.get('fault')} struck {record.resource} {shorten(record.detail.get('settings', {}))}"
        )

    def _warning_line(self, record: Record) -> str:
        return f"warning, {record.resource}: {record.detail.get('message')}"


_WORDS = {
    "call": Flow._call_line,
    "dead_letter": Flow._dead_letter_line,
    "delivery": Flow._delivery_line,
    "dropped": Flow._dropped_line,
    "event": Flow._event_line,
    "fault": Flow._fault_line,
    "invocation": Flow._invocation_line,
    "retry": Flow._retry_line,
    "warning": Flow._warning_line,
}
"""How each kind is drawn. An outcome is told in its invocation's line, and log lines have a section of their own."""


def _causes(record: Record) -> Iterator[int]:
    if record.cause is not None:
        yield record.cause
    yield from record.detail.get("causes", ())


def _descendants(journal: Numbered, root: Record, strays: list[Record]) -> Iterator[Record]:
    """
    A record and all that it led to; causes come before their effects, so one pass is enough.

    What may have been led to by one of these, and hangs elsewhere or nowhere, is added to `strays`.
    """
    included = {root.n}
    yield root
    for record in journal.since(root.n + 1):
        if any(cause in included for cause in _causes(record)):
            included.add(record.n)
            yield record
        elif not included.isdisjoint(record.detail.get(CANDIDATES, ())):
            strays.append(record)


def _few(reasons: Iterable[str]) -> str:
    """Reasons one after the other, each once, and not too many."""
    told = list(dict.fromkeys(reasons))
    more = [f"and {len(told) - REASONS_MAX} more"] if len(told) > REASONS_MAX else []
    return "; ".join([*told[:REASONS_MAX], *more])


def _failed(outcome: Record) -> bool:
    return "error_type" in outcome.detail


def _error_type(outcome: Record) -> str:
    return str(outcome.detail["error_type"] or "Unhandled")


def _victim(end: Record) -> str:
    """Who is to be named when no function failed: the consumer that could not be reached, else the source."""
    if end.kind == "dropped":
        return end.resource
    return str(end.detail.get("consumer") or end.detail.get("source") or end.resource)


def record_of(event: Event | int) -> int:
    """The number of the journal record that an event is, or that was given itself; anything else is a `UsageError`."""
    record = getattr(event, "record", event)
    if isinstance(record, int):
        return record
    raise UsageError(
        f"flow() takes an event, as a listener's expect() returns it, or the number of a journal record; not {event!r}. "
        "stage.settle() gives the flow of all that happened."
    )
