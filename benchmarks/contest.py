"""
What a contestant is, and how its process reports.

A contestant is a class with `open()`, `close()` and a method for each row that it can measure. A method returns samples
(milliseconds unless the row says otherwise), or raises `Cannot` with the reason that the table shows.
"""

from __future__ import annotations

import json
import sys
import timeit
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from benchmarks.rows import ROWS, Row


class Cannot(Exception):
    """A contestant has no answer to a row; the message says why, in a few words."""


class Contestant(Protocol):
    """Somebody who is measured."""

    notes: dict[str, str]
    """A few words beside a figure, by row."""

    def open(self) -> None:
        """Get ready for the rows."""

    def close(self) -> None:
        """Leave nothing behind."""


def timed(work: Callable[[], object]) -> float:
    """Milliseconds of real time that `work` takes; in a world, `timeit`'s is the one clock that a module finds real."""
    began = timeit.default_timer()
    work()
    return (timeit.default_timer() - began) * 1000


def samples(count: int, work: Callable[[int], object], *, warm_up: int = 3) -> list[float]:
    """`count` timings of `work(n)`; the first calls, which fill caches, are not counted."""
    for n in range(warm_up):
        work(-1 - n)
    return [timed(lambda n=n: work(n)) for n in range(count)]


def wait_for(condition: Callable[[], object], *, within_s: float = 30, every_s: float = 0.002) -> Any:
    """Poll in real time, for contestants that know no other."""
    from time import sleep

    deadline = timeit.default_timer() + within_s
    while not (answer := condition()):
        if timeit.default_timer() > deadline:
            raise Cannot(f"did not happen within {within_s:.0f} s")
        sleep(every_s)
    return answer


def report(contestant: Contestant, arguments: Sequence[str]) -> None:
    """
    Measure rows and print one JSON line for each; the parent process reads them.

    `arguments` are the keys of the rows, none for all, and `--heavy` for the heavy ones, too.
    """
    keys = [argument for argument in arguments if argument != "--heavy"]
    rows = [row for row in ROWS if (not keys or row.key in keys) and ("--heavy" in arguments or not row.heavy)]
    try:
        contestant.open()
    except Cannot as reason:
        for row in rows:
            if hasattr(contestant, row.key):
                print(json.dumps({"row": row.key, "note": str(reason)}))
        return
    try:
        for key, result in _results(contestant, rows):
            print(json.dumps({"row": key, **result}), flush=True)
    finally:
        contestant.close()


def _results(contestant: Contestant, rows: Sequence[Row]) -> Iterator[tuple[str, dict[str, Any]]]:
    for row in rows:
        measure = getattr(contestant, row.key, None)
        if measure is None:
            continue
        try:
            yield row.key, {"samples": list(measure()), "note": contestant.notes.get(row.key, "")}
        except Cannot as reason:
            yield row.key, {"note": str(reason)}
        except Exception as error:
            traceback.print_exc(file=sys.stderr)
            yield row.key, {"note": f"failed: {type(error).__name__}"}
