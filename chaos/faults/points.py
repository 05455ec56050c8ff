"""
Fault points: the places a fault could strike, each with an identity that draws are keyed by.

This file runs inside deployed functions, so it imports the standard library only.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FaultPoint(ABC):
    """One place that a fault could strike."""

    seed: int | str

    @property
    @abstractmethod
    def identity(self) -> tuple[object, ...]:
        """What tells this point from every other one of a run."""

    def draw(self, low: float, high: float) -> float:
        """
        A float from [low, high) that depends on the seed and the identity of the point alone.

        This is `Chance.uniform`, which a deployed function does not have; a test holds the two together.
        """
        key = "\x1f".join(str(part) for part in (self.seed, *self.identity))
        return low + (high - low) * (int.from_bytes(hashlib.shake_128(key.encode()).digest(8), "big") / 2**64)


@dataclass(frozen=True)
class Invocation(FaultPoint):
    """
    One invocation of a function, about to reach its handler.

    `index` is the place of the fault among those of the flag, so two faults of one invocation draw apart.
    """

    event: Any
    context: Any
    index: int = 0

    @property
    def request_id(self) -> str:
        """AWS's id of the request; retries of one asynchronous event share it."""
        return str(getattr(self.context, "aws_request_id", ""))

    @property
    def identity(self) -> tuple[object, ...]:
        return (self.request_id, self.index)

    def remaining_ms(self) -> int:
        """The milliseconds until the function times out."""
        return int(self.context.get_remaining_time_in_millis())
