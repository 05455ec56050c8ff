"""Kinesis streams: moto keeps them, and hands each record that it accepts to the world. Part of `moto_hooks.py`."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from stagefright.virtual.patching import Patches

if TYPE_CHECKING:
    from stagefright.world import World

Here = Callable[[], "World | None"]

RESHARDING = ("SplitShard", "MergeShards", "UpdateShardCount")


def close_shards(world: World) -> None:
    """Readers of a shard that was split or merged must know that it has ended."""
    from moto.kinesis.models import kinesis_backends

    for stream in kinesis_backends[world.account][world.region].streams.values():
        world.streams.close_shards(stream.arn, [name for name, shard in stream.shards.items() if not shard.is_open])


def hook(patches: Patches, here: Here) -> None:
    """Replace what moto's streams do by what they do in a world; `here` says which world the calling thread is in."""
    from moto.kinesis.models import KinesisBackend, Stream

    original: Callable[..., tuple[str, str]] = Stream.put_record

    def put_record(stream: Any, partition_key: str, explicit_hash_key: str, data: str) -> tuple[str, str]:
        sequence_number, shard_id = original(stream, partition_key, explicit_hash_key, data)
        world = here()
        if world is not None:
            world.streams.kinesis_record(
                stream.arn,
                shard_id,
                sequence_number,
                partition_key,
                base64.b64decode(data),
                parents=_ancestors(stream, shard_id),
                put=lambda more, _: put_record(
                    stream, partition_key, explicit_hash_key, base64.b64encode(more).decode()
                ),
            )
        return sequence_number, shard_id

    patches.set(Stream, "put_record", put_record)
    patches.set(KinesisBackend, "put_records", _of_any_size(KinesisBackend.put_records, here))
    patches.set(Stream, "get_shard_for_key", _among_open_shards(Stream.get_shard_for_key))
    patches.set(Stream, "split_shard", _without_moving_records(Stream.split_shard))


def _of_any_size(original: Callable[..., dict[str, Any]], here: Here) -> Callable[..., dict[str, Any]]:
    """In a world the call has been judged by AWS's present limits; moto knows the old ones."""

    def put_records(backend: Any, stream_arn: str, stream_name: str, records: list[dict[str, Any]]) -> dict[str, Any]:
        if here() is None:
            return original(backend, stream_arn, stream_name, records)
        stream = backend.describe_stream(stream_arn=stream_arn, stream_name=stream_name)
        put = [stream.put_record(one["PartitionKey"], one.get("ExplicitHashKey"), one["Data"]) for one in records]
        kept = [{"SequenceNumber": number, "ShardId": shard} for number, shard in put]
        return {"FailedRecordCount": 0, "Records": kept}

    return put_records


def _ancestors(stream: Any, shard_id: str) -> tuple[str, ...]:
    """The shards that a shard was made of, and theirs: one in between may never have had a record."""
    shard = stream.shards.get(shard_id)
    parents = [] if shard is None else list(filter(None, (shard.parent, shard.adjacent_parent)))
    return tuple(dict.fromkeys([*parents, *(older for parent in parents for older in _ancestors(stream, parent))]))


def _among_open_shards(original: Callable[..., Any]) -> Callable[..., Any]:
    """A closed shard takes no records any more; moto looks through all shards and finds the closed one first."""

    def get_shard_for_key(stream: Any, partition_key: str, explicit_hash_key: str) -> Any:
        every, stream.shards = stream.shards, {name: shard for name, shard in stream.shards.items() if shard.is_open}
        try:
            return original(stream, partition_key, explicit_hash_key)
        finally:
            stream.shards = every

    return get_shard_for_key


def _without_moving_records(original: Callable[..., None]) -> Callable[..., None]:
    """On AWS a closed shard keeps its records; moto puts them into its children, as if they came a second time."""

    def split_shard(stream: Any, shard_to_split: str, new_starting_hash_key: str) -> None:
        shard = stream.shards.get(shard_to_split)
        if shard is None:
            original(stream, shard_to_split, new_starting_hash_key)
            return
        records, shard.records = shard.records, {}
        try:
            original(stream, shard_to_split, new_starting_hash_key)
        finally:
            shard.records = records

    return split_shard
