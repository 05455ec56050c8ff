"""
AWS's envelopes: what an event looks like when it is handed over, with the name that AWS gave it and, mostly, where it came from.

Whoever logs an envelope, or carries one in a payload, has met that event.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from stagefright.targets.evidence.wiring import API_TYPES
from stagefright.targets.stack import BUS_TYPE

JsonObject = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Envelope:
    """An event, as its envelope tells it."""

    name: str
    """The id that AWS gave it."""
    source_arn: str | None = None
    """The resource that accepted it, if the envelope says so."""
    at: float | None = None
    """When it was accepted, in epoch seconds, if the envelope says so."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """What the journal says of such an event."""
    source_types: tuple[str, ...] = ()
    """What the resource can be, if the envelope does not name it."""


def envelopes_of(value: JsonObject) -> Iterator[Envelope]:
    """The event whose envelope an object is, if it is one; what lies inside of it is not searched."""
    for read in _READERS:
        found = read(value)
        if found is not None:
            yield found


def ended_request(value: JsonObject) -> str | None:
    """The request id in Lambda's record of an invocation that ended, as it sends it to a destination (aws-semantics §2.3, §4.5)."""
    context = value.get("requestContext")
    if isinstance(context, Mapping) and "condition" in context:
        return _text(context.get("requestId"))
    return None


def _bus(value: JsonObject) -> Envelope | None:
    name = _text(value.get("id"))
    if "detail-type" not in value or name is None:
        return None
    parts = {
        "source": "source",
        "detail_type": "detail-type",
        "detail": "detail",
        "resources": "resources",
        "time": "time",
    }
    detail = {ours: value[theirs] for ours, theirs in parts.items() if theirs in value}
    return Envelope(name, None, _instant(value.get("time")), {"id": name, **detail}, (BUS_TYPE,))


def _topic(value: JsonObject) -> Envelope | None:
    """SNS's own envelope, in a queue's message or (as `Sns`) in a function's event."""
    name = _text(value.get("MessageId"))
    if value.get("Type") != "Notification" or name is None:
        return None
    detail = {
        "id": name,
        "message": value.get("Message"),
        "subject": value.get("Subject"),
        "attributes": _plain(value.get("MessageAttributes")),
    }
    return Envelope(name, _text(value.get("TopicArn")), _instant(value.get("Timestamp")), detail)


def _queue(value: JsonObject) -> Envelope | None:
    name = _text(value.get("messageId"))
    if _source(value) != "aws:sqs" or name is None:
        return None
    system = _object(value.get("attributes"))
    detail = {"id": name, "body": value.get("body"), "attributes": _plain(value.get("messageAttributes"))}
    names = {"group_id": "MessageGroupId", "dedup_id": "MessageDeduplicationId", "trace_header": "AWSTraceHeader"}
    detail |= {ours: system[theirs] for ours, theirs in names.items() if theirs in system}
    sent_at = _number(system.get("SentTimestamp"))
    return Envelope(name, _text(value.get("eventSourceARN")), None if sent_at is None else sent_at / 1_000, detail)


def _stream(value: JsonObject) -> Envelope | None:
    record = _object(value.get("kinesis"))
    number = _text(record.get("sequenceNumber"))
    if _source(value) != "aws:kinesis" or number is None:
        return None
    name = _text(value.get("eventID")) or number
    detail = {"id": name, "key": record.get("partitionKey"), "data": _decoded(record.get("data"))}
    return Envelope(
        name, _text(value.get("eventSourceARN")), _number(record.get("approximateArrivalTimestamp")), detail
    )


def _table(value: JsonObject) -> Envelope | None:
    name = _text(value.get("eventID"))
    if _source(value) != "aws:dynamodb" or name is None:
        return None
    change = _object(value.get("dynamodb"))
    detail = {"id": name, "event_name": value.get("eventName"), "key": change.get("Keys"), "data": change}
    return Envelope(
        name, _text(value.get("eventSourceARN")), _number(change.get("ApproximateCreationDateTime")), detail
    )


def _bucket(value: JsonObject) -> Envelope | None:
    """A bucket's notification has no id but that of the request that it tells of."""
    name = _text(_object(value.get("responseElements")).get("x-amz-request-id"))
    if _source(value) != "aws:s3" or name is None:
        return None
    about = _object(value.get("s3"))
    detail = {"id": name, "event_name": value.get("eventName"), "key": _object(about.get("object")).get("key")}
    return Envelope(name, _text(_object(about.get("bucket")).get("arn")), _instant(value.get("eventTime")), detail)


def _api(value: JsonObject) -> Envelope | None:
    """A request to an API or a function's URL."""
    context = _object(value.get("requestContext"))
    name = _text(context.get("requestId"))
    if name is None or not any(part in context for part in ("http", "apiId", "resourcePath", "stage")):
        return None
    asked = _object(context.get("http")) or value
    request = {"method": asked.get("method") or value.get("httpMethod"), "path": asked.get("path")}
    # The id stands in the test's answer without the padding that some headers have.
    return Envelope(name.rstrip("="), None, None, {"id": name.rstrip("="), **request}, API_TYPES)


_READERS: tuple[Callable[[JsonObject], Envelope | None], ...] = (
    _bus, _topic, _queue, _stream, _table, _bucket, _api,
)  # fmt: skip


def _source(value: JsonObject) -> str:
    return str(value.get("eventSource", value.get("EventSource", "")))


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _number(value: object) -> float | None:
    try:
        return float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    except ValueError:
        return None


def _instant(value: object) -> float | None:
    try:
        return datetime.fromisoformat(value).timestamp() if isinstance(value, str) else None
    except ValueError:
        return None


def _decoded(data: object) -> Any:
    try:
        return base64.b64decode(data, validate=True).decode() if isinstance(data, str) else None
    except (binascii.Error, ValueError):  # somebody has logged it decoded
        return data


def _plain(attributes: object) -> dict[str, Any]:
    """Message attributes as plain values."""
    return {str(name): attribute_text(one) for name, one in _object(attributes).items()}


VALUES = ("StringValue", "stringValue", "Value", "S", "N")
"""Where the value of an attribute stands: of a message, of a notification, of a table's item."""


def attribute_text(item: object) -> str | None:
    """
    A text, or that of an attribute.

    >>> attribute_text("c-1"), attribute_text({"Type": "String", "Value": "c-1"}), attribute_text(7), attribute_text(True)
    ('c-1', 'c-1', '7', None)
    """
    if isinstance(item, Mapping):
        item = next((item[name] for name in VALUES if name in item), None)
    if isinstance(item, int) and not isinstance(item, bool):
        return str(item)
    return item if isinstance(item, str) and item else None
