"""
The attributes of a queue: which exist, which values they take, and their defaults.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from stagefright.aws_api.errors import ApiError
from stagefright.services import queue_limits as limits
from stagefright.services.queue_rules import invalid, invalid_value

READ_ONLY: Final = (
    "QueueArn",
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
    "CreatedTimestamp",
    "LastModifiedTimestamp",
)

_NUMBERS: Final = {
    "DelaySeconds": (0, limits.DELAY_S_MAX),
    "MaximumMessageSize": (limits.MESSAGE_BYTES_MIN, limits.MESSAGE_BYTES_MAX),
    "MessageRetentionPeriod": (limits.RETENTION_S_MIN, limits.RETENTION_S_MAX),
    "ReceiveMessageWaitTimeSeconds": (0, limits.WAIT_S_MAX),
    "VisibilityTimeout": (0, limits.VISIBILITY_S_MAX),
    "KmsDataKeyReusePeriodSeconds": (limits.KMS_KEY_REUSE_S_MIN, limits.KMS_KEY_REUSE_S_MAX),
}
_CHOICES: Final = {
    "FifoQueue": ("true",),
    "ContentBasedDeduplication": ("true", "false"),
    "DeduplicationScope": ("queue", "messageGroup"),
    "FifoThroughputLimit": ("perQueue", "perMessageGroupId"),
    "SqsManagedSseEnabled": ("true", "false"),
}
_DOCUMENTS: Final = ("Policy", "RedrivePolicy", "RedriveAllowPolicy")
_FIFO_ONLY: Final = ("FifoQueue", "ContentBasedDeduplication", "DeduplicationScope", "FifoThroughputLimit")
SETTABLE: Final = (*_NUMBERS, *_CHOICES, *_DOCUMENTS, "KmsMasterKeyId")

_NAME = re.compile(r"[A-Za-z0-9_-]{1,80}")
_ARN = re.compile(r"arn:aws[a-z-]*:sqs:([a-z0-9-]+):(\d{12}):([A-Za-z0-9_.-]+)")


class RedriveTarget(Protocol):
    """What must be known of a dead-letter queue to accept it as one."""

    arn: str
    fifo: bool

    @property
    def attributes(self) -> Mapping[str, str]:
        """Its attributes, of which `RedriveAllowPolicy` matters."""


def check_name(name: str, *, fifo: bool) -> None:
    """Refuse a queue name; `.fifo` counts towards the 80 characters."""
    if fifo and not (name.endswith(".fifo") and len(name) <= 80 and _NAME.fullmatch(name.removesuffix(".fifo"))):
        raise invalid(
            "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end "
            "with .fifo suffix and be 1 to 80 in length."
        )
    if not fifo and not _NAME.fullmatch(name):
        raise invalid("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")


def defaults(*, fifo: bool) -> dict[str, str]:
    """What AWS reports for a queue that was made without attributes."""
    found = {
        "VisibilityTimeout": str(limits.VISIBILITY_S_DEFAULT),
        "MaximumMessageSize": str(limits.MESSAGE_BYTES_MAX),
        "MessageRetentionPeriod": str(limits.RETENTION_S_DEFAULT),
        "DelaySeconds": "0",
        "ReceiveMessageWaitTimeSeconds": "0",
        "SqsManagedSseEnabled": "true",
    }
    if fifo:
        found |= {
            "FifoQueue": "true",
            "ContentBasedDeduplication": "false",
            "DeduplicationScope": "queue",
            "FifoThroughputLimit": "perQueue",
        }
    return found


def check_settings(
    given: Mapping[str, str],
    *,
    current: Mapping[str, str],
    queue_arn: str,
    find: Callable[[str], RedriveTarget | None],
) -> dict[str, str]:
    """Refuse attributes that cannot be set, and return what they change (encryption settings exclude each other)."""
    fifo = queue_arn.endswith(".fifo")
    for name, value in given.items():
        _check_setting(name, value, fifo=fifo)
    if given.get("RedrivePolicy"):
        _check_redrive_policy(given["RedrivePolicy"], queue_arn, find)
    if given.get("RedriveAllowPolicy"):
        _check_allow_policy(given["RedriveAllowPolicy"])
    _check_throughput({**current, **given})
    return {**given, **_encryption(given, current)}


def _check_setting(name: str, value: str, *, fifo: bool) -> None:
    if name not in SETTABLE or (name in _FIFO_ONLY and not fifo):
        raise ApiError("InvalidAttributeName", f"Unknown Attribute {name}.")
    if name == "FifoQueue" and value != "true":
        raise bad_value(name, "Modifying queue type is not supported.")
    if name in _NUMBERS and not _in_range(value, *_NUMBERS[name]):
        raise bad_value(name)
    if name in _CHOICES and value not in _CHOICES[name]:
        raise bad_value(name)
    if name in _DOCUMENTS and value:
        parse_document(name, value)


def _in_range(value: str, low: int, high: int) -> bool:
    return re.fullmatch(r"\d{1,10}", str(value)) is not None and low <= int(value) <= high


def bad_value(name: str, reason: str = "") -> ApiError:
    """The refusal of a queue attribute's value."""
    return ApiError(
        "InvalidAttributeValue", f"Invalid value for the parameter {name}." + (f" Reason: {reason}" if reason else "")
    )


def parse_document(name: str, value: str) -> dict[str, Any]:
    """A policy, which must be a JSON object."""
    try:
        document = json.loads(value)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise bad_value(name)
    return document


def _check_redrive_policy(value: str, queue_arn: str, find: Callable[[str], RedriveTarget | None]) -> None:
    policy = parse_document("RedrivePolicy", value)
    target_arn = str(policy.get("deadLetterTargetArn", ""))
    if not target_arn:
        raise _bad_redrive(value, "Redrive policy does not contain mandatory attribute: deadLetterTargetArn.")
    _check_receive_count(value, policy.get("maxReceiveCount", limits.MAX_RECEIVE_COUNT_DEFAULT))
    target_match, own_match = _ARN.fullmatch(target_arn), _ARN.fullmatch(queue_arn)
    if target_match is None:
        raise _bad_redrive(value, "Invalid value for deadLetterTargetArn.")
    if own_match and target_match.group(1, 2) != own_match.group(1, 2):
        raise _bad_redrive(value, "Dead-letter queue must be in the same account and Region as the source.")
    target = find(target_arn)
    if target is None:
        raise _bad_redrive(value, "Dead letter target does not exist.")
    if target.fifo != queue_arn.endswith(".fifo"):
        raise _bad_redrive(value, "Dead-letter queue must be same type of queue as the source.")
    if not allows_source(target, queue_arn):
        raise _bad_redrive(value, "The dead-letter queue does not allow this source queue.")


def _check_receive_count(policy: str, count: Any) -> None:
    if not _in_range(str(count), 1, limits.MAX_RECEIVE_COUNT_MAX):
        raise _bad_redrive(
            policy,
            f"Invalid value for maxReceiveCount: {count}, valid values are from 1 to "
            f"{limits.MAX_RECEIVE_COUNT_MAX} both inclusive.",
        )


def _bad_redrive(policy: str, reason: str) -> ApiError:
    return invalid_value("RedrivePolicy", policy, reason)


def allows_source(target: RedriveTarget, source_arn: str) -> bool:
    """Whether the redrive allow policy of a dead-letter queue lets a source use it; the default is yes."""
    policy = json.loads(target.attributes.get("RedriveAllowPolicy", "{}"))
    permission = policy.get("redrivePermission", "allowAll")
    return permission == "allowAll" or (permission == "byQueue" and source_arn in policy.get("sourceQueueArns", ()))


def _check_allow_policy(value: str) -> None:
    policy = parse_document("RedriveAllowPolicy", value)
    permission, sources = policy.get("redrivePermission"), policy.get("sourceQueueArns")
    if permission not in ("allowAll", "denyAll", "byQueue"):
        raise invalid_value("RedriveAllowPolicy", value, "Redrive permission must be allowAll, denyAll or byQueue.")
    if (permission == "byQueue") != bool(sources):
        raise invalid_value("RedriveAllowPolicy", value, "sourceQueueArns goes with byQueue, and only with it.")
    if len(sources or ()) > limits.REDRIVE_SOURCES_MAX:
        raise invalid_value(
            "RedriveAllowPolicy", value, f"At most {limits.REDRIVE_SOURCES_MAX} source queues are allowed."
        )


def _check_throughput(settings: Mapping[str, str]) -> None:
    per_group = settings.get("FifoThroughputLimit") == "perMessageGroupId"
    if per_group and settings.get("DeduplicationScope") != "messageGroup":
        raise bad_value(
            "FifoThroughputLimit", "perMessageGroupId is allowed only when DeduplicationScope is messageGroup."
        )


def _encryption(given: Mapping[str, str], current: Mapping[str, str]) -> dict[str, str]:
    key = given.get("KmsMasterKeyId", current.get("KmsMasterKeyId"))
    if key and given.get("SqsManagedSseEnabled") == "true":
        raise ApiError(
            "InvalidAttributeName",
            "You can use one type of server-side encryption (SSE) at one time. "
            "You can either enable KMS SSE or SQS SSE.",
        )
    return {"SqsManagedSseEnabled": "false"} if key else {}


def first_difference(given: Mapping[str, str], current: Mapping[str, str]) -> str | None:
    """The first attribute that a queue already has with another value; documents are compared as documents."""
    return next((name for name, value in given.items() if not _same(name, value, current.get(name, ""))), None)


def _same(name: str, one: str, other: str) -> bool:
    if name in _DOCUMENTS and one and other:
        return bool(json.loads(one) == json.loads(other))
    return one == other
