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

from __future__ import annotations

import ctypes
import heapq
import sys
import threading
import traceback
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count
from time import perf_counter as _real_time
from types import FrameType
from typing import Any, Generic, NoReturn, Protocol, TypeVar, cast

from stagefright.chance import Chance
from stagefright.clock import Clock
from stagefright.errors import Deadlock, HandlerStuck, HarnessError

T = TypeVar("T")

REAL_TIME_ALLOWANCE_S = 30.0
"""How long one actor may hold the baton in real time before it counts as stuck."""

UNWIND_ALLOWANCE_S = 0.2
"""How long a reset waits in real time, all in all, for threads of abandoned actors that do not end."""

REFUSALS_MAX = 100
"""How often the world refuses what an unwinding thread wants of it; one that goes on after that is parked for good."""

CANCELLED_TIMERS_MAX = 256
"""From how many cancelled timers on the heap is cleaned, once they are the majority."""

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


class Future(Generic[T]):
    """A result that is not there yet; await it in a coroutine, or `kernel.wait` for it in an actor."""

    __slots__ = ("_callbacks", "_done", "_error", "_result", "name")

    def __init__(self, name: str = "") -> None:
        self.name = name
        self._done = False
        self._result: T | None = None
        self._error: BaseException | None = None
        self._callbacks: list[Callable[[], None]] = []

    def done(self) -> bool:
        return self._done

    def result(self) -> T:
        """The result; raises the error if that is what came."""
        if self._error is not None:
            raise self._error
        return cast(T, self._result)

    def set_result(self, value: T) -> None:
        """Settle with a value; the first to settle wins, later ones are ignored."""
        if not self._done:
            self._result = value
            self._settle()

    def set_exception(self, error: BaseException) -> None:
        """Settle with an error; the first to settle wins."""
        if not self._done:
            self._error = error
            self._settle()

    def when_done(self, callback: Callable[[], None]) -> None:
        """Call back when settled, at once if it is already."""
        if self._done:
            callback()
        else:
            self._callbacks.append(callback)

    def forget(self, callback: Callable[[], None]) -> None:
        """Take a callback back; the future may be waited for again."""
        if callback in self._callbacks:
            self._callbacks.remove(callback)

    def give_up(self, callback: Callable[[], None]) -> None:
        """Take a callback back for good; if nobody else waits, what was to settle the future stops."""
        self.forget(callback)
        if not self._callbacks and not self._done:
            self._stop()

    def _stop(self) -> None:
        """Nobody will ever ask for the result."""

    def _settle(self) -> None:
        self._done = True
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def __await__(self) -> Generator[Future[Any], None, T]:
        if not self._done:
            yield self
        return self.result()


class _Sleep(Future[None]):
    """Settles when its timer fires; the timer goes when the sleeper does, so nobody waits for a dead sleeper's alarm."""

    __slots__ = ("kernel", "timer")

    def __init__(self, name: str, kernel: Kernel) -> None:
        super().__init__(name)
        self.kernel = kernel
        self.timer: Timer | None = None

    def ring(self) -> None:
        self.set_result(None)

    def _stop(self) -> None:
        if self.timer is not None:
            self.kernel.cancel(self.timer)


class _Notification(Future[None]):
    """One waiter of a signal; it is on the signal's list only while somebody waits for it."""

    __slots__ = ("_signal",)

    def __init__(self, signal: Signal) -> None:
        super().__init__(signal.name)
        self._signal = signal

    def when_done(self, callback: Callable[[], None]) -> None:
        super().when_done(callback)
        if not self._done:
            self._signal.waiters[self] = None

    def forget(self, callback: Callable[[], None]) -> None:
        super().forget(callback)
        if not self._callbacks:
            self._signal.waiters.pop(self, None)


class Signal:
    """
    Tells waiters that something may have changed.

    A notification without waiters is lost: check the condition first, then wait, without awaiting in between.
    """

    __slots__ = ("name", "waiters")

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.waiters: dict[Future[None], None] = {}

    def wait(self) -> Future[None]:
        """A future that settles at the next notification."""
        future = _Notification(self)
        self.waiters[future] = None
        return future

    def notify(self) -> None:
        """Wake every waiter."""
        waiters, self.waiters = self.waiters, {}
        for future in waiters:
            future.set_result(None)


class Task(Future[T]):
    """A coroutine on its way; await it for its result."""

    __slots__ = ("_cancelled", "_kernel", "_step", "_wake", "cause", "coroutine", "is_private", "waiting_for")

    def __init__(self, kernel: Kernel, coroutine: Coroutine[Any, Any, T], name: str, cause: int | None) -> None:
        super().__init__(name)
        self._kernel = kernel
        self.coroutine = coroutine
        self.cause = cause
        self._cancelled = False
        self.is_private = False
        """Part of one waiter's wait, and of no use to anybody else."""
        self.waiting_for: Future[Any] | None = None
        self._step = self._run
        self._wake = self._make_ready

    def cancel(self) -> None:
        """Stop it where it waits; its future never settles."""
        if self.waiting_for is not None:
            self.waiting_for.give_up(self._wake)
            self.waiting_for = None
        self._cancelled = True
        self.coroutine.close()
        self._kernel.forget(self)

    def _stop(self) -> None:
        if self.is_private:
            self.cancel()

    def _make_ready(self) -> None:
        self._kernel.soon(self._step)

    def _run(self) -> None:
        if self._cancelled:
            return
        kernel = self._kernel
        outer, kernel.running = kernel.running, self
        self.waiting_for = None
        try:
            future = self.coroutine.send(None)
        except StopIteration as stop:
            kernel.forget(self)
            self.set_result(stop.value)
        except Exception as error:  # noqa: BLE001 - whoever awaits the task gets it, and the test if it is unexpected
            kernel.forget(self)
            self.set_exception(error)
            if not isinstance(error, _expected_errors):
                kernel.fail(error)
        else:
            self.waiting_for = future
            future.when_done(self._wake)
        finally:
            kernel.running = outer


_expected_errors: tuple[type[BaseException], ...] = ()


def expect_errors(*types: type[BaseException]) -> None:
    """Errors of these types belong to whoever awaits the task; any other error in a task stops the world."""
    global _expected_errors
    _expected_errors += types


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
        deadline = _real_time() + allowance_s
        with outside_the_world():
            while thread.is_alive() and not self._parked and _real_time() < deadline:
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
        deadline = _real_time() + UNWIND_ALLOWANCE_S
        while self._thread is not None and self._thread.is_alive() and not self._parked and _real_time() < deadline:
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


def _nothing() -> None:
    """What a cancelled timer does; it lets go of everything that the real action held."""


def _what(future: Future[Any]) -> str:
    """What a wait is for, seen through the tasks in between."""
    while isinstance(future, Task) and future.is_private and future.waiting_for is not None:
        future = future.waiting_for
    return future.name or "something"


class Timer:
    """Something due at an instant; `cancel` takes it back."""

    __slots__ = ("action", "background", "cancelled", "sequence", "when")

    def __init__(self, when: float, sequence: int, action: Callable[[], None], background: bool) -> None:
        self.when = when
        self.sequence = sequence
        self.action = action
        self.background = background
        self.cancelled = False

    def __lt__(self, other: Timer) -> bool:
        return (self.when, self.sequence) < (other.when, other.sequence)


def is_debugged(frame: FrameType | None) -> bool:
    """
    Whether a thread, whose innermost frame this is, stands at a debugger's prompt or is being stepped through.

    A trace function alone proves nothing, for coverage sets one too.
    """
    while frame is not None:
        top = str(frame.f_globals.get("__name__", "")).partition(".")[0]
        if top in DEBUGGERS or isinstance(getattr(frame.f_trace, "__self__", None), _debugger_class()):
            return True
        frame = frame.f_back
    return False


DEBUGGERS = frozenset({"bdb", "pdb", "pydevd", "_pydevd_bundle", "debugpy"})
"""Top-level modules whose frames are on a thread's stack while a person looks at it."""


def _debugger_class() -> tuple[type, ...]:
    # A thread that a Bdb traces exists only if somebody has imported it.
    bdb = sys.modules.get("bdb")
    return () if bdb is None else (bdb.Bdb,)


async def _no_http(host: str, _request: bytes) -> bytes:
    raise HarnessError(f"This world serves no HTTP, yet was asked for {host}.")


class Gate(Protocol):
    """Where what is real enters the world, as far as the kernel is concerned."""

    def poll(self) -> bool:
        """Take in what has arrived; true if there was something."""
        ...

    def rest(self) -> bool:
        """Whether time must not move just now; then a moment of real time has passed."""
        ...

    def wait_for(self, work: Callable[[], T], name: str) -> T:
        """Do blocking work outside the world, and let others in until it is done."""
        ...


class Kernel:
    """Runs the tasks of one world."""

    def __init__(self, clock: Clock, chance: Chance) -> None:
        self.clock = clock
        self.chance = chance
        self.world: Any = None
        """The world that this kernel runs; whoever meets an actor finds its world here."""
        self.serves_host: Callable[[str], bool] = lambda host: False
        """Whether an HTTP host is part of this world; the world's own answer replaces this one."""
        self.allows_host: Callable[[str], bool] = lambda host: False
        """Whether user code may reach a host outside the world."""
        self.serve_http: Callable[[str, bytes], Coroutine[Any, Any, bytes]] = _no_http
        self.serve_endpoint: Callable[[str, bytes], Coroutine[Any, Any, bytes]] = _no_http
        self.running: Task[Any] | None = None
        self.was_reset = False
        """Ids drawn while a stage is deployed stay in it, so those drawn after a reset must be others."""
        self.root: Actor | None = None
        """The test's own thread: errors of the world are reported there."""
        self.watch_interval_s = 1.0
        self.real_time_allowance_s = REAL_TIME_ALLOWANCE_S
        self.pollers: list[Callable[[], bool]] = []
        """Asked before time moves: true if they made something ready (used for event loops that select)."""
        self.gate: Gate | None = None
        """Where other processes come in, once somebody has opened it."""
        self.endpoint_port: int | None = None
        """The port at which they do."""
        self._sequence = count()
        self._ready: deque[Callable[[], None]] = deque()
        self._timers: list[Timer] = []
        self._foreground = 0
        self._cancelled = 0
        self._stepping = False
        self._blamed: tuple[int | None] | None = None
        self._tasks: dict[Task[Any], None] = {}
        self._actors: dict[Actor, None] = {}
        self._abandoned: dict[Actor, None] = {}
        """Actors whose threads are to be unwound at the next reset."""
        self._next_actor: deque[Actor] = deque()
        self._holder: Actor | None = None
        self._handovers = 0
        self._seen_handovers = (-1, 0.0)
        self._failure: BaseException | None = None
        self._idle: list[Future[None]] = []

    # -- the present -------------------------------------------------------------------------------------------------

    def now(self) -> float:
        return self.clock.now()

    @property
    def is_stepping(self) -> bool:
        """Whether the calling thread does the kernel's work just now, not its own."""
        return self._stepping

    @property
    def is_with_test(self) -> bool:
        """Whether the test runs code of its own, so that nobody does the kernel's work; asked by threads outside the world."""
        return self._holder is self.root and not self._stepping

    @contextmanager
    def blame(self, record: int | None) -> Iterator[None]:
        """Within the block (which must not wait) this record is the cause of whatever happens."""
        outer, self._blamed = self._blamed, (record,)
        try:
            yield
        finally:
            self._blamed = outer

    def cause(self) -> int | None:
        """The record number of what runs now: the cause of whatever it does."""
        if self._blamed is not None:
            return self._blamed[0]
        if self.running is not None:
            return self.running.cause
        actor = current_actor()
        return actor.cause if actor is not None and not self._stepping else None

    # -- making work -------------------------------------------------------------------------------------------------

    def soon(self, action: Callable[[], None]) -> None:
        """Run `action` at this instant, after what is already ready."""
        self._ready.append(action)

    def at(self, when: float, action: Callable[[], None], *, background: bool = False) -> Timer:
        """Run `action` at an instant (epoch seconds), or now if that is past."""
        timer = Timer(max(when, self.clock.now()), next(self._sequence), action, background)
        heapq.heappush(self._timers, timer)
        self._foreground += not background
        return timer

    def cancel(self, timer: Timer) -> None:
        """Take a timer back; it no longer counts as due."""
        if not timer.cancelled:
            timer.cancelled = True
            self._foreground -= not timer.background
            timer.action = _nothing
            self._cancelled += 1
            if self._cancelled > CANCELLED_TIMERS_MAX and self._cancelled * 2 > len(self._timers):
                self._timers = [kept for kept in self._timers if not kept.cancelled]
                heapq.heapify(self._timers)
                self._cancelled = 0

    def sleep(self, seconds: float, *, background: bool = False) -> Future[None]:
        """A future that settles `seconds` of virtual time from now."""
        future = _Sleep(f"sleep({seconds:g})", self)
        future.timer = self.at(self.clock.now() + max(0.0, seconds), future.ring, background=background)
        return future

    async def first(self, awaitable: Future[Any], *, deadline: float) -> bool:
        """Wait for a future until `deadline` (epoch seconds); true if it settled in time."""
        if awaitable.done():
            return True
        either: Future[bool] = Future(awaitable.name)
        in_time = partial(either.set_result, True)
        timer = self.at(deadline, partial(either.set_result, False))
        awaitable.when_done(in_time)
        try:
            return await either
        finally:
            # Also when this wait itself is cancelled: neither the timer nor the callback may outlive it.
            self.cancel(timer)
            awaitable.forget(in_time)

    def spawn(self, coroutine: Coroutine[Any, Any, T], *, name: str, cause: int | None = None) -> Task[T]:
        """Start a coroutine; its first step runs at this instant, after what is already ready."""
        task = Task(self, coroutine, name, cause)
        self._tasks[task] = None
        self._ready.append(task._step)
        return task

    def forget(self, task: Task[Any]) -> None:
        self._tasks.pop(task, None)

    def fail(self, error: BaseException) -> None:
        """An error that nobody may swallow: the next actor that waits raises it."""
        if self._failure is None:
            self._failure = error

    # -- actors ------------------------------------------------------------------------------------------------------

    def join(self, actor: Actor) -> None:
        """Let a new actor in; it runs when it is first made ready."""
        self._actors[actor] = None

    def leave(self, actor: Actor) -> None:
        """An actor has ended, or is abandoned where it waits."""
        self._actors.pop(actor, None)

    def abandon(self, actor: Actor) -> None:
        """Never run this actor again: nothing after this point of its code happens."""
        if actor.abandoned:
            return
        actor.abandoned = True
        actor.when_abandoned()
        self.leave(actor)
        if actor.waiting_for is not None:
            actor.waiting_for.give_up(actor.wake)
        if actor.idle:
            actor.pass_baton()
        else:
            self._abandoned[actor] = None

    def _unwind_abandoned(self) -> None:
        """
        End the threads of abandoned actors, one at a time, so that what their stacks hold is freed.

        Not before a reset: in the test that saw the timeout, nothing after the deadline happens.
        """
        allowance_s = UNWIND_ALLOWANCE_S
        while self._abandoned and allowance_s > 0:
            actor, _ = self._abandoned.popitem()
            started = _real_time()
            if not actor.unwind(allowance_s):
                allowance_s -= _real_time() - started

    def soon_actor(self, actor: Actor) -> None:
        def resume() -> None:
            if actor.frozen:
                actor.make_ready()
            elif not actor.abandoned:
                self._next_actor.append(actor)

        self._ready.append(resume)

    def hold(self, actor: Actor) -> None:
        """The calling thread takes part from now on, and holds the baton (used by the first actor of a world)."""
        actor.adopt_current_thread()
        self.join(actor)
        self.root = self._holder = actor

    def wait(self, awaitable: Awaitable[T], *, name: str = "") -> T:
        """Block the calling actor, in virtual time, until `awaitable` has a result; run the world meanwhile."""
        actor = self._current()
        if actor.abandoned:
            if isinstance(awaitable, Coroutine):
                awaitable.close()
            actor.gone()
        if self._stepping:
            raise HarnessError(
                f"{self._running_name()} would block the world: a task of the world must await, not wait."
            )
        future = self._as_future(awaitable, name, self.cause())
        if not future.done():
            actor.waiting_for = future
            future.when_done(actor.wake)
            if actor.owner is None:
                self._park(actor, future)
            else:
                actor.owner.suspended()
                self._park(actor, future)
                actor.owner.resumed()
            actor.waiting_for = None
            if actor.abandoned:
                actor.gone()
        if self._failure is not None and actor is self.root:
            failure, self._failure = self._failure, None
            future.forget(actor.wake)
            raise failure
        return future.result()

    def _park(self, actor: Actor, future: Future[Any]) -> None:
        while not future.done() and not (self._failure is not None and actor is self.root):
            self._run_until_resumed(actor)

    def settle(self) -> None:
        """Run the world until nothing is due any more."""
        refuse_the_abandoned(current_actor())
        if self._foreground or self._ready or self._next_actor or self._any_poller_ready():
            idle: Future[None] = Future("settle()")
            self._idle.append(idle)
            self.wait(idle)

    def next_due(self) -> float | None:
        """When the next thing is due that anybody waits for; None if the world is quiet."""
        if self._ready or self._next_actor or (self.gate is not None and self.gate.poll()):
            return self.clock.now()
        if not self._foreground:
            return None
        while self._timers[0].cancelled:
            heapq.heappop(self._timers)
            self._cancelled -= 1
        return self._timers[0].when

    def run_until(self, condition: Callable[[], T], deadline: float) -> T:
        """Run instant by instant until the condition is true, nothing is due, or the deadline (epoch seconds) is past."""
        while not (value := condition()):
            due = self.next_due()
            if due is None:
                return value
            if due > deadline:
                self.advance(deadline - self.clock.now())
                return condition()
            self.advance(due - self.clock.now())
        return value

    def advance(self, seconds: float) -> None:
        """Let the world run for `seconds` of virtual time; also brings recurring work to its turn."""
        refuse_the_abandoned(current_actor())
        self.wait(self.sleep(seconds))

    def end_actor(self, actor: Actor) -> None:
        """The calling thread is about to leave for good or until its next job: pass the baton on."""
        self.leave(actor)
        self._run_until_resumed(None)

    def reset(self) -> None:
        """Drop all work: every coroutine is closed, every actor but the caller is abandoned where it waits."""
        mine = self._current()
        for task in list(self._tasks):
            task.cancel()
        for actor in list(self._actors):
            if actor is not mine:
                self.abandon(actor)
        self._unwind_abandoned()
        self._ready.clear()
        self._timers.clear()
        self._next_actor.clear()
        self._idle.clear()
        self._foreground = 0
        self._cancelled = 0
        self._failure = None
        self._sequence = count()
        mine.draws.clear()
        self.was_reset = True
        mine.cause = None

    # -- the loop ----------------------------------------------------------------------------------------------------

    def _current(self) -> Actor:
        actor = current_actor()
        if actor is None or actor.kernel is not self:
            raise HarnessError(f"Thread {threading.current_thread().name!r} waits in a world that it is not part of.")
        return actor

    def _running_name(self) -> str:
        return "Something" if self.running is None else self.running.name

    def _as_future(self, awaitable: Awaitable[T], name: str, cause: int | None) -> Future[T]:
        if isinstance(awaitable, Future):
            return awaitable
        coroutine = cast(Coroutine[Any, Any, T], awaitable)
        task = self.spawn(coroutine, name=name or str(getattr(coroutine, "__qualname__", "")), cause=cause)
        task.is_private = True
        return task

    def _run_until_resumed(self, me: Actor | None) -> None:
        """Do the kernel's work on this thread until an actor's turn comes; if it is not ours, pass the baton."""
        outer, self._stepping = self._stepping, True
        try:
            chosen = self._next_turn(current_actor())
        finally:
            self._stepping = outer
        if chosen is me:
            return
        self._handovers += 1
        self._holder = chosen
        chosen.pass_baton()
        if me is not None:
            me.await_baton()
            if me.abandoned:
                me.gone()

    def _next_turn(self, runner: Actor | None) -> Actor:
        while True:
            if runner is not None and runner is not self._holder:
                # The baton was taken from this thread meanwhile: it is not its to pass.
                runner.gone()
            if self._failure is not None and self.root is not None:
                return self.root
            actor = self._next_ready_actor()
            if actor is not None:
                return actor
            try:
                if self._ready:
                    self._ready.popleft()()
                elif not self._any_poller_ready() and not self._rests() and not self._advance_to_next():
                    self._nothing_due()
            except Exception as error:
                # Whoever's thread this is, the error is not its own.
                self.fail(error)
                if self.root is None:
                    raise

    def _next_ready_actor(self) -> Actor | None:
        while self._next_actor:
            actor = self._next_actor.popleft()
            if actor.frozen:
                actor.make_ready()
            elif not actor.abandoned:
                return actor
        return None

    def _advance_to_next(self) -> bool:
        """Jump to the next due timer and run it; false if nothing is due that anybody waits for."""
        if not self._timers or (self._foreground == 0):
            return False
        timer = heapq.heappop(self._timers)
        if timer.cancelled:
            self._cancelled -= 1
            return True
        self._foreground -= not timer.background
        timer.cancelled = True
        self.clock.move_to(timer.when)
        timer.action()
        return True

    def _rests(self) -> bool:
        """Whether time stands still, since somebody waits for something real."""
        return self.gate is not None and self.gate.rest()

    def _any_poller_ready(self) -> bool:
        # Each is asked, for each wakes its own waiter.
        answers = [poll() for poll in self.pollers]
        return any(answers)

    def _nothing_due(self) -> None:
        if self._idle:
            idle, self._idle = self._idle, []
            for future in idle:
                future.set_result(None)
        else:
            raise Deadlock(self._describe_deadlock())

    def _describe_deadlock(self) -> str:
        actors = [(actor.name, actor.waiting_for) for actor in self._actors if not (actor.idle or actor.frozen)]
        tasks = [(task.name, task.waiting_for) for task in self._tasks if not task.is_private]
        lines = [f"  {name} waits for {_what(future)}" for name, future in actors + tasks if future is not None]
        return (
            "Something waits, and nothing is due that could end the wait.\n"
            + "\n".join(lines)
            + "\nA lock, a queue or an event that nobody will ever release or fill? In a handler, give the wait a timeout."
        )

    # -- real time ---------------------------------------------------------------------------------------------------

    def take_baton_from_stuck_actor(self) -> bool:
        """
        Called by the parked test every real second: has one actor run all that time without ever handing over?

        If so it is abandoned, its thread is asked to stop, and the test goes on with `HandlerStuck`.
        """
        holder = self._holder
        if holder is None or holder is self.root or is_debugged(holder.frame()):
            self._seen_handovers = (-1, 0.0)
            return False
        now = _real_time()
        if self._seen_handovers[0] != self._handovers:
            self._seen_handovers = (self._handovers, now)
        if now - self._seen_handovers[1] < self.real_time_allowance_s:
            return False
        self._seen_handovers = (-1, 0.0)
        self.fail(HandlerStuck(self._describe_stuck(holder)))
        self.take_baton_from_holder()
        return True

    def take_baton_from_holder(self) -> None:
        """
        Let the test's own thread run, whatever runs now: that is abandoned where it stands, and its thread asked to stop.

        It may be in the middle of the world's own work, which it does for others while it waits; a reset mends that.
        """
        holder, self._holder = self._holder, self.root
        if holder is None or holder is self.root:
            return
        self.abandon(holder)
        with outside_the_world():
            # One that does the world's work stops by itself, where that leaves everything whole.
            if holder.waiting_for is None or not holder.await_stop():
                holder.stop_thread()
                holder.await_stop()
        if holder.owner is not None:
            holder.owner.suspended()
        self._stepping = False
        self.running = None
        self._blamed = None
        self._handovers += 1

    def _describe_stuck(self, holder: Actor) -> str:
        return (
            f"{holder.name} ran for {self.real_time_allowance_s:g} s of real time without sleeping, calling AWS or ending; "
            f"virtual time cannot pass meanwhile, so its timeout never came.\nIt was here:\n{holder.stack()}"
            "An endless loop, or a wait that the world does not see (a native lock, a socket)?"
        )
