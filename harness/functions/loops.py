"""
Endless loops: a function, or a pipe, that causes itself, through a stream, a bus or anything else, without an end.

AWS stops some of them (its own loop detection); this budget stops the rest, so that a world always settles or says why it will not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from stagefright.errors import EndlessLoop

if TYPE_CHECKING:
    from stagefright.journal import Journal, Record

ANCESTORS_MAX = 256
"""How often a function may have caused itself; a function that works through pages by invoking itself rarely needs more."""

SCHEDULER = "aws.scheduler"
"""The source of what EventBridge Scheduler sends."""

_STATIONS = ("invocation", "event")
"""The kinds of record whose resources an event visits on its way."""


def ancestors(journal: Journal, function: str, cause: int | None, *, kind: str = "invocation") -> int:
    """
    How many of the invocations that led here were of the same function; with `kind` "delivery", how many deliveries to a pipe.

    Each such record carries its own count, so only the way back to the nearest one is walked. A schedule breaks the chain: a
    function that makes its own next reminder is invoked again and again as time passes, and that may go on for years.
    """
    for record in _way_back(journal, cause):
        if record.detail.get("source") == SCHEDULER:
            return 0
        if record.kind == kind and record.resource == function:
            return int(record.detail.get("ancestors", 0)) + 1
    return 0


def endless_loop(
    journal: Journal, function: str, cause: int | None, count: int, *, kind: str = "invocation"
) -> EndlessLoop:
    """The error that draws the cycle."""
    return EndlessLoop(
        f"{function} has caused itself {count} times, and nothing will ever end that:\n  {cycle(journal, function, cause, kind=kind)}\n"
        "Let the function tell its own events from the others, or filter them out in the rule, subscription, mapping or pipe."
    )


def cycle(journal: Journal, function: str, cause: int | None, *, kind: str = "invocation") -> str:
    """The way from one invocation of a function to the next: `Split -> Queue -> Merge -> Split`."""
    stations = [function]
    for record in _way_back(journal, cause):
        if record.kind in _STATIONS and stations[-1] != record.resource:
            stations.append(record.resource)
        if record.kind == kind and record.resource == function:
            if stations[-1] != function or len(stations) == 1:
                stations.append(function)
            break
    return " -> ".join(reversed(stations))


def _way_back(journal: Journal, cause: int | None) -> Iterator[Record]:
    while cause is not None:
        record = journal[cause]
        yield record
        cause = record.cause
