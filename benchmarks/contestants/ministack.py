"""MiniStack: an emulator in a server process that runs Python functions in warm workers, without Docker."""

from __future__ import annotations

import contextlib
import json
import sys
import urllib.request
from collections.abc import Sequence
from typing import Any, ClassVar

from benchmarks.contest import Cannot, report, samples, timed, wait_for
from benchmarks.deploying import REGION, batches, create_stack, message, plain_template, upload_code
from tests.deployed import ministack
from tests.servers import NotUp

LARGE = 1000
"""As many messages as it works off in reasonable time."""


class MiniStack:
    """MiniStack with its default settings, on a free port of the loopback, and boto3 over HTTP."""

    notes: ClassVar = {
        "backlog_large": f"{LARGE:,} messages",
        "async_failure": "its retries come after 1 and 2 s",
        "stack_up": "SAM expanded before",
        "stack_up_first": "the server runs; SAM expanded before",
        "reset": "the stack is made anew",
    }

    def open(self) -> None:
        import boto3

        if not ministack.PROGRAM.exists():
            raise Cannot("not installed")
        self.template = plain_template()
        self.server = contextlib.ExitStack()
        try:
            self.url = self._start()
            keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}
            names = ("cloudformation", "dynamodb", "lambda", "s3", "sqs")
            self.clients: dict[str, Any] = {name: boto3.client(name, endpoint_url=self.url, **keys) for name in names}
            self.first_up_ms = timed(self._deploy)
        except BaseException:
            self.close()
            raise

    def _start(self) -> str:
        try:
            return self.server.enter_context(ministack.running())
        except NotUp:
            raise Cannot("would not start") from None

    def close(self) -> None:
        """End the server and the workers that it started."""
        self.server.close()

    def async_failure(self) -> Sequence[float]:
        self._wire_dead_letters()
        return samples(1, self._fail, warm_up=0)

    def message(self) -> Sequence[float]:
        return samples(40, self._store_one)

    def call_own(self) -> Sequence[float]:
        queue, sqs = self.ids["ParkedQueue"], self.clients["sqs"]
        return samples(200, lambda n: sqs.send_message(QueueUrl=queue, MessageBody=message(n)))

    call_http = call_own
    """It knows no other way."""

    def call_kept(self) -> Sequence[float]:
        item = {"id": {"S": "item"}, "note": {"S": "x" * 100}}
        return samples(200, lambda _: self.clients["dynamodb"].put_item(TableName=self.ids["ItemsTable"], Item=item))

    def backlog_small(self) -> Sequence[float]:
        return [self._backlog(100)]

    def backlog_large(self) -> Sequence[float]:
        return [self._backlog(LARGE)]

    def stack_up_first(self) -> Sequence[float]:
        return [self.first_up_ms]

    def stack_up(self) -> Sequence[float]:
        timings = []
        for _ in range(5):
            self._wipe()
            timings.append(timed(self._deploy))
        return timings

    def reset(self) -> Sequence[float]:
        """It can only forget everything; the stack must be made again."""
        return samples(5, lambda _: (self._wipe(), self._deploy()))

    def _deploy(self) -> None:
        upload_code(self.clients["s3"])
        self.ids: dict[str, str] = create_stack(self.clients["cloudformation"], self.template)

    def _wipe(self) -> None:
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/_ministack/reset", method="POST")).read()

    def _wire_dead_letters(self) -> None:
        """Its CloudFormation forgets `DeadLetterConfig`; its API knows it."""
        arn = self.clients["sqs"].get_queue_attributes(QueueUrl=self.ids["FailedEvents"], AttributeNames=["QueueArn"])
        self.clients["lambda"].update_function_configuration(
            FunctionName=self.ids["FailingFunction"], DeadLetterConfig={"TargetArn": arn["Attributes"]["QueueArn"]}
        )

    def _fail(self, n: int) -> None:
        self.clients["lambda"].invoke(
            FunctionName=self.ids["FailingFunction"], InvocationType="Event", Payload=json.dumps({"n": n})
        )
        dead = self.ids["FailedEvents"]
        wait_for(lambda: self.clients["sqs"].receive_message(QueueUrl=dead, WaitTimeSeconds=5).get("Messages"))

    def _store_one(self, n: int) -> None:
        self.clients["sqs"].send_message(QueueUrl=self.ids["IntakeQueue"], MessageBody=message(n))
        wait_for(lambda: self._has(n))

    def _has(self, n: int) -> bool:
        key = {"id": {"S": f"item-{n}"}}
        return "Item" in self.clients["dynamodb"].get_item(TableName=self.ids["ItemsTable"], Key=key)

    def _backlog(self, count: int) -> float:
        self._wipe()
        self._deploy()
        self._store_one(-1)  # warm
        return timed(lambda: self._work_off(count)) / count

    def _work_off(self, count: int) -> None:
        for entries in batches(count):
            self.clients["sqs"].send_message_batch(QueueUrl=self.ids["IntakeQueue"], Entries=entries)
        wait_for(lambda: self._stored() >= count, within_s=300, every_s=0.05)

    def _stored(self) -> int:
        pages = (
            self.clients["dynamodb"].get_paginator("scan").paginate(TableName=self.ids["ItemsTable"], Select="COUNT")
        )
        return sum(page["Count"] for page in pages)


if __name__ == "__main__":
    report(MiniStack(), sys.argv[1:])
