"""
The test's own calls on a deployed stage, as far as they set something in motion: each is a `call` record with the ids that AWS answered.

By these ids what follows is known to have come from the test. Where the answer says that a resource has accepted an event, the record
has it under `accepted`, so that a flow shows it even if no listener watched the resource.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from stagefright.journal import Journal
from stagefright.services.queue_message import plain_values
from stagefright.targets.evidence.json_lines import root_of
from stagefright.targets.evidence.wiring import DEFAULT_BUS
from stagefright.wording import text_of

if TYPE_CHECKING:
    from requests import Response

Asked = Mapping[str, Any]
Answer = Mapping[str, Any]

Accepted = dict[str, Any]
"""An event as the journal has it, with the `resource` that accepted it by the name that the call used."""

Names = Callable[[str], str]
"""What the stage calls the resource of a name, ARN or URL."""

ApiOf = Callable[[str], tuple[str, str] | None]
"""The API that a URL leads to, and the path there."""

Now = Callable[[], float]
"""The account's time, in epoch seconds."""


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


ACTS: Mapping[tuple[str, str], Callable[[Answer], Iterator[str]]] = {
    ("dynamodb", "BatchWriteItem"): _request,
    ("dynamodb", "DeleteItem"): _request,
    ("dynamodb", "PutItem"): _request,
    ("dynamodb", "TransactWriteItems"): _request,
    ("dynamodb", "UpdateItem"): _request,
    ("events", "PutEvents"): _entries,
    ("kinesis", "PutRecord"): _record,
    ("kinesis", "PutRecords"): _records,
    ("lambda", "Invoke"): _request,
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
    names = {entry["Id"]: entry["MessageId"] for entry in answer.get("Successful", ())}
    for entry in asked.get("PublishBatchRequestEntries", ()):
        if entry["Id"] in names:
            yield _of_topic(asked.get("TopicArn"), entry, names[entry["Id"]])


def _of_topic(topic: Any, message: Asked, name: str) -> Accepted:
    attributes = plain_values(message.get("MessageAttributes", {}))
    group = {"group_id": message["MessageGroupId"]} if message.get("MessageGroupId") else {}
    return {
        "resource": topic, "id": name, "message": message.get("Message"), "subject": message.get("Subject"),
        "attributes": attributes, **group,
    }  # fmt: skip


def _sent(asked: Asked, answer: Answer) -> Iterator[Accepted]:
    if "MessageId" in answer:
        yield _of_queue(asked.get("QueueUrl"), asked, answer["MessageId"])


def _sent_batch(asked: Asked, answer: Answer) -> Iterator[Accepted]:
    names = {entry["Id"]: entry["MessageId"] for entry in answer.get("Successful", ())}
    for entry in asked.get("Entries", ()):
        if entry["Id"] in names:
            yield _of_queue(asked.get("QueueUrl"), entry, names[entry["Id"]])


def _of_queue(queue: Any, message: Asked, name: str) -> Accepted:
    attributes = plain_values(message.get("MessageAttributes", {}))
    group = {"group_id": message["MessageGroupId"]} if message.get("MessageGroupId") else {}
    return {"resource": queue, "id": name, "body": message.get("MessageBody"), "attributes": attributes, **group}


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


# -- requests to APIs --------------------------------------------------------------------------------------------------

REQUEST_IDS = ("apigw-requestid", "x-amzn-requestid", "x-amz-apigw-id", "x-amzn-request-id")
"""The headers in which an API or a function's URL answers the id that its event has in `requestContext`."""

THREAD_HEADERS = ("x-correlation-id", "x-amzn-trace-id")
"""The headers by which a caller hands on a thread; an API answers the trace that it began, too."""


def note_request(
    journal: Journal,
    actor: str = "test",
    *,
    api_of: ApiOf = lambda _: None,
    now: Now = time.time,
) -> Callable[[Response], None]:
    """
    What writes a request of the test's to the stage's API to the journal, when it was answered.

    `api_of` tells to which API a URL leads, and where in it; `now` is the account's time.
    """

    def note(answer: Response) -> None:
        asked = answer.request
        told = {str(name).lower(): str(value) for name, value in (*asked.headers.items(), *answer.headers.items())}
        ids = [told[name].rstrip("=") for name in REQUEST_IDS if name in told]
        found = api_of(asked.url or "")
        api, path = (None, urlsplit(asked.url or "").path or "/") if found is None else found
        request = {"resource": api, "id": ids[0] if ids else None, "method": asked.method, "path": path}
        took = getattr(answer, "elapsed", timedelta())
        journal.write_past(
            now() - took.total_seconds(),
            "call",
            actor,
            {
                "service": "http",
                "operation": f"{asked.method} {path}",
                "status": answer.status_code,
                "ids": ids,
                "threads": [root_of(told[name]) for name in THREAD_HEADERS if name in told],
                **({"accepted": [request]} if api is not None else {}),
            },
        )

    return note


def note_acts(client: Any, journal: Journal, actor: str = "test", *, name_of: Names = str, now: Now = time.time) -> Any:
    """Let a boto3 client write the calls that set something in motion to the journal, as of when they began; gives the client."""
    service = _service_of(client)

    def begin(params: Any, model: Any, context: dict[str, Any], **_: Any) -> None:
        if (service, model.name) in ACTS:
            context[_BEGUN] = now(), dict(params)

    def note(http_response: Any, parsed: Answer, model: Any, context: Mapping[str, Any], **_: Any) -> None:  # noqa: ARG001 - botocore's names
        if (service, model.name) not in ACTS:
            return
        at, asked = context.get(_BEGUN, (now(), {}))
        detail: dict[str, Any] = {"service": service, "operation": model.name}
        code = parsed.get("Error", {}).get("Code")
        detail |= {"error": code} if code else _answered((service, model.name), asked, parsed, name_of)
        detail["attempts"] = parsed.get("ResponseMetadata", {}).get("RetryAttempts", 0) + 1
        journal.write_past(at, "call", actor, detail)

    events, ours = client.meta.events, f"stagefright-acts-{id(journal)}"
    events.register("before-parameter-build", begin, unique_id=f"{ours}-begin")
    events.register("after-call", note, unique_id=ours)
    return client


_BEGUN = "stagefright_begun"
"""Where botocore carries what was asked, and when, to the answer."""


def _answered(act: tuple[str, str], asked: Asked, answer: Answer, name_of: Names) -> dict[str, Any]:
    found: dict[str, Any] = {"ids": list(ACTS[act](answer))}
    if act in ACCEPTED:
        accepted = ACCEPTED[act](asked, answer)
        found["accepted"] = [{**one, "resource": name_of(str(one["resource"]))} for one in accepted if one["resource"]]
    if act in WRITTEN:
        found["written"] = [[name_of(str(where)), what] for where, what in WRITTEN[act](asked) if where and what]
    return found


def _service_of(client: Any) -> str:
    """The name by which boto3 makes such a client."""
    return str(client.meta.service_model.service_name)
