"""
SQS: the operations of its API, over the queues of one account and region.

Each operation takes boto3's parameters and returns boto3's response. Empty lists and maps are left out of a response,
as in AWS's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from stagefright.aws_api.errors import ApiError
from stagefright.services import queue_limits as limits
from stagefright.services import queue_policy as policy
from stagefright.services import queue_rules as rules
from stagefright.services import queue_settings as settings
from stagefright.services.queue import Queue, QueueState, QueueWorld
from stagefright.services.queue_answers import (
    Params,
    Response,
    described,
    each,
    page,
    present,
    received_response,
    sent_response,
)
from stagefright.services.queue_errors import PREFIX, no_such_queue
from stagefright.services.queue_message import ReceivedMessage, SentMessage
from stagefright.services.queue_moves import MoveKernel, MoveTask, MoveTasks
from stagefright.tasks import Future, Signal


class QueueKernel(MoveKernel, Protocol):
    """What the service needs of the kernel."""

    async def first(self, awaitable: Future[Any], *, deadline: float) -> bool:
        """Wait for a future until `deadline`; true if it settled in time."""


class QueueServiceWorld(QueueWorld, Protocol):
    """What the service needs of its world."""

    @property
    def kernel(self) -> QueueKernel:
        """Time and tasks."""


@dataclass(frozen=True)
class QueueServiceState:
    """A copy of all queues; opaque to everyone but the service."""

    queues: tuple[tuple[Queue, QueueState], ...]
    deleted_at: dict[str, float]
    moves: tuple[MoveTask, ...]


class QueueService:
    """
    All queues of a world.

    Other services and deliveries reach a queue with `by_arn` or `by_url` and use it directly.
    """

    def __init__(self, world: QueueServiceWorld) -> None:
        self._world = world
        self._queues: dict[str, Queue] = {}
        self._by_arn: dict[str, Queue] = {}
        self._by_url: dict[str, Queue] = {}
        self._deleted_at: dict[str, float] = {}
        self.on_created: list[Callable[[Queue], None]] = []
        """Told of each new queue."""
        self._moves = MoveTasks(world, world.kernel, self.by_arn)

    def by_arn(self, arn: str) -> Queue | None:
        """The queue with this ARN, if there is one."""
        return self._by_arn.get(arn)

    def by_url(self, url: str) -> Queue | None:
        """The queue with this URL, if there is one."""
        return self._by_url.get(url)

    def all(self) -> list[Queue]:
        """Every queue, by name."""
        return [self._queues[name] for name in sorted(self._queues)]

    # Queues

    def create_queue(self, params: Params) -> Response:
        """Make a queue, or return the one that already is as asked for."""
        name, given = params["QueueName"], _strings(params.get("Attributes"))
        existing = self._queues.get(name)
        if existing is not None:
            _refuse_difference(existing, given)
            return {"QueueUrl": existing.url}
        settings.check_name(name, fifo=given.get("FifoQueue") == "true")
        self._refuse_recreation(name)
        arn = f"arn:aws:sqs:{self._world.region}:{self._world.account}:{name}"
        start = settings.defaults(fifo=name.endswith(".fifo"))
        checked = settings.check_settings(given, current=start, queue_arn=arn, find=self.by_arn)
        queue = Queue(self._world, name, {**start, **checked}, tags=params.get("tags"), find=self.by_arn)
        self._register(queue)
        for tell in self.on_created:
            tell(queue)
        return {"QueueUrl": queue.url}

    def delete_queue(self, params: Params) -> Response:
        """Delete a queue with its messages; for a minute its name cannot be used again."""
        queue = self._queue(params)
        del self._queues[queue.name], self._by_arn[queue.arn], self._by_url[queue.url]
        self._deleted_at[queue.name] = self._world.clock.now()
        queue.close()
        return {}

    def get_queue_url(self, params: Params) -> Response:
        """The URL of a queue of this account."""
        queue = self._queues.get(params["QueueName"])
        if queue is None or params.get("QueueOwnerAWSAccountId", self._world.account) != self._world.account:
            raise no_such_queue()
        return {"QueueUrl": queue.url}

    def list_queues(self, params: Params) -> Response:
        """The URLs of queues by prefix, page by page if `MaxResults` is given."""
        prefix = params.get("QueueNamePrefix", "")
        names = [name for name in sorted(self._queues) if name.startswith(prefix)]
        shown, token = page(names, params)
        return present(QueueUrls=[self._queues[name].url for name in shown], NextToken=token)

    def list_dead_letter_source_queues(self, params: Params) -> Response:
        """The URLs of the queues whose redrive policy names this queue."""
        target = self._queue(params)
        names = [queue.name for queue in self.all() if queue.dead_letter_arn == target.arn]
        shown, token = page(names, params)
        urls = [self._queues[name].url for name in shown]
        return {"queueUrls": urls, **present(NextToken=token)}

    def get_queue_attributes(self, params: Params) -> Response:
        """The attributes asked for, those that are set."""
        queue = self._queue(params)
        asked = params.get("AttributeNames") or ()
        for name in asked:
            if name not in ("All", *settings.SETTABLE, *settings.READ_ONLY):
                raise ApiError("InvalidAttributeName", f"Unknown Attribute {name}.")
        known = described(queue) if asked else {}
        wanted = known if "All" in asked else {name: known[name] for name in asked if name in known}
        return present(Attributes=wanted)

    def set_queue_attributes(self, params: Params) -> Response:
        """Change attributes, at once (AWS takes up to a minute, and 15 for the retention period)."""
        queue = self._queue(params)
        given = _strings(params["Attributes"])
        queue.configure(settings.check_settings(given, current=queue.attributes, queue_arn=queue.arn, find=self.by_arn))
        return {}

    def purge_queue(self, params: Params) -> Response:
        """Drop all messages, once in a minute at most."""
        queue = self._queue(params)
        now = self._world.clock.now()
        if queue.purged_at is not None and now < queue.purged_at + limits.PURGE_INTERVAL_S - limits.CLOCK_TOLERANCE_S:
            raise ApiError(
                f"{PREFIX}PurgeQueueInProgress",
                f"Only one PurgeQueue operation on {queue.name} is allowed every {limits.PURGE_INTERVAL_S} seconds.",
                status=403,
            )
        queue.purge()
        return {}

    # Tags and permissions

    def tag_queue(self, params: Params) -> Response:
        """Add or change tags."""
        self._queue(params).tags.update(params["Tags"])
        return {}

    def untag_queue(self, params: Params) -> Response:
        """Take tags away; unknown ones are ignored."""
        tags = self._queue(params).tags
        for key in params["TagKeys"]:
            tags.pop(key, None)
        return {}

    def list_queue_tags(self, params: Params) -> Response:
        """All tags."""
        return present(Tags=dict(self._queue(params).tags))

    def add_permission(self, params: Params) -> Response:
        """Add a statement to the queue's policy. The policy is kept, not enforced."""
        policy.add_statement(self._queue(params), params["Label"], params["AWSAccountIds"], params["Actions"])
        return {}

    def remove_permission(self, params: Params) -> Response:
        """Take a statement out of the queue's policy."""
        policy.remove_statement(self._queue(params), params["Label"])
        return {}

    # Messages

    def send_message(self, params: Params) -> Response:
        """Send one message."""
        sent = self._send(self._queue(params), params)
        return sent_response(sent, params)

    def send_message_batch(self, params: Params) -> Response:
        """Send up to ten messages, each of which may be refused on its own."""
        queue, entries = self._queue(params), params["Entries"]
        rules.check_batch_entry_ids(_ids(entries), entry_type="SendMessageBatchRequestEntry")
        rules.check_batch_bytes(
            sum(rules.message_bytes(entry["MessageBody"], entry.get("MessageAttributes") or {}) for entry in entries)
        )
        if queue.fifo:
            _refuse_incomplete_fifo_batch(queue, entries)
        return each(entries, lambda entry: sent_response(self._send(queue, entry), entry))

    async def receive_message(self, params: Params) -> Response:
        """Receive up to ten messages; if there are none, wait for the first one as long as asked."""
        queue = self._queue(params)
        rules.check_max_messages(params.get("MaxNumberOfMessages", 1))
        rules.check_visibility(params.get("VisibilityTimeout"))
        rules.check_wait(params.get("WaitTimeSeconds"))
        if not queue.fifo and "ReceiveRequestAttemptId" in params:
            raise rules.not_for_this_queue("ReceiveRequestAttemptId", params["ReceiveRequestAttemptId"])
        wait_s = params.get("WaitTimeSeconds", queue.wait_s)
        received = self._receive(queue, params)
        if not received and wait_s > 0:
            received = await self._receive_later(queue, params, wait_s)
        elif not received and not queue.fifo and queue.in_flight_room() <= 0:
            raise ApiError("OverLimit", "The maximum number of in flight messages is reached.")
        return present(Messages=[received_response(message, params) for message in received])

    def delete_message(self, params: Params) -> Response:
        """Delete a received message."""
        self._queue(params).delete(params["ReceiptHandle"])
        return {}

    def delete_message_batch(self, params: Params) -> Response:
        """Delete up to ten received messages."""
        queue, entries = self._queue(params), params["Entries"]
        rules.check_batch_entry_ids(_ids(entries), entry_type="DeleteMessageBatchRequestEntry")
        return each(entries, lambda entry: queue.delete(entry["ReceiptHandle"]))

    def change_message_visibility(self, params: Params) -> Response:
        """Hide a received message for longer or shorter than its queue says."""
        _change_visibility(self._queue(params), params)
        return {}

    def change_message_visibility_batch(self, params: Params) -> Response:
        """Change the visibility timeout of up to ten received messages."""
        queue, entries = self._queue(params), params["Entries"]
        rules.check_batch_entry_ids(_ids(entries), entry_type="ChangeMessageVisibilityBatchRequestEntry")
        return each(entries, lambda entry: _change_visibility(queue, entry))

    # Message move tasks

    def start_message_move_task(self, params: Params) -> Response:
        """Begin to move the messages of a dead-letter queue back, or elsewhere."""
        return {"TaskHandle": self._moves.start(params, has_sources=self._has_sources).handle}

    def cancel_message_move_task(self, params: Params) -> Response:
        """Stop a move task; what it has moved stays moved."""
        return {"ApproximateNumberOfMessagesMoved": self._moves.cancel(params["TaskHandle"]).moved}

    def list_message_move_tasks(self, params: Params) -> Response:
        """The newest move tasks of a dead-letter queue."""
        tasks = self._moves.of_source(params["SourceArn"], params.get("MaxResults", 1))
        return present(Results=[task.describe() for task in tasks])

    # The way back

    def snapshot(self) -> QueueServiceState:
        """A copy of all queues and messages."""
        queues = tuple((queue, queue.snapshot()) for queue in self._queues.values())
        return QueueServiceState(queues, dict(self._deleted_at), self._moves.snapshot())

    def restore(self, state: QueueServiceState) -> None:
        """
        Go back to a snapshot. A queue that was there stays the same object, so whoever holds one need not look again.

        The callbacks in `on_available` are part of the state: those added since are gone.
        """
        for mapping in (self._queues, self._by_arn, self._by_url):
            mapping.clear()
        for queue, queue_state in state.queues:
            queue.restore(queue_state)
            self._register(queue)
        self._deleted_at = dict(state.deleted_at)
        self._moves.restore(state.moves)

    # Helpers

    def _queue(self, params: Params) -> Queue:
        queue = self._by_url.get(params["QueueUrl"])
        if queue is None:
            raise no_such_queue()
        return queue

    def _register(self, queue: Queue) -> None:
        self._queues[queue.name] = self._by_arn[queue.arn] = self._by_url[queue.url] = queue

    def _refuse_recreation(self, name: str) -> None:
        deleted_at = self._deleted_at.get(name)
        now = self._world.clock.now()
        if deleted_at is not None and now < deleted_at + limits.RECREATE_WAIT_S - limits.CLOCK_TOLERANCE_S:
            raise ApiError(
                f"{PREFIX}QueueDeletedRecently",
                f"You must wait {limits.RECREATE_WAIT_S} seconds after deleting a queue before you can create another "
                "with the same name.",
            )
        self._deleted_at.pop(name, None)

    def _has_sources(self, arn: str) -> bool:
        return any(queue.dead_letter_arn == arn for queue in self._queues.values())

    def _send(self, queue: Queue, params: Params) -> SentMessage:
        attributes = params.get("MessageAttributes") or {}
        system_attributes = params.get("MessageSystemAttributes") or {}
        rules.check_message(params["MessageBody"], attributes)
        rules.check_system_attributes(system_attributes)
        rules.check_ids(params.get("MessageGroupId"), params.get("MessageDeduplicationId"))
        rules.check_delay(params.get("DelaySeconds"))
        return queue.send(
            params["MessageBody"],
            attributes={name: _clean(value) for name, value in attributes.items()},
            system_attributes=system_attributes,
            group_id=params.get("MessageGroupId"),
            dedup_id=params.get("MessageDeduplicationId"),
            delay_s=params.get("DelaySeconds"),
        )

    def _receive(self, queue: Queue, params: Params) -> list[ReceivedMessage]:
        name, asked = self._world.name_of(queue.arn), params.get("MaxNumberOfMessages", 1)
        return queue.receive(
            self._world.interference.receive_max(queue, name, name, asked),
            visibility_timeout_s=params.get("VisibilityTimeout"),
            attempt_id=params.get("ReceiveRequestAttemptId"),
        )

    async def _receive_later(self, queue: Queue, params: Params, wait_s: float) -> list[ReceivedMessage]:
        """Long polling: look again when something changed, when a message comes back, and at the end."""
        end = self._world.clock.now() + wait_s
        signal = Signal(f"ReceiveMessage({queue.name})")
        queue.on_available.append(signal.notify)
        try:
            while self._world.clock.now() < end - limits.CLOCK_TOLERANCE_S and not queue.deleted:
                due = queue.next_visible_at()
                await self._world.kernel.first(signal.wait(), deadline=end if due is None else min(end, due))
                received = self._receive(queue, params)
                if received:
                    return received
            return []
        finally:
            # A restore may have taken the callback away already.
            if signal.notify in queue.on_available:
                queue.on_available.remove(signal.notify)


def _refuse_difference(queue: Queue, given: Mapping[str, str]) -> None:
    name = settings.first_difference(given, queue.attributes)
    if name is not None:
        raise ApiError(
            "QueueAlreadyExists",
            f"A queue already exists with the same name and a different value for attribute {name}",
        )


def _change_visibility(queue: Queue, params: Params) -> None:
    # Only the batch operation may leave the timeout out of an entry.
    seconds = params.get("VisibilityTimeout")
    if seconds is None:
        raise rules.missing("VisibilityTimeout")
    rules.check_visibility(seconds)
    queue.change_visibility(params["ReceiptHandle"], seconds)


def _refuse_incomplete_fifo_batch(queue: Queue, entries: Iterable[Params]) -> None:
    """A FIFO batch with an incomplete entry is refused as a whole (LS test_send_batch_missing_*)."""
    for entry in entries:
        if not entry.get("MessageGroupId"):
            raise rules.invalid("The request must contain the parameter MessageGroupId.")
        rules.deduplication_id(
            entry.get("MessageDeduplicationId"), entry["MessageBody"], by_content=queue.content_based_deduplication
        )


def _ids(entries: Iterable[Params]) -> list[str]:
    return [entry["Id"] for entry in entries]


def _clean(value: Mapping[str, Any]) -> dict[str, Any]:
    """A message attribute without the fields that were given as None, its bytes as bytes."""
    raw = value.get("BinaryValue")
    if raw is not None:
        return {"BinaryValue": raw.encode() if isinstance(raw, str) else bytes(raw), "DataType": value["DataType"]}
    return {"StringValue": value["StringValue"], "DataType": value["DataType"]}


def _strings(attributes: Mapping[str, Any] | None) -> dict[str, str]:
    return {name: str(value) for name, value in (attributes or {}).items()}
