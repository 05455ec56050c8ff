"""
Time as a thread reads it, and sleeps.

Wall-clock functions (`time.time`, `datetime.now`, ...) are replaced by time-machine, at C level, so that every caller is reached.
What time-machine would answer the same for the whole process is decided here per thread. The monotonic clocks and
`sleep` are ordinary attributes of `time`; modules that took them by name (`from time import sleep`) are found and served too.
"""

from __future__ import annotations

import os
import queue
import sched
import sys
import threading
import time
import timeit
from collections.abc import Callable, Iterator
from typing import Any

from stagefright.tasks import current_actor
from stagefright.virtual.patching import Patches

_real_sleep = time.sleep
_real_clocks = {name: getattr(time, name) for name in ("monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")}
NS_PER_S = 1_000_000_000

SHORTEST_SLEEP_S = 10e-6
"""What `sleep(0)` takes. Were it nothing, a loop that polls a deadline with it would never get there."""

real_timer = timeit.default_timer
"""`timeit.default_timer` stays real, also in the world: whoever times a piece of code wants to know how long it took."""

REAL_TIME_PACKAGES = frozenset(
    {"_pytest", "pytest", "pluggy", "xdist", "execnet", "coverage", "hypothesis", "stagefright", "time_machine"}
)
"""They measure how long tests really take, on the test's own thread."""


def sleep(seconds: float) -> None:
    """`time.sleep`: in a thread of the world it lets the world run for that long in virtual time."""
    actor = current_actor()
    if actor is None:
        _real_sleep(seconds)
    elif seconds < 0:
        raise ValueError("sleep length must be non-negative")
    else:
        actor.kernel.advance(max(float(seconds), SHORTEST_SLEEP_S))


def _monotonic(real: Callable[[], Any], ns_per_unit: int) -> Callable[[], Any]:
    """A monotonic clock that stands at the virtual time in threads of the world."""

    def read() -> Any:
        actor = current_actor()
        if actor is None:
            return real()
        now_ns = actor.kernel.clock.uptime_ns()
        return now_ns if ns_per_unit == 1 else now_ns / ns_per_unit

    read.__name__ = real.__name__
    return read


def install() -> Callable[[], None]:
    """Make time virtual for threads of a world; returns what undoes it."""
    patches = Patches()
    clocks = {name: _monotonic(real, 1 if name.endswith("_ns") else NS_PER_S) for name, real in _real_clocks.items()}
    for name, clock in clocks.items():
        patches.set(time, name, clock)
    patches.set(time, "sleep", sleep)
    patches.set(threading, "_time", clocks["monotonic"])
    patches.set(queue, "time", clocks["monotonic"])
    patches.set(sched, "_time", clocks["monotonic"])
    for module, name, ours in _taken_by_name(
        {_real_sleep: sleep} | {_real_clocks[name]: clocks[name] for name in clocks}
    ):
        patches.set(module, name, ours)
    stop_travelling = _travel()

    def restore() -> None:
        stop_travelling()
        patches.restore()

    return restore


def _taken_by_name(replacements: dict[Any, Any]) -> Iterator[tuple[Any, str, Any]]:
    """Where user code holds a function of `time` under a name of its own: module, name, and what to put there."""
    wanted = frozenset(map(id, replacements))
    for module in list(sys.modules.values()):
        values = list(getattr(module, "__dict__", {}).values())
        # By identity, for a module may hold anything; and in one go, for all modules together hold hundreds of thousands.
        if wanted.isdisjoint(map(id, values)) or _is_real_for_good(module):
            continue
        for name, value in list(module.__dict__.items()):
            if id(value) in wanted:
                yield module, name, replacements[value]


def _is_real_for_good(module: Any) -> bool:
    """Whether it is part of Python, of pytest, or of something else that measures real time."""
    top = str(getattr(module, "__name__", "")).partition(".")[0]
    return top in sys.stdlib_module_names or top in REAL_TIME_PACKAGES or top.startswith("pytest_")


def be_in_utc() -> Callable[[], None]:
    """
    Local time is UTC, as on Lambda and for everybody who reads a report, until the result is called.

    The zone belongs to the whole process, so a test that is in no world must not see this one.
    """
    before = os.environ.get("TZ")
    _set_zone("UTC")
    return lambda: _set_zone(before)


def _set_zone(name: str | None) -> None:
    if name is None:
        os.environ.pop("TZ", None)
    else:
        os.environ["TZ"] = name
    time.tzset()


def _travel() -> Callable[[], None]:
    import _time_machine  # type: ignore[import-not-found]
    import time_machine

    class PerThread(time_machine.Traveller):
        """Answers with the virtual time of the thread's world, or with the real time."""

        def time_ns(self) -> int:
            actor = current_actor()
            if actor is not None:
                return actor.kernel.clock.now_ns()
            real: int = _time_machine.original_time_ns()
            return real

    journey = time_machine.travel(0, tick=False)
    journey.start()
    time_machine.traveller_stack[-1] = PerThread(0, None, False)
    return journey.stop
