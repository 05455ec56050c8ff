"""
One SQS queue: its messages and the rules by which they appear, hide, come back, move and vanish.

Time never acts on its own here: each operation first brings the queue up to date (`_bring_up_to_date`), so that what is
due by now has happened. What must come soon is told by `next_visible_at`, and what just happened by `on_available`, so that
consumers can sleep in between.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from stagefright.assumptions import Assumptions
from stagefright.chance import Chance
from stagefright.clock import Clock
from stagefright.delivery.at_least_once import AtLeastOnce
from stagefright.delivery.interference import Interference
from stagefright.functions.lineage import header_behind
from stagefright.journal import CURRENT, Journal
from stagefright.services import queue_limits as limits
from stagefright.services.queue_contents import Depth, QueueContents
from stagefright.services.queue_interval import DeduplicationInterval
from stagefright.services.queue_message import (
    DELAYED,
    IN_FLIGHT,
    VISIBLE,
    Message,
    MessageAttributes,
    ReceivedMessage,
    SentMessage,
    envelope,
    md5_of_message_attributes,
    md5_of_text,
    milliseconds,
)
from stagefright.services.queue_mishaps import Mishaps
from stagefright.services.queue_receipts import (
    Receipts,
    beyond_twelve_hours,
    handle_expired,
    not_available,
)
from stagefright.services.queue_rules import (
    check_message,
    deduplication_id,
    refuse_foreign_parameters,
    refuse_too_long,
    refuse_without_group,
)

FIRST_SEQUENCE_NUMBER = 18_850_000_000_000_000_000
SEQUENCE_STEP = 256
"""Sequence numbers have 20 digits and grow; on AWS they also leave gaps, so nobody may count with them."""


class QueueWorld(Protocol):
    """What a queue needs of its world."""

    account: str
    region: str
    clock: Clock
    chance: Chance
    assumptions: Assumptions
    at_least_once: AtLeastOnce
    interference: Interference
    journal: Journal

    def name_of(self, arn_or_name: str) -> str:
        """The logical id of a resource if a template gave one, else its physical name."""


@dataclass(frozen=True)
class QueueState:
    """A copy of all that a queue knows; opaque to everyone but the queue."""

    attributes: dict[str, str]
    tags: dict[str, str]
    modified_at: float
    purged_at: float | None
    next_order: int
    messages: tuple[Message, ...]
    sent: tuple[tuple[Hashable, tuple[float, SentMessage]], ...]
    attempts: tuple[tuple[Hashable, tuple[float, tuple[ReceivedMessage, ...]]], ...]
    on_available: tuple[Callable[[], None], ...]


class Queue:
    """
    A standard or FIFO queue.

    `find` gives the queue of an ARN, for redrive.

    `on_available` are called whenever a message may have become receivable, now or sooner than thought: a send, a
    shortened visibility timeout, a FIFO group that opens, a message that moves here. They are not called when time
    alone makes a message visible; `next_visible_at` says when that will be.
    """

    def __init__(
        self,
        world: QueueWorld,
        name: str,
        attributes: Mapping[str, str],
        *,
        find: Callable[[str], Queue | None],
        tags: Mapping[str, str] | None = None,
    ) -> None:
        self._world = world
        self._find = find
        self.name = name
        self.arn = f"arn:aws:sqs:{world.region}:{world.account}:{name}"
        self.url = f"https://sqs.{world.region}.amazonaws.com/{world.account}/{name}"
        self.fifo = name.endswith(".fifo")
        self.tags = dict(tags or {})
        self.on_available: list[Callable[[], None]] = []
        self.created_at = self.modified_at = world.clock.now()
        self.purged_at: float | None = None
        self.deleted = False
        # A queue that is deleted and made again is another queue: neither its ids nor its handles may repeat.
        self._born = milliseconds(self.created_at)
        self._receipts = Receipts(world.chance.hex(24, "sqs-receipts", self.arn, self._born))
        self._sender_id = "AIDA" + world.chance.hex(17, "sqs-sender", world.account).upper()
        self._messages = QueueContents(fifo=self.fifo)
        self._mishaps = Mishaps(world, self.arn, self._messages, fifo=self.fifo)
        self._next_order = 0
        self._sent: DeduplicationInterval[SentMessage] = DeduplicationInterval()
        self._attempts: DeduplicationInterval[tuple[ReceivedMessage, ...]] = DeduplicationInterval()
        self._settings: dict[str, str] = {}
        self._adopt(attributes)

    def __repr__(self) -> str:
        return f"<Queue {self.name}: {self.depth()}>"

    # Settings

    @property
    def attributes(self) -> dict[str, str]:
        """The attributes that can be set, as strings."""
        return dict(self._settings)

    def configure(self, attributes: Mapping[str, str]) -> None:
        """Change attributes (already checked); an empty policy takes the policy away."""
        delay_before = self.delay_s
        self._adopt({**self._settings, **attributes})
        self.modified_at = self._now()
        # A standard queue's new delay is for later messages only; a FIFO queue's also for those it holds (§3.1).
        if self.fifo and self.delay_s != delay_before:
            self._delay_again()

    def _adopt(self, attributes: Mapping[str, str]) -> None:
        self._settings = {name: value for name, value in attributes.items() if value != ""}
        self.delay_s = int(self._settings.get("DelaySeconds", 0))
        self.visibility_timeout_s = int(self._settings.get("VisibilityTimeout", limits.VISIBILITY_S_DEFAULT))
        self.retention_s = int(self._settings.get("MessageRetentionPeriod", limits.RETENTION_S_DEFAULT))
        self.wait_s = int(self._settings.get("ReceiveMessageWaitTimeSeconds", 0))
        self.message_bytes_max = int(self._settings.get("MaximumMessageSize", limits.MESSAGE_BYTES_MAX))
        self.content_based_deduplication = self._settings.get("ContentBasedDeduplication") == "true"
        self._deduplicates_per_group = self._settings.get("DeduplicationScope") == "messageGroup"
        policy = json.loads(self._settings.get("RedrivePolicy", "{}"))
        self.dead_letter_arn: str | None = policy.get("deadLetterTargetArn")
        self.max_receive_count = int(policy.get("maxReceiveCount", limits.MAX_RECEIVE_COUNT_DEFAULT))

    def _delay_again(self) -> None:
        for message in self._messages:
            if message.receive_count == 0:
                self._messages.hide(message, message.sent_at + self.delay_s, state=DELAYED)
        self._bring_up_to_date()
        self._notify()

    # Sending

    def send(
        self,
        body: str,
        *,
        attributes: MessageAttributes | None = None,
        system_attributes: MessageAttributes | None = None,
        group_id: str | None = None,
        dedup_id: str | None = None,
        delay_s: int | None = None,
        sender_id: str | None = None,
        cause: int | None = CURRENT,
    ) -> SentMessage:
        """
        Accept a message; a FIFO queue accepts and ignores one that it was sent in the last five minutes.

        What every queue refuses is the caller's business (`queue_rules.check_message`); what depends on the settings and the
        type of this one is checked here, so that it holds for services too.
        """
        refuse_too_long(body, attributes or {}, self.message_bytes_max)
        if self.fifo:
            refuse_without_group(group_id)
            dedup_id = deduplication_id(dedup_id, body, by_content=self.content_based_deduplication)
        refuse_foreign_parameters(fifo=self.fifo, dedup_id=dedup_id, delay_s=delay_s)
        key = self._deduplication_key(group_id, dedup_id)
        first = self._sent.find(key, self._now()) if self.fifo else None
        if first is not None:
            return self._ignore_duplicate(first, cause)
        message = self._new_message(
            body,
            attributes or {},
            delay_s=self.delay_s if delay_s is None or self.fifo else delay_s,
            sender_id=sender_id or self._sender_id,
            trace_header=self._trace_header(system_attributes, cause),
            group_id=group_id,
            dedup_id=dedup_id,
        )
        sent = self._accept(message, cause)
        if self.fifo:
            self._sent.keep(key, sent, message.sent_at)
        return sent

    def _trace_header(self, system_attributes: Mapping[str, Mapping[str, Any]] | None, cause: int | None) -> str | None:
        """The trace that the sender names, else that of the chain that led here, for a service that sends on (§7)."""
        given: str | None = (system_attributes or {}).get("AWSTraceHeader", {}).get("StringValue")
        if given is not None:
            return given
        journal = self._world.journal
        return header_behind(journal, self._world.chance, journal.meant(cause))

    def _ignore_duplicate(self, first: SentMessage, cause: int | None) -> SentMessage:
        self._journal("dropped", cause, reason="duplicate", ids=[], duplicate_of=first.id)
        if self._world.assumptions.fifo_duplicate_has_first_id:
            return first._replace(duplicate=True)
        number = self._take_number()
        return first._replace(id=self._new_id(number), sequence_number=self._sequence_number(number), duplicate=True)

    def _new_message(self, body: str, attributes: MessageAttributes, *, delay_s: int, **more: Any) -> Message:
        number, now = self._take_number(), self._now()
        return Message(
            id=self._new_id(number),
            body=body,
            md5_of_body=md5_of_text(body),
            attributes=attributes,
            md5_of_attributes=md5_of_message_attributes(attributes),
            order=number,
            rank=number,
            sent_at=now,
            visible_at=now + delay_s,
            sequence_number=self._sequence_number(number),
            state=DELAYED if delay_s else VISIBLE,
            **more,
        )

    def _accept(self, message: Message, cause: int | None) -> SentMessage:
        """Take a message in, or lose it if that was decided; its sender learns the same."""
        message.record = accepted = self._journal("event", cause, **envelope(message))
        if self._mishaps.survives(message):
            self._messages.admit(message)
            self._notify()
        interference, name = self._world.interference, self._world.name_of(self.arn)
        interference.accepted("queue", name, {"id": message.id}, accepted, partial(self._follow, message))
        return SentMessage(
            message.id, message.md5_of_body, message.md5_of_attributes, message.sequence_number, message.record
        )

    def _follow(self, message: Message, body: str, cause: int) -> None:
        """Accept another message like this one, with a body of its own."""
        check_message(body, message.attributes)
        dedup_id = f"{message.id}-{cause}" if self.fifo else None
        self.send(body, attributes=message.attributes, group_id=message.group_id, dedup_id=dedup_id, cause=cause)

    def _new_id(self, number: int) -> str:
        return self._world.chance.uuid("sqs", self.name, self._born, number)

    def _take_number(self) -> int:
        self._next_order += 1
        return self._next_order

    def _sequence_number(self, number: int) -> str | None:
        return f"{FIRST_SEQUENCE_NUMBER + number * SEQUENCE_STEP:020d}" if self.fifo else None

    def _deduplication_key(self, group_id: str | None, dedup_id: str | None) -> Hashable:
        return (group_id, dedup_id) if self._deduplicates_per_group else dedup_id

    # Receiving

    def receive(
        self, max_messages: int = 1, *, visibility_timeout_s: int | None = None, attempt_id: str | None = None
    ) -> list[ReceivedMessage]:
        """
        Hand out up to `max_messages` and hide them.

        A message that was received too often moves to the dead-letter queue instead. `attempt_id` makes a FIFO receive
        repeatable: for five minutes the same id gets the same messages with the same handles.
        """
        self._bring_up_to_date()
        timeout = self.visibility_timeout_s if visibility_timeout_s is None else visibility_timeout_s
        if attempt_id is not None and (again := self._received_before(attempt_id, timeout)):
            return again
        received = self._hand_out_up_to(min(max_messages, self.in_flight_room()), timeout)
        if attempt_id is not None and received:
            self._attempts.keep(attempt_id, tuple(received), self._now())
        return received

    def in_flight_room(self) -> int:
        """How many more messages may be in flight; a receive hands out no more than that."""
        return limits.IN_FLIGHT_MAX - self._messages.in_flight

    def _hand_out_up_to(self, room: int, timeout_s: float) -> list[ReceivedMessage]:
        received: list[ReceivedMessage] = []
        candidates = self._messages.candidates()
        while len(received) < room and (message := next(candidates, None)) is not None:
            if not self._dead_lettered(message):
                received.append(self._hand_out(message, timeout_s))
        candidates.close()
        if timeout_s == 0:
            self._surface_due()
        return received

    def _hand_out(self, message: Message, timeout_s: float) -> ReceivedMessage:
        self._mishaps.note_overtaken(message)
        now = self._now()
        message.receive_count += 1
        message.received_at = now
        if message.receive_count == 1:
            message.first_received_at = now
        self._messages.hide(message, now + timeout_s)
        return ReceivedMessage(
            message.id,
            self._receipts.handle(message),
            message.body,
            message.md5_of_body,
            message.attributes,
            message.md5_of_attributes,
            message.system_attributes(),
            message.receive_count,
            message.group_id,
            self.arn,
            message.record,
        )

    def _received_before(self, attempt_id: str, timeout_s: float) -> list[ReceivedMessage]:
        found = []
        for received in self._attempts.find(attempt_id, self._now()) or ():
            message, newest = self._resolve(received.receipt_handle)
            if message is not None and newest and message.state == IN_FLIGHT:
                self._messages.hide(message, self._now() + timeout_s)
                found.append(received)
        return found

    # What a receiver does with a handle

    def delete(self, receipt_handle: str) -> None:
        """
        Delete a received message; deleting again is no error.

        A handle of an earlier receive is out of date: a standard queue accepts it and keeps the message, a FIFO queue
        refuses it, also when the message is visible again (§3.2).
        """
        self._bring_up_to_date()
        message, newest = self._resolve(receipt_handle)
        if message is None:
            return
        if self.fifo and not (newest and message.state == IN_FLIGHT):
            raise handle_expired(receipt_handle)
        if not newest or self._mishaps.comes_again(message, is_spent=self._is_spent(message)):
            return
        was_full = self.in_flight_room() <= 0
        self._messages.remove(message)
        if self.fifo or was_full:
            self._notify()

    def change_visibility(self, receipt_handle: str, seconds: int) -> None:
        """Hide a received message for `seconds` from now, or show it at once (0); only for this receive."""
        self._bring_up_to_date()
        message, newest = self._resolve(receipt_handle)
        if message is None:
            raise not_available(receipt_handle)
        if self.fifo and not (newest and message.state == IN_FLIGHT):
            raise handle_expired(receipt_handle)
        if not newest:
            return
        until = self._now() + seconds
        if until > message.received_at + limits.VISIBILITY_S_MAX + limits.CLOCK_TOLERANCE_S:
            raise beyond_twelve_hours(seconds)
        sooner = until < message.visible_at
        self._messages.hide(message, until)
        self._surface_due()
        if sooner:
            self._notify()

    def visible_again_at(self, receipt_handle: str) -> float | None:
        """When a received message can be received again, whoever changed that meanwhile, or was; None if it was deleted."""
        self._bring_up_to_date()
        message, newest = self._resolve(receipt_handle)
        if message is None:
            return None
        return max(message.visible_at, self._now()) if newest else message.received_at

    def _resolve(self, receipt_handle: str) -> tuple[Message | None, bool]:
        """The message of a handle, if it still exists, and whether the handle is that of its newest receive."""
        order, receive_count = self._receipts.parse(receipt_handle)
        message = self._messages.find(order)
        return message, message is not None and message.receive_count == receive_count

    # Redrive

    def _dead_lettered(self, message: Message) -> bool:
        """Move the message away if one more receive would be too many; it stays if there is nowhere to go."""
        arn = self.dead_letter_arn if self._is_spent(message) else None
        target = None if arn is None else self._find(arn)
        if target is None:
            return False
        self._messages.remove(message)
        target.take_dead_letter(message, source=self)
        return True

    def _is_spent(self, message: Message) -> bool:
        """Whether one more receive would be more than the redrive policy allows."""
        return self.dead_letter_arn is not None and message.receive_count >= self.max_receive_count

    def take_dead_letter(self, dead: Message, *, source: Queue) -> None:
        """
        Take over a message that `source` gives up: id, body, attributes and receive count stay (§3.4).

        In a standard queue the time of sending stays too, so retention goes on; in a FIFO queue it starts anew, and the
        message id becomes the deduplication id.
        """
        number = self._take_number()
        message = copy.copy(dead)
        message.order = message.rank = number
        message.copies_left = 0
        message.state = VISIBLE
        message.visible_at = self._now()
        message.dead_letter_source = source.arn
        if self.fifo:
            message.sent_at = self._now()
            message.dedup_id = message.id
            message.sequence_number = self._sequence_number(number)
        detail = envelope(message) | {"ids": [message.id]}
        message.record = self._journal(
            "dead_letter", dead.record, source=self._world.name_of(source.arn), condition="maxReceiveCount", **detail
        )
        self._messages.admit(message)
        self._notify()

    def oldest_receivable(self) -> Message | None:
        """The message that a receive would hand out first; it stays where it is, uncounted."""
        self._bring_up_to_date()
        return self._messages.first()

    def take_away(self, message: Message) -> None:
        """Remove a message that a message move task has sent elsewhere."""
        self._messages.remove(message)
        self._notify()

    # Time

    def next_visible_at(self) -> float | None:
        """When the next delayed or received message becomes visible (epoch seconds), or None if there is none."""
        return self._messages.next_visible_at()

    def depth(self) -> Depth:
        """The numbers of messages at this moment."""
        self._bring_up_to_date()
        return self._messages.depth

    def _now(self) -> float:
        return self._world.clock.now()

    def _bring_up_to_date(self) -> None:
        if self._messages:
            self._drop_expired()
            self._surface_due()

    def _drop_expired(self) -> None:
        horizon = self._now() + limits.CLOCK_TOLERANCE_S - self.retention_s
        for message in self._messages.take_expired(horizon):
            self._journal("dropped", message.record, reason="retention", ids=[message.id])

    def _surface_due(self) -> None:
        self._messages.surface(self._now() + limits.CLOCK_TOLERANCE_S)

    def _notify(self) -> None:
        for callback in tuple(self.on_available):
            callback()

    def _journal(self, kind: str, cause: int | None, **detail: Any) -> int:
        return self._world.journal.write(kind, self._world.name_of(self.arn), cause=cause, **detail).n

    # The end, and the way back

    def purge(self) -> None:
        """Drop all messages at once, and what a FIFO queue remembers of earlier ones."""
        self._drop_all("purged")
        self._sent.clear()
        self._attempts.clear()
        self.purged_at = self._now()

    def close(self) -> None:
        """The queue is deleted: its messages are lost, and waiting receivers must look again."""
        self._drop_all("queue deleted")
        self.deleted = True
        self._notify()

    def _drop_all(self, reason: str) -> None:
        ids = [message.id for message in self._messages]
        if ids:
            self._journal("dropped", CURRENT, reason=reason, ids=ids)
        self._forget_messages()

    def _forget_messages(self) -> None:
        self._messages.clear()
        self._mishaps.clear()

    def snapshot(self) -> QueueState:
        """A copy of the state that later changes do not touch."""
        return QueueState(
            attributes=self._settings,
            tags=dict(self.tags),
            modified_at=self.modified_at,
            purged_at=self.purged_at,
            next_order=self._next_order,
            messages=tuple(copy.copy(message) for message in self._messages),
            sent=self._sent.snapshot(),
            attempts=self._attempts.snapshot(),
            on_available=tuple(self.on_available),
        )

    def restore(self, state: QueueState) -> None:
        """Go back to a snapshot, which stays good for further restores."""
        if self._settings is not state.attributes:
            self._adopt(state.attributes)
            self._settings = state.attributes
        self.tags = dict(state.tags)
        self.modified_at, self.purged_at, self.deleted = state.modified_at, state.purged_at, False
        self._next_order = state.next_order
        self._sent.restore(state.sent)
        self._attempts.restore(state.attempts)
        self.on_available[:] = state.on_available
        self._forget_messages()
        for message in state.messages:
            self._messages.admit(copy.copy(message))
