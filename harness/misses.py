"""
What a test is told when an expectation fails.

What was asked; every event that the resource saw, nearest first, with the fields that differ; what happened meanwhile, and
where it stopped; what to try next.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from stagefright.event import Event, is_event
from stagefright.flow import Flow
from stagefright.journal import Journal, Record
from stagefright.matching import Expectation, Match
from stagefright.spans import format_span
from stagefright.wording import clip, offset, plural, shorten

EVENTS_MAX = 10
"""How many events a message shows."""

DIFFERENCES_MAX = 6
"""How many differing fields of one event a message shows."""

FLOW_LINES_MAX = 40
"""How many lines of the flow a message shows."""

HINTS_MAX = 6
"""How many hints a message ends with."""


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What a listener knows when an expectation fails; `armed` is the journal's length when it was made."""

    journal: Journal
    identity: Mapping[str, str]
    resource: str
    armed: int
    events: Sequence[Event]
    taken: frozenset[str]
    only: Expectation | None = None
    """The listener's own pattern."""
    filtered: Sequence[Event] = ()
    """The events that its pattern kept out."""
    is_deployed: bool = False
    """Whether the stage is outside this process, where only what has a listener is seen."""

    @property
    def asked(self) -> str:
        """The resource, with the pattern that narrows it."""
        return self.resource if self.only is None else f"{self.resource} ({self.only})"

    @cached_property
    def flow(self) -> Flow:
        """All that happened since the listener was armed."""
        return Flow(self.journal.arranged(self.armed))

    def moment(self, event: Event) -> str:
        """When an event came, on the same scale as the flow."""
        return offset(event.at - self.flow.began_at)


def no_event(around: Surroundings, expectation: Expectation, within_s: float, *, is_quiet: bool) -> str:
    """The message of an `expect` that waited in vain."""
    return _message(
        f"No event on {around.asked} matched {expectation}{_waited(within_s, is_quiet=is_quiet)}.",
        _seen(around, expectation),
        _story(around),
        _advice(list(_hints(around, expectation))),
    )


def _waited(within_s: float, *, is_quiet: bool) -> str:
    span = format_span(within_s)
    if is_quiet:
        return f"; nothing is due any more, so none will come (waited up to {span})"
    if math.isinf(within_s):
        return " until nothing was seen to move any more (which is no proof that none will come)"
    return f" within {span}"


def unexpected_events(around: Surroundings, expectation: Expectation, found: Sequence[Event], when: str) -> str:
    """The message of an `expect_no_more` or `expect_none` that found some."""
    lines = [f"  {around.moment(event)}  {_one_line(event)}" for event in found[:EVENTS_MAX]]
    which = f"matching {expectation}" if expectation.asks else "that no expectation took"
    return _message(
        f"{around.asked} has {plural(len(found), 'event')} {which}{when}; none should be there:",
        [*lines, *_more(len(found) - EVENTS_MAX)],
        ["", "How the first came about:", *_indented(Flow.of(around.journal, found[0].record))],
        _advice(["if it is right that it came, expect() it; else follow the flow above to its cause"]),
    )


def _message(head: str, *parts: list[str]) -> str:
    return "\n".join([head, *(line for part in parts for line in part)])


# -- what was seen -----------------------------------------------------------------------------------------------------


def _seen(around: Surroundings, expectation: Expectation) -> list[str]:
    if not around.events:
        kept_out = _kept_out(around)
        return kept_out or ["", f"{around.resource} has seen no event since the listener was armed."]
    judged = [(event, expectation.match(event, around.identity)) for event in around.events]
    judged.sort(key=lambda pair: (pair[0].id in around.taken, -pair[1].score))
    head = f"{around.resource} has seen {plural(len(judged), 'event')} since the listener was armed, nearest first:"
    lines = [line for event, match in judged[:EVENTS_MAX] for line in _candidate(around, event, match)]
    return ["", head, *lines, *_more(len(judged) - EVENTS_MAX), *_kept_out(around)]


def _kept_out(around: Surroundings) -> list[str]:
    """The events that the listener's own pattern did not let through, nearest first, and why."""
    if around.only is None or not around.filtered:
        return []
    judged = [(event, around.only.match(event, around.identity)) for event in around.filtered]
    judged.sort(key=lambda pair: -pair[1].score)
    seen = f"{around.resource} has seen {plural(len(judged), 'event')} that the listener's pattern kept out"
    head = f"{seen}, nearest first:" if len(judged) > 1 else f"{seen}:"
    lines = [line for event, match in judged[:EVENTS_MAX] for line in _candidate(around, event, match)]
    nothing = [] if around.events else ["", f"No event on {around.resource} has passed the pattern."]
    return [*nothing, "", head, *lines, *_more(len(judged) - EVENTS_MAX)]


def _candidate(around: Surroundings, event: Event, match: Match) -> Iterator[str]:
    yield f"  {around.moment(event)}  {_one_line(event)}"
    if event.id in around.taken:
        yield "      satisfied an earlier expectation"
        return
    for difference in match.differences[:DIFFERENCES_MAX]:
        yield f"      {difference}"
    rest = len(match.differences) - DIFFERENCES_MAX
    if rest > 0:
        yield f"      and {plural(rest, 'more difference')}"


def _one_line(event: Event) -> str:
    hidden = {"data"} if event.change is not None else set()
    parts = {name: value for name, value in event.parts.items() if name not in hidden and value not in ({}, [], "")}
    return f"{event.id[:8]}  " + "  ".join(f"{name}={shorten(value)}" for name, value in parts.items())


def _more(count: int) -> list[str]:
    return [f"  ... and {count} more"] if count > 0 else []


# -- what happened -----------------------------------------------------------------------------------------------------


def _story(around: Surroundings) -> list[str]:
    if not around.flow.records:
        return ["", "Nothing has happened in the stage since the listener was armed."]
    stopped = around.flow.stopped_at
    end = [f"It stopped at {stopped}."] if stopped else []
    return ["", "What happened since the listener was armed:", *_indented(around.flow), *end]


def _indented(flow: Flow) -> list[str]:
    return [f"  {line}" for line in flow.text(FLOW_LINES_MAX).splitlines()]


# -- what to try -------------------------------------------------------------------------------------------------------


def _advice(hints: list[str]) -> list[str]:
    return ["", "Try next:", *(f"  - {hint}" for hint in hints[:HINTS_MAX])] if hints else []


def _hints(around: Surroundings, expectation: Expectation) -> Iterator[str]:
    yield from _came_before(around, expectation)
    yield from _failures(around)
    yield from _losses(around)
    yield from _pending_retries(around)
    yield from _came_early(around, expectation)
    yield from _came_elsewhere(around, expectation)
    if around.is_deployed:
        yield from _out_of_sight(around)
    elif not around.events:
        yield from _silence(around)
    elif not around.flow.errors and not any(expectation.accepts(event, around.identity) for event in around.events):
        yield f"compare the fields above; listener.events holds all {len(around.events)} of them"


def _out_of_sight(around: Surroundings) -> Iterator[str]:
    """What may have happened in a deployed stage all the same."""
    if around.only is not None:
        yield "the bus applies the listener's pattern, so what that kept out was not seen: listen without it, and expect(pattern=...)"
    yield "in a deployed stage only what has a listener is seen, and only what came after it was armed: listen upstream as well"
    yield "what is still under way does not show: wait longer (within=...)"


def _came_before(around: Surroundings, expectation: Expectation) -> Iterator[str]:
    """The same event cannot come twice; whoever expects it twice wants two."""
    alike = [event for event in around.events if expectation.accepts(event, around.identity)]
    if alike and all(event.id in around.taken for event in alike):
        times = "once, and an earlier expect took it" if len(alike) == 1 else f"{len(alike)} times, all taken before"
        yield f"it came {times}: each event satisfies one expect, which returns it"


def _came_early(around: Surroundings, expectation: Expectation) -> Iterator[str]:
    for record in around.journal:
        if record.n >= around.armed:
            return
        if record.resource == around.resource and is_event(record) and _would_do(around, expectation, record):
            yield "a matching event came before the listener was armed: arm it before the stimulus"
            return


def _would_do(around: Surroundings, expectation: Expectation, record: Record) -> bool:
    passes = around.only is None or around.only.accepts(Event(record), around.identity)
    return passes and _matches(around, expectation, record)


def _came_elsewhere(around: Surroundings, expectation: Expectation) -> Iterator[str]:
    if not expectation.asks:
        return
    passed = _resources_above(around)
    found = Counter(
        record.resource
        for record in around.flow.records
        if record.resource not in passed and _is_news(around, record) and _matches(around, expectation, record)
    )
    for resource, count in found.items():
        yield f"{plural(count, 'event')} on {resource} would have matched: listen there, or follow what becomes of it"


def _is_news(around: Surroundings, record: Record) -> bool:
    """An event that a listener could see, and that the test did not send itself."""
    if not is_event(record) or "route" in record.detail:
        return False
    cause = around.journal[record.cause] if record.cause is not None else None
    return cause is None or cause.kind != "call" or cause.resource != "test"


def _resources_above(around: Surroundings) -> set[str]:
    """The resources that the events of the asked one came through."""
    above, seen, stack = {around.resource}, set[int](), [event.record for event in around.events]
    while stack:
        n = stack.pop()
        if n not in seen:
            seen.add(n)
            record = around.journal[n]
            above.add(record.resource)
            stack += [*([record.cause] if record.cause is not None else []), *record.detail.get("causes", ())]
    return above


def _matches(around: Surroundings, expectation: Expectation, record: Record) -> bool:
    return expectation.match(Event(record), around.identity, any_payload=True).holds


def _failures(around: Surroundings) -> Iterator[str]:
    errors = around.flow.errors
    for (function, kind), count in Counter((error.function, error.type) for error in errors).items():
        last = [error for error in errors if (error.function, error.type) == (function, kind)][-1]
        times = f" {count} times" if count > 1 else ""
        yield f"{function} failed{times} with {kind}: {clip(last.message)}. Its log: listen.logs({function!r}).events"


def _pending_retries(around: Surroundings) -> Iterator[str]:
    """A retry that is due later than the last thing that happened has not had its turn."""
    records = around.flow.records
    for record in records:
        due = record.detail.get("due") if record.kind == "retry" else None
        if due is not None and due > records[-1].at:
            when = offset(due - around.flow.began_at)
            yield f"{record.resource} will be tried again at {when}: wait longer (within=...)"


def _losses(around: Surroundings) -> Iterator[str]:
    failed = {error.function for error in around.flow.errors}
    lost = [lost for lost in around.flow.dropped if lost.status is None or lost.resource not in failed]
    yield from dict.fromkeys(one.told for one in lost)
    for kept in around.flow.dead_letters:
        if kept.resource != around.resource:
            yield f"{kept.resource} holds a dead letter of {kept.source} ({kept.condition})"


def _silence(around: Surroundings) -> Iterator[str]:
    if around.filtered:
        yield "the listener's pattern let nothing through: compare it with the reasons above"
        return
    accepted = Counter(record.resource for record in around.flow.records if is_event(record))
    if accepted:
        where = ", ".join(f"{name} ({count})" for name, count in accepted.items())
        yield f"nothing reached {around.resource}; events were seen on: {where}"
    elif any(record.kind in ("call", "invocation") for record in around.flow.records):
        yield "no resource accepted an event: does the code under test publish, and to this stage's resources?"
    else:
        yield "nothing was sent to the stage: send the stimulus after arming the listener, and before expect()"
