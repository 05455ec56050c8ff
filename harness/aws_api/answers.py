"""What an SDK gets back from an operation of ours: an answer or a refusal, parsed already, as botocore has them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from stagefright.aws_api.errors import ApiError
from stagefright.aws_api.sdk_call import Call
from stagefright.services.queue_errors import ERROR_SHAPES

if TYPE_CHECKING:
    from stagefright.world import World

RETRYABLE_CODES = frozenset({"Throttling", "ThrottlingException", "OverLimit", "RequestThrottled"})
"""Refusals with another status that botocore retries."""


class HttpStatus(NamedTuple):
    """All that botocore, its retries included, reads of an HTTP response that is parsed already."""

    status_code: int
    headers: Mapping[str, str] = {}
    content: bytes = b""
    raw: Any = None


Answer = tuple[HttpStatus, dict[str, Any]]
"""Status and parsed body: what botocore's own sending gives."""


def success(call: Call, answer: Mapping[str, Any] | None) -> Answer:
    """What an operation answered."""
    parsed = dict(answer or {})
    status = parsed.get("StatusCode", 200) if call.name == "Invoke" else 200
    if call.name == "Invoke":
        from botocore.response import StreamingBody

        payload = parsed["Payload"]
        parsed["Payload"] = StreamingBody(io.BytesIO(payload), len(payload))
    parsed["ResponseMetadata"] = _metadata(call.world, call.record, status)
    if call.name == "Invoke":
        # Lambda's request id is the invocation's.
        parsed["ResponseMetadata"]["RequestId"] = parsed.pop("RequestId", parsed["ResponseMetadata"]["RequestId"])
    return HttpStatus(status), parsed


def refused(world: World, service: str, record: int, refusal: ApiError) -> Answer:
    """What it refused."""
    error = {"Message": refusal.message, "Code": refusal.code}
    if service == "sqs" and refusal.code in ERROR_SHAPES:
        # botocore finds the exception's class by it (`client.exceptions.QueueDoesNotExist`).
        error["QueryErrorCode"] = ERROR_SHAPES[refusal.code]
    parsed = {"Error": error, **refusal.fields, "ResponseMetadata": _metadata(world, record, refusal.status)}
    return HttpStatus(refusal.status), parsed


def is_retryable(refusal: ApiError) -> bool:
    """Whether botocore tries again after it."""
    return refusal.status == 429 or refusal.status >= 500 or refusal.code in RETRYABLE_CODES


def _metadata(world: World, record: int, status: int) -> dict[str, Any]:
    request_id = world.chance.uuid("request", record)
    return {"RequestId": request_id, "HTTPStatusCode": status, "HTTPHeaders": {}, "RetryAttempts": 0}
