"""Edges that a name proves: an id that AWS gave, and that the one who met the thing has logged, carried or been answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from stagefright.targets.evidence.given_up import request_ended
from stagefright.targets.evidence.index import MAY_HAVE, SKEW_S, Finding, Index, Node, any_of, numbers
from stagefright.wording import listed


def find_by_name(index: Index, node: Node) -> Finding | None:
    """What led to it, by names; None if none says."""
    if node.record.cause is not None:
        return Finding((node.record.cause,))
    return _of_event(index, node) if node.is_event else _of_run(index, node)


def _first(index: Index, node: Node, ways: Iterable[Callable[[Index, Node], Finding | None]]) -> Finding | None:
    for find in ways:
        found = find(index, node)
        if found is not None:
            return found
    return None


# -- events ------------------------------------------------------------------------------------------------------------


def _of_event(index: Index, event: Node) -> Finding | None:
    return _first(index, event, (_moved, _given_up, _answered, _carried, _written, _made))


def _moved(index: Index, event: Node) -> Finding | None:
    """A redrive keeps the message's id."""
    earlier = [
        other
        for name in event.names
        for other in index.named.get(name, ())
        if other is not event and other.resource != event.resource and _is_before(other, event)
    ]
    if earlier:
        return Finding((max(earlier, key=lambda one: one.when).record.n,))
    return _last_handled(index, event) if event.record.kind == "dead_letter" else None


def _is_before(one: Node, other: Node) -> bool:
    """A message that was moved may have kept its time; that of which an answer or a log tells was there before."""
    if one.record.n < 0 <= other.record.n:
        return one.record.at <= other.record.at + SKEW_S
    return one.when < other.when


def _last_handled(index: Index, letter: Node) -> Finding | None:
    """The queue that a message was moved from was not watched: the last run that named the message had it."""
    runs = {run.record.n: run for name in letter.names for run in index.mentioning.get(name, ())}
    handled = [run for run in runs.values() if run.record.at <= letter.record.at + SKEW_S]
    if not handled:
        return None
    last = max(handled, key=lambda run: run.when).record.n
    return Finding((index.outcomes[last].n if last in index.outcomes else last,))


def _given_up(index: Index, event: Node) -> Finding | None:
    """The last attempt of the request that an event on a dead-letter queue or a destination tells of."""
    request_id = request_ended(event.record)
    return None if request_id is None else _ended(index, request_id)


def _ended(index: Index, request_id: str) -> Finding | None:
    runs = index.of_request.get(request_id)
    if not runs:
        return None
    last = runs[-1].record.n
    return Finding((index.outcomes[last].n if last in index.outcomes else last,))


def _answered(index: Index, event: Node) -> Finding | None:
    calls = {index.calls[name] for name in event.names if name in index.calls}
    return Finding((min(calls),)) if calls else None


def _carried(index: Index, event: Node) -> Finding | None:
    """
    The event whose envelope it carries: a topic's in a queue, a bus's in either or on a dead-letter queue.

    Code may have sent the envelope on; then nothing leads from there to here by itself, and who had it and ran at that time did it.
    """
    carried = index.last_of_chains(_received(index, event))
    direct = [one for one in carried if index.may_reach(one, event.resource)]
    if not direct:
        senders = [
            run
            for one in carried
            for name in one.names
            for run in index.mentioning.get(name, ())
            if index.may_have_made(run, event)
        ]
        if senders:
            return _one_of(senders, "had the event that is in it")
    return _one_of(direct or carried, "it has the envelopes of")


def _written(index: Index, event: Node) -> Finding | None:
    """The test's call that wrote the item, or the object, unless a function may have done so too."""
    key = event.record.detail.get("key")
    calls = [
        call
        for call in index.calls_that_wrote
        if call.at <= event.record.at + SKEW_S
        and any(_is_of(event, key, written) for written in call.detail["written"])
    ]
    if not calls or not key:
        return None
    others = [run for run in index.makers(event) if index.is_told(run.resource, event.resource)]
    if others:
        return Finding((), f"the test or {any_of(others)} {MAY_HAVE}", (calls[-1].n, *numbers(others)))
    doubt = None if len(calls) == 1 else f"{len(calls)} calls of the test wrote it, this one last"
    return Finding((calls[-1].n,), doubt)


def _is_of(event: Node, key: object, written: Sequence[object]) -> bool:
    where, what = written
    if where != event.resource:
        return False
    if isinstance(key, dict) and isinstance(what, dict):
        return all(what.get(name) == value for name, value in key.items())
    return key == what


def _made(index: Index, event: Node) -> Finding | None:
    """The function that has logged the id, and ran when the event came to be."""
    named = {run.record.n: run for name in event.names for run in index.mentioning.get(name, ())}
    makers = [run for run in named.values() if index.may_have_made(run, event)]
    # Of those, one that may have been handed it has most likely done no more than that.
    senders = [run for run in makers if index.ways(event.resource, run.resource) in (None, [])]
    return _one_of(senders or makers, "have logged its id")


# -- invocations -------------------------------------------------------------------------------------------------------


def _of_run(index: Index, run: Node) -> Finding | None:
    return _first(index, run, (_asked, _told_of_end, _handed, _called, _met, _answered_before))


def _asked(index: Index, run: Node) -> Finding | None:
    """The test has invoked it: the answer had its request id."""
    call = index.calls.get(str(run.record.detail["request_id"]))
    return None if call is None else Finding((call,))


def _told_of_end(index: Index, run: Node) -> Finding | None:
    """A function that is the destination of another gets a record of the request that ended."""
    if any(request_ended(event.record) in run.clues.ended for event in _received(index, run)):
        return None  # It came by way of a queue, topic or bus.
    found = [_ended(index, request_id) for request_id in run.clues.ended]
    return next((one for one in found if one is not None), None)


def _handed(index: Index, run: Node) -> Finding | None:
    """The events whose envelopes it has logged."""
    return _batch(index, run, _received(index, run), "its log has the envelopes of events of {}")


def _called(index: Index, run: Node) -> Finding | None:
    """The function that has logged this request's id: the answer to its call had it."""
    request_id = str(run.record.detail["request_id"])
    callers = [
        one
        for one in index.mentioning.get(request_id, ())
        if one is not run and request_id not in one.clues.ended and one.when <= run.when
        and one.record.detail["request_id"] != request_id
    ]  # fmt: skip
    return _one_of(callers, "have logged its request id")


def _met(index: Index, run: Node) -> Finding | None:
    """The events that were there when it began, and that its log names without their envelopes."""
    named = {
        id(e): e for word in sorted(run.clues.mentioned) for e in [_last_before(index, run, word)] if e is not None
    }
    events = [e for e in named.values() if e.record.at <= run.record.at and index.may_reach(e, run.resource)]
    return _batch(index, run, sorted(events, key=lambda one: one.when), "its log names events of {}")


def _answered_before(index: Index, run: Node) -> Finding | None:
    """The test's call whose answer had an id that the run knows, where the event itself is not known."""
    names = (*run.clues.received, *run.clues.mentioned)
    calls = [index.records[n] for n in {index.calls[name] for name in names if name in index.calls}]
    before = [call for call in calls if not call.detail.get("accepted") and call.at <= run.record.at + SKEW_S]
    last = max(before, key=lambda call: (call.at, call.n), default=None)
    return None if last is None else Finding((last.n,))


# -- shared ------------------------------------------------------------------------------------------------------------


def _received(index: Index, node: Node) -> list[Node]:
    """The events whose envelopes were logged or carried."""
    found = [_last_before(index, node, name) for name in node.clues.received]
    return list(dict.fromkeys(event for event in found if event is not None and event is not node))


def _last_before(index: Index, node: Node, name: str) -> Node | None:
    found = [event for event in index.named.get(name, ()) if event.record.at <= node.record.at + SKEW_S]
    # A message that was moved was handed over where it can be handed over from.
    fitting = [event for event in found if index.ways(event.resource, node.resource)]
    return next(reversed(fitting or found), None)


def _batch(index: Index, run: Node, events: Sequence[Node], contradiction: str) -> Finding | None:
    """The events of one batch, which have one source; of a chain of them the last, which was the one that was handed over."""
    carried = {id(o) for e in events for o in _received(index, e)}
    last = index.last_of_chains([event for event in events if id(event) not in carried])
    sources = index.wiring.sources(run.resource) or frozenset()
    for fitting in (
        [event for event in last if event.resource in sources],
        [event for event in last if index.ways(event.resource, run.resource)],
        last,
    ):
        resources = list(dict.fromkeys(event.resource for event in fitting))
        if len(resources) > 1:
            return Finding((), contradiction.format(listed(resources)), numbers(fitting))
        if resources:
            return Finding(numbers(fitting))
    return None


def _one_of(nodes: Iterable[Node], what: str) -> Finding | None:
    """The one that it must have been; of several, none."""
    found = list({node.record.n: node for node in nodes}.values())
    if len(found) > 1:
        return Finding((), f"{any_of(found)}, which {what}, {MAY_HAVE}", numbers(found))
    return Finding(numbers(found)) if found else None
