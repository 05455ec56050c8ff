"""
Lambda's poller of one stream (aws-semantics §4.2 to §4.5).

Each shard is read in order, one batch at a time (or one per lane, with a parallelization factor). A batch that fails blocks what lies behind
it until it succeeds, is too old, or has used up its attempts; then it goes to the on-failure destination, as metadata.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from stagefright.aws_api.errors import ApiError
from stagefright.delivery import backoff
from stagefright.delivery.batch_response import failed_items
from stagefright.delivery.destinations import stream_record
from stagefright.patterns import compile_mapping_filter
from stagefright.services.lambda_limits import FOREVER
from stagefright.tasks import Task

if TYPE_CHECKING:
    from stagefright.functions.executor import Outcome
    from stagefright.services.event_source_mappings import EventSourceMapping
    from stagefright.services.streams import Shard, StreamRecord
    from stagefright.world import World

PAYLOAD_BYTES_MAX = 6 * 1024 * 1024
ENVELOPE_BYTES = 512
"""What a record costs in the payload besides its data, roughly."""


class StreamPoller:
    """Polls all shards of one stream for one mapping until it is stopped."""

    def __init__(self, world: World, mapping: EventSourceMapping) -> None:
        self._world = world
        self._mapping = mapping
        self._known = {shard.id: len(shard.records) for shard in world.streams.shards(mapping.source_arn)}
        """How many records each shard had when the mapping was made: where `LATEST` begins."""
        self._started: set[str] = set()
        self._tasks: list[Task[Any]] = []

    def start(self) -> None:
        """Begin to poll."""
        name = f"poller of {self._world.name_of(self._mapping.source_arn)}"
        self._tasks.append(self._world.kernel.spawn(self._follow_shards(), name=name, cause=None))

    def stop(self) -> None:
        """Stop polling."""
        for task in self._tasks:
            task.cancel()

    async def _follow_shards(self) -> None:
        streams = self._world.streams
        while True:
            for shard in streams.shards(self._mapping.source_arn):
                if shard.id not in self._started:
                    self._started.add(shard.id)
                    self._start_lanes(shard)
            await streams.opened(self._mapping.source_arn).wait()

    def _start_lanes(self, shard: Shard) -> None:
        for lane in range(self._mapping.parallelization_factor):
            reader = _LaneReader(self._world, self._mapping, shard, lane, self._first_record(shard))
            name = f"poller of {self._world.name_of(shard.stream_arn)}/{shard.id}"
            self._tasks.append(self._world.kernel.spawn(reader.run(), name=name, cause=None))

    def _first_record(self, shard: Shard) -> int:
        position = self._mapping.starting_position
        if position == "LATEST":
            return self._known.get(shard.id, 0)
        if position == "AT_TIMESTAMP" and self._mapping.starting_timestamp is not None:
            since = self._mapping.starting_timestamp
            return next((n for n, r in enumerate(shard.records) if r.arrived_at >= since), len(shard.records))
        return 0


class _LaneReader:
    """Reads the records of one shard whose keys belong to one lane, in order."""

    def __init__(
        self, world: World, mapping: EventSourceMapping, shard: Shard, lane: int, position: int
    ) -> None:
        self._world = world
        self._mapping = mapping
        self._shard = shard
        self._lane = lane
        self._position = position
        self._function = world.name_of(mapping.function_arn)
        self._source = world.name_of(shard.stream_arn)
        self._invocations = 0
        self._filter = compile_mapping_filter(
            {"Filters": [{"Pattern": pattern} for pattern in mapping.filters]}, mapping.source
        )

    async def run(self) -> None:
        """Batch after batch, for ever."""
        while True:
            batch, behind = self._next_batch()
            if not batch:
                self._position = behind
                await self._shard.changed.wait()
                continue
            batch, behind = await self._wait_for_window(batch, behind)
            self._position = behind
            wanted = self._drop_filtered(batch)
            if wanted:
                await _Batch(self._world, self._mapping, self._shard, self._next_key).deliver(wanted, retries=0)

    def _next_key(self) -> str:
        self._invocations += 1
        return f"{self._shard.stream_arn}/{self._shard.id}/{self._lane}/{self._invocations}"

    def _next_batch(self) -> tuple[list[StreamRecord], int]:
        """The lane's next records, up to the batch size and 6 MB, and the position behind them."""
        batch: list[StreamRecord] = []
        size = 0
        position = self._position
        records = self._shard.records
        while position < len(records) and len(batch) < self._mapping.batch_size:
            record = records[position]
            if self._is_mine(record):
                size += _size(record)
                if batch and size > PAYLOAD_BYTES_MAX:
                    break
                batch.append(record)
            position += 1
        return batch, position

    def _is_mine(self, record: StreamRecord) -> bool:
        """Which lane a key belongs to is UNSOURCED (§4.2); a stable hash keeps equal keys together."""
        lanes = self._mapping.parallelization_factor
        if lanes == 1:
            return True
        return int.from_bytes(hashlib.md5(record.key.encode()).digest()[:4], "big") % lanes == self._lane

    async def _wait_for_window(self, batch: list[StreamRecord], behind: int) -> tuple[list[StreamRecord], int]:
        """Wait until the batch is full or the batching window, counted from its first record, is over."""
        kernel = self._world.kernel
        closes_at = kernel.now() + self._mapping.batching_window_s
        while len(batch) < self._mapping.batch_size and kernel.now() < closes_at:
            await kernel.first(self._shard.changed.wait(), deadline=closes_at)
            batch, behind = self._next_batch()
        return batch, behind

    def _drop_filtered(self, batch: list[StreamRecord]) -> list[StreamRecord]:
        if not self._mapping.filters:
            return batch
        kept = []
        for record in batch:
            if self._filter.matches(record.body):
                kept.append(record)
            else:
                self._world.journal.write(
                    "dropped",
                    self._source,
                    cause=record.record,
                    reason="filtered out",
                    ids=[record.body["eventID"]],
                )
        return kept


class _Batch:
    """Sees one batch to its end: success, age, or attempts used up."""

    def __init__(self, world: World, mapping: EventSourceMapping, shard: Shard, next_key: Any) -> None:
        self._world = world
        self._mapping = mapping
        self._shard = shard
        self._next_key = next_key
        self._function = world.name_of(mapping.function_arn)
        self._source = world.name_of(shard.stream_arn)

    async def deliver(self, batch: list[StreamRecord], *, retries: int) -> None:
        """
        Invoke with `batch` until it is done with; `retries` is how many it has used.

        Progress (a checkpoint inside the batch) resets the counter; a bisection keeps it (§4.3).
        """
        failures = 0
        refusals = 0
        while True:
            batch = self._cut_expired(batch, retries)
            if not batch:
                return
            outcome, delivery = await self._invoke(batch, retries + 1)
            if outcome is None:
                refusals += 1
                await self._pause(batch, delivery, backoff.async_throttle_delay(refusals), "Throttled")
                continue
            failed_from = self._failed_from(outcome, batch)
            if failed_from is None:
                return
            failures += 1
            if failed_from > 0:
                batch, retries = batch[failed_from:], 0
            elif self._mapping.bisect_on_error and len(batch) > 1:
                await self._pause(batch, outcome.record, backoff.stream_retry_delay(failures), "Bisected")
                half = len(batch) // 2
                await self.deliver(batch[:half], retries=retries)
                await self.deliver(batch[half:], retries=retries)
                return
            elif retries == self._mapping.retry_attempts_max:
                self._give_up(batch, "RetryAttemptsExhausted", 1 + retries, outcome)
                return
            else:
                retries += 1
            await self._pause(batch, outcome.record, backoff.stream_retry_delay(failures), "FunctionError")
            self._world.limit_attempts(failures, self._mapping.function_arn, outcome.record)

    def _failed_from(self, outcome: Outcome, batch: Sequence[StreamRecord]) -> int | None:
        """The place of the first record that must be tried again; None if the whole batch succeeded."""
        if outcome.failed:
            return 0
        if not self._mapping.reports_batch_item_failures:
            return None
        places = {record.sequence_number: n for n, record in enumerate(batch)}
        failed = failed_items(outcome.payload, places)
        if failed is None:
            return 0
        return min((places[identifier] for identifier in failed), default=None)

    async def _invoke(self, batch: Sequence[StreamRecord], attempt: int) -> tuple[Outcome | None, int]:
        """One attempt; no outcome if Lambda refused it before the function ran."""
        world = self._world
        delivery = world.journal.write(
            "delivery",
            self._function,
            cause=batch[0].record,
            causes=[record.record for record in batch[1:]],
            source=self._source,
            ids=[record.body["eventID"] for record in batch],
            attempt=attempt,
        )
        try:
            resolved = world.functions.find(self._mapping.function_arn)
            bodies = [self._with_identity(record, resolved.version.role) for record in batch]
            outcome = await world.executor.run(
                resolved,
                json.dumps({"Records": bodies}).encode(),
                request_id=world.chance.uuid("stream mapping", self._next_key()),
                cause=delivery.n,
                attempt=attempt,
            )
        except ApiError:
            return None, delivery.n
        return outcome, outcome.record

    def _with_identity(self, record: StreamRecord, role: str) -> dict[str, Any]:
        """Kinesis records name the role that read them (§4.6)."""
        return {**record.body, "invokeIdentityArn": role} if self._mapping.source == "kinesis" else record.body

    async def _pause(self, batch: Sequence[StreamRecord], cause: int, wait_s: float, reason: str) -> None:
        world = self._world
        world.journal.write(
            "retry",
            self._function,
            cause=cause,
            source=self._source,
            due=world.clock.now() + wait_s,
            reason=reason,
            ids=[record.body["eventID"] for record in batch],
        )
        await world.kernel.sleep(wait_s)

    # -- giving up ---------------------------------------------------------------------------------------------------

    def _cut_expired(self, batch: list[StreamRecord], retries: int) -> list[StreamRecord]:
        """Take out what is too old for the mapping (to the destination) or for the stream (lost)."""
        now = self._world.clock.now()
        age_max_s = self._mapping.record_age_max_s
        retention_s = self._world.streams.retention_of(self._shard.stream_arn)
        lost = [record for record in batch if now - record.arrived_at >= retention_s]
        for record in lost:
            self._world.journal.write(
                "dropped", self._source, cause=record.record, reason="retention", ids=[record.body["eventID"]]
            )
        batch = [record for record in batch if record not in lost]
        if age_max_s == FOREVER:
            return batch
        expired = [record for record in batch if now - record.arrived_at >= age_max_s]
        if expired:
            self._give_up(expired, "RecordAgeExceeded", max(1, retries), None)
        return [record for record in batch if record not in expired]

    def _give_up(
        self, batch: Sequence[StreamRecord], condition: str, attempts: int, outcome: Outcome | None
    ) -> None:
        world = self._world
        cause = batch[0].record if outcome is None else outcome.record
        ids = [record.body["eventID"] for record in batch]
        target = self._mapping.on_failure
        if target is None:
            world.journal.write("dropped", self._source, cause=cause, reason=condition, ids=ids)
            return
        record = stream_record(
            timestamp=world.clock.iso(),
            request_id=outcome.request_id if outcome else world.chance.uuid("stream failure", self._next_key()),
            function_arn=self._mapping.function_arn,
            condition=condition,
            attempts=attempts,
            outcome=outcome,
            source=self._mapping.source,
            shard_id=self._shard.id,
            stream_arn=self._shard.stream_arn,
            batch=batch,
        )
        if ":s3:" in target:
            record["payload"] = json.dumps({"Records": [entry.body for entry in batch]})
        world.destinations.dead_letter(
            target, record, {}, source=self._source, condition=condition, ids=ids, cause=cause
        )


def _size(record: StreamRecord) -> int:
    data = record.body.get("kinesis", {}).get("data")
    return ENVELOPE_BYTES + (len(data) if data is not None else len(json.dumps(record.body["dynamodb"], default=str)))
