"""A temporary SQS queue of our own, to which a topic or a bus sends what a tap is to see."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from stagefright.targets.taps.ground import Ground

RETENTION_S = 86_400
"""How long it keeps what nobody fetched: longer than a test stands still in a debugger."""

BATCH_MAX = 10
"""SQS hands out and deletes so many messages at once."""

WAIT_S = 1
"""How long a receive waits on AWS: without waiting it asks a few of SQS's servers only, and may miss what others have (§3.2)."""

FIFO_SUFFIX = ".fifo"

FRESH_QUEUE_S = 1.0
"""A queue can be used one second after it was made (BC sqs `CreateQueue`)."""


class OwnQueue:
    """
    A queue that exists for one tap.

    `sender` is the service principal and `source_arn` the one resource that may send to it.
    """

    def __init__(self, ground: Ground, name: str, *, sender: str, source_arn: str, is_fifo: bool = False) -> None:
        self._ground = ground
        self._sender = sender
        self._source_arn = source_arn
        self._is_fifo = is_fifo
        self.name = name + FIFO_SUFFIX if is_fifo else name
        partition, region, account = _place(source_arn)
        self.arn = f"arn:{partition}:sqs:{region}:{account}:{self.name}"
        self._url: str | None = None
        self._strike: Callable[[], None] | None = None

    def make(self) -> None:
        """Create it; it stands in the ledger before."""
        self._strike = self._ground.ledger.note("queue", self.name)
        sqs = self._ground.client("sqs")
        made = sqs.create_queue(QueueName=self.name, Attributes=self._attributes(), tags=dict(self._ground.tags))
        self._url = made["QueueUrl"]
        self._ground.wait_on_aws(FRESH_QUEUE_S)

    def _attributes(self) -> dict[str, str]:
        fifo = {"FifoQueue": "true"} if self._is_fifo else {}
        return {"Policy": json.dumps(self._policy()), "MessageRetentionPeriod": str(RETENTION_S), **fifo}

    def _policy(self) -> dict[str, Any]:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": self._sender},
            "Action": "sqs:SendMessage",
            "Resource": self.arn,
            "Condition": {"ArnEquals": {"aws:SourceArn": self._source_arn}},
        }
        return {"Version": "2012-10-17", "Statement": [statement]}

    def take(self) -> list[Mapping[str, Any]]:
        """All messages that are there, each taken out for good."""
        found: list[Mapping[str, Any]] = []
        try:
            # Of a FIFO group none is handed out as long as those before it are there.
            while messages := self._receive():
                found += messages
                self._delete(messages)
        except Exception:
            # What was taken out is seen nowhere else; an error that lasts comes again with the next poll.
            if not found:
                raise
        return found

    def _receive(self) -> list[Mapping[str, Any]]:
        answer = self._ground.client("sqs").receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=BATCH_MAX,
            WaitTimeSeconds=0 if self._ground.account.is_emulator else WAIT_S,
            MessageSystemAttributeNames=["All"],
        )
        return list(answer.get("Messages", ()))

    def _delete(self, messages: list[Mapping[str, Any]]) -> None:
        entries = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(messages)]
        # One that is not deleted is seen again, and known then.
        self._ground.client("sqs").delete_message_batch(QueueUrl=self._url, Entries=entries)

    def remove(self) -> None:
        """Delete it, if it was made or may have been."""
        if self._strike is None:
            return
        sqs = self._ground.client("sqs")
        with suppress(sqs.exceptions.QueueDoesNotExist):
            sqs.delete_queue(QueueUrl=self._url or sqs.get_queue_url(QueueName=self.name)["QueueUrl"])
        self._strike()
        self._strike = None


def sent_at(message: Mapping[str, Any]) -> float:
    """When a received message was sent, in epoch seconds."""
    return int(message["Attributes"]["SentTimestamp"]) / 1000


def trace_of(message: Mapping[str, Any]) -> dict[str, str]:
    """The trace header that came with a message, as the journal has it, if one did."""
    header = message["Attributes"].get("AWSTraceHeader")
    return {"trace_header": header} if header else {}


def _place(arn: str) -> tuple[str, str, str]:
    _, partition, _, region, account, _ = arn.split(":", 5)
    return partition, region, account
