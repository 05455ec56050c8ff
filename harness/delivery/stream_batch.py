"""One batch of a stream, from its first invocation to its end: success, age, or attempts used up (aws-semantics §4.3 to §4.5)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stagefright.aws_api.errors import ApiError
from stagefright.delivery.async_invoke import refusal_reason
from stagefright.delivery.batch_response import WHOLE_BATCH, failed_items
from stagefright.delivery.stream_record import stream_record
from stagefright.services.lambda_limits import FOREVER

if TYPE_CHECKING:
    from stagefright.delivery.stream_mapping import StreamPoller
    from stagefright.functions.executor import Outcome
    from stagefright.services.event_source_mappings import EventSourceMapping
    from stagefright.services.streams import Shard, StreamRecord
    from stagefright.world import World

LAST_RESULT_OK = "OK"
LAST_RESULT_FAILED = "PROBLEM: Function call failed"
"""What a mapping shows as `LastProcessingResult` (§3.5)."""


STREAM_ATTEMPTS_MAX = 12_000
"""From how many attempts on a stream counts as endless; a week of retention, at a minute each, needs about 10,100."""


class StreamBatch:
    """A batch on its way; it ends early, with its records undone, when the mapping is disabled."""

    def __init__(self, world: World, poller: StreamPoller, shard: Shard) -> None:
        self._world = world
        self._poller = poller
        self._shard = shard
        self._source = world.name_of(shard.source_arn)
        self._wait_s = world.backoff

    @property
    def _mapping(self) -> EventSourceMapping:
        return self._poller.mapping

    @property
    def _function(self) -> str:
        return self._poller.consumer.name

    async def deliver(self, batch: list[StreamRecord], *, retries: int = 0) -> None:
        """
        Invoke with `batch` until it is done with; `retries` is how many it has used.

        Progress (a checkpoint inside the batch) resets the counter; a bisection keeps it (§4.3).
        """
        failures = refusals = 0
        while self._mapping.is_enabled and (batch := self._cut_expired(batch, retries)):
            outcome, delivery = await self._invoke(batch, retries + 1)
            if isinstance(outcome, ApiError):
                refusals += 1
                await self._pause(
                    batch, delivery, self._wait_s.async_throttle(refusals, delivery), refusal_reason(outcome)
                )
                continue
            failed_from, in_half = self._verdict(outcome, batch)
            self._poller.done(self._shard, batch[:failed_from])
            if failed_from == len(batch):
                return
            failures += 1
            if failed_from > 0:
                batch, retries, failures = batch[failed_from:], 0, 1
            elif in_half and self._mapping.bisect_on_error and len(batch) > 1:
                await self._pause(
                    batch, outcome.record, self._wait_s.stream_retry(failures, outcome.record), "Bisected"
                )
                await self.deliver(batch[: len(batch) // 2], retries=retries)
                await self.deliver(batch[len(batch) // 2 :], retries=retries)
                return
            elif self._mapping.retry_attempts_max != FOREVER and retries >= self._mapping.retry_attempts_max:
                self._give_up(batch, "RetryAttemptsExhausted", 1 + retries, outcome)
                return
            else:
                retries += 1
            self._world.limit_attempts(failures, self._poller.consumer.arn, outcome.record, limit=STREAM_ATTEMPTS_MAX)
            reason = "FunctionError" if outcome.failed else "BatchItemFailure"
            await self._pause(batch, outcome.record, self._wait_s.stream_retry(failures, outcome.record), reason)

    def _verdict(self, outcome: Outcome, batch: Sequence[StreamRecord]) -> tuple[int, bool]:
        """
        The place of the first record that must be tried again, and whether the batch failed as a whole.

        The place is behind the batch if all of it succeeded. A batch that failed as a whole can be bisected; one whose failures were reported is
        cut at the first of them (§4.3).
        """
        if outcome.failed:
            return 0, True
        if not self._mapping.reports_batch_item_failures:
            return len(batch), False
        places = {record.sequence_number: n for n, record in enumerate(batch)}
        failed = failed_items(outcome.payload, places)
        if failed is WHOLE_BATCH:
            return 0, True
        return min((places[identifier] for identifier in failed), default=len(batch)), False

    async def _invoke(self, batch: Sequence[StreamRecord], attempt: int) -> tuple[Outcome | ApiError, int]:
        """One attempt: its outcome, or Lambda's refusal before the function ran, and the record that it led to."""
        world = self._world
        delivery = world.journal.write(
            "delivery",
            self._function,
            cause=batch[0].record,
            causes=[record.record for record in batch[1:]],
            source=self._source,
            ids=[record.event_id for record in batch],
            attempt=attempt,
        )
        try:
            outcome = await self._poller.consumer.invoke(self._texts(batch), cause=delivery.n, attempt=attempt)
        except ApiError as refusal:
            return refusal, delivery.n
        world.functions.note_result(self._mapping.uuid, LAST_RESULT_FAILED if outcome.failed else LAST_RESULT_OK)
        return outcome, outcome.record

    def _texts(self, batch: Sequence[StreamRecord]) -> list[str]:
        return [self._poller.consumer.text_of(record.body) for record in batch]

    async def _pause(self, batch: Sequence[StreamRecord], cause: int, wait_s: float, reason: str) -> None:
        """Wait for the next attempt, or until the mapping is disabled."""
        kernel = self._world.kernel
        due = kernel.now() + wait_s
        self._world.journal.write(
            "retry",
            self._function,
            cause=cause,
            source=self._source,
            due=due,
            reason=reason,
            ids=[record.event_id for record in batch],
        )
        while self._mapping.is_enabled and kernel.now() < due:
            await kernel.first(self._poller.reconfigured.wait(), deadline=due)

    # -- giving up ---------------------------------------------------------------------------------------------------

    def _cut_expired(self, batch: list[StreamRecord], retries: int) -> list[StreamRecord]:
        """Take out what is too old for the stream (lost) or for the mapping (to the destination)."""
        now = self._world.clock.now()
        retention_s = self._world.streams.retention_of(self._shard.stream_arn)
        lost, batch = _split_by_age(batch, now - retention_s)
        if lost:
            ids = [record.event_id for record in lost]
            self._world.journal.write("dropped", self._source, cause=lost[0].record, reason="retention", ids=ids)
            self._poller.done(self._shard, lost)
        if self._mapping.record_age_max_s == FOREVER:
            return batch
        expired, batch = _split_by_age(batch, now - self._mapping.record_age_max_s)
        if expired:
            self._give_up(expired, "RecordAgeExceeded", max(1, retries), None)
        return batch

    def _give_up(self, batch: Sequence[StreamRecord], condition: str, attempts: int, outcome: Outcome | None) -> None:
        """Send the batch's metadata to the destination, or lose it, and go on behind it."""
        world = self._world
        cause = batch[0].record if outcome is None else outcome.record
        ids = [record.event_id for record in batch]
        target = self._mapping.on_failure
        self._poller.done(self._shard, batch)
        if target is None:
            world.journal.write("dropped", self._source, cause=cause, reason=condition, ids=ids)
            return
        request_id = outcome.request_id if outcome else world.chance.uuid("stream failure", self._mapping.uuid, *ids)
        record = stream_record(
            self._poller.consumer.failure_context(condition, attempts, request_id, outcome),
            timestamp=world.clock.iso(),
            shard=self._shard,
            batch=batch,
        )
        if target.split(":")[2] == "s3":
            # Only S3 keeps the records themselves; whether as text or as an object is UNSOURCED (§4.5).
            record["payload"] = '{"Records":[' + ",".join(self._texts(batch)) + "]}"
        world.destinations.dead_letter(
            target,
            record,
            {},
            source=self._source,
            condition=condition,
            ids=ids,
            cause=cause,
            folder=f"aws/lambda/{self._mapping.uuid}/{self._shard.id}",
        )


def _split_by_age(batch: Sequence[StreamRecord], horizon: float) -> tuple[list[StreamRecord], list[StreamRecord]]:
    """The records that arrived at the horizon or before it, and the later ones."""
    old = [record for record in batch if record.arrived_at <= horizon]
    return old, [record for record in batch if record.arrived_at > horizon]
