"""
Threads and locks of user code.

A thread that an actor starts becomes an actor itself: it runs when the baton comes to it, and its sleeps are virtual. A lock that is made
in the world parks a waiting actor in the kernel instead of blocking the thread, for a blocked thread would keep the baton for ever.
Everything in `threading`, `queue` and `concurrent.futures` is built on these two locks.
"""

from __future__ import annotations

import concurrent.futures.thread as executor_threads
import queue
import threading
import traceback
from collections import deque
from collections.abc import Callable
from types import GenericAlias
from typing import Any

from stagefright.tasks import (
    Actor,
    Future,
    ThreadEnds,
    current_actor,
    outside_the_world,
    refuse_the_abandoned,
)
from stagefright.virtual.patching import Patches

_NativeLock = threading.Lock
_NativeRLock = threading.RLock
_native_start = threading.Thread.start
_native_join = threading.Thread.join
_NativeSimpleQueue = queue.SimpleQueue


class WorldLock:
    """
    A lock on which an actor waits in virtual time.

    A thread outside the world that shares the lock (through a logger, say) waits natively, and is waited for natively.
    """

    def __init__(self) -> None:
        self._native = _NativeLock()
        self._waiting: deque[tuple[Actor, Future[None]]] = deque()
        self._held_outside = False

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        actor = current_actor()
        if actor is None or self._held_outside:
            taken = self._native.acquire(blocking, timeout)
        else:
            taken = self._native.acquire(False)
            if blocking and not taken:
                taken = self._wait(actor, timeout)
        if taken:
            self._held_outside = actor is None
        return taken

    def _wait(self, actor: Actor, timeout: float) -> bool:
        kernel = actor.kernel
        deadline = None if timeout < 0 else kernel.now() + timeout
        while True:
            turn: Future[None] = Future("a lock")
            self._waiting.append((actor, turn))
            if deadline is None:
                kernel.wait(turn)
            elif not kernel.wait(kernel.first(turn, deadline=deadline)):
                if (actor, turn) in self._waiting:
                    self._waiting.remove((actor, turn))
                return self._native.acquire(False)
            if self._native.acquire(False):
                return True

    def release(self) -> None:
        self._held_outside = False
        self._native.release()
        while self._waiting:
            actor, turn = self._waiting.popleft()
            if not actor.abandoned:
                turn.set_result(None)
                break

    def locked(self) -> bool:
        return self._native.locked()

    def _at_fork_reinit(self) -> None:
        self._native = _NativeLock()
        self._waiting.clear()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class Lock:
    """
    `threading.Lock`: one that the world knows, if a thread of the world makes it.

    A class and not a function: code that keeps it as a class attribute (`lock_class = Lock`) must not get a method of it.
    """

    def __new__(cls) -> Any:
        return _NativeLock() if current_actor() is None else WorldLock()


class WorldRLock(threading._PyRLock):  # type: ignore[name-defined,misc]
    """The standard library's own re-entrant lock in Python, on top of a lock that the world knows."""

    def __init__(self) -> None:
        super().__init__()
        self._block = WorldLock()


class RLock:
    """`threading.RLock`: one that the world knows, if a thread of the world makes it."""

    def __new__(cls) -> Any:
        return _NativeRLock() if current_actor() is None else WorldRLock()


class SimpleQueue:
    """`queue.SimpleQueue`: the standard library's version in Python, whose waits the world knows."""

    def __new__(cls) -> Any:
        return _NativeSimpleQueue() if current_actor() is None else queue._PySimpleQueue()  # type: ignore[attr-defined]

    __class_getitem__: Any = classmethod(GenericAlias)


def start(thread: threading.Thread) -> None:
    """`Thread.start`: the thread of an actor becomes an actor of the same function."""
    parent = current_actor()
    if parent is None or getattr(thread, "_stagefright_native", False):
        start_natively(thread)
        return
    refuse_the_abandoned(parent)
    actor = Actor(
        parent.kernel, f"{parent.name}/thread-{next(parent.children)}", cause=parent.cause, owner=parent.owner
    )
    ended: Future[None] = Future(f"the end of {actor.name}")
    thread._stagefright_ended = ended  # type: ignore[attr-defined]
    thread.daemon = True
    thread.run = _as_actor(actor, ended, thread, thread.run)  # type: ignore[method-assign]
    actor.when_abandoned = lambda: forget_executor_thread(thread)
    parent.kernel.join(actor)
    if parent.owner is not None:
        parent.owner.threads.append((actor, thread))
    start_natively(thread)
    actor.make_ready()


def start_natively(thread: threading.Thread) -> None:
    """Start a thread; the new thread reports that it runs before its first turn, so this wait is a real one."""
    with outside_the_world():
        _native_start(thread)


def _as_actor(
    actor: Actor, ended: Future[None], thread: threading.Thread, run: Callable[[], None]
) -> Callable[[], None]:
    def run_as_actor() -> None:
        actor.adopt_current_thread()
        try:
            actor.await_turn()
            if actor.owner is not None:
                actor.owner.resumed()
            run()
        except ThreadEnds:
            return
        except BaseException as error:  # noqa: BLE001 - as in every thread: it is shown, and the thread ends
            if not actor.abandoned:
                _show_error(thread, actor, error)
        if actor.abandoned:
            return
        if actor.owner is not None:
            actor.owner.suspended()
        ended.set_result(None)
        actor.kernel.end_actor(actor)

    return run_as_actor


def _show_error(thread: threading.Thread, actor: Actor, error: BaseException) -> None:
    """What ends a thread: in a function its log has it, in the test `threading.excepthook` is told."""
    if isinstance(error, SystemExit):
        return
    if actor.owner is None:
        threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, thread)))
    else:
        trace = "".join(traceback.format_exception(error))
        actor.owner.log_record(f"Exception in thread {thread.name}:\n{trace.rstrip()}")


def join(thread: threading.Thread, timeout: float | None = None) -> None:
    """`Thread.join`: waits in virtual time for a thread of the world."""
    actor = current_actor()
    ended: Future[None] | None = getattr(thread, "_stagefright_ended", None)
    if actor is None or ended is None:
        _native_join(thread, timeout)
        return
    if not ended.done():
        kernel = actor.kernel
        if timeout is None:
            kernel.wait(ended)
        elif not kernel.wait(kernel.first(ended, deadline=kernel.now() + max(0.0, timeout))):
            return
    _native_join(thread)


class _IdleWork:
    """
    A pool's queue of work, as one of its threads sees it.

    While the thread waits here no user code is on its stack, so when the world abandons it, it may end instead of being parked for ever.
    """

    def __init__(self, work: Any, actor: Actor) -> None:
        self._work = work
        self._actor = actor
        self.over = False

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        self._actor.idle = True
        try:
            return self._work.get(block, timeout)
        except ThreadEnds:
            self.over = True
            return None
        finally:
            self._actor.idle = False

    def get_nowait(self) -> Any:
        return self._work.get_nowait()

    def put(self, item: Any) -> None:
        if not self.over:
            self._work.put(item)


def _pool_worker(native: Callable[..., None]) -> Callable[..., None]:
    """The main function of a `ThreadPoolExecutor`'s threads, which can end while idle."""

    def worker(executor: Callable[[], Any], *rest: Any) -> None:
        actor = current_actor()
        if actor is None:
            native(executor, *rest)
            return
        # The queue is the second argument up to Python 3.13 and the third from 3.14 on.
        position = next(n for n, argument in enumerate(rest) if hasattr(argument, "get_nowait"))
        work = _IdleWork(rest[position], actor)
        native(lambda: None if work.over else executor(), *rest[:position], work, *rest[position + 1 :])

    return worker


def forget_executor_thread(thread: threading.Thread) -> None:
    """Keep the interpreter from joining a pool's thread at exit that will never run again."""
    executor_threads._threads_queues.pop(thread, None)  # type: ignore[attr-defined]


def install() -> Callable[[], None]:
    """Make locks and threads of the world cooperative; returns what undoes it."""
    patches = Patches()
    patches.set(threading, "Lock", Lock)
    patches.set(threading, "_allocate_lock", Lock)
    patches.set(threading, "RLock", RLock)
    patches.set(threading.Thread, "start", start)
    patches.set(threading.Thread, "join", join)
    patches.set(queue, "SimpleQueue", SimpleQueue)
    patches.set(executor_threads, "_worker", _pool_worker(executor_threads._worker))
    return patches.restorer()
