"""
What consumers read: the shards of Kinesis streams and of DynamoDB tables.

moto keeps streams and tables; each record that it accepts is handed over here (`aws_api/moto_hooks.py`), in the shape
that Lambda gives to functions (aws-semantics §4.6), and readers are told.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from stagefright.delivery.at_least_once import HandOver, Kind
from stagefright.tasks import Signal
from stagefright.wording import text_of

if TYPE_CHECKING:
    from stagefright.delivery.interference import SourceKind
    from stagefright.world import World

Put = Callable[[Any, int], object]
"""Puts a record or an item behind another one, given what it says and the number of what causes it."""


def _put_nothing(_payload: Any, _cause: int) -> None:
    """For records that nobody can put another one behind."""


RETENTION_DEFAULT_S = 24 * 3600

REMOVED_BY_SERVICE = {"userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"}}
"""What the record of an item says whose time to live was over (§4.6)."""


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """A record in a shard: `body` is the Lambda record, `key` what keeps order, `record` the journal's number of it."""

    sequence_number: str
    key: str
    arrived_at: float
    body: dict[str, Any]
    record: int
    place: int
    """Its index in the shard."""

    @property
    def event_id(self) -> str:
        return str(self.body["eventID"])


@dataclass(slots=True)
class Shard:
    """
    One shard: its records in order, and a signal that tells of new ones.

    A shard that was made by splitting or merging others names its ancestors, which must be read first (§4.2).
    """

    stream_arn: str
    id: str
    parents: tuple[str, ...] = ()
    records: list[StreamRecord] = field(default_factory=list)
    changed: Signal = field(default_factory=Signal)
    is_closed: bool = False
    """Whether it was split or merged: it takes no records any more."""
    held: int = 0
    """How many records it has accepted that readers do not get yet."""

    @property
    def source_arn(self) -> str:
        """What the records are of: the stream, or the table behind it."""
        return self.stream_arn.partition("/stream/")[0]

    @property
    def has_ended(self) -> bool:
        """Whether readers have been given all that there will ever be."""
        return self.is_closed and not self.held

    @property
    def is_kinesis(self) -> bool:
        """Whether it is a shard of a Kinesis stream, not of a table."""
        return self.stream_arn.split(":")[2] == "kinesis"


class StreamService:
    """All shards that consumers can read."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._shards: dict[str, dict[str, Shard]] = {}
        self.shard_opened: dict[str, Signal] = {}
        self.retention_s: dict[str, float] = {}
        """By stream ARN, where it is not the default."""
        self._held: list[Callable[[], None]] | None = None
        self._is_service = False

    def shards(self, stream_arn: str) -> list[Shard]:
        """The shards of a stream that have had a record, in order of their ids."""
        return [shard for _, shard in sorted(self._shards.get(stream_arn, {}).items())]

    def opened(self, stream_arn: str) -> Signal:
        """Tells when a shard of this stream gets its first record."""
        return self.shard_opened.setdefault(
            stream_arn, Signal(f"the first record in {self._world.name_of(stream_arn)}")
        )

    def retention_of(self, stream_arn: str) -> float:
        return self.retention_s.get(stream_arn, RETENTION_DEFAULT_S)

    # -- records arrive ----------------------------------------------------------------------------------------------

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Within the block changes of tables are held back; if it ends with an error they never happened."""
        held: list[Callable[[], None]] = []
        self._held = held
        try:
            yield
        finally:
            self._held = None
        for hand_over in held:
            hand_over()

    @contextmanager
    def removal_by_service(self) -> Iterator[None]:
        """Within the block what is removed is removed by DynamoDB itself, for its time to live is over (§4.6)."""
        self._is_service = True
        try:
            yield
        finally:
            self._is_service = False

    def kinesis_record(
        self,
        stream_arn: str,
        shard_id: str,
        sequence_number: str,
        partition_key: str,
        data: bytes,
        *,
        parents: tuple[str, ...] = (),
        put: Put = _put_nothing,
    ) -> None:
        """A Kinesis stream accepted a record; `put` puts another one like it behind it."""
        world = self._world
        arrived_at = world.clock.now()
        event_id = f"{shard_id}:{sequence_number}"
        written = world.journal.write(
            "event", world.name_of(stream_arn), id=event_id, key=partition_key, data=text_of(data), shard=shard_id
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
        shard = self._shard(stream_arn, shard_id, parents)
        self._append(shard, sequence_number, partition_key, body, written.n)
        self._note_accepted("stream", stream_arn, body, written.n, put)

    def close_shards(self, stream_arn: str, shard_ids: Iterable[str]) -> None:
        """These shards were split or merged: nothing will be put into them any more."""
        for shard_id in shard_ids:
            shard = self._shards.get(stream_arn, {}).get(shard_id)
            if shard is not None and not shard.is_closed:
                shard.is_closed = True
                shard.changed.notify()

    def table_change(
        self,
        table_arn: str,
        stream_arn: str,
        shard_id: str,
        record: Mapping[str, Any],
        put: Put = _put_nothing,
    ) -> None:
        """A table with a stream was changed; `record` is moto's stream record, and `put` puts an item beside the changed one."""
        if self._held is not None:
            self._held.append(partial(self._table_change, table_arn, stream_arn, shard_id, record, put))
        else:
            self._table_change(table_arn, stream_arn, shard_id, record, put)

    def _table_change(
        self,
        table_arn: str,
        stream_arn: str,
        shard_id: str,
        record: Mapping[str, Any],
        put: Put,
    ) -> None:
        world = self._world
        change = dict(record["dynamodb"])
        # An INSERT has no old image and a REMOVE no new one (§4.6); older moto writes empty ones.
        change.pop({"INSERT": "OldImage", "REMOVE": "NewImage"}.get(record["eventName"], ""), None)
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
            **(REMOVED_BY_SERVICE if self._is_service else {}),
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
        self._append(self._shard(stream_arn, shard_id, ()), sequence_number, key, body, written.n)
        self._note_accepted("table", table_arn, body, written.n, put)

    def _note_accepted(self, kind: SourceKind, arn: str, body: Mapping[str, Any], record: int, put: Put) -> None:
        def follow(payload: Any, cause: int) -> None:
            with self._world.kernel.blame(cause):
                put(payload, cause)

        self._world.interference.accepted(kind, self._world.name_of(arn), {"id": body["eventID"]}, record, follow)

    def put(self, stream_arn: str, data: str | bytes, partition_key: str) -> None:
        """Put a record into a Kinesis stream, as a target of a rule does."""
        client = self._world.internal_client("kinesis")
        raw = data.encode() if isinstance(data, str) else data
        client.put_record(StreamARN=stream_arn, Data=raw, PartitionKey=partition_key)

    def _shard(self, stream_arn: str, shard_id: str, parents: tuple[str, ...]) -> Shard:
        shards = self._shards.setdefault(stream_arn, {})
        if shard_id not in shards:
            shards[shard_id] = Shard(stream_arn, shard_id, parents, changed=Signal(f"a record in {shard_id}"))
        return shards[shard_id]

    def _append(self, shard: Shard, sequence_number: str, key: str, body: dict[str, Any], record: int) -> None:
        """Give a record to the readers: at once, unless a fault holds it, and with it those behind it, back."""
        arrived_at = self._world.clock.now()
        shard.held += 1

        def give(cause: int) -> None:
            shard.held -= 1
            self._give(shard, StreamRecord(sequence_number, key, arrived_at, body, cause, len(shard.records)))

        if self._world.at_least_once.is_exact:
            give(record)
            return
        source = self._world.name_of(shard.source_arn)
        kind: Kind = "stream" if shard.is_kinesis else "table"
        hand_over = HandOver(kind, source, body["eventID"], source, group=shard.id, record=record)
        self._world.at_least_once.hand_over(give, hand_over, record)

    def _give(self, shard: Shard, record: StreamRecord) -> None:
        shard.records.append(record)
        # Who reads the shard already, because it was there before its first record was given, waits for a change of it.
        shard.changed.notify()
        if record.place == 0:
            self.opened(shard.stream_arn).notify()

    # -- snapshot ----------------------------------------------------------------------------------------------------

    def snapshot(self) -> Any:
        return {
            arn: {shard.id: (shard.parents, list(shard.records), shard.is_closed) for shard in shards.values()}
            for arn, shards in self._shards.items()
        }, dict(self.retention_s)

    def restore(self, state: Any) -> None:
        shards, retention_s = state
        self.retention_s = dict(retention_s)
        self.shard_opened.clear()
        self._shards = {
            arn: {
                shard_id: Shard(arn, shard_id, parents, list(records), is_closed=is_closed)
                for shard_id, (parents, records, is_closed) in by_id.items()
            }
            for arn, by_id in shards.items()
        }


def arrival_text(arrived_at: float, *, milliseconds: bool) -> str:
    """An arrival time as destination records have it: DynamoDB's without milliseconds, Kinesis's with (§4.5)."""
    text = datetime.fromtimestamp(arrived_at, UTC).isoformat(timespec="milliseconds" if milliseconds else "seconds")
    return text.replace("+00:00", "Z")
