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
from collections import deque
from collections.abc import Callable
from typing import Any

from stagefright.tasks import Actor, Future, ThreadEnds, current_actor, outside_the_world
from stagefright.virtual.patching import Patches

_NativeLock = threading.Lock
_NativeRLock = threading.RLock
_native_start = threading.Thread.start
_native_join = threading.Thread.join
_NativeSimpleQueue = queue.SimpleQueue


class WorldLock:
    """A lock on which an actor waits in virtual time."""

    def __init__(self) -> None:
        self._native = _NativeLock()
        self._waiting: deque[Future[None]] = deque()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self._native.acquire(False):
            return True
        if not blocking:
            return False
        actor = current_actor()
        if actor is None:
            return self._native.acquire(True, timeout)
        return self._wait(actor, timeout)

    def _wait(self, actor: Actor, timeout: float) -> bool:
        kernel = actor.kernel
        deadline = None if timeout is None or timeout < 0 else kernel.now() + timeout
        while True:
            turn: Future[None] = Future("a lock")
            self._waiting.append(turn)
            if deadline is None:
                kernel.wait(turn)
            elif not kernel.wait(kernel.first(turn, deadline=deadline)):
                self._waiting.remove(turn)
                return self._native.acquire(False)
            if self._native.acquire(False):
                return True

    def release(self) -> None:
        self._native.release()
        if self._waiting:
            self._waiting.popleft().set_result(None)

    def locked(self) -> bool:
        return self._native.locked()

    def _at_fork_reinit(self) -> None:
        self._native = _NativeLock()
        self._waiting.clear()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


def make_lock() -> Any:
    """`threading.Lock`: one that the world knows, if a thread of the world makes it."""
    return _NativeLock() if current_actor() is None else WorldLock()


class WorldRLock(threading._PyRLock):  # type: ignore[name-defined,misc]
    """The standard library's own re-entrant lock in Python, on top of a lock that the world knows."""

    def __init__(self) -> None:
        super().__init__()
        self._block = WorldLock()


def make_rlock() -> Any:
    """`threading.RLock`: one that the world knows, if a thread of the world makes it."""
    return _NativeRLock() if current_actor() is None else WorldRLock()


def make_simple_queue() -> Any:
    """`queue.SimpleQueue`: the standard library's version in Python, whose waits the world knows."""
    return _NativeSimpleQueue() if current_actor() is None else queue._PySimpleQueue()  # type: ignore[attr-defined]


def start(thread: threading.Thread) -> None:
    """`Thread.start`: the thread of an actor becomes an actor of the same function."""
    parent = current_actor()
    if parent is None or getattr(thread, "_stagefright_native", False):
        start_natively(thread)
        return
    actor = Actor(parent.kernel, f"{parent.name}/thread-{next(parent.children)}", cause=parent.cause, owner=parent.owner)
    ended: Future[None] = Future(f"the end of {actor.name}")
    thread._stagefright_ended = ended  # type: ignore[attr-defined]
    thread.daemon = True
    thread.run = _as_actor(actor, ended, thread, thread.run)  # type: ignore[method-assign]
    parent.kernel.join(actor)
    if parent.owner is not None:
        parent.owner.threads.append((actor, thread))
    start_natively(thread)
    actor.make_ready()


def start_natively(thread: threading.Thread) -> None:
    """Start a thread; the new thread reports that it runs before its first turn, so this wait is a real one."""
    with outside_the_world():
        _native_start(thread)


def _as_actor(actor: Actor, ended: Future[None], thread: threading.Thread, run: Callable[[], None]) -> Callable[[], None]:
    def run_as_actor() -> None:
        actor.adopt_current_thread()
        try:
            actor.await_turn()
            if actor.owner is not None:
                actor.owner.resumed()
            run()
        except ThreadEnds:
            return
        if actor.owner is not None:
            actor.owner.suspended()
        ended.set_result(None)
        actor.kernel.end_actor(actor)

    return run_as_actor


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


def forget_executor_thread(thread: threading.Thread) -> None:
    """Keep the interpreter from joining a pool's thread at exit that will never run again."""
    executor_threads._threads_queues.pop(thread, None)  # type: ignore[attr-defined]


def install() -> Callable[[], None]:
    """Make locks and threads of the world cooperative; returns what undoes it."""
    patches = Patches()
    patches.set(threading, "Lock", make_lock)
    patches.set(threading, "_allocate_lock", make_lock)
    patches.set(threading, "RLock", make_rlock)
    patches.set(threading.Thread, "start", start)
    patches.set(threading.Thread, "join", join)
    patches.set(queue, "SimpleQueue", make_simple_queue)
    return patches.restorer()
