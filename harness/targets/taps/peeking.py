"""
Looking into a queue: its messages are received and shown again at once, since SQS cannot be looked into otherwise.

A receive hides a message for a moment and counts (§3.2), which changes nothing where nobody else receives and no redrive policy
counts along.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from stagefright.targets.taps.own_queue import BATCH_MAX

HIDE_S = 30
"""How long a receive hides messages, so that the next one finds others; they are shown again at once when all were seen."""

BACKLOG_MAX = 500
"""How many messages a queue may hold: each look goes through all of them."""

RECEIVES_MIN = 100
"""With a redrive policy of fewer receives than that, looking would soon move a message; none is looked at more than half as often."""

Message = Mapping[str, Any]


def batches(sqs: Any, url: str, *, wait_s: int) -> Iterator[list[Message]]:
    """Receive until nothing comes any more, or so often that a queue of `BACKLOG_MAX` is through; each message is hidden for `HIDE_S`."""
    for _ in range(BACKLOG_MAX):
        answer = sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=BATCH_MAX,
            VisibilityTimeout=HIDE_S,
            WaitTimeSeconds=wait_s,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages = answer.get("Messages", [])
        if not messages:
            return
        yield messages


def show_again(sqs: Any, url: str, messages: Iterable[Message]) -> None:
    """Let received messages be seen by others at once."""
    listed = list(messages)
    for start in range(0, len(listed), BATCH_MAX):
        entries = [
            {"Id": str(n), "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": 0}
            for n, message in enumerate(listed[start : start + BATCH_MAX])
        ]
        # One that was deleted meanwhile is refused, which is right; one that is not shown shows itself soon.
        sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)


def receives_max_of(attributes: Mapping[str, str]) -> int | None:
    """After how many receives a queue's redrive policy moves a message; None without one."""
    redrive = json.loads(attributes.get("RedrivePolicy") or "{}")
    return int(redrive["maxReceiveCount"]) if "maxReceiveCount" in redrive else None


def is_half_used_up(message: Message, receives_max: int | None) -> bool:
    """Whether a message was received half as often as a redrive policy lets it be."""
    receives = int(message["Attributes"].get("ApproximateReceiveCount", 0))
    return receives_max is not None and receives * 2 >= receives_max


def group_of(message: Message) -> str | None:
    """The group of a FIFO queue's message."""
    group = message["Attributes"].get("MessageGroupId")
    return None if group is None else str(group)


def crowded_groups(messages: Iterable[Message]) -> list[str]:
    """The groups of which so much was received that SQS hands out nothing that is behind it."""
    groups = [group_of(one) for one in messages]
    return sorted({name for name in groups if name is not None and groups.count(name) >= BATCH_MAX})
