"""Stagefright's local stage, by its public interface only."""

from __future__ import annotations

import gc
import json
import sys
import tracemalloc
from collections.abc import Sequence
from contextlib import ExitStack
from typing import ClassVar

from benchmarks.contest import Cannot, report, samples, timed
from benchmarks.deploying import TEMPLATE, batches, message

LARGE = 10_000
MEASURED_FROM, MEASURED_TO = 500, 2_500
"""Memory is compared after so many messages, so that what is made once is not counted."""


class Stagefright:
    """One local stage for all rows, reset between them."""

    notes: ClassVar[dict[str, str]] = {}

    def open(self) -> None:
        self.stages = ExitStack()
        self.first_up_ms = timed(self._up)

    def close(self) -> None:
        self.stages.close()

    def async_failure(self) -> Sequence[float]:
        self.stage.reset()
        timings = samples(50, self._fail)
        dead = self._count("FailedEvents")
        assert dead == 53, f"{dead} dead letters, not 53"
        return timings

    def message(self) -> Sequence[float]:
        self.stage.reset()
        timings = samples(200, self._store_one)
        stored = self._stored()
        assert stored == 203, f"{stored} items, not 203"
        return timings

    def call_own(self) -> Sequence[float]:
        self.stage.reset()
        queue, sqs = self.stage.ref("ParkedQueue"), self.stage.client("sqs")
        return samples(200, lambda n: sqs.send_message(QueueUrl=queue, MessageBody=message(n)))

    def call_kept(self) -> Sequence[float]:
        self.stage.reset()
        table, dynamodb = self.stage.ref("ItemsTable"), self.stage.client("dynamodb")
        item = {"id": {"S": "item"}, "note": {"S": "x" * 100}}
        return samples(200, lambda _: dynamodb.put_item(TableName=table, Item=item))

    def backlog_small(self) -> Sequence[float]:
        return [self._backlog(100) for _ in range(5)]

    def backlog_large(self) -> Sequence[float]:
        return [self._backlog(LARGE)]

    def kept_per_message(self) -> Sequence[float]:
        """Bytes that stay allocated for each message consumed, the written item not counted."""
        self.stage.reset()
        tracemalloc.start()
        try:
            self._work_off(MEASURED_FROM)
            self._forget_items()
            before = _allocated()
            self._work_off(MEASURED_TO - MEASURED_FROM)
            self._forget_items()
            kept = _allocated() - before
            self.stage.reset()
            self.kept_after_reset_bytes = (_allocated() - before) / (MEASURED_TO - MEASURED_FROM)
        finally:
            tracemalloc.stop()
        return [kept / (MEASURED_TO - MEASURED_FROM)]

    def kept_after_reset(self) -> Sequence[float]:
        return [max(0.0, self.kept_after_reset_bytes)]

    def stack_up_first(self) -> Sequence[float]:
        return [self.first_up_ms]

    def stack_up(self) -> Sequence[float]:
        timings = []
        for _ in range(10):
            self.stages.close()
            timings.append(timed(self._up))
        return timings

    def reset(self) -> Sequence[float]:
        """With a message gone through each time, so that there is something to undo."""
        timings = []
        for n in range(20):
            self._store_one(n)
            timings.append(timed(self.stage.reset))
        return timings

    def day_of_retries(self) -> Sequence[float]:
        raise Cannot("later")

    def _up(self) -> None:
        import stagefright

        self.stage = self.stages.enter_context(stagefright.open_stage("bench", template=TEMPLATE))

    def _fail(self, n: int) -> None:
        self.stage.client("lambda").invoke(
            FunctionName=self.stage.ref("FailingFunction"), InvocationType="Event", Payload=json.dumps({"n": n})
        )
        self.stage.settle()

    def _store_one(self, n: int) -> None:
        self.stage.client("sqs").send_message(QueueUrl=self.stage.ref("IntakeQueue"), MessageBody=message(n))
        self.stage.settle()

    def _backlog(self, count: int) -> float:
        self.stage.reset()
        self._store_one(-1)  # warm
        cost = timed(lambda: self._work_off(count)) / count
        stored = self._stored()
        assert stored == count + 1, f"{stored} items, not {count + 1}"
        return cost

    def _work_off(self, count: int) -> None:
        queue, sqs = self.stage.ref("IntakeQueue"), self.stage.client("sqs")
        for entries in batches(count):
            sqs.send_message_batch(QueueUrl=queue, Entries=entries)
        self.stage.settle()

    def _stored(self) -> int:
        pages = (
            self.stage.client("dynamodb")
            .get_paginator("scan")
            .paginate(TableName=self.stage.ref("ItemsTable"), Select="COUNT")
        )
        return sum(page["Count"] for page in pages)

    def _forget_items(self) -> None:
        table, dynamodb = self.stage.ref("ItemsTable"), self.stage.client("dynamodb")
        for page in dynamodb.get_paginator("scan").paginate(TableName=table, ProjectionExpression="id"):
            for key in page["Items"]:
                dynamodb.delete_item(TableName=table, Key=key)

    def _count(self, queue: str) -> int:
        attributes = self.stage.client("sqs").get_queue_attributes(
            QueueUrl=self.stage.ref(queue), AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(attributes["Attributes"]["ApproximateNumberOfMessages"])


def _allocated() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


if __name__ == "__main__":
    report(Stagefright(), heavy="--heavy" in sys.argv)
