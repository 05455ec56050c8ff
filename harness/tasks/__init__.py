"""
Cooperative execution: one thing runs at a time, and time moves only when nothing can run.

Two kinds of task share one kernel. A *coroutine* (`async def`) is work of the world itself: a delivery, a retry ladder, a
poller. The kernel steps it inline; it costs about a microsecond. An *actor* is a real thread that runs code which is not ours:
the test, a handler, a thread that a handler started. Only the actor that holds the baton runs; every other one is parked
on its own lock. An actor hands the baton over where it waits (`Kernel.wait`) and where it ends, never elsewhere.

Whoever waits also does the kernel's work: it steps due coroutines until its own turn comes, or until another actor must
go on, to whom it passes the baton. So there is no scheduler thread, and a world that runs only its own work never
switches threads at all.

Due work runs in order of (time, sequence). When none is left at the present instant the clock jumps to the next. Work
that recurs for ever is `background`: it runs when time passes, but nobody waits for it.
"""

from stagefright.tasks.actors import Actor, ThreadEnds, current_actor, outside_the_world, refuse_the_abandoned
from stagefright.tasks.debuggers import is_debugged
from stagefright.tasks.futures import Future, Signal, Task, expect_errors
from stagefright.tasks.kernel import Kernel
from stagefright.tasks.timers import Timer

__all__ = [
    "Actor",
    "Future",
    "Kernel",
    "Signal",
    "Task",
    "ThreadEnds",
    "Timer",
    "current_actor",
    "expect_errors",
    "is_debugged",
    "outside_the_world",
    "refuse_the_abandoned",
]
