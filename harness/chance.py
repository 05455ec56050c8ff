"""
The world's only source of randomness.

Each draw is a hash of the seed and of what the draw decides, never the next number of a shared stream. So a call that is
added or taken away does not shift any other draw, and the same seed gives the same world.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Chance:
    """
    Keyed draws.

    >>> Chance(1).uniform(0, 10, "delay", "message-1") == Chance(1).uniform(0, 10, "delay", "message-1")
    True
    """

    def __init__(self, seed: int | str = 0) -> None:
        self.seed = seed

    def bytes(self, length: int, *key: object) -> bytes:
        """`length` bytes that depend on the seed and `key` alone."""
        text = "\x1f".join(map(str, (self.seed, *key)))
        return hashlib.shake_128(text.encode()).digest(length)

    def hex(self, length: int, *key: object) -> str:
        """`length` hexadecimal digits."""
        return self.bytes((length + 1) // 2, *key).hex()[:length]

    def uuid(self, *key: object) -> str:
        """A version 4 UUID, as AWS uses for request and message ids."""
        return str(uuid.UUID(bytes=self.bytes(16, *key), version=4))

    def uniform(self, low: float, high: float, *key: object) -> float:
        """A float from [low, high)."""
        return low + (high - low) * (int.from_bytes(self.bytes(8, *key), "big") / 2**64)

    def choice(self, options: Sequence[T], *key: object) -> T:
        """One of `options`."""
        return options[int.from_bytes(self.bytes(8, *key), "big") % len(options)]
