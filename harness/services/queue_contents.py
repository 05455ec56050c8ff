"""
The messages that a queue holds, and when each comes to light.

A message is visible, delayed or in flight. Every operation costs the same at any depth: messages are found by number in a dict, and the heaps
that order them by time hold numbers that may be stale. Stale ones are skipped when met, and swept when they outnumber the messages.
"""

from __future__ import annotations

import heapq
from collections.abc import Generator, Iterator
from typing import NamedTuple

from stagefright.services.queue_message import DELAYED, GONE, IN_FLIGHT, VISIBLE, Message
from stagefright.services.queue_order import GroupOrder, Order, SentOrder

HEAP_SLACK = 64
"""How many stale heap entries are never worth a sweep."""


class Depth(NamedTuple):
    """How many messages a queue holds, by state."""

    visible: int
    in_flight: int
    delayed: int

    @property
    def total(self) -> int:
        """All messages that are not deleted."""
        return self.visible + self.in_flight + self.delayed


class QueueContents:
    """The messages of one queue. It knows no clock: whoever asks says what time it is."""

    def __init__(self, *, fifo: bool) -> None:
        self._messages: dict[int, Message] = {}
        self._counts = [0, 0, 0, 0]
        self._hidden: list[tuple[float, int]] = []
        self._by_age: list[tuple[float, int]] = []
        self._order: Order = GroupOrder() if fifo else SentOrder(self._messages)

    def __bool__(self) -> bool:
        return bool(self._messages)

    def __iter__(self) -> Iterator[Message]:
        return iter(self._messages.values())

    def find(self, order: int) -> Message | None:
        """The message of a number, unless it is gone."""
        return self._messages.get(order)

    @property
    def depth(self) -> Depth:
        """How many there are, by state."""
        return Depth(self._counts[VISIBLE], self._counts[IN_FLIGHT], self._counts[DELAYED])

    @property
    def in_flight(self) -> int:
        """How many are in flight."""
        return self._counts[IN_FLIGHT]

    def candidates(self) -> Generator[Message, None, None]:
        """The receivable messages, best first; whoever asks for one must hide or remove it before the next."""
        return self._order.candidates()

    def first(self) -> Message | None:
        """The first of them, which stays where it is."""
        candidates = self._order.candidates()
        message = next(candidates, None)
        candidates.close()
        if message is not None:
            self._order.surfaced(message)
        return message

    # -- what becomes of a message -----------------------------------------------------------------------------------

    def admit(self, message: Message) -> None:
        """Take a message in, in the state that it has."""
        self._messages[message.order] = message
        self._counts[message.state] += 1
        heapq.heappush(self._by_age, (message.sent_at, message.order))
        self._order.arrived(message)
        if message.state == VISIBLE:
            self._order.surfaced(message)
        else:
            heapq.heappush(self._hidden, (message.visible_at, message.order))

    def hide(self, message: Message, until: float, *, state: int = IN_FLIGHT) -> None:
        """Let a message be in flight, or delayed, until an instant (epoch seconds)."""
        self._set_state(message, state)
        message.visible_at = until
        heapq.heappush(self._hidden, (until, message.order))
        if len(self._hidden) > 2 * len(self._messages) + HEAP_SLACK:
            self._sweep()

    def remove(self, message: Message) -> None:
        """Drop a message for good."""
        del self._messages[message.order]
        self._set_state(message, GONE)
        self._order.removed(message)
        if not self._messages:
            self._hidden.clear()
            self._by_age.clear()
        elif len(self._by_age) > 2 * len(self._messages) + HEAP_SLACK:
            self._sweep()

    def clear(self) -> None:
        """Drop them all."""
        self._messages.clear()
        self._order.clear()
        self._hidden.clear()
        self._by_age.clear()
        self._counts = [0, 0, 0, 0]

    # -- time --------------------------------------------------------------------------------------------------------

    def take_expired(self, sent_until: float) -> Iterator[Message]:
        """Drop what was sent up to an instant, the oldest first, and tell each."""
        while self._by_age and self._by_age[0][0] <= sent_until:
            _, order = heapq.heappop(self._by_age)
            message = self._messages.get(order)
            if message is not None:
                self.remove(message)
                yield message

    def surface(self, due: float) -> None:
        """Let every message be visible that was hidden until then."""
        hidden = self._hidden
        while hidden and hidden[0][0] <= due:
            until, order = heapq.heappop(hidden)
            if self._is_hidden_until(until, order):
                message = self._messages[order]
                self._set_state(message, VISIBLE)
                self._order.surfaced(message)

    def next_visible_at(self) -> float | None:
        """When the next hidden message becomes visible (epoch seconds), or None if there is none."""
        while self._hidden and not self._is_hidden_until(*self._hidden[0]):
            heapq.heappop(self._hidden)
        return self._hidden[0][0] if self._hidden else None

    def _is_hidden_until(self, until: float, order: int) -> bool:
        message = self._messages.get(order)
        return message is not None and message.state != VISIBLE and message.visible_at == until

    # -- keeping the books -------------------------------------------------------------------------------------------

    def _set_state(self, message: Message, state: int) -> None:
        self._counts[message.state] -= 1
        message.state = state
        self._counts[state] += 1

    def _sweep(self) -> None:
        self._hidden = sorted({entry for entry in self._hidden if self._is_hidden_until(*entry)})
        self._by_age = [entry for entry in self._by_age if entry[1] in self._messages]
        heapq.heapify(self._by_age)
