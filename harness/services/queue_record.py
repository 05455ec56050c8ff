"""
The record of an SQS message in a Lambda event (semantics §3.9).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from stagefright.services.queue_message import ReceivedMessage


def record(message: ReceivedMessage) -> dict[str, Any]:
    """One entry of `event["Records"]`, as Lambda hands a received message to a function."""
    found: dict[str, Any] = {
        "messageId": message.id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": dict(message.system_attributes),
        "messageAttributes": {name: _attribute(value) for name, value in message.attributes.items()},
        "md5OfBody": message.md5_of_body,
        "eventSource": "aws:sqs",
        "eventSourceARN": message.queue_arn,
        "awsRegion": message.queue_arn.split(":")[3],
    }
    if message.md5_of_attributes is not None:
        found["md5OfMessageAttributes"] = message.md5_of_attributes
    return found


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    """A message attribute: names begin in lower case here, and bytes travel as base64."""
    if "BinaryValue" in value:
        content = {"binaryValue": base64.b64encode(bytes(value["BinaryValue"])).decode()}
    else:
        content = {"stringValue": value["StringValue"]}
    return {**content, "stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}
