"""Keeps one poller per event source mapping and pipe, as they come, change and go, and remembers how far streams were read."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

from stagefright.delivery.consumer import Consumer, FunctionConsumer
from stagefright.delivery.pipe import PipeConsumer
from stagefright.delivery.queue_mapping import QueuePoller
from stagefright.delivery.stream_mapping import StreamPoller
from stagefright.delivery.stream_progress import Progress

if TYPE_CHECKING:
    from stagefright.services.event_source_mapping import EventSourceMapping
    from stagefright.services.pipe import Pipe
    from stagefright.world import World


class Mappings:
    """The pollers of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pollers: dict[str, QueuePoller | StreamPoller] = {}
        self._progress: dict[str, Progress] = {}
        """Of each stream mapping that was ever enabled: a poller goes on where the one before it stopped."""
        world.functions.on_mapping_changed.append(self._mapping_changed)
        world.pipes.on_changed.append(self._pipe_changed)
        world.pipes.on_deleted.append(lambda pipe: self._forget(pipe.arn))
        world.queues.on_created.append(lambda queue: self._queue_made_again(queue.arn))
        world.functions.on_code_changed.append(lambda function: world.executor.drop_environments(function.name))

    def start_all(self) -> None:
        """Start a poller for each mapping and each pipe that is enabled."""
        for mapping in self._world.functions.mappings():
            self._mapping_changed(mapping)
        for pipe in self._world.pipes.pipes():
            self._pipe_changed(pipe)

    def stop_all(self) -> None:
        """Stop all pollers."""
        for uuid in list(self._pollers):
            self._stop(uuid)

    def snapshot(self) -> Any:
        """How far streams were read."""
        return deepcopy(self._progress)

    def restore(self, state: Any) -> None:
        """Go back to a snapshot; pollers must be stopped."""
        self._progress = deepcopy(state)

    def _mapping_changed(self, mapping: EventSourceMapping) -> None:
        if mapping.state == "Deleted":
            self._forget(mapping.uuid)
        elif mapping.is_enabled or mapping.uuid in self._pollers:
            self._poll(mapping, FunctionConsumer(self._world, mapping))

    def _pipe_changed(self, pipe: Pipe) -> None:
        if pipe.polling is None:
            self._stop(pipe.arn)
        elif pipe.is_running or pipe.arn in self._pollers:
            self._poll(pipe.polling, PipeConsumer(self._world, pipe))

    def _queue_made_again(self, arn: str) -> None:
        """A mapping outlives its queue: it goes on when one of the same name is made."""
        for mapping in self._world.functions.mappings():
            if mapping.source_arn == arn:
                self._stop(mapping.uuid)
                self._mapping_changed(mapping)
        for pipe in self._world.pipes.pipes():
            if pipe.source == arn:
                self._stop(pipe.arn)
                self._pipe_changed(pipe)

    def _poll(self, mapping: EventSourceMapping, consumer: Consumer) -> None:
        poller = self._pollers.get(mapping.uuid)
        if poller is not None:
            poller.configure(mapping, consumer)
            return
        poller = self._make(mapping, consumer)
        if poller is not None:
            self._pollers[mapping.uuid] = poller
            poller.start()

    def _stop(self, uuid: str) -> None:
        poller = self._pollers.pop(uuid, None)
        if poller is not None:
            poller.stop()

    def _forget(self, uuid: str) -> None:
        self._stop(uuid)
        self._progress.pop(uuid, None)

    def _make(self, mapping: EventSourceMapping, consumer: Consumer) -> QueuePoller | StreamPoller | None:
        if mapping.source == "sqs":
            queue = self._world.queues.by_arn(mapping.source_arn)
            return None if queue is None else QueuePoller(self._world, mapping, queue, consumer)
        if mapping.uuid not in self._progress:
            self._progress[mapping.uuid] = Progress.from_position(mapping, self._world.streams)
        return StreamPoller(self._world, mapping, self._progress[mapping.uuid], consumer)
