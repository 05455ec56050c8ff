"""
Message move tasks: SQS's own way to bring dead letters back (`StartMessageMoveTask`).
"""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from stagefright.aws_api.errors import ApiError
from stagefright.services import queue_limits as limits
from stagefright.services.queue import Queue, QueueWorld
from stagefright.services.queue_message import Message
from stagefright.services.queue_rules import invalid, invalid_value
from stagefright.tasks import Future


class MoveKernel(Protocol):
    """What a move task needs of the kernel."""

    def sleep(self, seconds: float) -> Future[None]:
        """A future that settles after a span of virtual time."""

    def spawn(self, coroutine: Coroutine[Any, Any, None], *, name: str, cause: int | None = None) -> Any:
        """Start a task."""


@dataclass(slots=True)
class MoveTask:
    """One task and how far it got; `destination_arn` is None when messages go back to where they came from."""

    id: str
    source_arn: str
    destination_arn: str | None
    messages_per_s: int | None
    started_at: float
    to_move: int
    moved: int = 0
    status: str = "RUNNING"
    failure: str | None = None

    @property
    def active(self) -> bool:
        """Whether the source queue is still taken by this task."""
        return self.status in ("RUNNING", "CANCELLING")

    @property
    def handle(self) -> str:
        """What `CancelMessageMoveTask` asks for."""
        return base64.b64encode(json.dumps({"taskId": self.id, "sourceArn": self.source_arn}).encode()).decode()

    def describe(self) -> dict[str, Any]:
        """The task as `ListMessageMoveTasks` shows it; only a running one shows its handle."""
        optional = {
            "TaskHandle": self.handle if self.status == "RUNNING" else None,
            "DestinationArn": self.destination_arn,
            "MaxNumberOfMessagesPerSecond": self.messages_per_s,
            "FailureReason": self.failure,
        }
        return {
            "Status": self.status,
            "SourceArn": self.source_arn,
            "ApproximateNumberOfMessagesMoved": self.moved,
            "ApproximateNumberOfMessagesToMove": self.to_move,
            "StartedTimestamp": round(self.started_at * 1_000),
            **{name: value for name, value in optional.items() if value is not None},
        }


class MoveTasks:
    """All move tasks of an account; each moves one message at a time, at most 500 in a second."""

    def __init__(self, world: QueueWorld, kernel: MoveKernel, find: Callable[[str], Queue | None]) -> None:
        self._world = world
        self._kernel = kernel
        self._find = find
        self._tasks: list[MoveTask] = []

    def start(self, params: Mapping[str, Any], *, has_sources: Callable[[str], bool]) -> MoveTask:
        """Begin to move the messages of a dead-letter queue."""
        source = self._existing(params["SourceArn"], "SourceArn")
        destination = params.get("DestinationArn")
        if not has_sources(source.arn):
            raise invalid("Source queue must be configured as a Dead Letter Queue.")
        if destination is not None:
            self._existing(destination, "DestinationArn")
        self._check_rate(params.get("MaxNumberOfMessagesPerSecond"))
        if any(task.active and task.source_arn == source.arn for task in self._tasks):
            raise invalid(
                "There is already a task running. Only one active task is allowed for a source queue arn at a given "
                "time."
            )
        task = MoveTask(
            id=self._world.chance.uuid("sqs-move", source.arn, len(self._tasks)),
            source_arn=source.arn,
            destination_arn=destination,
            messages_per_s=params.get("MaxNumberOfMessagesPerSecond"),
            started_at=self._world.clock.now(),
            to_move=source.depth().visible,
        )
        self._tasks.append(task)
        self._kernel.spawn(self._run(task), name=f"move messages of {source.name}")
        return task

    def cancel(self, handle: str) -> MoveTask:
        """Stop a task before its next message."""
        key = _decode(handle)
        self._existing(key.get("sourceArn", ""), "SourceArn")
        task = next((each for each in self._tasks if each.id == key.get("taskId")), None)
        if task is None:
            raise ApiError("ResourceNotFoundException", "Task does not exist.", status=404)
        if task.status == "RUNNING":
            task.status = "CANCELLING"
        return task

    def of_source(self, source_arn: str, count: int) -> list[MoveTask]:
        """The newest tasks of a queue, newest first."""
        self._existing(source_arn, "SourceArn")
        if not 1 <= count <= limits.MOVE_TASKS_LISTED_MAX:
            raise invalid_value("MaxResults", count, f"Must be between 1 and {limits.MOVE_TASKS_LISTED_MAX}.")
        return [task for task in reversed(self._tasks) if task.source_arn == source_arn][:count]

    def snapshot(self) -> tuple[MoveTask, ...]:
        """A copy of the tasks; their coroutines belong to the kernel."""
        return tuple(copy.copy(task) for task in self._tasks)

    def restore(self, tasks: tuple[MoveTask, ...]) -> None:
        """Go back to a snapshot."""
        self._tasks = [copy.copy(task) for task in tasks]

    async def _run(self, task: MoveTask) -> None:
        pause_s = 1 / (task.messages_per_s or limits.MOVE_MESSAGES_PER_S_MAX)
        while task.status == "RUNNING":
            await self._kernel.sleep(pause_s)
            if task.status == "RUNNING":
                self._move_one(task)
        if task.status == "CANCELLING":
            task.status = "CANCELLED"

    def _move_one(self, task: MoveTask) -> None:
        source = self._find(task.source_arn)
        message = source.oldest_receivable() if source else None
        if source is None or message is None:
            task.status = "COMPLETED" if source else "FAILED"
            return
        destination = self._find(task.destination_arn or message.dead_letter_source or "")
        if destination is None:
            task.status, task.failure = "FAILED", "AWS.SimpleQueueService.NonExistentQueue"
            return
        try:
            _resend(message, destination)
        except ApiError as refusal:
            task.status, task.failure = "FAILED", refusal.code
            return
        source.take_away(message)
        task.moved += 1
        if task.moved == task.to_move:
            task.status = "COMPLETED"

    def _existing(self, arn: str, parameter: str) -> Queue:
        queue = self._find(arn)
        if queue is None:
            raise ApiError(
                "ResourceNotFoundException",
                f"The resource that you specified for the {parameter} parameter doesn't exist.",
                status=404,
            )
        return queue

    def _check_rate(self, rate: int | None) -> None:
        if rate is not None and not 1 <= rate <= limits.MOVE_MESSAGES_PER_S_MAX:
            raise invalid_value(
                "MaxNumberOfMessagesPerSecond", rate, f"Must be between 1 and {limits.MOVE_MESSAGES_PER_S_MAX}."
            )


def _resend(message: Message, destination: Queue) -> None:
    """A moved message is a new one: new id, new time of sending (DG sqs-configure-dead-letter-queue-redrive)."""
    trace = message.trace_header
    destination.send(
        message.body,
        attributes=message.attributes,
        system_attributes={"AWSTraceHeader": {"DataType": "String", "StringValue": trace}} if trace else None,
        group_id=message.group_id,
        dedup_id=message.id if destination.fifo else None,
        sender_id=message.sender_id,
        cause=message.record,
    )


def _decode(handle: str) -> dict[str, Any]:
    try:
        key = json.loads(base64.b64decode(handle, validate=True))
    except ValueError:
        key = None
    if not isinstance(key, dict):
        raise invalid("Value for parameter TaskHandle is invalid.")
    return key
