"""
Edges that nothing proves, and that are likely: by time and wiring one alone can have led to it. They are marked.

Of several nobody knows which it was, so none is drawn.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from stagefright.targets.evidence.by_thread import among_runs
from stagefright.targets.evidence.index import MAY_HAVE, SKEW_S, Finding, Index, Node, any_of, numbers

NO_ID = "no correlation id in the logs"
"""Why an edge is not proved, in most cases."""

_TRACE = re.compile(r"1-[0-9a-f]{8}-[0-9a-f]{24}")
"""The root of a trace, which may change where a correlation id does not."""


def find_by_likelihood(index: Index, node: Node) -> Finding | None:
    """What alone can have led to it, or what may have; None if nothing seen may."""
    found = _of_event(index, node) if node.is_event else _of_run(index, node)
    if found is None or found.doubt is not None:
        return found
    return Finding(found.causes, NO_ID, found.candidates, found.via)


def _of_event(index: Index, event: Node) -> Finding | None:
    upstream = [
        one
        for one in index.reaching(event.resource, event.record.at + SKEW_S)
        if one is not event and not _contradict(one, event)
    ]
    makers = [run for run in index.makers(event) if not _contradict(run, event)]
    told = [run for run in makers if index.is_told(run.resource, event.resource)]
    fresh = _not_handed_on(index, event, upstream) if upstream else []
    if fresh:
        return _one_of([*fresh, *told])
    return among_runs(index, event, told or makers, "at that time")


def _not_handed_on(index: Index, event: Node, upstream: Sequence[Node]) -> list[Node]:
    """Those that have not come to the resource as another event yet."""
    handed = {cause for one in index.events if one.resource == event.resource for cause in one.found.causes}
    return index.last_of_chains([one for one in upstream if one.record.n not in handed])


def _of_run(index: Index, run: Node) -> Finding | None:
    waiting = [
        event
        for event in index.reaching(run.resource, run.record.at + SKEW_S)
        if not index.leads_to(run.record.n, event.record.n)
    ]
    agreeing = index.last_of_chains([event for event in waiting if not _contradict(event, run)])
    if waiting and not agreeing:
        return Finding((), f"its log has another correlation id than {any_of(waiting)}", ())
    taken = index.taken_by_others(run)
    fresh = [event for event in agreeing if event.record.n not in taken]
    calls = [
        call
        for call in index.invoking.get(run.resource, ())
        if call.at <= run.record.at + SKEW_S and call.n not in taken
    ]
    if len(calls) == 1 and not agreeing:
        return Finding((calls[0].n,))
    if agreeing:
        return _one_of(fresh or agreeing)
    callers = [
        one for one in index.runs
        if one is not run and one.when < run.when and index.is_told(one.resource, run.resource)
        and one.record.detail["request_id"] != run.record.detail["request_id"]
        and not _contradict(one, run) and not index.leads_to(run.record.n, one.record.n)
    ]  # fmt: skip
    return among_runs(index, run, callers, "before")


def _one_of(nodes: Sequence[Node]) -> Finding:
    if len(nodes) == 1:
        return Finding(numbers(nodes))
    return Finding((), f"{any_of(nodes)} {MAY_HAVE}: {NO_ID}", numbers(nodes))


def _contradict(one: Node, other: Node) -> bool:
    """Whether both have correlation ids, and none in common."""
    if not one.clues.threads or not other.clues.threads:
        return False
    ids, others = _correlation_ids(one), _correlation_ids(other)
    return bool(ids and others) and ids.isdisjoint(others) and one.ids.isdisjoint(other.ids)


def _correlation_ids(node: Node) -> set[str]:
    return {thread for thread in node.clues.threads if not _TRACE.fullmatch(thread)}
