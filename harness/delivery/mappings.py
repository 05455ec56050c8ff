"""Keeps one poller per enabled event source mapping, as mappings come, change and go."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagefright.delivery.queue_mapping import QueuePoller
from stagefright.delivery.stream_mapping import StreamPoller

if TYPE_CHECKING:
    from stagefright.services.event_source_mappings import EventSourceMapping
    from stagefright.world import World


class Mappings:
    """The pollers of a world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._pollers: dict[str, QueuePoller | StreamPoller] = {}
        world.functions.on_mapping_changed.append(self._changed)
        world.functions.on_code_changed.append(lambda function: world.executor.drop_environments(function.name))

    def start_all(self) -> None:
        """Start a poller for each mapping that is enabled."""
        for mapping in self._world.functions.mappings():
            self._changed(mapping)

    def stop_all(self) -> None:
        """Stop all pollers."""
        for uuid in list(self._pollers):
            self._stop(uuid)

    def _changed(self, mapping: EventSourceMapping) -> None:
        self._stop(mapping.uuid)
        if mapping.is_enabled:
            poller = self._make(mapping)
            if poller is not None:
                self._pollers[mapping.uuid] = poller
                poller.start()

    def _stop(self, uuid: str) -> None:
        poller = self._pollers.pop(uuid, None)
        if poller is not None:
            poller.stop()

    def _make(self, mapping: EventSourceMapping) -> QueuePoller | StreamPoller | None:
        if mapping.source != "sqs":
            self._warn_of_windows(mapping)
            return StreamPoller(self._world, mapping)
        queue = self._world.queues.by_arn(mapping.source_arn)
        return None if queue is None else QueuePoller(self._world, mapping, queue)

    def _warn_of_windows(self, mapping: EventSourceMapping) -> None:
        if mapping.tumbling_window_s:
            self._world.journal.write(
                "warning",
                self._world.name_of(mapping.function_arn),
                message="TumblingWindowInSeconds is stored, but this version delivers without windows or state.",
            )
