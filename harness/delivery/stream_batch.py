"""One batch of a stream, from its first invocation to its end: success, age, or attempts used up (aws-semantics §4.3 to §4.5)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from stagefright.aws_api.errors import ApiError
from stagefright.delivery.async_invoke import refusal_reason
from stagefright.delivery.batch_response import WHOLE_BATCH, failed_items
from stagefright.delivery.stream_record import stream_record
from stagefright.delivery.stream_window import Window, WindowEnd, answered_state
from stagefright.services.lambda_limits import FOREVER

if TYPE_CHECKING:
    from stagefright.delivery.stream_mapping import StreamPoller
    from stagefright.functions.outcome import Outcome
    from stagefright.services.event_source_mapping import EventSourceMapping
    from stagefright.services.streams import Shard, StreamRecord
    from stagefright.world import World

LAST_RESULT_OK = "OK"
LAST_RESULT_FAILED = "PROBLEM: Function call failed"
"""What a mapping shows as `LastProcessingResult` (§3.5)."""

MISSING_STATE = 'the answer has no {"state": {...}}, which a tumbling window needs'
"""Why an invocation that ended well counts as failed (§4.7)."""

STREAM_ATTEMPTS_MAX = 12_000
"""From how many attempts on a stream counts as endless; a week of retention, at a minute each, needs about 10,100."""


class _Verdict(NamedTuple):
    """What an attempt came to: how many records are done with, whether something failed, and whether it was the batch as a whole."""

    done: int
    failed: bool
    as_a_whole: bool = False


@dataclass(slots=True)
class _Tries:
    """How often a batch was tried: retries that count, failures since it last got on (for the ladder), and refusals."""

    retries: int
    failures: int = 0
    refusals: int = 0


class StreamBatch:
    """
    A batch on its way; it ends early, with its records undone, when the mapping is disabled.

    In a tumbling window it takes the window's state along; with an `end` it is the invocation that ends the window (§4.7).
    """

    def __init__(
        self,
        world: World,
        poller: StreamPoller,
        shard: Shard,
        window: Window | None = None,
        end: WindowEnd | None = None,
    ) -> None:
        self._world = world
        self._poller = poller
        self._shard = shard
        self._window = window
        self._end = end
        self._source = world.name_of(shard.source_arn)
        self._wait_s = world.backoff

    @property
    def _mapping(self) -> EventSourceMapping:
        return self._poller.mapping

    @property
    def _function(self) -> str:
        return self._poller.consumer.name

    async def deliver(self, batch: list[StreamRecord], *, retries: int = 0) -> bool:
        """
        Invoke with `batch` until it is done with; `retries` is how many it has used. False if the mapping was disabled before.

        Progress (a checkpoint inside the batch) resets the counter; a bisection keeps it (§4.3).
        """
        tries = _Tries(retries)
        while self._mapping.is_enabled:
            batch = self._cut_expired(batch, tries.retries)
            if not batch and not self._is_end_due():
                return True
            outcome, delivery = await self._invoke(batch, tries.retries + 1)
            if isinstance(outcome, ApiError):
                await self._sit_out(batch, tries, outcome, delivery)
                continue
            verdict = await self._take_in(outcome, batch)
            if not verdict.failed:
                return True
            tries.failures = 1 if verdict.done else tries.failures + 1
            if verdict.as_a_whole and self._mapping.bisect_on_error and len(batch) > 1:
                return await self._deliver_halves(batch, tries, outcome)
            if not verdict.done and self._is_used_up(tries):
                self._give_up(batch, "RetryAttemptsExhausted", 1 + tries.retries, outcome)
                return True
            tries.retries = 0 if verdict.done else tries.retries + 1
            batch = batch[verdict.done :]
            await self._try_again(batch, tries, outcome)
        return False

    async def _take_in(self, outcome: Outcome, batch: Sequence[StreamRecord]) -> _Verdict:
        """What an attempt came to; what succeeded is done with, and the window's state is the new one."""
        verdict = self._verdict(outcome, batch)
        self._poller.done(self._shard, batch[: verdict.done])
        if not verdict.as_a_whole:
            await self._keep_state(outcome)
        return verdict

    async def _sit_out(self, batch: Sequence[StreamRecord], tries: _Tries, refusal: ApiError, delivery: int) -> None:
        """A throttle is no attempt (§4.3); it has a ladder of its own."""
        tries.refusals += 1
        wait_s = self._wait_s.async_throttle(tries.refusals, delivery)
        await self._pause(batch, delivery, wait_s, refusal_reason(refusal))

    async def _try_again(self, batch: Sequence[StreamRecord], tries: _Tries, outcome: Outcome) -> None:
        limit, arn, reason = STREAM_ATTEMPTS_MAX, self._poller.consumer.arn, self._reason(outcome)
        self._world.limit_attempts(tries.failures, arn, outcome.record, limit=limit, how=f": {reason}")
        await self._pause(batch, outcome.record, self._wait_s.stream_retry(tries.failures, outcome.record), reason)

    def _reason(self, outcome: Outcome) -> str:
        """Why an attempt failed; a missing state is named, since its invocation looks like a success."""
        if outcome.failed:
            return self._poller.consumer.failure_reason(outcome)
        if self._is_failure(outcome):
            return MISSING_STATE
        return "BatchItemFailure"

    def _is_used_up(self, tries: _Tries) -> bool:
        limit = self._mapping.retry_attempts_max
        return limit != FOREVER and tries.retries >= limit

    async def _deliver_halves(self, batch: list[StreamRecord], tries: _Tries, outcome: Outcome) -> bool:
        """Which half of an odd batch is the bigger one is UNSOURCED; the end of a window goes with the second (§4.3)."""
        wait_s = self._wait_s.stream_retry(tries.failures, outcome.record)
        await self._pause(batch, outcome.record, wait_s, "Bisected")
        middle = (len(batch) + self._world.assumptions.bisect_first_half_is_bigger) // 2
        first = StreamBatch(self._world, self._poller, self._shard, self._window)
        await first.deliver(batch[:middle], retries=tries.retries)
        return await self.deliver(batch[middle:], retries=tries.retries)

    def _verdict(self, outcome: Outcome, batch: Sequence[StreamRecord]) -> _Verdict:
        """
        A batch that failed as a whole can be bisected; one whose failures were reported is cut at the first of them (§4.3).

        In a tumbling window an answer without a state is a failure (§4.7).
        """
        if self._is_failure(outcome):
            return _Verdict(0, failed=True, as_a_whole=True)
        if not self._mapping.reports_batch_item_failures:
            return _Verdict(len(batch), failed=False)
        places = {record.sequence_number: n for n, record in enumerate(batch)}
        strangers_fail = self._world.assumptions.stream_unknown_item_fails_batch
        reported = failed_items(outcome.payload, places, strangers_fail=strangers_fail)
        if reported is WHOLE_BATCH:
            return _Verdict(0, failed=True, as_a_whole=True)
        first = min((places[identifier] for identifier in reported), default=None)
        return _Verdict(len(batch), failed=False) if first is None else _Verdict(first, failed=True)

    def _is_failure(self, outcome: Outcome) -> bool:
        return outcome.failed or (self._window is not None and answered_state(outcome.payload) is None)

    async def _invoke(self, batch: Sequence[StreamRecord], attempt: int) -> tuple[Outcome | ApiError, int]:
        """One attempt: its outcome, or a refusal before anything ran, and the record that it led to."""
        world, consumer = self._world, self._poller.consumer
        causes = self._causes(batch)
        delivery = world.journal.write(
            "delivery",
            self._function,
            cause=causes[0],
            causes=causes[1:],
            source=self._source,
            ids=[record.event_id for record in batch],
            attempt=attempt,
        )
        try:
            outcome = await consumer.invoke(
                self._texts(batch), cause=delivery.n, attempt=attempt, state=self._window_part()
            )
        except ApiError as refusal:
            return refusal, delivery.n
        result = LAST_RESULT_FAILED if self._is_failure(outcome) else LAST_RESULT_OK
        world.functions.note_result(self._mapping.uuid, result)
        return outcome, outcome.record

    def _causes(self, batch: Sequence[StreamRecord]) -> list[int]:
        """The records that are handed over; at the end of a window all that it summed up."""
        if self._window is None:
            return [record.record for record in batch]
        self._window.note(batch)
        return [record.record for record in batch] if self._end is None else self._window.causes

    # -- tumbling windows --------------------------------------------------------------------------------------------

    def _window_part(self) -> dict[str, Any] | None:
        if self._window is None:
            return None
        return self._window.event_part(self._shard.id, self._shard.stream_arn, self._end)

    async def _keep_state(self, outcome: Outcome) -> None:
        """Take the function's state over; one that is too big ends the window early, and the rest of it starts afresh."""
        if self._window is None or self._end is not None:
            return
        self._window.state = answered_state(outcome.payload) or {}
        if self._window.is_full:
            await end_early(self._world, self._poller, self._shard, self._window)

    def _is_end_due(self) -> bool:
        """Whether the end of a window, for which nothing new came, must still be told; the limits of age hold for it too."""
        if self._window is None or self._end is None:
            return False
        age_s = self._world.clock.now() - self._window.end
        if age_s >= self._world.streams.retention_of(self._shard.stream_arn):
            self._drop([], self._window.causes[-1], "retention")
            return False
        if self._mapping.record_age_max_s != FOREVER and age_s >= self._mapping.record_age_max_s:
            self._give_up([], "RecordAgeExceeded", 1, None)
            return False
        return True

    # -- attempts ----------------------------------------------------------------------------------------------------

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
            self._drop(lost, lost[0].record, "retention")
            self._poller.done(self._shard, lost)
        if self._mapping.record_age_max_s == FOREVER:
            return batch
        expired, batch = _split_by_age(batch, now - self._mapping.record_age_max_s)
        if expired:
            self._give_up(expired, "RecordAgeExceeded", max(1, retries), None)
        return batch

    def _drop(self, batch: Sequence[StreamRecord], cause: int, reason: str) -> None:
        ids = [record.event_id for record in batch]
        self._world.journal.write("dropped", self._source, cause=cause, reason=reason, ids=ids)

    def _give_up(self, batch: Sequence[StreamRecord], condition: str, attempts: int, outcome: Outcome | None) -> None:
        """Send the batch's metadata to the destination, or lose it, and go on behind it."""
        world = self._world
        cause = self._causes(batch)[0] if outcome is None else outcome.record
        ids = [record.event_id for record in batch]
        target = self._mapping.on_failure
        self._poller.done(self._shard, batch)
        if target is None:
            self._drop(batch, cause, condition)
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
            payload = '{"Records":[' + ",".join(self._texts(batch)) + "]}"
            record["payload"] = payload if world.assumptions.stream_s3_payload_is_text else json.loads(payload)
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


async def end_early(world: World, poller: StreamPoller, shard: Shard, window: Window) -> None:
    """End a window whose state is too big; what is still to come of it starts with a fresh one (§4.7)."""
    end = WindowEnd(is_final=world.assumptions.tumbling_early_end_is_final, is_early=True)
    if await StreamBatch(world, poller, shard, window, end).deliver([]):
        window.restart()


def _split_by_age(batch: Sequence[StreamRecord], horizon: float) -> tuple[list[StreamRecord], list[StreamRecord]]:
    """The records that arrived at the horizon or before it, and the later ones."""
    old = [record for record in batch if record.arrived_at <= horizon]
    return old, [record for record in batch if record.arrived_at > horizon]
