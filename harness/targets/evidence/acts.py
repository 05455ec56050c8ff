"""
The test's own calls on a deployed stage, as far as they set something in motion: each is a `call` record with the ids that AWS answered.

By these ids what follows is known to have come from the test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from stagefright.journal import Journal
from stagefright.targets.evidence.json_lines import root_of

if TYPE_CHECKING:
    from requests import Response

Answer = Mapping[str, Any]


def _messages(answer: Answer) -> Iterator[str]:
    yield from (entry["MessageId"] for entry in answer.get("Successful", ()))


def _records(answer: Answer) -> Iterator[str]:
    yield from (record["SequenceNumber"] for record in answer.get("Records", ()) if record.get("SequenceNumber"))


def _entries(answer: Answer) -> Iterator[str]:
    yield from (entry["EventId"] for entry in answer.get("Entries", ()) if entry.get("EventId"))


def _request(answer: Answer) -> Iterator[str]:
    """The id of the request itself: an invocation has it as its own, a bucket's event tells it."""
    metadata = answer.get("ResponseMetadata", {})
    headers = {str(name).lower(): value for name, value in metadata.get("HTTPHeaders", {}).items()}
    found = (headers.get("x-amz-request-id"), headers.get("x-amzn-requestid"), metadata.get("RequestId"))
    yield from dict.fromkeys(str(one) for one in found if one)


def _one(key: str) -> Callable[[Answer], Iterator[str]]:
    return lambda answer: iter([answer[key]] if answer.get(key) else [])


ACTS: Mapping[tuple[str, str], Callable[[Answer], Iterator[str]]] = {
    ("dynamodb", "BatchWriteItem"): _request,
    ("dynamodb", "DeleteItem"): _request,
    ("dynamodb", "PutItem"): _request,
    ("dynamodb", "TransactWriteItems"): _request,
    ("dynamodb", "UpdateItem"): _request,
    ("events", "PutEvents"): _entries,
    ("kinesis", "PutRecord"): _one("SequenceNumber"),
    ("kinesis", "PutRecords"): _records,
    ("lambda", "Invoke"): _request,
    ("s3", "CompleteMultipartUpload"): _request,
    ("s3", "CopyObject"): _request,
    ("s3", "DeleteObject"): _request,
    ("s3", "PutObject"): _request,
    ("sns", "Publish"): _one("MessageId"),
    ("sns", "PublishBatch"): _messages,
    ("sqs", "SendMessage"): _one("MessageId"),
    ("sqs", "SendMessageBatch"): _messages,
    ("stepfunctions", "StartExecution"): _one("executionArn"),
}
"""The operations that set something in motion, and where the ids are in their answers."""


REQUEST_IDS = ("apigw-requestid", "x-amzn-requestid", "x-amz-apigw-id", "x-amzn-request-id")
"""The headers in which an API or a function's URL answers the id that its event has in `requestContext`."""

THREAD_HEADERS = ("x-correlation-id", "x-amzn-trace-id")
"""The headers by which a caller hands on a thread; an API answers the trace that it began, too."""


def note_request(journal: Journal, actor: str = "test") -> Callable[[Response], None]:
    """What writes a request of the test's to the stage's API to the journal, when it was answered."""

    def note(answer: Response) -> None:
        asked = answer.request
        told = {str(name).lower(): str(value) for name, value in (*asked.headers.items(), *answer.headers.items())}
        path = urlsplit(asked.url or "").path or "/"
        journal.write(
            "call",
            actor,
            cause=None,
            service="http",
            operation=f"{asked.method} {path}",
            status=answer.status_code,
            ids=[told[name].rstrip("=") for name in REQUEST_IDS if name in told],
            threads=[root_of(told[name]) for name in THREAD_HEADERS if name in told],
        )

    return note


def note_acts(client: Any, journal: Journal, actor: str = "test") -> Any:
    """Let a boto3 client write the calls that set something in motion to the journal; gives the client."""
    service = _service_of(client)

    def note(http_response: Any, parsed: Answer, model: Any, **_: Any) -> None:  # noqa: ARG001 - botocore's names
        read = ACTS.get((service, model.name))
        if read is None:
            return
        code = parsed.get("Error", {}).get("Code")
        detail: dict[str, Any] = {"service": service, "operation": model.name}
        detail |= {"error": code} if code else {"ids": list(read(parsed))}
        detail["attempts"] = parsed.get("ResponseMetadata", {}).get("RetryAttempts", 0) + 1
        journal.write("call", actor, cause=None, **detail)

    client.meta.events.register("after-call", note, unique_id=f"stagefright-acts-{id(journal)}")
    return client


def _service_of(client: Any) -> str:
    """The name by which boto3 makes such a client."""
    return str(client.meta.service_model.service_name)
