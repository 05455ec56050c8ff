"""SQS's deduplication interval: what a FIFO queue remembers for five minutes (aws-semantics §3.3)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

from stagefright.services import queue_limits as limits

T = TypeVar("T")


class DeduplicationInterval(Generic[T]):
    """What was answered to each id in the last five minutes; the ids of messages and those of receives have one each."""

    def __init__(self) -> None:
        self._answers: OrderedDict[Hashable, tuple[float, T]] = OrderedDict()

    def find(self, key: Hashable, now: float) -> T | None:
        """What was answered, unless that is too long ago."""
        # They are in order of time, because all live equally long.
        while self._answers and next(iter(self._answers.values()))[0] <= now + limits.CLOCK_TOLERANCE_S:
            self._answers.popitem(last=False)
        known = self._answers.get(key)
        return None if known is None else known[1]

    def keep(self, key: Hashable, answer: T, now: float) -> None:
        """Remember an answer from now on."""
        self._answers[key] = now + limits.DEDUPLICATION_S, answer
        self._answers.move_to_end(key)

    def clear(self) -> None:
        """Forget everything."""
        self._answers.clear()

    def snapshot(self) -> tuple[tuple[Hashable, tuple[float, T]], ...]:
        """A copy that later answers do not touch."""
        return tuple(self._answers.items())

    def restore(self, state: tuple[tuple[Hashable, tuple[float, T]], ...]) -> None:
        """Go back to a snapshot."""
        self._answers = OrderedDict(state)
