"""
Lambda's poller of one SQS queue (aws-semantics §3.5 to §3.8).

It receives when there is something to receive, batches, invokes, and deletes what succeeded. What failed it leaves alone: those messages come
back when their visibility timeout ends, because nobody deleted them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stagefright.aws_api.errors import ApiError
from stagefright.delivery import backoff
from stagefright.delivery.batch_response import failed_items
from stagefright.patterns import compile_mapping_filter
from stagefright.services.queue_record import record as lambda_record
from stagefright.tasks import Signal, Task

if TYPE_CHECKING:
    from stagefright.functions.executor import Outcome
    from stagefright.services.event_source_mappings import EventSourceMapping
    from stagefright.services.queue import Queue
    from stagefright.services.queue_message import ReceivedMessage
    from stagefright.world import World

CONCURRENT_BATCHES_AT_FIRST = 5
CONCURRENT_BATCHES_PER_MINUTE = 300
CONCURRENT_BATCHES_MAX = 1_250
"""How a mapping scales while there is a backlog (§3.6)."""

WINDOW_VISIBILITY_MARGIN_S = 30
"""Added to window and timeout when they exceed the queue's visibility timeout (§3.5)."""

PAYLOAD_BYTES_MAX = 6 * 1024 * 1024


class QueuePoller:
    """Polls one queue for one mapping until it is stopped."""

    def __init__(self, world: World, mapping: EventSourceMapping, queue: Queue) -> None:
        self._world = world
        self._mapping = mapping
        self._queue = queue
        self._function = world.name_of(mapping.function_arn)
        self._source = world.name_of(queue.arn)
        self._changed = Signal(f"a message in {self._source}")
        self._filter = compile_mapping_filter({"Filters": [{"Pattern": p} for p in mapping.filters]}, "sqs")
        self._in_flight = 0
        self._busy_since: float | None = None
        self._tasks: list[Task[Any]] = []

    def start(self) -> None:
        """Begin to poll."""
        self._queue.on_available.append(self._changed.notify)
        self._tasks = [self._world.kernel.spawn(self._poll(), name=f"poller of {self._source}", cause=None)]

    def stop(self) -> None:
        """Stop polling; batches under way are seen through."""
        if self._changed.notify in self._queue.on_available:
            self._queue.on_available.remove(self._changed.notify)
        for task in self._tasks:
            task.cancel()

    # -- receiving ---------------------------------------------------------------------------------------------------

    async def _poll(self) -> None:
        while True:
            if self._in_flight >= self._concurrency_max():
                await self._changed.wait()
                continue
            batch = self._receive(self._mapping.batch_size)
            if not batch:
                await self._wait_for_messages()
                continue
            batch = await self._fill(batch)
            self._in_flight += 1
            name = f"batch from {self._source} to {self._function}"
            self._world.kernel.spawn(self._process(batch), name=name, cause=batch[0].record)

    def _receive(self, count: int) -> list[ReceivedMessage]:
        return self._queue.receive(count, visibility_timeout_s=self._visibility_timeout_s())

    def _visibility_timeout_s(self) -> int | None:
        """None for the queue's own; longer if the window would use it up (§3.5)."""
        window_s = self._mapping.batching_window_s
        if not window_s:
            return None
        needed = window_s + self._timeout_s()
        if needed <= self._queue.visibility_timeout_s:
            return None
        return needed + WINDOW_VISIBILITY_MARGIN_S

    def _timeout_s(self) -> int:
        return self._world.functions.find(self._mapping.function_arn).version.timeout_s

    async def _wait_for_messages(self) -> None:
        self._busy_since = None if self._in_flight == 0 else self._busy_since
        due = self._queue.next_visible_at()
        if due is None:
            await self._changed.wait()
        else:
            await self._world.kernel.first(self._changed.wait(), deadline=due)

    async def _fill(self, batch: list[ReceivedMessage]) -> list[ReceivedMessage]:
        """Gather more until the batch is full or its window is over."""
        kernel = self._world.kernel
        closes_at = kernel.now() + self._mapping.batching_window_s
        while len(batch) < self._mapping.batch_size and kernel.now() < closes_at:
            due = self._queue.next_visible_at()
            wake_at = closes_at if due is None else min(due, closes_at)
            await kernel.first(self._changed.wait(), deadline=wake_at)
            batch += self._receive(self._mapping.batch_size - len(batch))
        return batch

    def _concurrency_max(self) -> int:
        """Batches at once: five at first, more for each minute that the backlog lasts, up to the limit (§3.6)."""
        if self._in_flight >= CONCURRENT_BATCHES_AT_FIRST and self._busy_since is None:
            self._busy_since = self._world.clock.now()
        busy_s = 0.0 if self._busy_since is None else self._world.clock.now() - self._busy_since
        grown = CONCURRENT_BATCHES_AT_FIRST + CONCURRENT_BATCHES_PER_MINUTE * int(busy_s // 60)
        return min(grown, self._mapping.maximum_concurrency or CONCURRENT_BATCHES_MAX)

    # -- processing --------------------------------------------------------------------------------------------------

    async def _process(self, batch: list[ReceivedMessage]) -> None:
        try:
            for part in _within_payload_limit(self._drop_filtered(batch)):
                await self._deliver(part)
        finally:
            self._in_flight -= 1
            self._changed.notify()

    def _drop_filtered(self, batch: list[ReceivedMessage]) -> list[ReceivedMessage]:
        if not self._mapping.filters:
            return batch
        kept = [message for message in batch if self._filter.matches(lambda_record(message))]
        for message in batch:
            if message not in kept:
                self._queue.delete(message.receipt_handle)
                self._world.journal.write(
                    "dropped", self._source, cause=message.record, reason="filtered out", ids=[message.id]
                )
        return kept

    async def _deliver(self, batch: list[ReceivedMessage]) -> None:
        delivery = self._world.journal.write(
            "delivery",
            self._function,
            cause=batch[0].record,
            causes=[message.record for message in batch[1:]],
            source=self._source,
            ids=[message.id for message in batch],
            attempt=max(message.receive_count for message in batch),
        )
        payload = json.dumps({"Records": [lambda_record(message) for message in batch]}).encode()
        outcome = await self._invoke(payload, delivery.n, delivery.detail["attempt"])
        failed = self._failed(outcome, batch)
        for message in batch:
            if message.id not in failed:
                self._delete(message)
        if failed:
            self._note_return(failed, batch, outcome)

    async def _invoke(self, payload: bytes, cause: int, attempt: int) -> Outcome | None:
        """Invoke; a throttle is retried until the messages' visibility runs out, then the batch is let go (§3.7)."""
        kernel = self._world.kernel
        gives_up_at = kernel.now() + (self._visibility_timeout_s() or self._queue.visibility_timeout_s)
        refusals = 0
        while True:
            try:
                resolved = self._world.functions.find(self._mapping.function_arn)
                request_id = self._world.chance.uuid("queue mapping", self._mapping.uuid, cause)
                return await self._world.executor.run(
                    resolved, payload, request_id=request_id, cause=cause, attempt=attempt
                )
            except ApiError:
                refusals += 1
                wait_s = backoff.async_throttle_delay(refusals)
                if kernel.now() + wait_s >= gives_up_at:
                    return None
                await kernel.sleep(wait_s)

    def _failed(self, outcome: Outcome | None, batch: Sequence[ReceivedMessage]) -> set[str]:
        everything = {message.id for message in batch}
        if outcome is None or outcome.failed:
            return everything
        if not self._mapping.reports_batch_item_failures:
            return set()
        reported = failed_items(outcome.payload, everything)
        return everything if reported is None else reported

    def _delete(self, message: ReceivedMessage) -> None:
        try:
            self._queue.delete(message.receipt_handle)
        except ApiError:
            # A FIFO handle expires with the visibility timeout; the message is back in the queue, as on AWS.
            return

    def _note_return(self, failed: set[str], batch: Sequence[ReceivedMessage], outcome: Outcome | None) -> None:
        cause = batch[0].record if outcome is None else outcome.record
        due = self._queue.next_visible_at()
        self._world.journal.write(
            "retry",
            self._function,
            cause=cause,
            source=self._source,
            due=due,
            reason="Throttled" if outcome is None else "FunctionError" if outcome.failed else "BatchItemFailure",
            ids=[message.id for message in batch if message.id in failed],
        )
        attempts = max(message.receive_count for message in batch)
        self._world.limit_attempts(attempts, self._mapping.function_arn, cause)


def _within_payload_limit(batch: list[ReceivedMessage]) -> list[list[ReceivedMessage]]:
    """Cut a batch so that no part is over Lambda's 6 MB."""
    parts: list[list[ReceivedMessage]] = []
    room = 0
    for message in batch:
        size = len(message.body) + 1024
        if not parts or size > room:
            parts.append([])
            room = PAYLOAD_BYTES_MAX
        parts[-1].append(message)
        room -= size
    return parts
