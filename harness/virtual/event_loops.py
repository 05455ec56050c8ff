"""
asyncio in the world: an event loop waits in its selector, so there its sleeps become virtual.

A loop whose selector has nothing ready parks in the kernel until its next timer is due; before time moves, the kernel asks each parked
selector whether another thread has woken it meanwhile.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

from stagefright.tasks import Actor, Future, current_actor
from stagefright.virtual.patching import Patches

Select = Callable[..., list[Any]]

SPINS_MAX = 1_000
"""How often a loop may go round at one instant: one that polls with `asyncio.sleep(0)` must see time pass in the end."""

SPIN_S = 0.001
"""What that many rounds take."""


def _virtual(native: Select) -> Select:
    """`select` whose timeout is virtual in a thread of the world."""

    def select(selector: Any, timeout: float | None = None) -> list[Any]:
        actor = current_actor()
        if actor is None:
            return native(selector, timeout)
        ready = native(selector, 0)
        if timeout is not None and timeout <= 0:
            _count_round(actor, selector)
        elif not ready:
            _wait(actor, partial(native, selector, 0), timeout)
            ready = native(selector, 0)
        return ready

    return select


def _count_round(actor: Actor, selector: Any) -> None:
    rounds = getattr(selector, "_stagefright_rounds", 0) + 1
    selector._stagefright_rounds = rounds % SPINS_MAX
    if rounds == SPINS_MAX:
        actor.kernel.advance(SPIN_S)


def _wait(actor: Actor, ready: Callable[[], list[Any]], timeout: float | None) -> None:
    kernel = actor.kernel
    woken: Future[None] = Future("an event loop")

    def poll() -> bool:
        if woken.done() or actor.abandoned or not ready():
            return False
        woken.set_result(None)
        return True

    kernel.pollers.append(poll)
    try:
        if timeout is None:
            kernel.wait(woken)
        else:
            kernel.wait(kernel.first(woken, deadline=kernel.now() + timeout))
    finally:
        kernel.pollers.remove(poll)


def _remembering(native: Callable[..., None]) -> Callable[..., None]:
    """`BaseEventLoop.__init__` that tells the environment whose code makes the loop."""

    def init(loop: asyncio.BaseEventLoop) -> None:
        native(loop)
        actor = current_actor()
        if actor is not None and actor.owner is not None:
            actor.owner.loops.append(loop)

    return init


def quieten_loops(loops: Iterable[asyncio.BaseEventLoop]) -> None:
    """Let nobody be told what becomes of the tasks in these loops: their process is gone."""
    for loop in loops:
        loop.set_exception_handler(lambda _loop, _context: None)


def end_loops(loops: Iterable[asyncio.BaseEventLoop]) -> None:
    """Close the loops of an ended environment: its process is gone, and nobody is left to be warned that it closed none."""
    for loop in loops:
        if loop.is_closed() or loop.is_running():
            continue
        for task in asyncio.all_tasks(loop):
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        with suppress(Exception):
            loop.close()


def install() -> Callable[[], None]:
    """Make event loops of the world sleep in virtual time; returns what undoes it."""
    patches = Patches()
    for name in ("EpollSelector", "PollSelector", "SelectSelector", "KqueueSelector"):
        selector = getattr(selectors, name, None)
        if selector is not None:
            patches.set(selector, "select", _virtual(selector.select))
    patches.set(asyncio.BaseEventLoop, "__init__", _remembering(asyncio.BaseEventLoop.__init__))
    return patches.restorer()
