"""What is due at an instant, in order of (time, sequence)."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

CANCELLED_TIMERS_MAX = 256
"""From how many cancelled timers on the heap is cleaned, once they are the majority."""


class Timer:
    """Something due at an instant; `Timers.cancel` takes it back."""

    __slots__ = ("action", "background", "cancelled", "sequence", "when")

    def __init__(self, when: float, sequence: int, action: Callable[[], None], background: bool) -> None:
        self.when = when
        self.sequence = sequence
        self.action = action
        self.background = background
        self.cancelled = False

    def __lt__(self, other: Timer) -> bool:
        # What recurs comes first: whoever waits for an instant finds that what recurs then has happened.
        return (self.when, not self.background, self.sequence) < (other.when, not other.background, other.sequence)


class Timers:
    """
    All timers of a world.

    A `background` one fires when time passes, but does not make it pass: nobody waits for it.
    """

    def __init__(self) -> None:
        self.foreground = 0
        """How many of those that somebody waits for are due some time."""
        self._heap: list[Timer] = []
        self._sequence = count()
        self._cancelled = 0

    def __len__(self) -> int:
        return len(self._heap)

    def add(self, when: float, action: Callable[[], None], *, background: bool) -> Timer:
        """Run `action` at an instant (epoch seconds)."""
        timer = Timer(when, next(self._sequence), action, background)
        heapq.heappush(self._heap, timer)
        self.foreground += not background
        return timer

    def cancel(self, timer: Timer) -> None:
        """Take a timer back; it no longer counts as due."""
        if timer.cancelled:
            return
        self._take_out(timer)
        timer.action = _nothing
        self._cancelled += 1
        if self._cancelled > CANCELLED_TIMERS_MAX and self._cancelled * 2 > len(self._heap):
            self._heap = [kept for kept in self._heap if not kept.cancelled]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def first(self) -> Timer | None:
        """The next one due; None if there is none that somebody waits for."""
        return self.first_of_all() if self.foreground else None

    def first_of_all(self) -> Timer | None:
        """The next one due, whether or not anybody waits for one."""
        while self._heap and self._heap[0].cancelled:
            heapq.heappop(self._heap)
            self._cancelled -= 1
        return self._heap[0] if self._heap else None

    def pop(self) -> Timer | None:
        """Take the next one out, as `first` finds it."""
        timer = self.first()
        if timer is not None:
            heapq.heappop(self._heap)
            self._take_out(timer)
        return timer

    def clear(self) -> None:
        """Forget all of them, and begin to count anew."""
        self._heap.clear()
        self.foreground = 0
        self._cancelled = 0
        self._sequence = count()

    def _take_out(self, timer: Timer) -> None:
        timer.cancelled = True
        self.foreground -= not timer.background


def _nothing() -> None:
    """What a cancelled timer does; it lets go of everything that the real action held."""
