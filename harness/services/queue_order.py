"""
Who is next: the two orders in which SQS hands out visible messages.

A queue tells its order what arrives, becomes visible and goes; the order yields what may be received, best first.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from collections.abc import Generator, Mapping
from typing import Protocol

from stagefright.services.queue_message import GONE, VISIBLE, Message


class Order(Protocol):
    """What a queue needs to know about order."""

    def arrived(self, message: Message) -> None:
        """A message came to the queue, visible or not."""

    def surfaced(self, message: Message) -> None:
        """A message is visible, newly or again."""

    def removed(self, message: Message, /) -> None:
        """A message is gone for good."""

    def candidates(self) -> Generator[Message, None, None]:
        """The receivable messages, best first; whoever asks for one must hide or remove it before the next."""

    def clear(self) -> None:
        """All messages are gone."""


class SentOrder:
    """
    A standard queue: oldest first.

    AWS promises only best effort. Oldest first is the one order that a test can rely on; where a project asks for
    reordering, a message's rank lets later ones pass. Of equal ranks the later message comes first, since
    it was let pass. The heap holds ranks and (negative) order numbers, which may be stale: a message may have gone or
    been hidden meanwhile.
    """

    def __init__(self, messages: Mapping[int, Message]) -> None:
        self._messages = messages
        self._heap: list[tuple[int, int]] = []

    def arrived(self, message: Message) -> None:
        """Nothing to note: only visible messages are in the heap."""

    def surfaced(self, message: Message) -> None:
        """Queue the message at its old place."""
        heapq.heappush(self._heap, (message.rank, -message.order))
        if len(self._heap) > 2 * len(self._messages) + 64:
            self._sweep()

    def removed(self, _gone: Message, /) -> None:
        """Leave a stale number behind unless nothing else is left."""
        if not self._messages:
            self._heap.clear()

    def candidates(self) -> Generator[Message, None, None]:
        """The visible messages, oldest first."""
        while self._heap:
            message = self._messages.get(-heapq.heappop(self._heap)[1])
            if message is not None and message.state == VISIBLE:
                yield message

    def clear(self) -> None:
        """Forget all."""
        self._heap.clear()

    def _sweep(self) -> None:
        live = {entry for entry in self._heap if -entry[1] in self._messages}
        self._heap = sorted(entry for entry in live if self._messages[-entry[1]].state == VISIBLE)


class GroupOrder:
    """
    A FIFO queue: message groups that take turns, each in strict order.

    A receive may take from a group only the longest unbroken run of visible messages that starts at its oldest
    undeleted one. That one rule explains every recording of AWS that we know (`aws-semantics.md` §3.3): a message in
    flight blocks all behind it, and one that comes back is delivered again before them.

    `_ready` holds the groups that have such a run, in the order in which they got it, so a group that was just served
    goes behind those that wait. The oldest message of a group is never a gone one.
    """

    def __init__(self) -> None:
        self._groups: dict[str, deque[Message]] = {}
        self._ready: OrderedDict[str, None] = OrderedDict()

    def arrived(self, message: Message) -> None:
        """Put the message at the end of its group."""
        group = self._groups.get(_group_of(message))
        if group is None:
            self._groups[_group_of(message)] = deque((message,))
        else:
            group.append(message)

    def surfaced(self, message: Message) -> None:
        """The group may have a run now."""
        self._note_if_ready(_group_of(message))

    def removed(self, message: Message, /) -> None:
        """What stood behind the message may be next."""
        group_id = _group_of(message)
        group = self._groups.get(group_id)
        if group is None:
            return
        while group and group[0].state == GONE:
            group.popleft()
        if group:
            self._note_if_ready(group_id)
        else:
            del self._groups[group_id]
            self._ready.pop(group_id, None)

    def candidates(self) -> Generator[Message, None, None]:
        """The run of the group that waited longest, then that of the next one, each group once."""
        for _ in range(len(self._ready)):
            group_id, _ = self._ready.popitem(last=False)
            try:
                yield from self._run(group_id)
            finally:
                self._note_if_ready(group_id)

    def clear(self) -> None:
        """Forget all groups."""
        self._groups.clear()
        self._ready.clear()

    def _run(self, group_id: str) -> Generator[Message, None, None]:
        group = self._groups.get(group_id)
        place = 0
        while group is not None and place < len(group):
            message = group[place]
            if message.state == VISIBLE:
                yield message
            elif message.state != GONE:
                return
            # If the message was removed while the receiver had it, the next one may stand in its place already.
            if place < len(group) and group[place] is message:
                place += 1

    def _note_if_ready(self, group_id: str) -> None:
        group = self._groups.get(group_id)
        if group and group[0].state == VISIBLE:
            self._ready.setdefault(group_id)


def _group_of(message: Message) -> str:
    return message.group_id or ""
