"""
Edges that a thread proves: a correlation id, or a trace, that only one candidate shares.

Where several share it, ancestry, time and the functions' settings may tell which it was; if not, the edge stays unknown.
"""

from __future__ import annotations

from collections.abc import Sequence

from stagefright.targets.evidence.index import (
    MAY_HAVE,
    SKEW_S,
    Finding,
    Index,
    Node,
    any_of,
    is_near,
    numbers,
    was_running,
)
from stagefright.targets.evidence.wiring import upstream
from stagefright.wording import listed, plural

SHARED = "with its correlation id"
"""How what shares a thread is described."""


def find_by_thread(index: Index, node: Node) -> Finding | None:
    """What led to it, if one alone shares its thread; None if none does, or several do."""
    found = find_among_threads(index, node)
    return found if found is not None and found.causes and found.doubt is None else None


def find_among_threads(index: Index, node: Node) -> Finding | None:
    """The same, also where several share it; these are the candidates then."""
    if not node.clues.threads:
        return None
    shared = index.sharing_with(node)
    find = _of_event if node.is_event else _of_run
    return find(index, node, shared) or _of_calls(index, node)


def _of_event(index: Index, event: Node, shared: Sequence[Node]) -> Finding | None:
    """The function that sent it, or the topic or bus that handed it on."""
    events = index.last_of_chains(
        [
            one for one in shared
            if one.is_event and index.ways(one.resource, event.resource) and one.record.at <= event.record.at + SKEW_S
        ]
    )  # fmt: skip
    makers = [
        run
        for run in shared
        if not run.is_event
        and index.may_have_made(run, event)
        and index.may_send_to(run, event.resource)
        # Who sent to what handed it on has no part in that, unless it sends here, too.
        and (index.is_told(run.resource, event.resource) or not _led_to_any(index, run, events))
    ]
    if events and makers:
        both = [*events, *makers]
        return Finding((), f"{any_of(both)}, {SHARED} each, {MAY_HAVE}", numbers(both))
    return _one_event(index, event, events) if events else among_runs(index, event, makers, SHARED)


def _of_run(index: Index, run: Node, shared: Sequence[Node]) -> Finding | None:
    """The events that it was handed, or the function that called it or sent to a resource that nobody watched."""
    events = [
        one for one in shared if one.is_event and index.may_reach(one, run.resource) and index.was_there(one, run)
    ]
    last = index.last_of_chains([one for one in events if not index.leads_to(run.record.n, one.record.n)])
    if last:
        return _one_event(index, run, last)
    callers = [
        one for one in shared
        if not one.is_event and one.record.at < run.record.at and not index.leads_to(run.record.n, one.record.n)
        and one.record.detail["request_id"] != run.record.detail["request_id"]
    ]  # fmt: skip
    return among_runs(index, run, callers, SHARED)


def _led_to_any(index: Index, run: Node, events: Sequence[Node]) -> bool:
    return any(index.leads_to(run.record.n, event.record.n) for event in events)


def _one_event(index: Index, node: Node, events: Sequence[Node]) -> Finding:
    if len(events) == 1:
        return Finding(numbers(events))
    if not node.is_event and _is_batch(node, events):
        return Finding(numbers(events))
    taken = set() if node.is_event else index.taken_by_others(node)
    left = [event for event in events if event.record.n not in taken]
    if len(left) == 1:
        return Finding(numbers(left), f"{any_of(events)} {SHARED}: the one that nobody else was handed")
    return Finding((), f"{any_of(left or events)} {SHARED} {MAY_HAVE}", numbers(left or events))


def _is_batch(run: Node, events: Sequence[Node]) -> bool:
    """Whether a run was handed them all: they are of one source, and each of its threads is that of one of them."""
    if len({event.resource for event in events}) > 1:
        return False
    owners = [[event for event in events if thread in event.ids] for thread in run.clues.threads]
    return all(len(found) <= 1 for found in owners)


def among_runs(index: Index, node: Node, runs: Sequence[Node], what: str) -> Finding | None:
    """The function that sent an event, or called another, of those that may have; None if there are none."""
    told = [run for run in runs if index.is_told(run.resource, node.resource)]
    if not told and not node.is_event:
        return _untold(index, node, runs, what)
    if len(runs) == 1:
        return Finding(numbers(runs), None, (), _way(index, runs[0], node))
    if len(told) == 1:
        others = [run for run in runs if run is not told[0] and not index.are_of_one_chain(run, told[0])]
        names = listed(sorted({run.resource for run in others}))
        doubt = f"{names} ran {what}, too, but only the settings of {told[0].resource} lead to {node.resource}"
        return Finding(numbers(told), doubt if others else None, (), _way(index, told[0], node))
    return _of_several(index, node, told or runs, what)


def _of_several(index: Index, node: Node, runs: Sequence[Node], what: str) -> Finding | None:
    """The only one that ran at that very time, else the one that led to all of them, and so to this by any."""
    if not runs:
        return None
    first = [run for run in runs if all(index.surely_leads_to(run.record.n, one.record.n) for one in runs)]
    doubt = f"{any_of(runs)}, which ran {what}, {MAY_HAVE}"
    return _by_time(index, node, runs, what) or Finding(numbers(first), doubt, numbers(runs))


def _untold(index: Index, callee: Node, runs: Sequence[Node], what: str) -> Finding | None:
    """No settings lead to the function. What gets its events from where it does, too, is no cause of it, but stands beside it."""
    fed_by = upstream(index.wiring, callee.resource)
    callers = [run for run in runs if fed_by.isdisjoint(upstream(index.wiring, run.resource))]
    if len(callers) != 1:
        return _of_several(index, callee, callers, what)
    return Finding(numbers(callers), f"it alone ran {what} before, and nothing tells how it led there")


def _by_time(index: Index, node: Node, runs: Sequence[Node], what: str) -> Finding | None:
    """The only one of several that ran at that very time."""
    if node.is_event:
        near = [run for run in runs if is_near(run, node)]
    else:
        near = [run for run in runs if was_running(run, node.record.at)]
    if len(near) != 1:
        return None
    doubt = f"{any_of(runs)} {what}: it alone ran at that very time"
    return Finding(numbers(near), doubt, (), _way(index, near[0], node))


def _way(index: Index, run: Node, node: Node) -> tuple[str, ...]:
    """By which resource that nobody watched it came, if settings and wiring leave one way only."""
    return () if node.is_event else index.way_from(run.resource, node.resource)


def _of_calls(index: Index, node: Node) -> Finding | None:
    """The test's call that began the thread, if what it set in motion was not seen."""
    calls = {n for thread in node.clues.threads for n in index.call_threads.get(thread, ())}
    before = sorted(n for n in calls if index.records[n].at <= node.record.at + SKEW_S)
    if not before:
        return None
    if len(before) == 1:
        return Finding((before[0],))
    return Finding((), f"any of {plural(len(before), 'call')} of the test {SHARED} {MAY_HAVE}", tuple(before))
