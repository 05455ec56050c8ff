"""What calls ask for and AWS answers, as far as they set something in motion: ids, accepted events, what was written, by service."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from stagefright.services.queue_message import plain_values
from stagefright.targets.evidence.wiring import DEFAULT_BUS
from stagefright.wording import text_of

Asked = Mapping[str, Any]
Answer = Mapping[str, Any]

Accepted = dict[str, Any]
"""An event as the journal has it, with the `resource` that accepted it by the name that the call used."""


def _message(answer: Answer) -> Iterator[str]:
    yield from (answer[name] for name in ("MessageId",) if answer.get(name))


def _messages(answer: Answer) -> Iterator[str]:
    yield from (entry["MessageId"] for entry in answer.get("Successful", ()))


def _record(answer: Answer) -> Iterator[str]:
    yield from (answer[name] for name in ("SequenceNumber",) if answer.get(name))


def _records(answer: Answer) -> Iterator[str]:
    yield from (record["SequenceNumber"] for record in answer.get("Records", ()) if record.get("SequenceNumber"))


def _entries(answer: Answer) -> Iterator[str]:
    yield from (entry["EventId"] for entry in answer.get("Entries", ()) if entry.get("EventId"))


def _execution(answer: Answer) -> Iterator[str]:
    yield from (answer[name] for name in ("executionArn",) if answer.get(name))


def _request(answer: Answer) -> Iterator[str]:
    """The id of the request itself: an invocation has it as its own, a bucket's event tells it."""
    metadata = answer.get("ResponseMetadata", {})
    headers = {str(name).lower(): value for name, value in metadata.get("HTTPHeaders", {}).items()}
    found = (headers.get("x-amz-request-id"), headers.get("x-amzn-requestid"), metadata.get("RequestId"))
    yield from dict.fromkeys(str(one) for one in found if one)


def _invocation(answer: Answer) -> Iterator[str]:
    """The id of the request, and that in the tail of the log, if it was asked for: an emulator may have another one there."""
    yield from _request(answer)
    try:
        tail = base64.b64decode(answer.get("LogResult", "")).decode("utf-8", "replace")
    except ValueError:
        return
    yield from _STARTED.findall(tail)


_STARTED = re.compile(r"(?:START RequestId: |\"requestId\":\s?\")([0-9a-f-]{36})")


ACTS: Mapping[tuple[str, str], Callable[[Answer], Iterator[str]]] = {
    ("dynamodb", "BatchWriteItem"): _request,
    ("dynamodb", "DeleteItem"): _request,
    ("dynamodb", "PutItem"): _request,
    ("dynamodb", "TransactWriteItems"): _request,
    ("dynamodb", "UpdateItem"): _request,
    ("events", "PutEvents"): _entries,
    ("kinesis", "PutRecord"): _record,
    ("kinesis", "PutRecords"): _records,
    ("lambda", "Invoke"): _invocation,
    ("s3", "CompleteMultipartUpload"): _request,
    ("s3", "CopyObject"): _request,
    ("s3", "DeleteObject"): _request,
    ("s3", "PutObject"): _request,
    ("sns", "Publish"): _message,
    ("sns", "PublishBatch"): _messages,
    ("sqs", "SendMessage"): _message,
    ("sqs", "SendMessageBatch"): _messages,
    ("stepfunctions", "StartExecution"): _execution,
}
"""The operations that set something in motion, and where the ids are in their answers."""


# -- what was accepted -------------------------------------------------------------------------------------------------


def _published(asked: Asked, answer: Answer) -> Iterator[Accepted]:
    if "MessageId" in answer:
        yield _of_topic(asked.get("TopicArn") or asked.get("TargetArn"), asked, answer["MessageId"])


def _published_batch(asked: Asked, answer: Answer) -> Iterator[Accepted]:
    for entry, name in _taken(asked.get("PublishBatchRequestEntries", ()), answer):
        yield _of_topic(asked.get("TopicArn"), entry, name)


def _of_topic(topic: Any, message: Asked, name: str) -> Accepted:
    return {
        "resource": topic, "id": name, "message": message.get("Message"), "subject": message.get("Subject"), **_besides(message),
    }  # fmt: skip


def _sent(asked: Asked, answer: Answer) -> Iterator[Accepted]:
    if "MessageId" in answer:
        yield _of_queue(asked.get("QueueUrl"), asked, answer["MessageId"])


def _sent_batch(asked: Asked, answer: Answer) -> Iterator[Accepted]:
    for entry, name in _taken(asked.get("Entries", ()), answer):
        yield _of_queue(asked.get("QueueUrl"), entry, name)


def _of_queue(queue: Any, message: Asked, name: str) -> Accepted:
    return {"resource": queue, "id": name, "body": message.get("MessageBody"), **_besides(message)}


def _taken(entries: Iterable[Asked], answer: Answer) -> Iterator[tuple[Asked, str]]:
    """The entries of a batch that were accepted, each with the id that its message got."""
    names = {entry["Id"]: entry["MessageId"] for entry in answer.get("Successful", ())}
    return ((entry, names[entry["Id"]]) for entry in entries if entry["Id"] in names)


def _besides(message: Asked) -> dict[str, Any]:
    """What a message has besides its content, in a queue as in a topic."""
    group = {"group_id": message["MessageGroupId"]} if message.get("MessageGroupId") else {}
    return {"attributes": plain_values(message.get("MessageAttributes", {})), **group}


def _put_record(asked: Asked, answer: Answer) -> Iterator[Accepted]:
    yield from _of_stream(asked, asked, answer)


def _put_records(asked: Asked, answer: Answer) -> Iterator[Accepted]:
    for record, result in zip(asked.get("Records", ()), answer.get("Records", ()), strict=False):
        yield from _of_stream(asked, record, result)


def _of_stream(asked: Asked, record: Asked, result: Answer) -> Iterator[Accepted]:
    shard, number = result.get("ShardId"), result.get("SequenceNumber")
    if shard and number:
        yield {
            "resource": asked.get("StreamName") or asked.get("StreamARN"), "id": f"{shard}:{number}",
            "key": record.get("PartitionKey"), "data": _data(record.get("Data", b"")), "shard": shard,
        }  # fmt: skip


def _data(given: Any) -> str:
    return text_of(bytes(given)) if isinstance(given, bytes | bytearray) else str(given)


def _put_events(asked: Asked, answer: Answer) -> Iterator[Accepted]:
    for entry, result in zip(asked.get("Entries", ()), answer.get("Entries", ()), strict=False):
        if result.get("EventId"):
            yield {
                "resource": entry.get("EventBusName") or DEFAULT_BUS, "id": result["EventId"], "source": entry.get("Source"),
                "detail_type": entry.get("DetailType"), "detail": entry.get("Detail"), "resources": entry.get("Resources", []),
            }  # fmt: skip


ACCEPTED: Mapping[tuple[str, str], Callable[[Asked, Answer], Iterator[Accepted]]] = {
    ("events", "PutEvents"): _put_events,
    ("kinesis", "PutRecord"): _put_record,
    ("kinesis", "PutRecords"): _put_records,
    ("sns", "Publish"): _published,
    ("sns", "PublishBatch"): _published_batch,
    ("sqs", "SendMessage"): _sent,
    ("sqs", "SendMessageBatch"): _sent_batch,
}
"""The operations by whose answers AWS has accepted events, and which they are."""


# -- what was written --------------------------------------------------------------------------------------------------


def _item(asked: Asked) -> Iterator[tuple[Any, Any]]:
    yield asked.get("TableName"), asked.get("Item") or asked.get("Key")


def _batch_items(asked: Asked) -> Iterator[tuple[Any, Any]]:
    for table, requests in (asked.get("RequestItems") or {}).items():
        for one in requests:
            yield table, one.get("PutRequest", {}).get("Item") or one.get("DeleteRequest", {}).get("Key")


def _transacted_items(asked: Asked) -> Iterator[tuple[Any, Any]]:
    for one in asked.get("TransactItems", ()):
        for write in one.values():
            yield write.get("TableName"), write.get("Item") or write.get("Key")


def _object_key(asked: Asked) -> Iterator[tuple[Any, Any]]:
    yield asked.get("Bucket"), asked.get("Key")


WRITTEN: Mapping[tuple[str, str], Callable[[Asked], Iterator[tuple[Any, Any]]]] = {
    ("dynamodb", "BatchWriteItem"): _batch_items,
    ("dynamodb", "DeleteItem"): _item,
    ("dynamodb", "PutItem"): _item,
    ("dynamodb", "TransactWriteItems"): _transacted_items,
    ("dynamodb", "UpdateItem"): _item,
    ("s3", "CompleteMultipartUpload"): _object_key,
    ("s3", "CopyObject"): _object_key,
    ("s3", "DeleteObject"): _object_key,
    ("s3", "PutObject"): _object_key,
}
"""The operations that change what has a name of the caller's own, whose events no answer names: tables and items (or their keys), buckets and keys."""
