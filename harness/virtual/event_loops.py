"""
asyncio in the world: an event loop waits in its selector, so there its sleeps become virtual.

A loop whose selector has nothing ready parks in the kernel until its next timer is due; before time moves, the kernel asks each parked
selector whether another thread has woken it meanwhile.
"""

from __future__ import annotations

import selectors
from collections.abc import Callable
from typing import Any

from stagefright.tasks import Actor, Future, current_actor
from stagefright.virtual.patching import Patches

_Selector: Any = selectors.DefaultSelector
_native_select: Callable[..., list[Any]] = _Selector.select


def select(selector: Any, timeout: float | None = None) -> list[Any]:
    """`DefaultSelector.select`: in a thread of the world the timeout is virtual."""
    actor = current_actor()
    if actor is None:
        return _native_select(selector, timeout)
    ready = _native_select(selector, 0)
    if ready or (timeout is not None and timeout <= 0):
        return ready
    _wait(actor, selector, timeout)
    return _native_select(selector, 0)


def _wait(actor: Actor, selector: Any, timeout: float | None) -> None:
    kernel = actor.kernel
    woken: Future[None] = Future("an event loop")

    def poll() -> bool:
        if woken.done() or actor.abandoned or not _native_select(selector, 0):
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


def install() -> Callable[[], None]:
    """Make event loops of the world sleep in virtual time; returns what undoes it."""
    patches = Patches()
    patches.set(_Selector, "select", select)
    return patches.restorer()
