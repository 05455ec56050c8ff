"""A DynamoDB table, seen through its stream, beside the stream's other readers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stagefright.errors import UsageError
from stagefright.targets.taps.ground import Ground
from stagefright.targets.taps.shards import OLDEST, Answer, Shard, Shards, Start
from stagefright.targets.taps.stream import listed
from stagefright.targets.taps.tap import Sighting


class TableTap:
    """The changes of a table that has a stream. Nothing is made in the account; what it costs is reads."""

    def __init__(self, ground: Ground, table: str, physical_name: str) -> None:
        self._ground = ground
        self._table = table
        self._physical_name = physical_name
        self._shards: Shards | None = None

    @property
    def is_behind(self) -> bool:
        """Whether a shard has more to read."""
        return self._shards is not None and self._shards.is_behind

    def arm(self) -> None:
        """Take the position in every shard of the stream that the table has now."""
        described = self._ground.client("dynamodb").describe_table(TableName=self._physical_name)["Table"]
        if not described.get("LatestStreamArn"):
            raise UsageError(f"{self._table} has no stream, so its changes cannot be observed.")
        self._shards = Shards(TableStreamSource(self._ground, described["LatestStreamArn"]), self._ground)
        self._shards.begin()

    def poll(self) -> list[Sighting]:
        """The changes since the last poll."""
        found = [] if self._shards is None else self._shards.poll()
        return [self._sighting(shard_id, record) for shard_id, record in found]

    def _sighting(self, shard_id: str, record: Mapping[str, Any]) -> Sighting:
        changed_at = record["dynamodb"]["ApproximateCreationDateTime"].timestamp()
        change = {**record["dynamodb"], "ApproximateCreationDateTime": int(changed_at)}
        detail = {
            "id": record["eventID"],
            "event_name": record["eventName"],
            "key": change.get("Keys"),
            "data": change,
        }
        return Sighting(changed_at, "event", self._table, detail, record["eventID"], shard_id)

    def close(self) -> None:
        """Nothing was made."""


class TableStreamSource:
    """The words of DynamoDB streams for what `Shards` does."""

    def __init__(self, ground: Ground, stream_arn: str) -> None:
        self._streams = ground.client("dynamodbstreams")
        self._arn = stream_arn

    def shards(self) -> list[Shard]:
        """All shards, page by page."""
        found: list[Shard] = []
        after: dict[str, str] = {}
        while True:
            described = self._streams.describe_stream(StreamArn=self._arn, **after)["StreamDescription"]
            found += [listed(shard) for shard in described["Shards"]]
            if not described.get("LastEvaluatedShardId"):
                return found
            after = {"ExclusiveStartShardId": described["LastEvaluatedShardId"]}

    def iterator(self, shard_id: str, start: Start) -> str:
        """An iterator."""
        given = {} if start.sequence_number is None else {"SequenceNumber": start.sequence_number}
        answer = self._streams.get_shard_iterator(
            StreamArn=self._arn, ShardId=shard_id, ShardIteratorType=start.type, **given
        )
        return str(answer["ShardIterator"])

    def read(self, iterator: str) -> Answer:
        """One read. It does not say whether there is more; where something was, more may be."""
        answer = self._streams.get_records(ShardIterator=iterator)
        return Answer(answer["Records"], answer.get("NextShardIterator"), bool(answer["Records"]))

    def sequence_number(self, record: Mapping[str, Any]) -> str:
        """The number."""
        return str(record["dynamodb"]["SequenceNumber"])

    def since(self, when: float) -> Start:  # noqa: ARG002 - the older records are left out by their time
        """DynamoDB finds no instant: from the oldest record on."""
        return OLDEST

    def came_at(self, record: Mapping[str, Any]) -> float:
        """In whole seconds, so up to one second before it came."""
        return float(record["dynamodb"]["ApproximateCreationDateTime"].timestamp())
