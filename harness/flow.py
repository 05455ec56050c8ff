"""
The flow: the causal tree of one stimulus, or of all that happened since a moment, read from the journal.

Each record names the record that led to it, so the tree needs no guessing. A delivery of a batch has several causes; it
hangs under the first, and belongs to the flow of each.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import cached_property

from stagefright.causal_tree import CausalTree, Numbered, descendants
from stagefright.errors import UnknownResource, UnprovedFlow, UsageError, nearest
from stagefright.event import Event, is_event
from stagefright.flow_drawing import FlowDrawing
from stagefright.happenings import Attempts, DeadLetter, Dropped, FlowError, error_type, failed
from stagefright.journal import CANDIDATES, UNPROVED, Journal, Record
from stagefright.wording import neat, offset, plural

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
        flow = cls(descendants(journal, root, strays), known=known, functions=functions, name_of=name_of)
        flow.strays = strays
        flow._focus = flow._tree.by_n.get(n)
        return flow

    def names(self) -> frozenset[str]:
        """What records may be about, if it is known."""
        return frozenset(self._known)

    @cached_property
    def _tree(self) -> CausalTree:
        """Made when somebody asks: most tests settle again and again, and look at few of the flows that they get."""
        return CausalTree(self.records)

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
        return list(self._tree.preorder(self._tree.roots) if self._focus is None else self._tree.way_of(self._focus))

    @property
    def _stations(self) -> list[str]:
        return list(dict.fromkeys(record.resource for record in self._way if self._tree.is_step(record)))

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
        return [DeadLetter.of(record, self._at(record)) for record in kept]

    @property
    def dropped(self) -> list[Dropped]:
        """The events that were given up and lost, filtered out or deleted."""
        return [Dropped.of(record, self._at(record)) for record in self._of("dropped")]

    @property
    def errors(self) -> list[FlowError]:
        """The invocations that failed."""
        return [FlowError.of(record, self._at(record)) for record in self._of("outcome") if failed(record)]

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
        return next((name for name, record in last.items() if failed(record)), None)

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
        lines = list(FlowDrawing(self._tree, self.began_at).lines()) if self.records else []
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
                above = self._tree.cause_of(above)
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
        cause = self._tree.cause_of(record)
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
        return error_type(outcome) if outcome is not None and failed(outcome) else None

    # -- where it stopped --------------------------------------------------------------------------------------------

    def _is_harmless(self, dropped: Record) -> bool:
        if not str(dropped.detail.get("reason", "")).startswith(HARMLESS_DROPS):
            return False
        siblings = self._tree.children.get(dropped.cause, []) if dropped.cause is not None else []
        return any(sibling.kind in ("delivery", "invocation") for sibling in siblings) or not siblings

    def _culprit(self, end: Record) -> str:
        above = self._tree.cause_of(end)
        while above is not None:
            if above.kind in ("outcome", "invocation"):
                return above.resource
            if is_event(above):
                failures = [r for r in self._tree.below(above) if r.kind == "outcome" and r.n < end.n and failed(r)]
                return failures[-1].resource if failures else _victim(end)
            above = self._tree.cause_of(above)
        return _victim(end)


def _few(reasons: Iterable[str]) -> str:
    """Reasons one after the other, each once, and not too many."""
    told = list(dict.fromkeys(reasons))
    more = [f"and {len(told) - REASONS_MAX} more"] if len(told) > REASONS_MAX else []
    return "; ".join([*told[:REASONS_MAX], *more])


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
