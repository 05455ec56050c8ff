"""
Hand a text to a target that an ARN names: what EventBridge's rules, schedules and pipes have in common.

A refusal is an `ApiError`; whether it is worth another attempt, its sender decides. A function is invoked asynchronously, so what it does
with the event never comes back here (semantics §2.2).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from stagefright.aws_api.errors import ApiError

if TYPE_CHECKING:
    from stagefright.services.peers import World


def hand_over(
    world: World,
    arn: str,
    text: str,
    *,
    cause: int,
    group_id: str | None = None,
    dedup_id: str | None = None,
    partition_key: str | None = None,
) -> None:
    """
    Hand `text` to the function, queue, topic, stream or log group `arn`.

    `group_id` and `dedup_id` are for FIFO queues, `partition_key` for streams. Raises `ApiError` if it is refused, `NO_RESOURCE` if there is no such thing.
    """
    service = service_of(arn)
    if service == "kinesis":
        _to_stream(world, arn, text, partition_key or "", cause)
    elif service == "sqs":
        _to_queue(world, arn, text, group_id, dedup_id, cause)
    else:
        _HAND_OVERS[service](world, arn, text, cause)


def service_of(arn: str) -> str:
    """The service that an ARN names."""
    return arn.split(":")[2]


def resource_of(arn: str) -> str:
    """The last part of an ARN, which may itself contain colons."""
    return arn.split(":", 5)[-1]


def no_resource(arn: str) -> ApiError:
    """The refusal for what is not there."""
    return ApiError("NO_RESOURCE", f"The resource {arn} does not exist.")


def _to_function(world: World, arn: str, text: str, cause: int) -> None:
    try:
        event = json.loads(text)
    except ValueError as error:
        raise ApiError("INVALID_JSON", f"The input of the target is not JSON: {text}") from error
    world.async_invoke.submit(arn, event, cause=cause)


def _to_topic(world: World, arn: str, text: str, cause: int) -> None:
    world.topics.deliver(arn, text, cause=cause)


def _to_log_group(world: World, arn: str, text: str, cause: int) -> None:
    with world.kernel.blame(cause):
        world.logs_put(resource_of(arn).removeprefix("log-group:").removesuffix(":*"), text)


def _to_queue(world: World, arn: str, text: str, group_id: str | None, dedup_id: str | None, cause: int) -> None:
    queue = world.queues.by_arn(arn)
    if queue is None:
        raise no_resource(arn)
    queue.send(text, group_id=group_id, dedup_id=dedup_id, cause=cause)


def _to_stream(world: World, arn: str, text: str, partition_key: str, cause: int) -> None:
    put_bytes(world, arn, text.encode(), partition_key, cause)


def put_bytes(world: World, arn: str, data: bytes, partition_key: str, cause: int) -> None:
    """Put a record of any bytes into a stream."""
    from botocore.exceptions import ClientError

    try:
        with world.kernel.blame(cause):
            world.streams.put(arn, data, partition_key)
    except ClientError as error:
        # Streams are moto's, so a refusal of theirs has been through botocore.
        reply: Mapping[str, Mapping[str, str]] = error.response  # type: ignore[assignment]
        status = int(reply["ResponseMetadata"]["HTTPStatusCode"])
        raise ApiError(reply["Error"]["Code"], reply["Error"]["Message"], status=status) from error


_HAND_OVERS: Mapping[str, Callable[[World, str, str, int], None]] = {
    "lambda": _to_function,
    "sns": _to_topic,
    "logs": _to_log_group,
}

SERVICES = frozenset({*_HAND_OVERS, "sqs", "kinesis"})
"""The services whose resources a text can be handed to."""

_GONE = ("NotFound", "NonExistent", "DoesNotExist", "NO_RESOURCE")


def is_retriable(error: ApiError) -> bool:
    """Whether the other side failed (throttled or unavailable), so that another attempt may succeed."""
    return error.status == 429 or error.status >= 500


def error_code(error: ApiError) -> str:
    """
    The `ERROR_CODE` that EventBridge gives a refusal; which refusal has which code is UNSOURCED, the codes are AWS's (§6.4).

    >>> error_code(ApiError("TooManyRequestsException", "Rate exceeded", status=429))
    'THROTTLING'
    """
    if error.code == "INVALID_JSON":
        return error.code
    if error.status == 429:
        return "THROTTLING"
    if error.status >= 500:
        return "INTERNAL_ERROR"
    if any(part in error.code for part in _GONE):
        return "NO_RESOURCE"
    return "NO_PERMISSIONS" if "AccessDenied" in error.code else "SDK_CLIENT_ERROR"
