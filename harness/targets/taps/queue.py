"""
An SQS queue that nobody takes messages from, such as a dead-letter queue, seen by receiving its messages and putting them back.

SQS cannot be looked into otherwise. A receive hides messages for a moment and counts (§3.2), which changes nothing where nobody else
receives and no redrive policy counts along. Where somebody does, `consumers.py` refuses; so this tap never races for a message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from stagefright.errors import UnsupportedOperation
from stagefright.services.queue_message import plain_values
from stagefright.targets.taps.ground import Ground
from stagefright.targets.taps.own_queue import BATCH_MAX, WAIT_S, sent_at
from stagefright.targets.taps.tap import Sighting

HIDE_S = 30
"""How long a receive hides messages, so that the next one finds others; they are shown again at once when all were seen."""

BACKLOG_MAX = 500
"""How many messages a queue may hold: each look goes through all of them."""

RECEIVES_MIN = 100
"""With a redrive policy of fewer receives than that, looking would soon move a message; none is looked at more than half as often."""


class QueueTap:
    """The messages that arrive in a queue and stay there until the next look."""

    is_behind = False

    def __init__(
        self, ground: Ground, queue: str, url: str, *, receives_max: int | None, name_of: Callable[[str], str]
    ):
        self._ground = ground
        self._queue = queue
        self._url = url
        self._receives_max = receives_max
        """The `maxReceiveCount` of its redrive policy, if it has one."""
        self._name_of = name_of
        """What the stage calls the queue of an ARN."""
        self._known: set[str] = set()
        self._is_over = False
        self._told_of_groups: set[str] = set()

    def arm(self) -> None:
        """See what is there already, which is no news."""
        self._check_size()
        self._known = {message["MessageId"] for message in self._peek()}

    def _check_size(self) -> None:
        asked = ["ApproximateNumberOfMessages"]
        found = self._ground.client("sqs").get_queue_attributes(QueueUrl=self._url, AttributeNames=asked)
        waiting = int(found["Attributes"][asked[0]])
        if waiting > BACKLOG_MAX:
            raise UnsupportedOperation(
                f"{self._queue} holds about {waiting} messages. A listener on a deployed queue goes through all of them at each look, "
                f"so it takes {BACKLOG_MAX} at most: empty the queue first, or listen to what sends to it."
            )

    def poll(self) -> list[Sighting]:
        """The messages that are there now and were not before."""
        if self._is_over:
            return []
        messages = list(self._peek())
        fresh = [message for message in messages if message["MessageId"] not in self._known]
        self._known |= {message["MessageId"] for message in fresh}
        return [*map(self._sighting, fresh), *self._limits(messages)]

    def _peek(self) -> list[Mapping[str, Any]]:
        """All messages, each put back."""
        found: dict[str, Mapping[str, Any]] = {}
        try:
            for message in self._receive():
                found.setdefault(message["MessageId"], message)
        finally:
            self._show(list(found.values()))
        return list(found.values())

    def _receive(self) -> Iterator[Mapping[str, Any]]:
        sqs = self._ground.client("sqs")
        wait_s = 0 if self._ground.account.is_emulator else WAIT_S
        for _ in range(BACKLOG_MAX):
            answer = sqs.receive_message(
                QueueUrl=self._url,
                MaxNumberOfMessages=BATCH_MAX,
                VisibilityTimeout=HIDE_S,
                WaitTimeSeconds=wait_s,
                MessageSystemAttributeNames=["All"],
                MessageAttributeNames=["All"],
            )
            messages = answer.get("Messages", [])
            if not messages:
                return
            yield from messages

    def _show(self, messages: list[Mapping[str, Any]]) -> None:
        sqs = self._ground.client("sqs")
        for start in range(0, len(messages), BATCH_MAX):
            entries = [
                {"Id": str(n), "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}
                for n, message in enumerate(messages[start : start + BATCH_MAX])
            ]
            # One that was deleted meanwhile is refused, which is right; one that is not shown shows itself soon.
            sqs.change_message_visibility_batch(QueueUrl=self._url, Entries=entries)

    def _sighting(self, message: Mapping[str, Any]) -> Sighting:
        system = message["Attributes"]
        detail = {
            "id": message["MessageId"],
            "body": message["Body"],
            "attributes": plain_values(message.get("MessageAttributes", {})),
        }
        names = {"group_id": "MessageGroupId", "dedup_id": "MessageDeduplicationId", "trace_header": "AWSTraceHeader"}
        detail |= {ours: system[theirs] for ours, theirs in names.items() if theirs in system}
        source = system.get("DeadLetterQueueSourceArn")
        if source is None:
            return Sighting(sent_at(message), "event", self._queue, detail, message["MessageId"])
        # A redrive keeps the time at which the message was sent; when it moved, AWS does not say.
        moved = {"source": self._name_of(source), "condition": "maxReceiveCount", "ids": [message["MessageId"]]}
        return Sighting(self._ground.now(), "dead_letter", self._queue, detail | moved, message["MessageId"])

    def close(self) -> None:
        """Nothing was made; a message that a broken-off look has hidden shows itself again."""

    # -- what it cannot see ------------------------------------------------------------------------------------------

    def _limits(self, messages: list[Mapping[str, Any]]) -> Iterator[Sighting]:
        """Warnings where looking ends."""
        if self._receives_max is not None and any(_receives(one) * 2 >= self._receives_max for one in messages):
            self._is_over = True
            yield self._warning(
                f"The listener has stopped looking: it has used up half of the {self._receives_max} receives after which the redrive "
                f"policy of {self._queue} moves a message."
            )
        groups = [one["Attributes"].get("MessageGroupId") for one in messages]
        for group in sorted({name for name in groups if name is not None and groups.count(name) >= BATCH_MAX}):
            if group not in self._told_of_groups:
                self._told_of_groups.add(group)
                yield self._warning(
                    f"Of group {group!r} the listener sees the first {BATCH_MAX} messages only: while they are there, SQS hands out "
                    f"none that is behind them."
                )

    def _warning(self, text: str) -> Sighting:
        return Sighting(self._ground.now(), "warning", self._queue, {"message": text})


def _receives(message: Mapping[str, Any]) -> int:
    return int(message["Attributes"].get("ApproximateReceiveCount", 0))
