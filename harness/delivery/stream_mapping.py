"""
The poller of one stream, for a function or a pipe (aws-semantics §4.2 to §4.5).

Each shard is read in order, one batch at a time (or one per lane, with a parallelization factor). A batch that fails blocks what lies behind
it until it succeeds, is too old, or has used up its attempts; then it goes to the on-failure destination, as metadata.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from stagefright.delivery.interference import Gathering
from stagefright.delivery.stream_batch import StreamBatch, end_early
from stagefright.delivery.stream_window import Window, WindowEnd
from stagefright.services.lambda_limits import SYNC_PAYLOAD_BYTES_MAX
from stagefright.tasks import Signal, Task

if TYPE_CHECKING:
    from stagefright.delivery.consumer import Consumer
    from stagefright.delivery.interference import SourceKind
    from stagefright.delivery.stream_progress import Progress, ShardProgress
    from stagefright.services.event_source_mapping import EventSourceMapping
    from stagefright.services.streams import Shard, StreamRecord
    from stagefright.world import World

ENVELOPE_BYTES = 512
"""What a record costs in the payload besides its data, roughly."""


class StreamPoller:
    """Polls all shards of one stream for one mapping until it is stopped."""

    def __init__(self, world: World, mapping: EventSourceMapping, progress: Progress, consumer: Consumer) -> None:
        self._world = world
        self._progress = progress
        self._reading: set[str] = set()
        self._tasks: list[Task[None]] = []
        self.mapping = mapping
        self.consumer = consumer
        self.reconfigured = Signal("a change of an event source mapping")
        self.progressed = Signal("progress in a shard")

    def start(self) -> None:
        """Begin to poll."""
        self._spawn(self._follow_shards(), f"poller of {self._world.name_of(self.mapping.stream_arn)}")

    def configure(self, mapping: EventSourceMapping, consumer: Consumer) -> None:
        """Go on with these settings; a batch under way is awaited, a retry that is planned may be dropped."""
        self.mapping = mapping
        self.consumer = consumer
        self.consumer = consumer
        self.reconfigured.notify()
        for shard in self._world.streams.shards(mapping.stream_arn):
            shard.changed.notify()

    def stop(self) -> None:
        """Stop polling."""
        for task in self._tasks:
            task.cancel()

    def done(self, shard: Shard, records: Sequence[StreamRecord]) -> None:
        """These records will not be read again."""
        self._progress.of(shard.id).done(record.place for record in records)
        self.progressed.notify()

    def _spawn(self, work: Any, name: str) -> Task[None]:
        task = self._world.kernel.spawn(work, name=name, cause=None)
        self._tasks.append(task)
        return task

    async def _follow_shards(self) -> None:
        streams = self._world.streams
        while True:
            for shard in streams.shards(self.mapping.stream_arn):
                if shard.id not in self._reading:
                    self._reading.add(shard.id)
                    self._spawn(self._read(shard), f"reader of {shard.id}")
            await streams.opened(self.mapping.stream_arn).wait()

    async def _read(self, shard: Shard) -> None:
        """Read a shard, after its parents, in as many lanes as the mapping has now."""
        while self._has_unread_parents(shard):
            await self.progressed.wait()
        await self.next_poll(shard)
        name = f"poller of {self._world.name_of(shard.stream_arn)}/{shard.id}"
        while True:
            count = self.mapping.parallelization_factor
            progress = self._progress.of(shard.id)
            lanes = [_Lane(self._world, self, shard, progress, lane, count) for lane in range(count)]
            for running in [self._spawn(lane.run(), name) for lane in lanes]:
                await running

    async def next_poll(self, shard: Shard) -> None:
        """Records lie there until the next poll; by default they are read at once, as those are that Kinesis pushes (§4.2)."""
        known = self._world.assumptions
        interval_s = known.kinesis_poll_interval_s if shard.is_kinesis else known.dynamodb_poll_interval_s
        if interval_s and not self.mapping.is_pushed_to:
            await self._world.kernel.sleep(-self._world.kernel.now() % interval_s)

    def _has_unread_parents(self, shard: Shard) -> bool:
        parents = [other for other in self._world.streams.shards(shard.stream_arn) if other.id in shard.parents]
        return any(self._is_unread(parent, self._progress.of(parent.id)) for parent in parents)

    def _is_unread(self, shard: Shard, progress: ShardProgress) -> bool:
        return progress.first < len(shard.records) or bool(progress.windows) or shard.held > 0


class _Lane:
    """Reads the records of one shard whose keys belong to one lane, in order, until the number of lanes changes."""

    def __init__(
        self, world: World, poller: StreamPoller, shard: Shard, progress: ShardProgress, lane: int, lanes: int
    ) -> None:
        self._world = world
        self._poller = poller
        self._shard = shard
        self._progress = progress
        self._lane = lane
        self._lanes = lanes
        self._position = progress.first

    @property
    def _mapping(self) -> EventSourceMapping:
        return self._poller.mapping

    async def run(self) -> None:
        """Batch after batch; what a disabled mapping left undone is read again when it is enabled."""
        while self._mapping.parallelization_factor == self._lanes:
            first = next(self._unread(), None)
            if not self._mapping.is_enabled:
                await self._shard.changed.wait()
            elif self._window is not None and self._window.is_full:
                await end_early(self._world, self._poller, self._shard, self._window)
            elif self._window is not None and self._is_over(self._window, first):
                await self._end_window([])
            elif first is None:
                await self._wait_for_records()
            else:
                await self._deliver(await self._gather())
        if self._window is not None:
            # The keys are dealt anew, and a state cannot be: what the lane has summed up is handed over, and the rest starts afresh.
            await end_early(self._world, self._poller, self._shard, self._window)
            self._forget_window()

    async def _deliver(self, batch: list[StreamRecord]) -> None:
        if not batch or not self._mapping.is_enabled:
            return
        wanted = self._drop_filtered(batch)
        if not wanted or not self._mapping.tumbling_window_s:
            await StreamBatch(self._world, self._poller, self._shard).deliver(wanted)
            return
        window = self._progress.windows.setdefault(self._lane, self._window_around(wanted[0]))
        if self._world.assumptions.tumbling_final_invoke_has_records and self._is_over(window, self._after(wanted)):
            await self._end_window(wanted)
        else:
            await StreamBatch(self._world, self._poller, self._shard, window).deliver(wanted)

    async def _wait_for_records(self) -> None:
        """Until something comes; with an open window, until its end is due at the latest."""
        if self._window is None:
            await self._shard.changed.wait()
            await self._poller.next_poll(self._shard)
        else:
            await self._world.kernel.first(self._shard.changed.wait(), deadline=self._closes_at(self._window))

    # -- tumbling windows --------------------------------------------------------------------------------------------

    @property
    def _window(self) -> Window | None:
        return self._progress.windows.get(self._lane)

    def _window_around(self, record: StreamRecord) -> Window:
        offset_s = self._world.assumptions.tumbling_window_offset_s
        return Window.around(record.arrived_at, self._mapping.tumbling_window_s, offset_s=offset_s)

    def _closes_at(self, window: Window) -> float:
        return window.end + self._world.assumptions.tumbling_window_wait_s

    def _is_over(self, window: Window, following: StreamRecord | None) -> bool:
        """Whether a window can have no more records: a later one is there, its time is over, or the shard has ended."""
        if following is not None:
            return not window.holds(following.arrived_at)
        return self._world.kernel.now() >= self._closes_at(window) or self._shard.has_ended

    def _after(self, batch: Sequence[StreamRecord]) -> StreamRecord | None:
        return next((record for record in self._unread() if record.place > batch[-1].place), None)

    async def _end_window(self, batch: list[StreamRecord]) -> None:
        """Tell the function that the window is over; after an early end that nothing followed there is nothing to tell."""
        window = self._window
        is_told = window is not None and not window.causes and not batch
        if is_told or await StreamBatch(self._world, self._poller, self._shard, window, WindowEnd()).deliver(batch):
            self._forget_window()

    def _forget_window(self) -> None:
        self._progress.windows.pop(self._lane, None)
        self._poller.progressed.notify()

    # -- batches -----------------------------------------------------------------------------------------------------

    async def _gather(self) -> list[StreamRecord]:
        """The next batch: until it is full, or its batching window, which the first record opens, is over."""
        kernel = self._world.kernel
        batch, is_full = self._next_batch()
        closes_at = kernel.now() + self._mapping.batching_window_s
        if batch and (window := self._window_of(batch[0])) is not None:
            closes_at = min(closes_at, window.end)
        while batch and not is_full and kernel.now() < closes_at and self._mapping.is_enabled:
            await kernel.first(self._shard.changed.wait(), deadline=closes_at)
            batch, is_full = self._next_batch()
        return batch[: self._room(batch)]

    def _room(self, batch: Sequence[StreamRecord]) -> int:
        """How many records of a batch are handed over: all, unless a fault cuts it."""
        interference = self._world.interference
        if not (batch and interference.batch_limits):
            return len(batch)
        kind: SourceKind = "stream" if self._shard.is_kinesis else "table"
        source, consumer = self._world.name_of(self._shard.source_arn), self._poller.consumer.name
        first = batch[0]
        return interference.batch_max(Gathering(kind, source, consumer, first.event_id, 1, len(batch), first.record))

    def _window_of(self, record: StreamRecord) -> Window | None:
        """The tumbling window that a record belongs to: a batch never reaches into the next one."""
        return self._window or (self._window_around(record) if self._mapping.tumbling_window_s else None)

    def _next_batch(self) -> tuple[list[StreamRecord], bool]:
        """The lane's next records, up to the batch size, 6 MB and the end of the window, and whether one of these was reached."""
        batch: list[StreamRecord] = []
        size, window = 0, None
        for record in self._unread():
            size += _size(record)
            if batch and (size > SYNC_PAYLOAD_BYTES_MAX or (window and not window.holds(record.arrived_at))):
                return batch, True
            window = window or self._window_of(record)
            batch.append(record)
            if len(batch) >= self._mapping.batch_size:
                return batch, True
        return batch, False

    def _unread(self) -> Iterator[StreamRecord]:
        """The lane's records that are not done with; where they begin is remembered for the next time."""
        records = self._shard.records
        is_first = True
        for place in range(self._position, len(records)):
            record = records[place]
            if self._is_mine(record) and not self._progress.is_done(place):
                is_first = False
                yield record
            elif is_first:
                self._position = place + 1

    def _is_mine(self, record: StreamRecord) -> bool:
        """Which lane a key belongs to is UNSOURCED (§4.2); a stable hash keeps equal keys together."""
        if self._lanes == 1:
            return True
        key = self._world.assumptions.stream_lane_salt + record.key
        return int.from_bytes(hashlib.md5(key.encode()).digest()[:4], "big") % self._lanes == self._lane

    def _drop_filtered(self, batch: list[StreamRecord]) -> list[StreamRecord]:
        passing = [record for record in batch if self._poller.consumer.passes(record.body)]
        if len(passing) < len(batch):
            kept = {record.place for record in passing}
            refused = [record for record in batch if record.place not in kept]
            for record in refused:
                self._note_filtered(record)
            self._poller.done(self._shard, refused)
        return passing

    def _note_filtered(self, record: StreamRecord) -> None:
        source = self._world.name_of(self._shard.source_arn)
        self._world.journal.write("dropped", source, cause=record.record, reason="filtered out", ids=[record.event_id])


def _size(record: StreamRecord) -> int:
    data = record.body.get("kinesis", {}).get("data")
    return ENVELOPE_BYTES + (len(data) if data is not None else len(json.dumps(record.body["dynamodb"], default=str)))
