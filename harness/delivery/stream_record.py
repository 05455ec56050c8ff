"""The record of a stream's batch that was given up: where its records are, not what they say (aws-semantics §4.5)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stagefright.services.streams import arrival_text

if TYPE_CHECKING:
    from stagefright.services.streams import Shard, StreamRecord


def stream_record(
    context: Mapping[str, Any], *, timestamp: str, shard: Shard, batch: Sequence[StreamRecord]
) -> dict[str, Any]:
    """The whole record, key by key in AWS's order; `context` says who had the batch and what came of it."""
    key = "KinesisBatchInfo" if shard.is_kinesis else "DDBStreamBatchInfo"
    return {**context, "version": "1.0", "timestamp": timestamp, key: _batch_info(shard, batch)}


def _batch_info(shard: Shard, batch: Sequence[StreamRecord]) -> dict[str, Any]:
    """Which records they were; an end of a window that was given up has none, so there is nothing to name."""
    where = {"shardId": shard.id}
    if batch:
        where |= {
            "startSequenceNumber": batch[0].sequence_number,
            "endSequenceNumber": batch[-1].sequence_number,
            "approximateArrivalOfFirstRecord": arrival_text(batch[0].arrived_at, milliseconds=shard.is_kinesis),
            "approximateArrivalOfLastRecord": arrival_text(batch[-1].arrived_at, milliseconds=shard.is_kinesis),
        }
    return {**where, "batchSize": len(batch), "streamArn": shard.stream_arn}
