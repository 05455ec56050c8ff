"""
The poller of one SQS queue, for a function or a pipe (aws-semantics §3.5 to §3.8).

It receives when there is something to receive, batches, hands over, and deletes what succeeded. What failed it leaves alone: those messages come
back when their visibility timeout ends, because nobody deleted them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from stagefright.aws_api.errors import ApiError
from stagefright.delivery.async_invoke import refusal_reason
from stagefright.delivery.batch_response import failed_items
from stagefright.functions.lineage import RECURSION
from stagefright.services.lambda_limits import SYNC_PAYLOAD_BYTES_MAX
from stagefright.services.queue_record import record as lambda_record
from stagefright.tasks import Signal, Task

if TYPE_CHECKING:
    from stagefright.delivery.consumer import Consumer
    from stagefright.functions.outcome import Outcome
    from stagefright.services.event_source_mapping import EventSourceMapping
    from stagefright.services.queue import Queue
    from stagefright.services.queue_message import ReceivedMessage
    from stagefright.world import World

CONCURRENT_BATCHES_AT_FIRST = 5
CONCURRENT_BATCHES_PER_MINUTE = 300
CONCURRENT_BATCHES_MAX = 1_250
CONCURRENT_BATCHES_WHEN_IDLE = 2
"""How a mapping scales while there is a backlog, and where it begins after it was idle (§3.6)."""

BATCHES_PER_PROVISIONED_POLLER = 10
PROVISIONED_BATCHES_PER_MINUTE = 1_000
"""How a mapping with provisioned pollers does (§3.6)."""

WINDOW_VISIBILITY_MARGIN_S = 30
"""Added to window and timeout when they exceed the queue's visibility timeout (§3.5)."""

ENVELOPE_BYTES = len('{"Records":[]}')

RECEIVES_WITHOUT_DEAD_LETTERS_MAX = 200
"""
From how many receives on a message in a queue without a dead-letter queue counts as one that never ends.

On AWS it would come back until its retention ends, some 11,500 times by default, and a test learns nothing from them.
"""

RECEIVED_TOO_SOON = (
    ", the last time with success, but the message was received again before it could be deleted: "
    "its visibility timeout is shorter than the work"
)


class _Received(NamedTuple):
    """A message that the poller holds: what the function will read, and until when nobody else can receive it."""

    message: ReceivedMessage
    text: str
    received_at: float
    visible_again_at: float

    @property
    def group(self) -> str | None:
        """The message's group in a FIFO queue."""
        return self.message.system_attributes.get("MessageGroupId")

    def is_held(self, now: float) -> bool:
        """Whether nobody else can have received it; with a visibility timeout of 0 that is sure at the moment of the receive only."""
        return now < self.visible_again_at or now == self.received_at


@dataclass(slots=True)
class _Batch:
    """Messages that are gathered for one invocation, up to the mapping's size and Lambda's 6 MB."""

    size_max: int
    messages: list[_Received] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    bytes_left: int = SYNC_PAYLOAD_BYTES_MAX - ENVELOPE_BYTES
    is_full: bool = False

    @property
    def room(self) -> int:
        return self.size_max - len(self.messages)

    def add(self, received: _Received) -> bool:
        """Take one in; false if it would be too much for one invocation, or is there already, received a second time."""
        size = len(received.text.encode()) + 1
        if self.messages and (size > self.bytes_left or received.message.id in self.ids):
            self.is_full = True
            return False
        self.messages.append(received)
        self.ids.add(received.message.id)
        self.bytes_left -= size
        self.is_full = self.room == 0
        return True


class QueuePoller:
    """Polls one queue for one mapping until it is stopped."""

    def __init__(self, world: World, mapping: EventSourceMapping, queue: Queue, consumer: Consumer) -> None:
        self._world = world
        self._queue = queue
        self._source = world.name_of(queue.arn)
        self._changed = Signal(f"a message in {self._source}")
        self._held: deque[_Received] = deque()
        """Received, but too much for the batch before."""
        self._under_way: list[list[_Received]] = []
        """The batches that are being processed."""
        self._in_flight = 0
        self._busy_since: float | None = None
        self._idle_since: float | None = None
        self._has_worked = False
        self._first = CONCURRENT_BATCHES_AT_FIRST
        self._rests_until = 0.0
        self._task: Task[None] | None = None
        self.configure(mapping, consumer)

    def configure(self, mapping: EventSourceMapping, consumer: Consumer) -> None:
        """Go on with these settings; batches under way are seen through with the ones that they find."""
        self._mapping = mapping
        self._consumer = consumer
        self._changed.notify()

    def start(self) -> None:
        """Begin to poll."""
        self._queue.on_available.append(self._changed.notify)
        self._task = self._world.kernel.spawn(self._poll(), name=f"poller of {self._source}", cause=None)

    def stop(self) -> None:
        """Stop polling; batches under way are seen through."""
        if self._changed.notify in self._queue.on_available:
            self._queue.on_available.remove(self._changed.notify)
        if self._task is not None:
            self._task.cancel()

    # -- receiving ---------------------------------------------------------------------------------------------------

    async def _poll(self) -> None:
        while True:
            if not self._mapping.is_enabled:
                self._held.clear()
                await self._changed.wait()
            elif (rest_s := self._rests_until - self._world.clock.now()) > 0:
                await self._world.kernel.sleep(rest_s)
            elif self._in_flight >= self._concurrency_max():
                await self._wait_for_room()
            elif batch := await self._gather():
                self._wake()
                self._in_flight += 1
                self._under_way.append(batch)
                name = f"batch from {self._source} to {self._consumer.name}"
                self._world.kernel.spawn(self._process(batch), name=name, cause=batch[0].message.record)
            else:
                self._fall_idle()
                await self._wait_for_messages(deadline=None)

    async def _gather(self) -> list[_Received]:
        """A batch: until it is full, or its window, which the first message opens, is over."""
        now = self._world.kernel.now
        batch = _Batch(self._size_max())
        self._fill(batch)
        closes_at = now() + self._window_s()
        while batch.messages and not batch.is_full and now() < closes_at and self._mapping.is_enabled:
            await self._wait_for_messages(deadline=closes_at)
            self._fill(batch)
        return batch.messages

    def _size_max(self) -> int:
        """How many messages a batch may have: as many as the mapping says, unless a fault cuts it."""
        size = self._mapping.batch_size
        if self._held:
            return size
        return self._world.interference.receive_max(self._queue, self._source, self._consumer.name, size)

    def _window_s(self) -> float:
        """How long a batch stays open; with light traffic AWS may keep it open longer than the window says (§3.5)."""
        window_s = self._mapping.batching_window_s
        return max(window_s, self._world.assumptions.queue_light_traffic_wait_s) if window_s else 0

    def _fill(self, batch: _Batch) -> None:
        while not batch.is_full and (received := self._next(batch.room)):
            # One that was held until its visibility timeout ended is in the queue again.
            if received.is_held(self._world.clock.now()) and not batch.add(received):
                self._held.appendleft(received)

    def _next(self, room: int) -> _Received | None:
        """The next message that may be handed over now; `room` are received at once if none is held."""
        while True:
            for place, received in enumerate(self._held):
                if not self._waits_for_its_group(received):
                    del self._held[place]
                    return received
            if not self._receive(room):
                return None

    def _waits_for_its_group(self, received: _Received) -> bool:
        """Whether a batch under way has earlier messages of the same FIFO group, and came first because 6 MB are the most (§3.6)."""
        if not self._mapping.is_fifo:
            return False
        now = self._world.clock.now()
        return any(one.group == received.group and one.is_held(now) for batch in self._under_way for one in batch)

    def _receive(self, count: int) -> bool:
        """Receive until something passes the filter, and delete the rest; false if the queue has nothing now."""
        now, timeout_s = self._world.clock.now(), self._visibility_timeout_s()
        before = len(self._held)
        while len(self._held) == before and (messages := self._queue.receive(count, visibility_timeout_s=timeout_s)):
            for message in messages:
                content = lambda_record(message)
                if self._consumer.passes(content):
                    self._held.append(_Received(message, self._consumer.text_of(content), now, now + timeout_s))
                else:
                    self._drop_filtered(message)
        return len(self._held) > before

    def _drop_filtered(self, message: ReceivedMessage) -> None:
        self._delete(message)
        self._world.journal.write(
            "dropped", self._source, cause=message.record, reason="filtered out", ids=[message.id]
        )

    def _visibility_timeout_s(self) -> int:
        """The queue's own, or a longer one if the window would use it up (§3.5)."""
        own_s = self._queue.visibility_timeout_s
        window_s = self._mapping.batching_window_s
        if not window_s:
            return own_s
        needed_s = window_s + self._consumer.timeout_s()
        return own_s if needed_s <= own_s else needed_s + WINDOW_VISIBILITY_MARGIN_S

    async def _wait_for_messages(self, *, deadline: float | None) -> None:
        due = [at for at in (deadline, self._queue.next_visible_at()) if at is not None]
        if due:
            await self._world.kernel.first(self._changed.wait(), deadline=min(due))
        else:
            await self._changed.wait()

    # -- scaling -----------------------------------------------------------------------------------------------------

    def _fall_idle(self) -> None:
        """The queue has nothing: growth ends, and the time without work begins, anew with the end of each batch."""
        self._busy_since = None
        if self._idle_since is None:
            self._idle_since = self._world.clock.now()

    def _wake(self) -> None:
        """There is a batch: after a long rest it meets a mapping that has idled down, if it ever was busy (§3.6)."""
        if self._idle_since is not None and self._has_worked and not self._in_flight:
            idle_s = self._world.clock.now() - self._idle_since
            has_idled_down = idle_s >= self._world.assumptions.queue_idles_down_after_s
            self._first = CONCURRENT_BATCHES_WHEN_IDLE if has_idled_down else CONCURRENT_BATCHES_AT_FIRST
        self._idle_since, self._has_worked = None, True

    async def _wait_for_room(self) -> None:
        """Until a batch ends, or the mapping may have grown: while there is a backlog it does, every minute."""
        if self._busy_since is None:
            self._busy_since = self._world.clock.now()
        busy_s = self._world.clock.now() - self._busy_since
        grows_at = self._busy_since + 60 * (busy_s // 60 + 1)
        await self._world.kernel.first(self._changed.wait(), deadline=grows_at)

    def _concurrency_max(self) -> int:
        """Batches at once: few at first, more for each minute that the backlog lasts, up to the limit (§3.6)."""
        first, per_minute, limit = self._scaling()
        busy_s = 0.0 if self._busy_since is None else self._world.clock.now() - self._busy_since
        return min(first + per_minute * int(busy_s // 60), limit)

    def _scaling(self) -> tuple[int, int, int]:
        """How many batches at first, how many more per minute, and how many at most."""
        limit = self._mapping.maximum_concurrency or CONCURRENT_BATCHES_MAX
        if self._mapping.provisioned_pollers is not None:
            low, high = self._mapping.provisioned_pollers
            each = BATCHES_PER_PROVISIONED_POLLER
            return low * each, PROVISIONED_BATCHES_PER_MINUTE, high * each
        if self._mapping.is_fifo:
            # As many as there are groups: the queue itself gives out no more.
            return limit, 0, limit
        return self._first, CONCURRENT_BATCHES_PER_MINUTE, limit

    # -- processing --------------------------------------------------------------------------------------------------

    async def _process(self, batch: list[_Received]) -> None:
        try:
            await self._deliver(batch)
        finally:
            self._in_flight -= 1
            self._under_way.remove(batch)
            if self._idle_since is not None:
                self._idle_since = self._world.clock.now()
            self._changed.notify()

    async def _deliver(self, batch: list[_Received]) -> None:
        messages = [received.message for received in batch]
        attempt = max(message.receive_count for message in messages)
        delivery = self._world.journal.write(
            "delivery",
            self._consumer.name,
            cause=messages[0].record,
            causes=[message.record for message in messages[1:]],
            source=self._source,
            ids=[message.id for message in messages],
            attempt=attempt,
        )
        gives_up_at = min(received.visible_again_at for received in batch)
        texts = [received.text for received in batch]
        outcome = await self._invoke(texts, delivery.n, attempt, gives_up_at, _trace_headers(messages))
        failed = self._failed(outcome, messages)
        for message in messages:
            if message.id not in failed:
                self._delete(message)
        if failed:
            self._let_go({received.group for received in batch if received.message.id in failed})
            self._slow_down()
            cause = delivery.n if isinstance(outcome, ApiError) else outcome.record
            self._note_return([m for m in messages if m.id in failed], cause, attempt, self._reason(outcome))
        else:
            self._limit_receives(attempt, delivery.n, RECEIVED_TOO_SOON)

    def _let_go(self, groups: set[str | None]) -> None:
        """Keep nothing that lies behind a failed message in its FIFO group: it comes back after it, when both are visible again."""
        if self._mapping.is_fifo:
            self._held = deque(received for received in self._held if received.group not in groups)

    def _slow_down(self) -> None:
        """Rest after a failure, unless the function reports what failed: then AWS does not slow down (§3.7, §3.8)."""
        pause_s = self._world.assumptions.queue_poller_pause_after_error_s
        if pause_s and not self._mapping.reports_batch_item_failures:
            self._rests_until = self._world.clock.now() + pause_s

    async def _invoke(
        self, records: Sequence[str], cause: int, attempt: int, gives_up_at: float, trace_headers: list[str]
    ) -> Outcome | ApiError:
        """
        Invoke; a throttle is retried until the messages' visibility runs out, then the batch is let go (§3.7).

        Returns the last refusal if it never ran.
        """
        kernel = self._world.kernel
        refusals = 0
        while True:
            try:
                return await self._consumer.invoke(records, cause=cause, attempt=attempt, trace_headers=trace_headers)
            except ApiError as refusal:
                if refusal.code == RECURSION:
                    # Nothing would change within the visibility timeout; the messages are let go at once (§7).
                    return refusal
                refusals += 1
                wait_s = self._world.backoff.async_throttle(refusals, self._mapping.uuid, cause)
                if kernel.now() + wait_s >= gives_up_at:
                    return refusal
                await kernel.sleep(wait_s)

    def _failed(self, outcome: Outcome | ApiError, batch: Sequence[ReceivedMessage]) -> set[str]:
        everything = {message.id for message in batch}
        if isinstance(outcome, ApiError) or outcome.failed:
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

    def _note_return(self, messages: list[ReceivedMessage], cause: int, attempt: int, reason: str) -> None:
        """What failed comes again when it is visible again, which the function may have changed; not what it deleted itself."""
        due = {m.id: at for m in messages if (at := self._queue.visible_again_at(m.receipt_handle)) is not None}
        if not due:
            return
        detail = {"source": self._source, "due": min(due.values()), "reason": reason, "ids": list(due)}
        self._world.journal.write("retry", self._consumer.name, cause=cause, **detail)
        self._limit_receives(attempt, cause, f", the last time refused with {reason}")

    def _limit_receives(self, receives: int, cause: int, how: str) -> None:
        """Stop a world in which a message comes back for ever: each time its batch fails, or takes longer than it is hidden."""
        if self._queue.dead_letter_arn is None:
            limit = RECEIVES_WITHOUT_DEAD_LETTERS_MAX
            self._world.limit_attempts(receives, self._consumer.arn, cause, limit=limit, how=how)

    def _reason(self, outcome: Outcome | ApiError) -> str:
        if isinstance(outcome, ApiError):
            return refusal_reason(outcome)
        return self._consumer.failure_reason(outcome) if outcome.failed else "BatchItemFailure"


def _trace_headers(messages: Sequence[ReceivedMessage]) -> list[str]:
    """The trace headers that the messages of a batch carry."""
    return [found for message in messages if (found := message.system_attributes.get("AWSTraceHeader")) is not None]
