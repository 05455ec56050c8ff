"""
What consumers read: the shards of Kinesis streams and of DynamoDB tables.

moto keeps streams and tables; each record that it accepts is handed over here (`aws_api/moto_hooks.py`), in the shape
that Lambda gives to functions (aws-semantics §4.6), and readers are told.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from stagefright.tasks import Signal

if TYPE_CHECKING:
    from stagefright.world import World

KINESIS_RETENTION_DEFAULT_S = 24 * 3600
TABLE_STREAM_RETENTION_S = 24 * 3600


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """A record in a shard: `body` is the Lambda record, `key` what keeps order, `record` the journal's number of it."""

    sequence_number: str
    key: str
    arrived_at: float
    body: dict[str, Any]
    record: int


@dataclass(slots=True)
class Shard:
    """One shard: its records in order, and a signal that tells of new ones."""

    stream_arn: str
    id: str
    records: list[StreamRecord] = field(default_factory=list)
    changed: Signal = field(default_factory=Signal)


class StreamService:
    """All shards that consumers can read."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._shards: dict[str, dict[str, Shard]] = {}
        self.shard_opened: dict[str, Signal] = {}
        self.retention_s: dict[str, float] = {}
        """By stream ARN, where it is not the default."""

    def shards(self, stream_arn: str) -> list[Shard]:
        """The shards of a stream that have had a record, in order of their ids."""
        return [shard for _, shard in sorted(self._shards.get(stream_arn, {}).items())]

    def opened(self, stream_arn: str) -> Signal:
        """Tells when a shard of this stream gets its first record."""
        return self.shard_opened.setdefault(stream_arn, Signal(f"the first record in {self._world.name_of(stream_arn)}"))

    def retention_of(self, stream_arn: str) -> float:
        return self.retention_s.get(stream_arn, KINESIS_RETENTION_DEFAULT_S)

    # -- records arrive ----------------------------------------------------------------------------------------------

    def kinesis_record(
        self, stream_arn: str, shard_id: str, sequence_number: str, partition_key: str, data: bytes
    ) -> None:
        """A Kinesis stream accepted a record."""
        world = self._world
        arrived_at = world.clock.now()
        event_id = f"{shard_id}:{sequence_number}"
        written = world.journal.write(
            "event", world.name_of(stream_arn), id=event_id, key=partition_key, data=_text(data), shard=shard_id
        )
        body = {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": partition_key,
                "sequenceNumber": sequence_number,
                "data": base64.b64encode(data).decode(),
                "approximateArrivalTimestamp": round(arrived_at, 3),
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": event_id,
            "eventName": "aws:kinesis:record",
            "awsRegion": world.region,
            "eventSourceARN": stream_arn,
        }
        self._append(stream_arn, shard_id, StreamRecord(sequence_number, partition_key, arrived_at, body, written.n))

    def table_change(self, table_arn: str, stream_arn: str, shard_id: str, record: Mapping[str, Any]) -> None:
        """A table with a stream was changed; `record` is moto's stream record."""
        world = self._world
        change = dict(record["dynamodb"])
        sequence_number = change["SequenceNumber"]
        change["ApproximateCreationDateTime"] = int(world.clock.now())
        body = {
            "eventID": world.chance.hex(32, "table stream", stream_arn, sequence_number),
            "eventName": record["eventName"],
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": world.region,
            "dynamodb": change,
            "eventSourceARN": stream_arn,
        }
        written = world.journal.write(
            "event",
            world.name_of(table_arn),
            id=body["eventID"],
            event_name=record["eventName"],
            key=change["Keys"],
            data=change,
        )
        key = repr(sorted(change["Keys"].items()))
        self._append(stream_arn, shard_id, StreamRecord(sequence_number, key, world.clock.now(), body, written.n))

    def put(self, stream_arn: str, data: str | bytes, partition_key: str) -> None:
        """Put a record into a Kinesis stream, as a target of a rule does."""
        client = self._world.internal_client("kinesis")
        raw = data.encode() if isinstance(data, str) else data
        client.put_record(StreamARN=stream_arn, Data=raw, PartitionKey=partition_key)

    def _append(self, stream_arn: str, shard_id: str, record: StreamRecord) -> None:
        shards = self._shards.setdefault(stream_arn, {})
        shard = shards.get(shard_id)
        if shard is None:
            shard = shards[shard_id] = Shard(stream_arn, shard_id, changed=Signal(f"a record in {shard_id}"))
            shard.records.append(record)
            self.opened(stream_arn).notify()
        else:
            shard.records.append(record)
            shard.changed.notify()

    # -- snapshot ----------------------------------------------------------------------------------------------------

    def snapshot(self) -> Any:
        return {
            arn: {shard.id: list(shard.records) for shard in shards.values()} for arn, shards in self._shards.items()
        }, dict(self.retention_s)

    def restore(self, state: Any) -> None:
        shards, retention_s = state
        self.retention_s = dict(retention_s)
        self.shard_opened.clear()
        self._shards = {
            arn: {shard_id: Shard(arn, shard_id, list(records)) for shard_id, records in by_id.items()}
            for arn, by_id in shards.items()
        }


def arrival_text(arrived_at: float, *, milliseconds: bool) -> str:
    """An arrival time as destination records have it: DynamoDB's without milliseconds, Kinesis's with (§4.5)."""
    text = datetime.fromtimestamp(arrived_at, UTC).isoformat(timespec="milliseconds" if milliseconds else "seconds")
    return text.replace("+00:00", "Z")


def _text(data: bytes) -> str:
    """Data for the journal: text if it is text, else base64."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return base64.b64encode(data).decode()
