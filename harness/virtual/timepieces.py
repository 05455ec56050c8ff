"""
Time as a thread reads it, and sleeps.

Wall-clock functions (`time.time`, `datetime.now`, ...) are replaced by time-machine, at C level, so that every caller is reached.
What time-machine would answer the same for the whole process is decided here per thread. The monotonic clocks and
`sleep` are ordinary attributes of `time`; a handful of standard modules hold them under names of their own.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from stagefright.tasks import current_actor
from stagefright.virtual.patching import Patches

_real_sleep = time.sleep
_real_clocks = {name: getattr(time, name) for name in ("monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns")}
NS_PER_S = 1_000_000_000


def sleep(seconds: float) -> None:
    """`time.sleep`: in a thread of the world it lets the world run for that long in virtual time."""
    actor = current_actor()
    if actor is None:
        _real_sleep(seconds)
    elif seconds < 0:
        raise ValueError("sleep length must be non-negative")
    else:
        actor.kernel.advance(seconds)


def _monotonic(real: Callable[[], Any], ns_per_unit: int) -> Callable[[], Any]:
    """A monotonic clock that stands at the virtual time in threads of the world."""

    def read() -> Any:
        actor = current_actor()
        if actor is None:
            return real()
        now_ns = actor.kernel.clock.now_ns()
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
    stop_travelling = _travel()

    def restore() -> None:
        stop_travelling()
        patches.restore()

    return restore


def _travel() -> Callable[[], None]:
    import _time_machine
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
