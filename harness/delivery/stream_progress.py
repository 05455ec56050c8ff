"""How far one event source mapping has read its stream: what survives a poller that is stopped and started."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stagefright.delivery.stream_window import Window

if TYPE_CHECKING:
    from stagefright.services.event_source_mapping import EventSourceMapping
    from stagefright.services.streams import Shard, StreamRecord, StreamService


@dataclass(slots=True)
class ShardProgress:
    """
    One shard: the records before place `first` are done with, and of the later ones those in `beyond`.

    >>> progress = ShardProgress()
    >>> progress.done([1]); progress.first
    0
    >>> progress.done([0]); progress.first
    2
    """

    first: int = 0
    beyond: set[int] = field(default_factory=set)
    windows: dict[int, Window] = field(default_factory=dict)
    """The tumbling window that is open in each lane (§4.7)."""

    def is_done(self, place: int) -> bool:
        """Whether a record was processed, given up or filtered out."""
        return place < self.first or place in self.beyond

    def done(self, places: Iterable[int]) -> None:
        """Records that will not be read again."""
        self.beyond.update(places)
        while self.first in self.beyond:
            self.beyond.remove(self.first)
            self.first += 1


@dataclass(slots=True)
class Progress:
    """All shards of a stream, by id; one that is not here yet is read from its beginning."""

    shards: dict[str, ShardProgress] = field(default_factory=dict)

    @classmethod
    def from_position(cls, mapping: EventSourceMapping, streams: StreamService) -> Progress:
        """
        Where a new mapping starts.

        Only shards that have records now are passed over: a shard that gets its first record later is new to the
        mapping, and none of it is skipped.
        """
        shards = streams.shards(mapping.stream_arn)
        return cls({shard.id: ShardProgress(_first_place(mapping, shard)) for shard in shards})

    def of(self, shard_id: str) -> ShardProgress:
        """The progress in one shard."""
        return self.shards.setdefault(shard_id, ShardProgress())


def _first_place(mapping: EventSourceMapping, shard: Shard) -> int:
    if mapping.starting_position == "LATEST":
        return len(shard.records) + shard.held
    since = mapping.starting_timestamp
    if mapping.starting_position == "AT_TIMESTAMP" and since is not None:
        return next((record.place for record in shard.records if _is_since(record, since)), len(shard.records))
    return 0


def _is_since(record: StreamRecord, since: float) -> bool:
    return record.arrived_at >= since
