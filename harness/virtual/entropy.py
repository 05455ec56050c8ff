"""
Randomness that user code draws (`os.urandom`, and through it `uuid4` and `secrets`) comes from the world's chance.

Each draw is keyed by the actor and the function that make it and by how many they made before. So the ids in one handler do not depend on
what another does, nor on whether a library draws something for itself when it is first used.
The `random` module is a shared stream by design; a world seeds it when it is reset. Generators of the user's own, made without a
seed, take theirs from here.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from stagefright.chance import Chance
from stagefright.tasks import current_actor
from stagefright.virtual.patching import Patches

_real_urandom = os.urandom
_real_seed = random.Random.seed
_real_getnode = uuid.getnode

SEED_BYTES = 32
NODE = 0x02_00_00_00_00_01
"""The machine's address in version 1 UUIDs; locally administered, so nobody's."""


def urandom(size: int, /) -> bytes:
    """`os.urandom`: repeatable bytes in threads of the world."""
    actor = current_actor()
    if actor is None:
        return _real_urandom(size)
    site = _call_site(sys._getframe(1))
    actor.draws[site] += 1
    kernel = actor.kernel
    return kernel.chance.bytes(size, "urandom", kernel.was_reset, actor.name, actor.cause, site, actor.draws[site])


def _call_site(frame: FrameType | None) -> str:
    """The function that wants randomness, seen through the standard library's helpers."""
    while frame is not None and frame.f_globals.get("__name__") in _HELPERS:
        frame = frame.f_back
    return "" if frame is None else f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}"


_HELPERS = frozenset({__name__, "random", "secrets", "uuid"})


def seed(generator: random.Random, a: Any = None, version: int = 2) -> None:
    """`Random.seed`: without a seed it asks the system for one, in C; in threads of the world it asks us."""
    if a is None and current_actor() is not None:
        a = int.from_bytes(urandom(SEED_BYTES), "big")
    _real_seed(generator, a, version)


def getnode() -> int:
    """`uuid.getnode`: the same machine everywhere."""
    return _real_getnode() if current_actor() is None else NODE


class FileNames:
    """
    The random parts of the names of temporary files in one world.

    A file of that name may be left from the last run with this seed. So a name that was taken twice is followed by really random ones.
    """

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._rounds = 0
        self._drawn = 0

    def restart(self) -> None:
        """Begin again; what was named before the first restart belongs to the deployment, and keeps its names."""
        self._rounds = 1
        self._drawn = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        # `tempfile` counts its attempts to make one file in a variable of that name.
        attempt = sys._getframe(1).f_locals.get("seq", 0)
        if current_actor() is None or attempt > _TAKEN_MAX:
            return _real_urandom(NAME_LENGTH // 2).hex()
        self._drawn += 1
        return self._chance.hex(NAME_LENGTH, "file name", self._rounds, self._drawn)


NAME_LENGTH = 8
_TAKEN_MAX = 1


def name_files_by(names: Iterator[str]) -> Callable[[], None]:
    """Let `tempfile` take its names from here; returns what undoes it."""
    module: Any = tempfile
    before, module._name_sequence = module._name_sequence, names

    def restore() -> None:
        if module._name_sequence is names:
            module._name_sequence = before

    return restore


def install() -> Callable[[], None]:
    """Make `os.urandom` repeatable for threads of a world; returns what undoes it."""
    patches = Patches()
    patches.set(os, "urandom", urandom)
    patches.set(random, "_urandom", urandom)
    patches.set(random.Random, "seed", seed)
    patches.set(random, "seed", random._inst.seed)
    patches.set(uuid, "getnode", getnode)
    state = random.getstate()

    def restore() -> None:
        patches.restore()
        random.setstate(state)

    return restore
