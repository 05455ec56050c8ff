"""
What SQS refuses in a message, with the texts of AWS.

Texts that no recording of AWS confirms are those of its documentation or of issue reports; they are marked UNSOURCED
where even that is missing.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from stagefright.aws_api.errors import ApiError
from stagefright.services import queue_limits as limits
from stagefright.services.queue_message import MessageAttributes

_FORBIDDEN_CHARACTERS = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ATTRIBUTE_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_ATTRIBUTE_TYPE = re.compile(r"(String|Number|Binary)(\..*)?", re.DOTALL)
_ID_CHARACTERS = re.compile(r"[A-Za-z0-9!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~]{1,128}")
_BATCH_ENTRY_ID = re.compile(r"[A-Za-z0-9_-]{1,80}")


def check_message(body: str, attributes: MessageAttributes) -> None:
    """Refuse a body or message attributes that SQS would refuse in any queue."""
    if not body:
        raise missing("MessageBody")
    for name, value in attributes.items():
        _check_attribute_name(name)
        _check_attribute_value(name, value)
    if len(attributes) > limits.MESSAGE_ATTRIBUTES_MAX:
        raise invalid(
            f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum "
            f"[{limits.MESSAGE_ATTRIBUTES_MAX}]."
        )
    check_characters(body)


def refuse_too_long(body: str, attributes: MessageAttributes, bytes_max: int) -> None:
    """Refuse a message that is larger than its queue takes, whoever sends it (§3.1)."""
    if message_bytes(body, attributes) > bytes_max:
        raise invalid(f"One or more parameters are invalid. Reason: Message must be shorter than {bytes_max} bytes.")


def check_characters(text: str) -> None:
    """Refuse what XML 1.0 cannot carry."""
    if not (text.isascii() and text.isprintable()) and _FORBIDDEN_CHARACTERS.search(text):
        raise ApiError(
            "InvalidMessageContents",
            "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | "
            "#xE000 to #xFFFD | #x10000 to #x10FFFF",
        )


def message_bytes(body: str, attributes: MessageAttributes) -> int:
    """The size that counts: body, and names, types and values of the message attributes."""
    size = len(body) if body.isascii() else len(body.encode())
    return size + sum(_attribute_bytes(name, value) for name, value in attributes.items())


def _attribute_bytes(name: str, value: Mapping[str, Any]) -> int:
    text = name + value.get("DataType", "") + value.get("StringValue", "")
    return len(text.encode()) + len(value.get("BinaryValue", b""))


def _check_attribute_name(name: str) -> None:
    if not name:
        raise invalid("The request must contain non-empty message (user) attribute names.")
    if len(name) > limits.ATTRIBUTE_NAME_LENGTH_MAX:
        raise invalid(f"Message (user) attribute name must be shorter than {limits.ATTRIBUTE_NAME_LENGTH_MAX} bytes.")
    if not _ATTRIBUTE_NAME.fullmatch(name):
        raise invalid(
            f"The message attribute name '{name}' is invalid. Attribute name can contain A-Z, a-z, 0-9, "
            "underscore (_), hyphen (-), and period (.) characters."
        )
    if name.lower().startswith(("aws.", "amazon.")):
        raise invalid(
            "You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. "
            "These strings are reserved for internal use."
        )
    _check_periods(name)


def _check_periods(name: str) -> None:
    if name.startswith("."):
        raise invalid("Message (user) attribute name must not begin with character '.'.")
    if name.endswith("."):
        raise invalid("Message (user) attribute name must not end with character '.'.")
    if ".." in name:
        raise invalid("Message (user) attribute name must not have successive '.' characters.")


def _check_attribute_value(name: str, value: Mapping[str, Any]) -> None:
    kind = value.get("DataType")
    if not kind:
        raise invalid(f"The message (user) attribute '{name}' must contain a non-empty message attribute type.")
    match = _ATTRIBUTE_TYPE.fullmatch(kind)
    if match is None:
        raise invalid(
            f"The type of message (user) attribute '{name}' is invalid. You must use only the following supported "
            "type prefixes: Binary, Number, String."
        )
    if len(kind) > limits.ATTRIBUTE_TYPE_LENGTH_MAX:
        raise invalid(f"Message (user) attribute type must be shorter than {limits.ATTRIBUTE_TYPE_LENGTH_MAX} bytes.")
    _check_field(name, value, kind, logical=match[1])


def _check_field(name: str, value: Mapping[str, Any], kind: str, *, logical: str) -> None:
    given = [field for field in ("StringValue", "BinaryValue") if value.get(field) is not None]
    if len(given) > 1:
        raise invalid(f"Message (user) attribute '{name}' must have a single value.")
    if not given or not value[given[0]]:
        raise invalid(f"Message (user) attribute '{name}' must contain a non-empty value of type '{kind}'.")
    expected = "Binary" if logical == "Binary" else "String"
    if given[0] != expected + "Value":
        raise invalid(f"Message (user) attribute '{name}' with type '{kind}' must use field '{expected}'.")
    if logical == "Number" and not _is_number(value["StringValue"]):
        raise invalid(f"Can't cast the value of message (user) attribute '{name}' to a number.")
    if expected == "String":
        check_characters(value["StringValue"])


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", text.strip()) is not None


def check_system_attributes(attributes: MessageAttributes) -> None:
    """Refuse all but `AWSTraceHeader`, the one system attribute that a sender may set."""
    for name, value in attributes.items():
        if name != "AWSTraceHeader":
            raise invalid(f"Message system attribute name '{name}' is invalid.")
        if value.get("DataType") != "String" or not value.get("StringValue"):
            raise invalid(f"Message (system) attribute '{name}' must contain a non-empty value of type 'String'.")


def check_ids(group_id: str | None, dedup_id: str | None) -> None:
    """Refuse a message group id or deduplication id that is too long or has odd characters."""
    for name, value in (("MessageGroupId", group_id), ("MessageDeduplicationId", dedup_id)):
        if value is not None and not _ID_CHARACTERS.fullmatch(value):
            raise invalid_value(
                name,
                value,
                f"{name} can only include alphanumeric and punctuation characters. "
                f"1 to {limits.GROUP_ID_LENGTH_MAX} in length.",
            )


def check_delay(delay_s: int | None) -> None:
    """Refuse a delay that is out of range."""
    if delay_s is not None and not 0 <= delay_s <= limits.DELAY_S_MAX:
        raise invalid_value("DelaySeconds", delay_s, f"DelaySeconds must be >= 0 and <= {limits.DELAY_S_MAX}.")


def check_visibility(seconds: int | None) -> None:
    """Refuse a visibility timeout that is out of range."""
    if seconds is not None and not 0 <= seconds <= limits.VISIBILITY_S_MAX:
        raise invalid_value(
            "VisibilityTimeout", seconds, f"Must be >= 0 and <= {limits.VISIBILITY_S_MAX}, if provided."
        )


def check_wait(seconds: int | None) -> None:
    """Refuse a long poll that is out of range."""
    if seconds is not None and not 0 <= seconds <= limits.WAIT_S_MAX:
        raise invalid_value("WaitTimeSeconds", seconds, f"Must be >= 0 and <= {limits.WAIT_S_MAX}, if provided.")


def check_max_messages(count: int) -> None:
    """Refuse to receive none, or more than ten."""
    if not 1 <= count <= limits.RECEIVE_MESSAGES_MAX:
        raise invalid_value(
            "MaxNumberOfMessages", count, f"Must be between 1 and {limits.RECEIVE_MESSAGES_MAX}, if provided."
        )


def check_batch_entry_ids(ids: list[str], *, entry_type: str) -> None:
    """Refuse a batch that is empty, too large, or has bad or repeated ids."""
    if not ids:
        raise _batch_error("EmptyBatchRequest", f"There should be at least one {entry_type} in the request.")
    if len(ids) > limits.BATCH_ENTRIES_MAX:
        raise _batch_error(
            "TooManyEntriesInBatchRequest",
            f"Maximum number of entries per request are {limits.BATCH_ENTRIES_MAX}. You have sent {len(ids)}.",
        )
    if not all(_BATCH_ENTRY_ID.fullmatch(each) for each in ids):
        raise _batch_error(
            "InvalidBatchEntryId",
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. "
            f"It can be at most {limits.BATCH_ENTRY_ID_LENGTH_MAX} letters long.",
        )
    repeated = next((each for place, each in enumerate(ids) if each in ids[:place]), None)
    if repeated is not None:
        raise _batch_error("BatchEntryIdsNotDistinct", f"Id {repeated} repeated.")


def check_batch_bytes(size: int) -> None:
    """Refuse a batch whose messages together are too large."""
    if size > limits.MESSAGE_BYTES_MAX:
        raise _batch_error(
            "BatchRequestTooLong",
            f"Batch requests cannot be longer than {limits.MESSAGE_BYTES_MAX} bytes. You have sent {size} bytes.",
        )


def refuse_without_group(group_id: str | None) -> None:
    """A FIFO message belongs to a group."""
    if not group_id:
        raise missing("MessageGroupId")


def deduplication_id(given: str | None, body: str, *, by_content: bool) -> str:
    """The deduplication id of a FIFO message: the given one, or the SHA-256 of the body alone, not its attributes."""
    if given is not None:
        return given
    if by_content:
        return hashlib.sha256(body.encode()).hexdigest()
    raise invalid(
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly"
    )


def refuse_foreign_parameters(*, fifo: bool, dedup_id: str | None, delay_s: int | None) -> None:
    """Refuse a delay of its own on FIFO (0 means the queue's), and a deduplication id on a standard queue."""
    if fifo and delay_s:
        raise not_for_this_queue("DelaySeconds", delay_s)
    if not fifo and dedup_id is not None:
        raise not_for_this_queue("MessageDeduplicationId", dedup_id)


def not_for_this_queue(name: str, value: object) -> ApiError:
    """The refusal of a parameter that only the other type of queue knows."""
    return invalid_value(name, value, "The request include parameter that is not valid for this queue type.")


def invalid(message: str) -> ApiError:
    """A parameter is wrong, in AWS's words."""
    return ApiError("InvalidParameterValue", message)


def invalid_value(name: str, value: object, reason: str) -> ApiError:
    """A parameter is wrong, in AWS's usual form."""
    return invalid(f"Value {value} for parameter {name} is invalid. Reason: {reason}")


def missing(name: str) -> ApiError:
    """A parameter is missing."""
    return ApiError("MissingParameter", f"The request must contain the parameter {name}.")


def _batch_error(shape: str, message: str) -> ApiError:
    return ApiError(f"AWS.SimpleQueueService.{shape}", message)
