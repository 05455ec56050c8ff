"""
One SQS message: as a queue keeps it, as a sender and as a receiver see it, and how AWS fingerprints it.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from stagefright.delivery.at_least_once import ONCE, Decision

VISIBLE: Final = 0
DELAYED: Final = 1
IN_FLIGHT: Final = 2
GONE: Final = 3
"""The states of a message; plain integers, because they index the queue's counters."""

MessageAttributes = Mapping[str, Mapping[str, Any]]
"""Message attributes as boto3 has them: name to `{"DataType": ..., "StringValue" or "BinaryValue": ...}`."""

_STRING_TRANSPORT, _BINARY_TRANSPORT = b"\x01", b"\x02"


@dataclass(slots=True)
class Message:
    """
    A message in a queue.

    `order` is its place in this queue, `sent_at` what retention counts from, `record` the number of the journal record
    that brought it here, so that what happens to it later can name its cause.
    """

    id: str
    body: str
    md5_of_body: str
    attributes: MessageAttributes
    md5_of_attributes: str | None
    order: int
    sent_at: float
    visible_at: float
    sender_id: str
    trace_header: str | None = None
    group_id: str | None = None
    dedup_id: str | None = None
    sequence_number: str | None = None
    record: int | None = None
    dead_letter_source: str | None = None
    rank: int = 0
    """Its place among the visible messages of a standard queue: `order`, unless chance lets later ones pass."""
    decision: Decision = ONCE
    """What chance or a fault decided of it when it was sent; asked once, since a fault may count how often it strikes."""
    copies_left: int = 0
    """How often it comes again after it was deleted."""
    state: int = VISIBLE
    receive_count: int = 0
    first_received_at: float = 0.0
    received_at: float = 0.0

    def system_attributes(self) -> dict[str, str]:
        """What AWS adds to a received message, all strings."""
        optional = (
            ("SequenceNumber", self.sequence_number),
            ("MessageGroupId", self.group_id),
            ("MessageDeduplicationId", self.dedup_id),
            ("AWSTraceHeader", self.trace_header),
            ("DeadLetterQueueSourceArn", self.dead_letter_source),
        )
        return {
            "SenderId": self.sender_id,
            "SentTimestamp": milliseconds(self.sent_at),
            "ApproximateReceiveCount": str(self.receive_count),
            "ApproximateFirstReceiveTimestamp": milliseconds(self.first_received_at),
            **{name: value for name, value in optional if value is not None},
        }


class SentMessage(NamedTuple):
    """
    What a sender learns.

    `duplicate` says that a FIFO queue already had the message: nothing was enqueued, and id and sequence number are
    those of the first.
    """

    id: str
    md5_of_body: str
    md5_of_attributes: str | None
    sequence_number: str | None
    record: int | None
    duplicate: bool = False


class ReceivedMessage(NamedTuple):
    """What one receive of a message hands out; `record` is the journal record that brought the message here."""

    id: str
    receipt_handle: str
    body: str
    md5_of_body: str
    attributes: MessageAttributes
    md5_of_attributes: str | None
    system_attributes: dict[str, str]
    receive_count: int
    group_id: str | None
    queue_arn: str
    record: int | None


def milliseconds(when: float) -> str:
    """
    An instant as SQS writes it.

    >>> milliseconds(1700000000.25)
    '1700000000250'
    """
    return str(round(when * 1_000))


def md5_of_text(text: str) -> str:
    """The fingerprint that AWS returns for a message body."""
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def md5_of_message_attributes(attributes: MessageAttributes) -> str | None:
    """
    The fingerprint of message attributes, or None if there are none.

    Names in order; of each the name, the type, a byte that says text or binary, and the value; strings and bytes
    preceded by their length (SQS developer guide, "Calculating the MD5 message digest for message attributes").
    """
    if not attributes:
        return None
    digest = hashlib.md5(usedforsecurity=False)
    for name in sorted(attributes):
        value = attributes[name]
        digest.update(_sized(name.encode()) + _sized(value["DataType"].encode()) + _transported(value))
    return digest.hexdigest()


def _transported(value: Mapping[str, Any]) -> bytes:
    if "BinaryValue" in value:
        return _BINARY_TRANSPORT + _sized(bytes(value["BinaryValue"]))
    return _STRING_TRANSPORT + _sized(value["StringValue"].encode())


def _sized(raw: bytes) -> bytes:
    return struct.pack("!I", len(raw)) + raw


def plain_values(attributes: MessageAttributes) -> dict[str, Any]:
    """Message attributes as the journal keeps them: name to value."""
    return {name: value.get("StringValue", value.get("BinaryValue")) for name, value in attributes.items()}


def envelope(message: Message) -> dict[str, Any]:
    """What the journal says of a message."""
    found: dict[str, Any] = {
        "id": message.id,
        "body": message.body,
        "attributes": plain_values(message.attributes),
    }
    if message.group_id is not None:
        found["group_id"] = message.group_id
    if message.dedup_id is not None:
        found["dedup_id"] = message.dedup_id
    if message.trace_header is not None:
        found["trace_header"] = message.trace_header
    return found
