"""
Revise a document and send it on: to where it came from, by a mistake in the configuration. That is the loop.
"""

from __future__ import annotations

from typing import Any

from carriers import document_of, documents_of, send
from guard import CallChainTooLong, counted, guarded, length_of_record


def unguarded(event: dict[str, Any], context: Any) -> None:
    """Nobody counts."""
    for document in documents_of(event):
        send(document, context)


@guarded
def by_event(event: dict[str, Any], context: Any) -> None:
    """Counts by event: sound where an event has one origin, blind where it is a batch."""
    for document in documents_of(event):
        send(document, context)


def by_record(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Counts by record, and reports the first that has come too far; what comes after it keeps its order."""
    for record in event["Records"]:
        try:
            with counted(length_of_record(record)):
                send(document_of(record), context)
        except CallChainTooLong as refusal:
            print(f"refused {identifier(record)}: {refusal}")
            return {"batchItemFailures": [{"itemIdentifier": identifier(left)} for left in left_from(record, event)]}
    return {"batchItemFailures": []}


def left_from(record: dict[str, Any], event: dict[str, Any]) -> list[dict[str, Any]]:
    """The records that are not done: this one and those behind it."""
    records = event["Records"]
    return records[records.index(record) :]


def identifier(record: dict[str, Any]) -> str:
    """The id by which a mapping knows a record: a message's id, or a sequence number."""
    if "kinesis" in record:
        return record["kinesis"]["sequenceNumber"]
    return record["dynamodb"]["SequenceNumber"] if "dynamodb" in record else record["messageId"]
