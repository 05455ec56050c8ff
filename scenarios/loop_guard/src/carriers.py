"""Ways to send a document on, each with the length of the call chain in the place that its service has for such things."""

from __future__ import annotations

import base64
import json
import os
import uuid
from collections.abc import Mapping
from functools import cache
from typing import Any

import boto3
from guard import CALL_CHAIN_LENGTH, CONTEXT, current_length

Document = dict[str, Any]

client = cache(boto3.client)
"""A client of a service, made once per execution environment; making one takes longer than most of its calls."""


def send(document: Document, context: Any) -> None:
    """Send a document the way that this function is set to use."""
    _WAYS[os.environ["CARRIER"]]({"text": document["text"], "revision": str(uuid.uuid4())}, context)


def documents_of(event: Mapping[str, Any]) -> list[Document]:
    """The documents in an event, however they came."""
    if "Records" in event:
        return [document_of(record) for record in event["Records"]]
    return [event.get("detail", event)]


def document_of(record: Mapping[str, Any]) -> Document:
    """The document in one record of a batch, or of a notification."""
    if "kinesis" in record:
        return json.loads(base64.b64decode(record["kinesis"]["data"]))
    if "dynamodb" in record:
        return {"text": record["dynamodb"]["NewImage"]["text"]["S"]}
    return json.loads(record["Sns"]["Message"] if "Sns" in record else record["body"])


def _with_context(document: Document) -> str:
    return json.dumps({**document, CONTEXT: {CALL_CHAIN_LENGTH: current_length()}})


def _attribute() -> dict[str, dict[str, str]]:
    return {CALL_CHAIN_LENGTH: {"DataType": "Number", "StringValue": str(current_length())}}


def _invoke(document: Document, context: Any) -> None:
    # A function cannot name itself in its own environment: the template would refer to itself.
    client("lambda").invoke(
        FunctionName=context.invoked_function_arn, InvocationType="Event", Payload=_with_context(document)
    )


def _publish(document: Document, context: Any) -> None:
    client("sns").publish(TopicArn=os.environ["TARGET"], Message=json.dumps(document), MessageAttributes=_attribute())


def _put_event(document: Document, context: Any) -> None:
    entry = {"Source": "com.example.documents", "DetailType": "DocumentRevised", "Detail": _with_context(document)}
    client("events").put_events(Entries=[{**entry, "EventBusName": os.environ["TARGET"]}])


def _send_message(document: Document, context: Any) -> None:
    client("sqs").send_message(
        QueueUrl=os.environ["TARGET"], MessageBody=json.dumps(document), MessageAttributes=_attribute()
    )


def _put_record(document: Document, context: Any) -> None:
    client("kinesis").put_record(
        StreamName=os.environ["TARGET"], PartitionKey="documents", Data=_with_context(document).encode()
    )


def _put_item(document: Document, context: Any) -> None:
    _table(os.environ["TARGET"]).put_item(Item={"id": "document", **json.loads(_with_context(document))})


@cache
def _table(name: str) -> Any:
    return boto3.resource("dynamodb").Table(name)


_WAYS = {
    "function": _invoke,
    "topic": _publish,
    "bus": _put_event,
    "queue": _send_message,
    "stream": _put_record,
    "table": _put_item,
}
