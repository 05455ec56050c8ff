"""What `Publish` and `PublishBatch` refuse, in AWS's words (recorded ones unless a comment says otherwise)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from stagefright.aws_api.errors import ApiError

Attributes = Mapping[str, Mapping[str, Any]]
"""`MessageAttributes` as boto3 gives them: name -> DataType and StringValue or BinaryValue."""

MESSAGE_BYTES_MAX = 262_144
"""256 KiB with attributes; SNS did not follow SQS and Lambda to 1 MB (BC sns `Publish`)."""

BATCH_ENTRIES_MAX = 10
SUBJECT_CHARS_MAX = 99
ATTRIBUTE_NAME_BYTES_MAX = 256
GROUP_ID_CHARS_MAX = 128

FILTER_POLICIES_PER_TOPIC_MAX = 200
FILTER_POLICIES_PER_ACCOUNT_MAX = 10_000

RAW_ATTRIBUTES_MAX = 10
"""Raw delivery turns attributes into SQS attributes, of which a message may have ten."""


def invalid(text: str) -> ApiError:
    """SNS's usual refusal."""
    return ApiError("InvalidParameter", f"Invalid parameter: {text}")


def no_such_topic() -> ApiError:
    """The refusal for a topic that does not exist."""
    return ApiError("NotFound", "Topic does not exist", status=404)


def check_arn(arn: str) -> None:
    """An ARN has six elements; anything else is refused before it is looked up."""
    parts = arn.split(":")
    if len(parts) < 6:
        raise invalid(f"TopicArn Reason: An ARN must have at least 6 elements, not {len(parts)}")


def check_content(params: Mapping[str, Any]) -> None:
    """Message, subject and size."""
    message, subject = params.get("Message") or "", params.get("Subject")
    if not message:
        raise invalid("Empty message")
    if subject is not None and not _subject_ok(subject):
        raise invalid("Subject")
    if message_bytes(params) > MESSAGE_BYTES_MAX:
        raise invalid("Message too long")


def _subject_ok(subject: str) -> bool:
    return 0 < len(subject) <= SUBJECT_CHARS_MAX and subject.isprintable()


def message_bytes(params: Mapping[str, Any]) -> int:
    """The size that counts: the message, and the names, types and values of its attributes."""
    attributes = (params.get("MessageAttributes") or {}).items()
    return _bytes(params.get("Message") or "") + sum(
        _bytes(name) + _attribute_bytes(value) for name, value in attributes
    )


def _attribute_bytes(attribute: Mapping[str, Any]) -> int:
    return sum(_bytes(attribute.get(part) or "") for part in ("DataType", "StringValue", "BinaryValue"))


def _bytes(value: str | bytes) -> int:
    return len(value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value)


def check_attributes(attributes: Attributes) -> None:
    """Names, types and values of message attributes."""
    for name, attribute in attributes.items():
        _check_name(name)
        _check_attribute(name, attribute)


def _check_name(name: str) -> None:
    if _bytes(name) > ATTRIBUTE_NAME_BYTES_MAX:
        raise _bad_attribute("Length of message attribute name must be less than 256 bytes.")
    strange = re.search(r"[^A-Za-z0-9_.\-]", name)
    if strange:
        raise _bad_attribute(
            f"Invalid non-alphanumeric character '#x{ord(strange[0]):X}' was found in the message attribute name. "
            "Can only include alphanumeric characters, hyphens, underscores, or dots."
        )
    for edge, found in (("starting", name.startswith(".")), ("ending", name.endswith("."))):
        if found:
            raise _bad_attribute(f"Invalid message attribute name {edge} with character '.' was found.")
    if ".." in name:
        raise _bad_attribute("Message attribute name can not have successive '.' character.")


def _check_attribute(name: str, attribute: Mapping[str, Any]) -> None:
    data_type = attribute.get("DataType") or ""
    kind = data_type.split(".")[0]
    if kind not in ("String", "Number", "Binary"):
        raise _bad_attribute(
            f"The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes "
            "is Binary, Number, and String."
        )
    wanted, other = ("BinaryValue", "StringValue") if kind == "Binary" else ("StringValue", "BinaryValue")
    if wanted not in attribute and other in attribute:
        field = wanted.removesuffix("Value")
        raise _bad_attribute(f"The message attribute '{name}' with type '{data_type}' must use field '{field}'.")
    if not attribute.get(wanted):
        raise _bad_attribute(
            f"The message attribute '{name}' must contain non-empty message attribute value for message attribute type "
            f"'{data_type}'."
        )
    if kind == "Number" and not _is_number(attribute[wanted]):
        # This text is moto's: no recording of AWS's was found.
        raise _bad_attribute(f"Could not cast message attribute '{name}' value to number.")


def _bad_attribute(text: str) -> ApiError:
    return ApiError("ParameterValueInvalid", text)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text) is not None


def check_ordering(params: Mapping[str, Any], *, fifo: bool, by_content: bool) -> None:
    """Group and deduplication ids, which depend on the type of the topic."""
    group, dedup = params.get("MessageGroupId"), params.get("MessageDeduplicationId")
    if not fifo:
        if dedup:
            raise invalid(
                "MessageDeduplicationId Reason: The request includes MessageDeduplicationId parameter that is not "
                "valid for this topic type"
            )
        return
    if not group:
        raise invalid("The MessageGroupId parameter is required for FIFO topics")
    if not dedup and not by_content:
        raise invalid(
            "The topic should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided "
            "explicitly"
        )
    for name, value in (("MessageGroupId", group), ("MessageDeduplicationId", dedup)):
        if value and len(value) > GROUP_ID_CHARS_MAX:
            raise invalid(f"{name} Reason: can be at most {GROUP_ID_CHARS_MAX} characters long")


def check_number_of_policies(on_topic: int, in_account: int) -> None:
    """Refuse one filter policy more than a topic or an account may have; code and status are the API model's, the text is not recorded."""
    if on_topic >= FILTER_POLICIES_PER_TOPIC_MAX or in_account >= FILTER_POLICIES_PER_ACCOUNT_MAX:
        limit = f"{FILTER_POLICIES_PER_TOPIC_MAX} per topic and {FILTER_POLICIES_PER_ACCOUNT_MAX} per account"
        raise ApiError(
            "FilterPolicyLimitExceeded", f"The number of filter policies exceeds the limit: {limit}", status=403
        )


def check_redrive_policy(text: str | None, topic_arn: str) -> None:
    """
    A subscription's dead-letter queue is an SQS queue of the topic's type, account and Region (§5.4).

    Existence is not asked for: a queue that is missing shows when a message is given up. AWS's texts are not recorded.
    """
    if not text:
        return
    try:
        policy = json.loads(text)
    except ValueError as error:
        raise invalid("RedrivePolicy: failed to parse JSON.") from error
    target = str(policy.get("deadLetterTargetArn", "")) if isinstance(policy, dict) else ""
    parts = target.split(":")
    if len(parts) != 6 or parts[2] != "sqs":
        raise invalid("RedrivePolicy: deadLetterTargetArn is an invalid arn")
    if parts[3:5] != topic_arn.split(":")[3:5]:
        raise invalid("RedrivePolicy: the dead-letter queue must be in the same account and Region as the topic")
    if target.endswith(".fifo") != topic_arn.endswith(".fifo"):
        kind = "FIFO" if topic_arn.endswith(".fifo") else "standard"
        raise invalid(f"RedrivePolicy: must use a {kind} queue as DLQ for a subscription to a {kind} topic")


def check_endpoint(protocol: str, endpoint: str, topic_arn: str) -> None:
    """A FIFO topic delivers to SQS queues only (§5.5; AWS's text is not recorded), and a FIFO queue takes from FIFO topics only."""
    if topic_arn.endswith(".fifo"):
        if protocol != "sqs":
            raise invalid(f"Protocol: FIFO topics deliver to SQS queues only, not to {protocol} endpoints")
    elif protocol == "sqs" and endpoint.endswith(".fifo"):
        # The doubled words are AWS's.
        raise invalid(
            "Invalid parameter: Endpoint Reason: FIFO SQS Queues can not be subscribed to standard SNS topics"
        )


def texts_by_protocol(params: Mapping[str, Any]) -> dict[str, str]:
    """The text for each protocol, and that for all others under `default`."""
    message = str(params["Message"])
    if params.get("MessageStructure") != "json":
        return {"default": message}
    try:
        structure = json.loads(message)
    except (ValueError, RecursionError) as error:
        raise invalid("Message Structure - JSON message body failed to parse") from error
    texts = _text_entries(structure)
    if "default" not in texts:
        raise invalid("Message Structure - No default entry in JSON message body")
    return texts


def _text_entries(structure: object) -> dict[str, str]:
    entries = structure.items() if isinstance(structure, dict) else ()
    return {name: text for name, text in entries if isinstance(text, str)}


def check_batch(entries: list[Mapping[str, Any]]) -> None:
    """The refusals that concern a batch as a whole."""
    if not entries:
        raise ApiError("EmptyBatchRequest", "The batch request doesn't contain any entries.")
    if len(entries) > BATCH_ENTRIES_MAX:
        raise ApiError("TooManyEntriesInBatchRequest", "The batch request contains more entries than permissible.")
    if len({entry.get("Id") for entry in entries}) < len(entries):
        raise ApiError("BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id.")
    if sum(message_bytes(entry) for entry in entries) > MESSAGE_BYTES_MAX:
        raise ApiError("BatchRequestTooLong", "The length of all the messages put together is more than the limit.")
