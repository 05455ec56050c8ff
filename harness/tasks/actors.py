"""
Real threads that take part in the world, one at a time: the test, a handler, a thread that one of them started.

Which of them runs is decided by the baton: each is parked on its own lock until it is passed to it.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from time import perf_counter as real_time
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from stagefright.tasks.futures import Future

if TYPE_CHECKING:
    from stagefright.tasks.kernel import Kernel

UNWIND_ALLOWANCE_S = 0.2
"""How long a reset waits in real time, all in all, for threads of abandoned actors that do not end."""

REFUSALS_MAX = 100
"""How often the world refuses what an unwinding thread wants of it; one that goes on after that is parked for good."""

_UNWIND_POLL_S = 0.002

_real_lock = threading.Lock
_identity = threading.local()
"""Which actor a thread is; a thread without one does not belong to any world."""


def current_actor() -> Actor | None:
    """The actor that this thread is, or None if the thread does not belong to a world."""
    return getattr(_identity, "actor", None)


@contextmanager
def outside_the_world() -> Iterator[None]:
    """Within the block the calling thread is an ordinary one: its waits are real."""
    actor = current_actor()
    _identity.actor = None
    try:
        yield
    finally:
        _identity.actor = actor


class ThreadEnds(BaseException):
    """Unwinds the thread of an actor that is no longer needed."""


def refuse_the_abandoned(actor: Actor | None) -> None:
    """Call this before an effect of user code: one that is abandoned has none any more, whatever its `finally` says."""
    if actor is not None and actor.abandoned:
        actor.gone()


class Actor:
    """A real thread that takes part in the world: the test, a handler, or a thread that one of them started."""

    def __init__(self, kernel: Kernel, name: str, *, cause: int | None = None, owner: Any = None) -> None:
        self.kernel = kernel
        self.name = name
        self.cause = cause
        self.owner = owner
        """The execution environment whose code this actor runs; None for the test and its threads."""
        self.waiting_for: Future[Any] | None = None
        self.call: int | None = None
        """The record of the SDK call that it makes just now."""
        self.abandoned = False
        self.when_abandoned: Callable[[], None] = lambda: None
        self.idle = False
        """Between two jobs, with no user code on the stack: such a thread may simply end."""
        self.thread_ident: int | None = None
        self._thread: threading.Thread | None = None
        self._unwinding = False
        self._refusals = 0
        self._parked = False
        self.children = count(1)
        self.draws: Counter[str] = Counter()
        """Numbers the random draws that each piece of user code makes on this thread, so that each has its own key."""
        self._baton = _real_lock()
        self._baton.acquire()
        self.frozen = False
        self.wake = self.make_ready
        """The one bound method that futures hold, so that it can be taken back from them."""
        self._wake_when_thawed = False

    def adopt_current_thread(self) -> None:
        """Make the calling thread this actor."""
        _identity.actor = self
        self.thread_ident = threading.get_ident()
        self._thread = threading.current_thread()

    def release_current_thread(self) -> None:
        """Let the calling thread leave the world."""
        _identity.actor = None

    def pass_baton(self) -> None:
        self._baton.release()

    def await_baton(self) -> None:
        """Park until someone passes the baton; the test's own actor watches over the one that runs."""
        if self is not self.kernel.root:
            self._baton.acquire()
            return
        try:
            while not self._baton.acquire(timeout=self.kernel.watch_interval_s):
                if self.kernel.take_baton_from_stuck_actor():
                    return
        except BaseException:
            # Ctrl-C, most of the time. The test goes on at once, and must find the process and the world its own.
            self.kernel.take_baton_from_holder()
            self.keep_baton()
            raise

    def keep_baton(self) -> None:
        """Take the baton if it lies there, for it was passed and never received."""
        self._baton.acquire(blocking=False)

    def park_for_ever(self) -> NoReturn:
        """Nothing after this point of an abandoned actor's code happens, until it is unwound."""
        self._parked = True
        self._unwinding = False
        while True:
            self._baton.acquire()
            if self._unwinding:
                self._parked = False
                raise ThreadEnds

    def await_turn(self) -> None:
        """A new thread's first act: park until the baton comes; an abandoned one ends instead."""
        self.idle = True
        self.await_baton()
        if self.abandoned:
            raise ThreadEnds
        self.idle = False

    def gone(self) -> None:
        """An abandoned actor was woken: idle threads end, those in the middle of user code stay parked or are unwound."""
        if self.idle:
            raise ThreadEnds
        if self._unwinding and self._refusals < REFUSALS_MAX:
            self._refusals += 1
            raise ThreadEnds
        self.park_for_ever()

    def unwind(self, allowance_s: float) -> bool:
        """
        End the thread of an abandoned actor, which frees what its stack holds; the caller waits in real time for that.

        Its `finally` blocks run, but have no effects. A thread that does not let itself be ended is parked for good.
        """
        thread = self._thread
        if thread is None or not thread.is_alive() or thread is threading.current_thread():
            return True
        if self.owner is not None:
            self.owner.resumed()
        self._unwinding, self._parked = True, False
        if self._baton.locked():
            self._baton.release()
        deadline = real_time() + allowance_s
        with outside_the_world():
            while thread.is_alive() and not self._parked and real_time() < deadline:
                thread.join(_UNWIND_POLL_S)
        if thread.is_alive() and not self._parked:
            self._unwinding = False
            self.stop_thread()
        if self.owner is not None:
            self.owner.suspended()
        return not thread.is_alive()

    def stop_thread(self) -> None:
        """Ask the thread of an abandoned actor to stop at its next bytecode."""
        if self.thread_ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.thread_ident), ctypes.py_object(ThreadEnds))

    def await_stop(self) -> bool:
        """Give the thread a moment to end or park, for it must not run beside the test; true if it has."""
        deadline = real_time() + UNWIND_ALLOWANCE_S
        while self._thread is not None and self._thread.is_alive() and not self._parked and real_time() < deadline:
            self._thread.join(_UNWIND_POLL_S)
        return self._thread is None or not self._thread.is_alive() or self._parked

    def frame(self) -> FrameType | None:
        """Where the actor's thread is now."""
        return sys._current_frames().get(self.thread_ident or -1)

    def stack(self) -> str:
        """Where the actor's thread is now, as text."""
        frame = self.frame()
        return "".join(traceback.format_stack(frame)[-8:]) if frame else "(no stack)\n"

    def freeze(self) -> None:
        """Stop at the next wait until `thaw`, as Lambda freezes what still runs after the handler has returned."""
        self.frozen = True

    def thaw(self) -> None:
        self.frozen = False
        if self._wake_when_thawed:
            self._wake_when_thawed = False
            self.kernel.soon_actor(self)

    def make_ready(self) -> None:
        if self.abandoned:
            return
        if self.frozen:
            self._wake_when_thawed = True
        else:
            self.kernel.soon_actor(self)
