"""A Kinesis stream, read beside its other consumers."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from stagefright.targets.taps.ground import Ground
from stagefright.targets.taps.shards import Answer, Shard, Shards, Start
from stagefright.targets.taps.tap import Sighting
from stagefright.wording import text_of


class StreamTap:
    """The records that come into a stream. Nothing is made in the account; what it costs is reads."""

    def __init__(self, ground: Ground, stream: str, physical_name: str) -> None:
        self._stream = stream
        self._shards = Shards(KinesisSource(ground, physical_name), ground)

    @property
    def is_behind(self) -> bool:
        """Whether a shard has more to read."""
        return self._shards.is_behind

    def arm(self) -> None:
        """Take the position in every shard."""
        self._shards.begin()

    def poll(self) -> list[Sighting]:
        """The records since the last poll."""
        return [self._sighting(shard_id, record) for shard_id, record in self._shards.poll()]

    def _sighting(self, shard_id: str, record: Mapping[str, Any]) -> Sighting:
        event_id = f"{shard_id}:{record['SequenceNumber']}"
        detail = {"id": event_id, "key": record["PartitionKey"], "data": text_of(record["Data"]), "shard": shard_id}
        return Sighting(
            record["ApproximateArrivalTimestamp"].timestamp(), "event", self._stream, detail, event_id, shard_id
        )

    def close(self) -> None:
        """Nothing was made."""


class KinesisSource:
    """Kinesis's words for what `Shards` does."""

    def __init__(self, ground: Ground, physical_name: str) -> None:
        self._kinesis = ground.client("kinesis")
        self._name = physical_name

    def shards(self) -> list[Shard]:
        """All shards."""
        pages = self._kinesis.get_paginator("list_shards").paginate(StreamName=self._name)
        return [listed(shard) for page in pages for shard in page["Shards"]]

    def iterator(self, shard_id: str, start: Start) -> str:
        """An iterator."""
        given: dict[str, Any] = {}
        if start.sequence_number is not None:
            given["StartingSequenceNumber"] = start.sequence_number
        if start.at is not None:
            given["Timestamp"] = datetime.fromtimestamp(start.at, UTC)
        answer = self._kinesis.get_shard_iterator(
            StreamName=self._name, ShardId=shard_id, ShardIteratorType=start.type, **given
        )
        return str(answer["ShardIterator"])

    def read(self, iterator: str) -> Answer:
        """One read."""
        answer = self._kinesis.get_records(ShardIterator=iterator)
        return Answer(answer["Records"], answer.get("NextShardIterator"), answer.get("MillisBehindLatest", 0) > 0)

    def sequence_number(self, record: Mapping[str, Any]) -> str:
        """The number."""
        return str(record["SequenceNumber"])

    def since(self, when: float) -> Start:
        """Kinesis finds an instant."""
        return Start("AT_TIMESTAMP", at=when)

    def came_at(self, record: Mapping[str, Any]) -> float:
        """To the millisecond."""
        return float(record["ApproximateArrivalTimestamp"].timestamp())


def listed(shard: Mapping[str, Any]) -> Shard:
    """A shard from its description, which is the same in both APIs."""
    parents = (shard.get("ParentShardId"), shard.get("AdjacentParentShardId"))
    is_closed = bool(shard.get("SequenceNumberRange", {}).get("EndingSequenceNumber"))
    return Shard(shard["ShardId"], tuple(parent for parent in parents if parent), is_closed)
