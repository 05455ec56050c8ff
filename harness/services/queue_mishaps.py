"""
What at-least-once delivery does to the messages of a queue: one is lost, late, overtaken, or received again after it was deleted.

Chance or a fault decides when a message is sent (`world.at_least_once`). What was done is written down, and what becomes of the message
now follows from that record.
"""

from __future__ import annotations

from itertools import takewhile
from typing import Any, Protocol

from stagefright.delivery.at_least_once import ONCE, AtLeastOnce, Effect, HandOver
from stagefright.services.queue_contents import QueueContents
from stagefright.services.queue_message import DELAYED, IN_FLIGHT, VISIBLE, Message


class MishapWorld(Protocol):
    """What mishaps need of the world."""

    at_least_once: AtLeastOnce

    def name_of(self, arn_or_name: str) -> str:
        """The logical id of a resource if a template gave one, else its physical name."""


class Mishaps:
    """Those of one queue."""

    def __init__(self, world: MishapWorld, queue_arn: str, contents: QueueContents, *, fifo: bool) -> None:
        self._world = world
        self._queue_arn = queue_arn
        self._contents = contents
        self._fifo = fifo
        self._passable: dict[int, None] = {}
        """The order numbers of messages that later ones may overtake and have not yet, ascending."""

    def survives(self, message: Message) -> bool:
        """Let chance, or a fault, decide how often and when a new message will come."""
        if self._world.at_least_once.is_exact:
            return True
        message.decision = decision = self._world.at_least_once.decide(self._hand_over_of(message))
        if decision is ONCE:
            return True
        if not decision.delays_s:
            self._note("drop", message)
            return False
        message.copies_left = len(decision.delays_s) - 1
        message.rank += decision.places
        if decision.places:
            self._passable[message.order] = None
        if decision.delays_s[0]:
            message.visible_at += decision.delays_s[0]
            message.state = DELAYED
            self._note("delay" if decision.planned else decision.late, message, delay_s=decision.delays_s[0])
        return True

    def comes_again(self, message: Message, *, is_spent: bool) -> bool:
        """
        Whether a copy of a deleted message survived, which is received once more when its visibility timeout is over.

        A copy that would only be dead-lettered (`is_spent`) is none: nobody would receive it twice.
        """
        if not message.copies_left or message.state != IN_FLIGHT or is_spent:
            return False
        message.copies_left -= 1
        self._note("duplicate", message, due=message.visible_at)
        return True

    def note_overtaken(self, received: Message) -> None:
        """Write down which older messages this one has passed."""
        if not self._passable:
            return
        for order in list(takewhile(lambda order: order <= received.order, self._passable)):
            del self._passable[order]
            passed = self._contents.find(order)
            if passed is not None and passed is not received and passed.state == VISIBLE:
                self._note("reorder", passed, overtaken_by=received.id)

    def clear(self) -> None:
        """All messages are gone."""
        self._passable.clear()

    def _hand_over_of(self, message: Message) -> HandOver:
        name = self._world.name_of(self._queue_arn)
        return HandOver("queue", name, message.id, name, message.group_id if self._fifo else None, message.record)

    def _note(self, effect: Effect, message: Message, **harm: Any) -> None:
        hand_over, decision = self._hand_over_of(message), message.decision
        message.record = self._world.at_least_once.note(effect, hand_over, decision, message.record, **harm)
