"""moto as it comes, in process: it keeps state, but delivers nothing without Docker."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Any, ClassVar

from benchmarks.contest import Cannot, report, samples, timed
from benchmarks.deploying import REGION, batches, create_stack, message, plain_template, upload_code

LARGE = 1000
"""Its SQS looks at every message on every call; 10,000 would take most of an hour."""


class RawMoto:
    """moto's `mock_aws`, and boto3."""

    notes: ClassVar = {
        "backlog_large": f"{LARGE:,} messages, sent, received and deleted; no function",
        "backlog_small": "sent, received and deleted; no function",
        "stack_up": "13 of the 15 resources; SAM expanded before",
        "stack_up_first": "13 of the 15 resources; SAM expanded before",
        "reset": "the stack is made anew",
    }

    def open(self) -> None:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            os.environ[name] = "testing"
        os.environ["AWS_DEFAULT_REGION"] = REGION
        logging.disable()  # it reports what its CloudFormation skips; the table says so once
        imports_ms = timed(self._start)
        self.template = plain_template()
        self.first_up_ms = imports_ms + timed(self._deploy)

    def close(self) -> None:
        self.mock.stop()

    def async_failure(self) -> Sequence[float]:
        raise Cannot("never retries")

    def message(self) -> Sequence[float]:
        raise Cannot("functions need Docker")

    def call_own(self) -> Sequence[float]:
        sqs = self.clients["sqs"]
        timings: list[float] = []
        for short in range(10):  # the longer the queue, the slower: to its advantage, a new one every 20 messages
            queue = sqs.create_queue(QueueName=f"short-{short}")["QueueUrl"]
            timings += samples(20, lambda n, queue=queue: sqs.send_message(QueueUrl=queue, MessageBody=message(n)))
        return timings

    def call_kept(self) -> Sequence[float]:
        return samples(200, self._put)

    def backlog_small(self) -> Sequence[float]:
        return [self._backlog(100) for _ in range(3)]

    def backlog_large(self) -> Sequence[float]:
        return [self._backlog(LARGE)]

    def stack_up_first(self) -> Sequence[float]:
        return [self.first_up_ms]

    def stack_up(self) -> Sequence[float]:
        timings = []
        for _ in range(10):
            self.mock.reset()
            timings.append(timed(self._deploy))
        return timings

    def reset(self) -> Sequence[float]:
        """It can only forget everything; the stack must be made again."""
        return samples(10, lambda _: (self.mock.reset(), self._deploy()))

    def _start(self) -> None:
        import boto3
        from moto import mock_aws

        self.mock = mock_aws()
        self.mock.start()
        self.clients = {name: boto3.client(name) for name in ("cloudformation", "dynamodb", "s3", "sqs")}

    def _deploy(self) -> None:
        upload_code(self.clients["s3"])
        self.ids: dict[str, str] = create_stack(self.clients["cloudformation"], self.template)

    def _put(self, n: int) -> None:
        item = {"id": {"S": f"item-{n}"}, "note": {"S": "x" * 100}}
        self.clients["dynamodb"].put_item(TableName=self.ids["ItemsTable"], Item=item)

    def _backlog(self, count: int) -> float:
        """Send all, then receive and delete all: its queue alone, as no function can run."""
        queue, sqs = self.ids["ParkedQueue"], self.clients["sqs"]
        return timed(lambda: _work_off(sqs, queue, count)) / count


def _work_off(sqs: Any, queue: str, count: int) -> None:
    for entries in batches(count):
        sqs.send_message_batch(QueueUrl=queue, Entries=entries)
    for _ in range(count // 10):
        received = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
        handles = [{"Id": str(n), "ReceiptHandle": one["ReceiptHandle"]} for n, one in enumerate(received)]
        sqs.delete_message_batch(QueueUrl=queue, Entries=handles)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    report(RawMoto(), sys.argv[1:])
