"""Stagefright's local stage, by its public interface; where that does not reach, a docstring says so."""

from __future__ import annotations

import gc
import json
import resource
import subprocess
import sys
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.contest import Cannot, report, samples, timed
from benchmarks.deploying import TEMPLATE, batches, message

LARGE = 10_000
WINDOW = 2_500
"""
Memory is the most that is seen in a window of so many messages; one window ends at 5,000 messages, the other at 10,000.

The journal keeps between 4,096 and 8,192 records in memory, so single moments would differ by megabytes.
"""
STEP = 250
ITEMS = 200
"""Messages write the same items again and again, for a table that grows is no leak."""
ATTEMPTS = 186
"""The first hand-over of a rule's target, and 185 retries."""

THROTTLES = 79
"""Waits of 1, 2, 4 ... 256 s and then of 300 s, until the next one would end after six hours."""


ROOT = Path(__file__).parents[2]
OVER_HTTP = """
import json, sys
import boto3
url, queue, root = sys.argv[1:]
sys.path.insert(0, root)
from benchmarks.contest import samples
from benchmarks.deploying import REGION, message
keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": REGION}
sqs = boto3.client("sqs", endpoint_url=url, **keys)
print(json.dumps(samples(200, lambda n: sqs.send_message(QueueUrl=queue, MessageBody=message(n)))))
"""
"""What another process does to measure a call over HTTP."""


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

    def message_cold(self) -> Sequence[float]:
        """The function's modules are imported anew, and it makes its session and its client anew."""
        timings = []
        for n in range(20):
            self.stage.reset()
            timings.append(timed(lambda n=n: self._store_one(n)))
        return timings

    def call_own(self) -> Sequence[float]:
        self.stage.reset()
        queue, sqs = self.stage.ref("ParkedQueue"), self.stage.client("sqs")
        return samples(200, lambda n: sqs.send_message(QueueUrl=queue, MessageBody=message(n)))

    def call_http(self) -> Sequence[float]:
        """Measured by the other process."""
        self.stage.reset()
        arguments = [self.stage.endpoint_url, self.stage.ref("ParkedQueue"), str(ROOT)]
        done = subprocess.run([sys.executable, "-c", OVER_HTTP, *arguments], capture_output=True, text=True, check=True)
        timings: list[float] = json.loads(done.stdout)
        return timings

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
        """Bytes that stay allocated for each message consumed."""
        tracemalloc.start()
        try:
            self._rewriting(STEP)
            self.stage.reset()
            fresh = _allocated()
            growth = self._growth(_allocated)
            self.stage.reset()
            self.kept_after_reset_kb = (_allocated() - fresh) / 1000
        finally:
            tracemalloc.stop()
        return [growth / (2 * WINDOW)]

    def kept_after_reset(self) -> Sequence[float]:
        return [self.kept_after_reset_kb]

    def resident_growth(self) -> Sequence[float]:
        """The same for the process as a whole, as the system sees it, in a run that is not slowed by tracing."""
        self.stage.reset()
        return [self._growth(_resident) / 1e6]

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

    def hours_of_throttles(self) -> Sequence[float]:
        """
        An event for a function whose reserved concurrency is taken until the event is six hours old.

        No invocation lasts that long, so the slot is taken in the executor's own count of what runs.
        """
        return [self._throttle_for_hours() for _ in range(10)]

    def day_of_retries(self) -> Sequence[float]:
        """
        A rule whose target queue refuses for a day.

        No queue of a healthy world refuses so, and the public interface has no fault for it; the queue's `send` is replaced.
        """
        return [self._refuse_for_a_day() for _ in range(10)]

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

    def _growth(self, measure: Callable[[], int]) -> int:
        """How much more there is at 10,000 messages than at 5,000."""
        self._rewriting(WINDOW)
        early = self._most(measure)
        self._rewriting(WINDOW)
        return self._most(measure) - early

    def _most(self, measure: Callable[[], int]) -> int:
        most = 0
        for _ in range(WINDOW // STEP):
            self._rewriting(STEP)
            most = max(most, measure())
        return most

    def _rewriting(self, count: int) -> None:
        for _ in range(0, count, ITEMS):
            self._work_off(min(ITEMS, count))

    def _throttle_for_hours(self) -> float:
        self.stage.reset()
        aws, name = self.stage.client("lambda"), self.stage.ref("FailingFunction")
        aws.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
        world, began = self.stage.world, self.stage.clock.now()
        function = world.functions.find(name).function
        # An invocation that never ends has the only place there is.
        with world.executor._concurrency.admitted(function, provisioned=False, grows=False):
            aws.invoke(FunctionName=name, InvocationType="Event", Payload=b"{}")
            cost = timed(self.stage.settle)
        hours = (self.stage.clock.now() - began) / 3600
        throttles = len(self.stage.journal.of_kind("retry"))
        assert (throttles, self._count("FailedEvents")) == (THROTTLES, 1), f"{throttles} retries"
        assert 5.9 < hours <= 6, f"{hours} hours"
        return cost

    def _refuse_for_a_day(self) -> float:
        self.stage.reset()
        events = self.stage.client("events")
        events.put_rule(Name="every-order", EventPattern=json.dumps({"source": ["bench"]}))
        target = {
            "Id": "refuses",
            "Arn": self.stage.arn("ParkedQueue"),
            "DeadLetterConfig": {"Arn": self.stage.arn("FailedEvents")},
        }
        events.put_targets(Rule="every-order", Targets=[target])
        began = self.stage.clock.now()
        with _refusing(self.stage.world.queues.by_arn(target["Arn"])) as refused:
            events.put_events(Entries=[{"Source": "bench", "DetailType": "order", "Detail": "{}"}])
            cost = timed(self.stage.settle)
        hours = (self.stage.clock.now() - began) / 3600
        assert (len(refused), self._count("FailedEvents")) == (ATTEMPTS, 1), f"{len(refused)} attempts"
        assert 23.9 < hours <= 24, f"{hours} hours"
        return cost

    def _count(self, queue: str) -> int:
        attributes = self.stage.client("sqs").get_queue_attributes(
            QueueUrl=self.stage.ref(queue), AttributeNames=["ApproximateNumberOfMessages"]
        )
        return int(attributes["Attributes"]["ApproximateNumberOfMessages"])


@contextmanager
def _refusing(queue: Any) -> Iterator[list[str]]:
    """The queue's service is down; what it refused is listed."""
    from stagefright.aws_api.errors import ApiError

    refused = []

    def send(_queue: Any, body: str, **_: Any) -> None:
        refused.append(body)
        raise ApiError("ServiceUnavailable", "The service is down.", status=503)

    ours = queue.arn
    kind = type(queue)
    real = kind.send
    kind.send = lambda one, *args, **settings: (send if one.arn == ours else real)(one, *args, **settings)
    try:
        yield refused
    finally:
        kind.send = real


def _allocated() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def _resident() -> int:
    """Bytes of memory that the process has, by the system's account."""
    gc.collect()
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except FileNotFoundError:
        raise Cannot("needs /proc") from None


if __name__ == "__main__":
    report(Stagefright(), sys.argv[1:])
