"""The kernel: it steps what is ready, jumps to what is due, and passes the baton between actors."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from functools import partial
from time import perf_counter as real_time
from typing import Any, Protocol, TypeVar, cast

from stagefright.chance import Chance
from stagefright.clock import Clock
from stagefright.errors import Deadlock, HandlerStuck, HarnessError
from stagefright.tasks.actors import (
    UNWIND_ALLOWANCE_S,
    Actor,
    current_actor,
    outside_the_world,
    refuse_the_abandoned,
)
from stagefright.tasks.debuggers import is_debugged
from stagefright.tasks.futures import Future, Sleep, Task, what_for
from stagefright.tasks.timers import Timer, Timers

T = TypeVar("T")

REAL_TIME_ALLOWANCE_S = 30.0
"""How long one actor may hold the baton in real time before it counts as stuck."""


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
        self.allows_host: Callable[[str, int | None], bool] = lambda host, port: False
        """Whether user code may reach a host outside the world at a port; without one: at any."""
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
        self._ready: deque[Callable[[], None]] = deque()
        self._timers = Timers()
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
        self._settlings = 0

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
        return self._timers.add(max(when, self.clock.now()), action, background=background)

    def cancel(self, timer: Timer) -> None:
        """Take a timer back; it no longer counts as due."""
        self._timers.cancel(timer)

    def sleep(self, seconds: float, *, background: bool = False) -> Future[None]:
        """A future that settles `seconds` of virtual time from now."""
        future = Sleep(f"sleep({seconds:g})", self)
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
            started = real_time()
            if not actor.unwind(allowance_s):
                allowance_s -= real_time() - started

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
        if self._timers.foreground or self._ready or self._next_actor or self._any_poller_ready():
            idle: Future[None] = Future("settle()")
            self._idle.append(idle)
            self._settlings += 1
            self.wait(idle)

    @property
    def settling(self) -> int | None:
        """The number of the `settle` that somebody waits for just now; None if nobody does."""
        return self._settlings if self._idle else None

    def next_due(self) -> float | None:
        """When the next thing is due that anybody waits for; None if the world is quiet."""
        if self._ready or self._next_actor or (self.gate is not None and self.gate.poll()):
            return self.clock.now()
        timer = self._timers.first()
        return None if timer is None else timer.when

    def run_until(self, condition: Callable[[], T], deadline: float) -> T:
        """
        Run instant by instant until the condition is true, nothing is due, or the deadline (epoch seconds) is past.

        What recurs is due as well, up to the deadline; without a deadline, that would never end.
        """
        while not (value := condition()):
            due = self.next_due() or self._next_recurring(deadline)
            if due is None:
                return value
            if due > deadline:
                self.advance(deadline - self.clock.now())
                return condition()
            self.advance(due - self.clock.now())
        return value

    @property
    def recurs(self) -> bool:
        """Whether anything happens when time passes, even if nobody waits for it."""
        return self._timers.first_of_all() is not None

    def _next_recurring(self, deadline: float) -> float | None:
        timer = self._timers.first_of_all() if deadline < math.inf else None
        return None if timer is None or timer.when > deadline else timer.when

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
        self._failure = None
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
        timer = self._timers.pop()
        if timer is None:
            return False
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
        lines = [f"  {name} waits for {what_for(future)}" for name, future in actors + tasks if future is not None]
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
        now = real_time()
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
