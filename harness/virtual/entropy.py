"""
Randomness that user code draws (`os.urandom`, and through it `uuid4` and `secrets`) comes from the world's chance.

Each draw is keyed by the actor that makes it and by how many it made before, so the ids in one handler do not depend on what another does.
The `random` module is a shared stream by design; a world seeds it when it is reset.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable

from stagefright.tasks import current_actor
from stagefright.virtual.patching import Patches

_real_urandom = os.urandom


def urandom(size: int, /) -> bytes:
    """`os.urandom`: repeatable bytes in threads of the world."""
    actor = current_actor()
    if actor is None:
        return _real_urandom(size)
    return actor.kernel.chance.bytes(size, "urandom", actor.name, actor.cause, next(actor.draws))


def install() -> Callable[[], None]:
    """Make `os.urandom` repeatable for threads of a world; returns what undoes it."""
    patches = Patches()
    patches.set(os, "urandom", urandom)
    patches.set(random, "_urandom", urandom)
    state = random.getstate()

    def restore() -> None:
        patches.restore()
        random.setstate(state)

    return restore
