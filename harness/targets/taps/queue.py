"""
An SQS queue that nobody takes messages from, such as a dead-letter queue, seen by receiving its messages and putting them back.

`peeking.py` says what that changes. Where somebody else receives, `consumers.py` refuses; so this tap never races for a message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from stagefright.errors import UnsupportedOperation
from stagefright.services.queue_message import plain_values
from stagefright.targets.taps.ground import Ground
from stagefright.targets.taps.own_queue import BATCH_MAX, WAIT_S, sent_at
from stagefright.targets.taps.peeking import (
    BACKLOG_MAX,
    Message,
    batches,
    crowded_groups,
    is_half_used_up,
    show_again,
)
from stagefright.targets.taps.tap import Sighting


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

    def _peek(self) -> list[Message]:
        """All messages, each put back."""
        found: dict[str, Message] = {}
        sqs = self._ground.client("sqs")
        try:
            for batch in batches(sqs, self._url, wait_s=0 if self._ground.account.is_emulator else WAIT_S):
                for message in batch:
                    found.setdefault(message["MessageId"], message)
        finally:
            show_again(sqs, self._url, found.values())
        return list(found.values())

    def _sighting(self, message: Message) -> Sighting:
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

    def _limits(self, messages: list[Message]) -> Iterator[Sighting]:
        """Warnings where looking ends."""
        if any(is_half_used_up(one, self._receives_max) for one in messages):
            self._is_over = True
            yield self._warning(
                f"The listener has stopped looking: it has used up half of the {self._receives_max} receives after which the redrive "
                f"policy of {self._queue} moves a message."
            )
        for group in crowded_groups(messages):
            if group not in self._told_of_groups:
                self._told_of_groups.add(group)
                yield self._warning(
                    f"Of group {group!r} the listener sees the first {BATCH_MAX} messages only: while they are there, SQS hands out "
                    f"none that is behind them."
                )

    def _warning(self, text: str) -> Sighting:
        return Sighting(self._ground.now(), "warning", self._queue, {"message": text})
