"""What the operations of SQS answer: queues, messages and batches as boto3 has them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from stagefright.aws_api.errors import ApiError
from stagefright.services import queue_limits as limits
from stagefright.services import queue_rules as rules
from stagefright.services.queue import Queue
from stagefright.services.queue_message import (
    MessageAttributes,
    ReceivedMessage,
    SentMessage,
    md5_of_message_attributes,
)

Params = Mapping[str, Any]
"""The parameters of an operation, as given to boto3."""

Response = dict[str, Any]
"""What boto3 returns, without `ResponseMetadata`."""


def described(queue: Queue) -> dict[str, str]:
    """All attributes of a queue, those that can only be read among them."""
    depth = queue.depth()
    return {
        "QueueArn": queue.arn,
        "ApproximateNumberOfMessages": str(depth.visible),
        "ApproximateNumberOfMessagesNotVisible": str(depth.in_flight),
        "ApproximateNumberOfMessagesDelayed": str(depth.delayed),
        "CreatedTimestamp": str(int(queue.created_at)),
        "LastModifiedTimestamp": str(int(queue.modified_at)),
        **queue.attributes,
    }


def each(entries: Iterable[Params], act: Callable[[Params], Response | None]) -> Response:
    """Do something for each entry of a batch and sort the results."""
    successful, failed = [], []
    for entry in entries:
        try:
            successful.append({"Id": entry["Id"], **(act(entry) or {})})
        except ApiError as error:
            failed.append({"Id": entry["Id"], "SenderFault": True, "Code": error.code, "Message": error.message})
    return present(Successful=successful, Failed=failed)


def sent_response(sent: SentMessage, params: Params) -> Response:
    """The answer to a sent message, or to one entry of a batch."""
    return {
        "MD5OfMessageBody": sent.md5_of_body,
        "MessageId": sent.id,
        **present(
            MD5OfMessageAttributes=sent.md5_of_attributes,
            MD5OfMessageSystemAttributes=md5_of_message_attributes(params.get("MessageSystemAttributes") or {}),
            SequenceNumber=sent.sequence_number,
        ),
    }


def received_response(message: ReceivedMessage, params: Params) -> Response:
    """A received message, with the attributes that were asked for."""
    asked = {*(params.get("AttributeNames") or ()), *(params.get("MessageSystemAttributeNames") or ())}
    everything = "All" in asked
    system = {name: value for name, value in message.system_attributes.items() if everything or name in asked}
    attributes = _wanted(message.attributes, params.get("MessageAttributeNames") or ())
    return {
        "MessageId": message.id,
        "ReceiptHandle": message.receipt_handle,
        "MD5OfBody": message.md5_of_body,
        "Body": message.body,
        **present(
            Attributes=system,
            # AWS computes the fingerprint over what it returns, not over what was sent (LS).
            MD5OfMessageAttributes=md5_of_message_attributes(attributes),
            MessageAttributes={name: dict(value) for name, value in attributes.items()},
        ),
    }


def _wanted(attributes: MessageAttributes, names: Iterable[str]) -> MessageAttributes:
    """The message attributes that match `All`, `.*`, `prefix.*` or a name."""
    names = tuple(names)
    if not names or not attributes:
        return {}
    if "All" in names or ".*" in names:
        return attributes
    prefixes = tuple(name.removesuffix(".*") for name in names if name.endswith(".*"))
    return {name: value for name, value in attributes.items() if name in names or name.startswith(prefixes)}


def page(names: list[str], params: Params) -> tuple[list[str], str | None]:
    """The names after the token, and the token of the next page if names are left."""
    count = params.get("MaxResults", limits.LIST_RESULTS_MAX)
    if not 1 <= count <= limits.LIST_RESULTS_MAX:
        raise rules.invalid_value("MaxResults", count, f"Must be between 1 and {limits.LIST_RESULTS_MAX}.")
    last_seen = _last_seen(params["NextToken"]) if params.get("NextToken") else ""
    rest = [name for name in names if name > last_seen]
    more = len(rest) > count and "MaxResults" in params
    return rest[:count], base64.b64encode(rest[count - 1].encode()).decode() if more else None


def _last_seen(token: str) -> str:
    try:
        return base64.b64decode(token, validate=True).decode()
    except (binascii.Error, ValueError):
        raise rules.invalid("Invalid or expired next token.") from None


def present(**fields: Any) -> Response:
    """The fields that have something in them."""
    return {name: value for name, value in fields.items() if value}
