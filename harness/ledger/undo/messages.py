"""
Messages that a test has sent to a queue, and that nobody has consumed.

To take one out it has to be received, and others with it (`taps/peeking.py`). Where that could disturb, nothing is received: in a queue that a
function or a pipe works off, one whose redrive policy counts few receives, one with a long backlog. In a FIFO queue the other messages keep
their order, and their groups wait for the moment of the look; what is behind the first ten of its group cannot be reached.

SQS gives a message its id when it is sent, so a run that dies in the act leaves a line without one. A message with that text is told of then,
and left alone: another run may have sent it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stagefright.errors import StagefrightError
from stagefright.ledger.kinds import Clients, Fate, State
from stagefright.ledger.reading import Entry
from stagefright.ledger.undo.answers import SKEW_MAX_S, found
from stagefright.ledger.undo.messaging import QUEUE_GONE
from stagefright.ledger.values import fingerprint
from stagefright.targets.run import iso
from stagefright.targets.taps.consumers import depth, functions_that_take
from stagefright.targets.taps.own_queue import WAIT_S, sent_at
from stagefright.targets.taps.peeking import (
    BACKLOG_MAX,
    RECEIVES_MIN,
    Message,
    batches,
    crowded_groups,
    is_half_used_up,
    receives_max_of,
    show_again,
)
from stagefright.wording import clip, plural

LOOKS_MAX = 3
"""How often it is looked for a message while others are in flight: another run may just be looking into the queue, too."""

PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Left:
    """Why a message is left."""

    reason: str
    is_for_good: bool = True
    """Whether no sweep can do better later."""


class Messages:
    """The kind `message`."""

    def look(self, entry: Entry, account: Clients) -> State:
        """Whether it lies there; nothing is received where that could disturb."""
        queue = Queue.of(account, entry.name)
        if queue is None:
            return State(Fate.AS_BEFORE)
        why = queue.hindrance()
        if why is not None:
            return State(Fate.KEEP, why) if queue.count else State(Fate.AS_BEFORE)
        queue.check_delay(entry)
        is_there = any(_is_meant(one, entry) for one in queue.peek())
        if is_there and entry.detail["key"] is None:
            return State(Fate.CHANGED, "a message with its text is there, and SQS does not tell which run sent it")
        return State(Fate.DELETE if is_there else Fate.AS_BEFORE)

    def undo(self, entry: Entry, account: Clients) -> None:
        """Take it out of the queue."""
        for left in take_back(account, entry.name, [entry]).values():
            raise StagefrightError(f"It is left: {left.reason}.")


def take_back(account: Clients, url: str, entries: Sequence[Entry]) -> dict[str, Left]:
    """Take messages out of a queue; gives those that had to be left, by their ids. What was consumed is not among them."""
    queue = Queue.of(account, url)
    if queue is None:
        return {}
    why = queue.hindrance()
    if why is None:
        return queue.take_out(entries)
    return {str(entry.detail["key"]): Left(why) for entry in entries} if queue.count else {}


def fingerprint_of(message: Mapping[str, Any]) -> str:
    """What tells a message from those with another text, as SendMessage takes it or ReceiveMessage gives it."""
    body = message.get("MessageBody", message.get("Body"))
    attributes = {
        name: {part: value[part] for part in ("DataType", "StringValue", "BinaryValue") if value.get(part) is not None}
        for name, value in (message.get("MessageAttributes") or {}).items()
    }
    group = message.get("MessageGroupId") or message.get("Attributes", {}).get("MessageGroupId")
    return fingerprint({"body": body, "attributes": attributes, "group": group})


def _is_meant(message: Message, entry: Entry) -> bool:
    if entry.detail["key"] is not None:
        return bool(message["MessageId"] == entry.detail["key"])
    is_since = sent_at(message) >= entry.at - SKEW_MAX_S
    return is_since and fingerprint_of(message) == entry.wrote


class Queue:
    """A queue, as it stood when it was looked at."""

    def __init__(self, account: Clients, url: str, attributes: Mapping[str, str]) -> None:
        self._account = account
        self._sqs = account.client("sqs")
        self._url = url
        self._attributes = attributes
        self._receives_max = receives_max_of(attributes)
        # On AWS a receive that does not wait asks a few of SQS's servers only.
        self._wait_s = 0 if getattr(getattr(account, "account", account), "is_emulator", False) else WAIT_S

    @classmethod
    def of(cls, account: Clients, url: str) -> Queue | None:
        """The queue of a URL; None if it is gone."""
        asked = {"QueueUrl": url, "AttributeNames": ["All"]}
        answer = found(lambda: account.client("sqs").get_queue_attributes(**asked), *QUEUE_GONE)
        return None if answer is None else cls(account, url, answer["Attributes"])

    @property
    def count(self) -> int:
        """How many messages are in it, about: visible, in flight and delayed."""
        return sum(depth(self._attributes))

    def hindrance(self) -> str | None:
        """Why nothing may be received from it; None if it disturbs nobody."""
        from botocore.exceptions import BotoCoreError, ClientError

        if self._receives_max is not None and self._receives_max < RECEIVES_MIN:
            return f"looking for it would count towards the {self._receives_max} receives after which the queue's redrive policy moves a message"
        if self.count > BACKLOG_MAX:
            return f"the queue holds about {self.count} messages, too many to look through"
        try:
            takers = [*self._functions(), *self._pipes()]
        except (BotoCoreError, ClientError) as error:
            return f"it cannot be seen who takes messages out of the queue ({clip(str(error))})"
        return f"{', '.join(takers)} takes messages out of the queue, and may have this one in hand" if takers else None

    def _functions(self) -> Iterator[str]:
        for arn in functions_that_take(self._account.client("lambda"), self._attributes["QueueArn"]):
            yield arn.partition(":function:")[2] or arn

    def _pipes(self) -> Iterator[str]:
        pages = self._account.client("pipes").get_paginator("list_pipes")
        for page in pages.paginate(SourcePrefix=self._attributes["QueueArn"]):
            for pipe in page["Pipes"]:
                if pipe.get("Source") == self._attributes["QueueArn"] and pipe.get("DesiredState") != "STOPPED":
                    yield pipe["Name"]

    def check_delay(self, entry: Entry) -> None:
        """Raise if nobody can see a message yet."""
        until = self._delayed_until(entry)
        if until is not None:
            raise StagefrightError(f"It is delayed until {iso(until)}: sweep again then.")

    def _delayed_until(self, entry: Entry) -> float | None:
        delay_s = entry.detail.get("delay_s")
        until = entry.at + float(self._attributes.get("DelaySeconds", 0) if delay_s is None else delay_s)
        return until if until > time.time() else None

    def peek(self) -> list[Message]:
        """What can be received from it; shown again."""
        seen: list[Message] = []
        try:
            for batch in batches(self._sqs, self._url, wait_s=self._wait_s):
                seen += batch
        finally:
            show_again(self._sqs, self._url, seen)
        return seen

    def take_out(self, entries: Sequence[Entry]) -> dict[str, Left]:
        """Delete messages, and show the others again; gives those that could not be had, by their ids."""
        missing, left = list(entries), None
        for look in range(LOOKS_MAX):
            missing, left = self._take_out(missing)
            is_hidden = any(self._delayed_until(one) is None for one in missing) and self._in_flight()
            if left is not None or not is_hidden or look == LOOKS_MAX - 1:
                break
            time.sleep(PAUSE_S)
        found_out = {str(one.detail["key"]): left or self._why_missing(one) for one in missing}
        return {key: why for key, why in found_out.items() if why is not None}

    def _take_out(self, wanted: list[Entry]) -> tuple[list[Entry], Left | None]:
        """Go through the queue once; gives what was not there, and why it was not gone through to its end."""
        others: list[Message] = []
        try:
            for batch in batches(self._sqs, self._url, wait_s=self._wait_s):
                others += batch
                for message in batch:
                    meant = next((entry for entry in wanted if _is_meant(message, entry)), None)
                    if meant is not None:
                        self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=message["ReceiptHandle"])
                        others.remove(message)
                        wanted = [entry for entry in wanted if entry is not meant]
                if not wanted:
                    return [], None
                if any(is_half_used_up(one, self._receives_max) for one in others):
                    return wanted, Left(
                        f"half of the {self._receives_max} receives are used up after which the queue's redrive policy moves a message"
                    )
        finally:
            show_again(self._sqs, self._url, others)
        crowd = crowded_groups(others)
        return wanted, Left(f"the group {crowd[0]!r} has more messages than SQS hands out at once") if crowd else None

    def _in_flight(self) -> int:
        now = Queue.of(self._account, self._url)
        return 0 if now is None else depth(now._attributes)[1]

    def _why_missing(self, entry: Entry) -> Left | None:
        until = self._delayed_until(entry)
        if until is not None:
            return Left(f"it is delayed until {iso(until)}", is_for_good=False)
        in_flight = self._in_flight()
        return Left(f"it was not found, and {plural(in_flight, 'message')} in flight may be it") if in_flight else None
