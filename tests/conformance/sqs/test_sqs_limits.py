"""Limits, names, attributes and texts of refusals (semantics §3.1, §3.3)."""

from __future__ import annotations

import pytest

from stagefright.aws_api.errors import ApiError


@pytest.fixture
def queue(sqs):
    return sqs.queue()


def text(value, kind="String"):
    return {"DataType": kind, "StringValue": value}


DEFAULTS = {
    "ApproximateNumberOfMessages": "0",
    "ApproximateNumberOfMessagesDelayed": "0",
    "ApproximateNumberOfMessagesNotVisible": "0",
    "CreatedTimestamp": "1767225600",
    "DelaySeconds": "0",
    "LastModifiedTimestamp": "1767225600",
    "MaximumMessageSize": "1048576",
    "MessageRetentionPeriod": "345600",
    "QueueArn": "arn:aws:sqs:us-east-1:123456789012:orders",
    "ReceiveMessageWaitTimeSeconds": "0",
    "SqsManagedSseEnabled": "true",
    "VisibilityTimeout": "30",
}


def attributes_of(sqs, queue, *names):
    return sqs.service.get_queue_attributes({"QueueUrl": queue.url, "AttributeNames": list(names)}).get("Attributes")


@pytest.mark.rule("3.1/message-size-default")
@pytest.mark.rule("3.1/retention-default")
@pytest.mark.rule("3.1/visibility-default")
def test_the_defaults(sqs, queue):
    """§3.1: 1 MiB, four days, 30 seconds, no delay, short polling."""
    assert attributes_of(sqs, queue, "All") == DEFAULTS


def test_the_defaults_of_a_fifo_queue(sqs):
    """§3.1 (LS test_fifo_set_content_based_deduplication_strategy)."""
    sqs.service.create_queue({"QueueName": "line.fifo", "Attributes": {"FifoQueue": "true"}})
    queue = sqs.service.by_arn("arn:aws:sqs:us-east-1:123456789012:line.fifo")

    assert attributes_of(sqs, queue, "All") == DEFAULTS | {
        "QueueArn": queue.arn,
        "ContentBasedDeduplication": "false",
        "DeduplicationScope": "queue",
        "FifoQueue": "true",
        "FifoThroughputLimit": "perQueue",
    }


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("MaximumMessageSize", 1_024, 1_048_576),
        ("DelaySeconds", 0, 900),
        ("MessageRetentionPeriod", 60, 1_209_600),
        ("VisibilityTimeout", 0, 43_200),
        ("ReceiveMessageWaitTimeSeconds", 0, 20),
        ("KmsDataKeyReusePeriodSeconds", 60, 86_400),
    ],
)
@pytest.mark.rule("3.1/message-size-range")
@pytest.mark.rule("3.1/queue-delay-range")
@pytest.mark.rule("3.1/retention-range")
@pytest.mark.rule("3.1/visibility-range")
@pytest.mark.rule("3.1/long-poll-range")
def test_the_ranges_of_queue_attributes(sqs, queue, name, low, high):
    """§3.1: both ends are allowed, what lies beyond is refused."""
    for value in (low, high):
        sqs.service.set_queue_attributes({"QueueUrl": queue.url, "Attributes": {name: str(value)}})
        assert attributes_of(sqs, queue, name) == {name: str(value)}
    for value in (low - 1, high + 1, "many"):
        refused = sqs.refusal("set_queue_attributes", queue, Attributes={name: str(value)})
        assert (refused.code, refused.message) == (
            "InvalidAttributeValue",
            f"Invalid value for the parameter {name}.",
        )


@pytest.mark.parametrize("name", ["Colour", "QueueArn", "CreatedTimestamp", "FifoQueue", "ContentBasedDeduplication"])
def test_attributes_that_a_standard_queue_cannot_set(sqs, queue, name):
    """§3.1 (LS test_set_unsupported_attribute_*): unknown, read only, or only for FIFO."""
    refused = sqs.refusal("set_queue_attributes", queue, Attributes={name: "true"})

    assert (refused.code, refused.message) == ("InvalidAttributeName", f"Unknown Attribute {name}.")


def test_the_type_of_a_queue_stays(sqs):
    """§3.1 (LS test_set_unsupported_attribute_fifo)."""
    refused = sqs.refusal("set_queue_attributes", sqs.queue("line.fifo"), Attributes={"FifoQueue": "false"})

    assert (refused.code, refused.message) == (
        "InvalidAttributeValue",
        "Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.",
    )


def test_one_kind_of_encryption(sqs, queue):
    """§3.1 (LS test_sse_kms_and_sqs_are_mutually_exclusive)."""
    sqs.service.set_queue_attributes({"QueueUrl": queue.url, "Attributes": {"KmsMasterKeyId": "testKeyId"}})

    refused = sqs.refusal("set_queue_attributes", queue, Attributes={"SqsManagedSseEnabled": "true"})

    assert attributes_of(sqs, queue, "SqsManagedSseEnabled") == {"SqsManagedSseEnabled": "false"}
    assert refused.code == "InvalidAttributeName"
    assert refused.message.startswith("You can use one type of server-side encryption (SSE) at one time.")


@pytest.mark.parametrize("name", ["", "a" * 81, "no spaces", "no.dots", "line.fifo"])
def test_names_of_standard_queues(sqs, name):
    """§3.1 (BC CreateQueue): 1 to 80 letters, digits, hyphens and underscores."""
    with pytest.raises(ApiError, match="Can only include alphanumeric characters"):
        sqs.service.create_queue({"QueueName": name})


@pytest.mark.parametrize("name", ["line", ".fifo", "a" * 76 + ".fifo"])
def test_names_of_fifo_queues(sqs, name):
    """§3.1 (BC CreateQueue): the suffix is needed, and counts."""
    with pytest.raises(ApiError, match=r"must end with \.fifo suffix"):
        sqs.service.create_queue({"QueueName": name, "Attributes": {"FifoQueue": "true"}})


def test_creation_is_idempotent(sqs, queue):
    """§3.1 (BC CreateQueue): the same attributes give the same queue."""
    params = {"QueueName": "orders", "Attributes": {"DelaySeconds": "0"}}

    assert sqs.service.create_queue(params) == {"QueueUrl": queue.url}


def test_creation_with_other_attributes_is_refused(sqs, queue):
    """§3.1 (LS test_create_queue_with_different_attributes_raises_exception)."""
    with pytest.raises(ApiError) as refused:
        sqs.service.create_queue({"QueueName": "orders", "Attributes": {"DelaySeconds": "1"}})

    assert (refused.value.code, refused.value.message) == (
        "QueueAlreadyExists",
        "A queue already exists with the same name and a different value for attribute DelaySeconds",
    )


def test_a_deleted_name_rests_for_a_minute(sqs, queue):
    """§3.1 (BC DeleteQueue)."""
    sqs.service.delete_queue({"QueueUrl": queue.url})

    with pytest.raises(ApiError) as refused:
        sqs.queue()

    assert refused.value.code == "AWS.SimpleQueueService.QueueDeletedRecently"
    sqs.wait(60)
    sqs.queue()


@pytest.mark.parametrize("url", ["https://sqs.us-east-1.amazonaws.com/000000000000/orders", "orders", "", "nobody"])
def test_an_unknown_url(sqs, queue, url):
    """§3.1 (LS test_non_existent_queue): another account's URL is unknown too."""
    with pytest.raises(ApiError) as refused:
        sqs.service.send_message({"QueueUrl": url, "MessageBody": "x"})

    assert (refused.value.code, refused.value.message) == (
        "AWS.SimpleQueueService.NonExistentQueue",
        "The specified queue does not exist.",
    )


@pytest.mark.rule("3.1/message-size-counts-attributes")
@pytest.mark.rule("3.1/message-size-refusal")
@pytest.mark.rule("3.1/trace-header-is-free")
def test_the_size_of_a_message(sqs):
    """§3.1 (LS test_send_message_with_updated_maximum_message_size): names, types and values count, traces do not."""
    queue = sqs.queue("small", MaximumMessageSize="1024")
    attributes = {"key": text("value")}
    room = 1_024 - len("key" + "String" + "value")
    trace = {"AWSTraceHeader": text("Root=1")}

    sqs.send(queue, "x" * room, MessageAttributes=attributes, MessageSystemAttributes=trace)
    refused = sqs.refusal("send_message", queue, MessageBody="x" * (room - 1) + "é", MessageAttributes=attributes)

    assert (refused.code, refused.message) == (
        "InvalidParameterValue",
        "One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes.",
    )


@pytest.mark.rule("3.1/batch-size-in-bytes")
def test_the_size_of_a_batch(sqs, queue):
    """§3.1 (LS test_send_message_batch_with_oversized_contents)."""
    entries = [{"Id": "a", "MessageBody": "x" * 1_048_576}, {"Id": "b", "MessageBody": "y"}]

    refused = sqs.refusal("send_message_batch", queue, Entries=entries)

    assert (refused.code, refused.message) == (
        "AWS.SimpleQueueService.BatchRequestTooLong",
        "Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.",
    )


@pytest.mark.parametrize("operation", ["send_message_batch", "delete_message_batch", "change_message_visibility_batch"])
@pytest.mark.parametrize(
    ("ids", "code", "message"),
    [
        ([], "EmptyBatchRequest", "There should be at least one "),
        ([str(n) for n in range(20)], "TooManyEntriesInBatchRequest", "Maximum number of entries per request are 10."),
        (["a", "b", "a"], "BatchEntryIdsNotDistinct", "Id a repeated."),
        (["invalid:id"], "InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters"),
        (["a" * 81], "InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters"),
        ([""], "InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters"),
    ],
)
@pytest.mark.rule("3.1/batch-entries")
def test_the_entries_of_a_batch(sqs, queue, operation, ids, code, message):
    """§3.1 (LS test_too_many_entries_in_batch_request and companions)."""
    entries = [{"Id": each, "MessageBody": "x", "ReceiptHandle": "x", "VisibilityTimeout": 1} for each in ids]

    refused = sqs.refusal(operation, queue, Entries=entries)

    assert refused.code == f"AWS.SimpleQueueService.{code}"
    assert refused.message.startswith(message)


def test_entries_fail_on_their_own(sqs, queue):
    """§3.1: a bad entry does not stop the others."""
    found = sqs.service.send_message_batch(
        {
            "QueueUrl": queue.url,
            "Entries": [
                {"Id": "good", "MessageBody": "a"},
                {"Id": "bad", "MessageBody": "b", "DelaySeconds": 901},
            ],
        }
    )

    assert [entry["Id"] for entry in found["Successful"]] == ["good"]
    assert found["Failed"] == [
        {
            "Id": "bad",
            "SenderFault": True,
            "Code": "InvalidParameterValue",
            "Message": "Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.",
        }
    ]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            {"MaxNumberOfMessages": 11},
            "Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.",
        ),
        (
            {"WaitTimeSeconds": 21},
            "Value 21 for parameter WaitTimeSeconds is invalid. Reason: Must be >= 0 and <= 20, if provided.",
        ),
        (
            {"VisibilityTimeout": 43_201},
            "Value 43201 for parameter VisibilityTimeout is invalid. Reason: Must be >= 0 and <= 43200, if provided.",
        ),
    ],
)
@pytest.mark.rule("3.1/visibility-range")
@pytest.mark.rule("3.1/long-poll-range")
@pytest.mark.rule("3.1/receive-count")
def test_the_ranges_of_a_receive(sqs, queue, params, message):
    """§3.1 (LS test_send_receive_max_number_of_messages)."""
    with pytest.raises(ApiError) as refused:
        sqs.world.kernel.wait(sqs.service.receive_message({"QueueUrl": queue.url, **params}))

    assert refused.value.message == message


@pytest.mark.parametrize("body", ["\x00", "a\x1fb", "\ufffe", "\uffff"])
def test_characters_that_a_body_cannot_have(sqs, queue, body):
    """§3.1 (BC SendMessage): what XML cannot carry."""
    assert sqs.refusal("send_message", queue, MessageBody=body).code == "InvalidMessageContents"


def test_a_body_is_needed(sqs, queue):
    """§3.1 (BC SendMessage): at least one character."""
    assert sqs.refusal("send_message", queue, MessageBody="").code == "MissingParameter"


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"k": text("")}, "Message (user) attribute 'k' must contain a non-empty value of type 'String'."),
        (
            {"k": {"DataType": "Binary"}},
            "Message (user) attribute 'k' must contain a non-empty value of type 'Binary'.",
        ),
        (
            {"k": {"StringValue": "v"}},
            "The message (user) attribute 'k' must contain a non-empty message attribute type.",
        ),
        ({"k": text("v", "Text")}, "The type of message (user) attribute 'k' is invalid."),
        ({"k": text("v", "Number")}, "Can't cast the value of message (user) attribute 'k' to a number."),
        ({"k": text("v", "Binary")}, "Message (user) attribute 'k' with type 'Binary' must use field 'Binary'."),
        ({"k": {**text("v"), "BinaryValue": b"v"}}, "Message (user) attribute 'k' must have a single value."),
        ({"k": text("v", "String." + "x" * 256)}, "Message (user) attribute type must be shorter than 256 bytes."),
        ({"k": text("\x00")}, "Invalid characters found."),
        ({"": text("v")}, "The request must contain non-empty message (user) attribute names."),
        ({"k" * 257: text("v")}, "Message (user) attribute name must be shorter than 256 bytes."),
        ({"a b": text("v")}, "The message attribute name 'a b' is invalid."),
        ({"AWS.k": text("v")}, "You can't use message attribute names beginning with 'AWS.' or 'Amazon.'."),
        ({".k": text("v")}, "Message (user) attribute name must not begin with character '.'."),
        ({"k.": text("v")}, "Message (user) attribute name must not end with character '.'."),
        ({"k..k": text("v")}, "Message (user) attribute name must not have successive '.' characters."),
        (
            {f"k{n}": text("v") for n in range(11)},
            "Number of message attributes [11] exceeds the allowed maximum [10].",
        ),
    ],
)
@pytest.mark.rule("3.1/message-attributes-count")
@pytest.mark.rule("3.1/message-attribute-types")
def test_message_attributes_that_are_refused(sqs, queue, attributes, message):
    """§3.1: names, types, values and their number (LS test_send_message_with_empty_string_attribute)."""
    refused = sqs.refusal("send_message", queue, MessageBody="x", MessageAttributes=attributes)

    assert refused.message.startswith(message)


@pytest.mark.parametrize(
    "attribute",
    [text("1.5e3", "Number.float"), text("v", "String.UUID"), {"DataType": "Binary", "BinaryValue": b"\x00"}],
)
@pytest.mark.rule("3.1/message-attribute-types")
def test_types_may_have_a_label(sqs, queue, attribute):
    """§3.1: String, Number, Binary, each with `.custom`."""
    sqs.send(queue, "x", MessageAttributes={"k": attribute})

    assert sqs.messages(queue, MessageAttributeNames=["k"])[0]["MessageAttributes"] == {"k": attribute}


@pytest.mark.rule("3.1/message-attributes-count")
def test_ten_attributes_are_allowed(sqs, queue):
    """§3.1: at most ten."""
    sqs.send(queue, "x", MessageAttributes={f"k{n}": text("v") for n in range(10)})


@pytest.mark.parametrize("name", ["MessageGroupId", "MessageDeduplicationId"])
@pytest.mark.parametrize("value", ["", "a" * 129, "no spaces"])
@pytest.mark.rule("3.3/id-lengths")
def test_fifo_ids(sqs, name, value):
    """§3.3: at most 128 characters, letters, digits and punctuation."""
    ids = {"MessageGroupId": "g", "MessageDeduplicationId": "d"} | {name: value}

    refused = sqs.refusal("send_message", sqs.queue("line.fifo"), MessageBody="x", **ids)

    assert refused.message.startswith(f"Value {value} for parameter {name} is invalid.")


def test_a_deduplication_id_is_for_fifo_queues(sqs, queue):
    """§3.3: a standard queue refuses it."""
    refused = sqs.refusal("send_message", queue, MessageBody="x", MessageDeduplicationId="d")

    assert refused.message == (
        "Value d for parameter MessageDeduplicationId is invalid. "
        "Reason: The request include parameter that is not valid for this queue type."
    )


def test_only_the_trace_header_is_a_system_attribute_of_senders(sqs, queue):
    """§3.1 (BC MessageSystemAttributeNameForSends)."""
    refused = sqs.refusal("send_message", queue, MessageBody="x", MessageSystemAttributes={"SenderId": text("me")})

    assert refused.message == "Message system attribute name 'SenderId' is invalid."


FILTERED = [
    ([], None, None),
    (["All"], {"General", "Hello", "Help.Me"}, "4c360f3fdafd970e05fae2f149d997f5"),
    ([".*"], {"General", "Hello", "Help.Me"}, "4c360f3fdafd970e05fae2f149d997f5"),
    (["Foo", "Help"], None, None),
    (["Hello", "General"], {"General", "Hello"}, "fca026605781cb4126a1e9044df24232"),
    (["Foo", "Hello"], {"Hello"}, "a311262e065454b75da111d535b8dacd"),
    (["Hel.*"], {"Hello", "Help.Me"}, "83fee93c1bcd8b9a5a923ffacdc636c7"),
]


@pytest.mark.parametrize(("names", "expected", "fingerprint"), FILTERED)
def test_message_attributes_are_filtered_by_name(sqs, queue, names, expected, fingerprint):
    """§3.1 (LS test_receive_message_message_attribute_names_filters): with the fingerprints that AWS computed."""
    attributes = {"Help.Me": text("Me"), "Hello": text("There"), "General": text("Kenobi")}
    sent = sqs.send(queue, "msg", MessageAttributes=attributes)

    (message,) = sqs.messages(queue, MessageAttributeNames=names)

    assert sent["MD5OfMessageAttributes"] == "4c360f3fdafd970e05fae2f149d997f5"
    assert sent["MD5OfMessageBody"] == message["MD5OfBody"] == "6e2baaf3b97dbeef01c0043275f9a0e7"
    assert message.get("MessageAttributes") == (expected and {name: attributes[name] for name in expected})
    assert message.get("MD5OfMessageAttributes") == fingerprint


def test_the_fingerprint_of_bytes(sqs, queue):
    """§3.1 (LS test_send_message_with_binary_attributes): AWS's own fingerprint."""
    raw = b"traceparent\x1e00-774062d6c37081a5a0b9b5b88e30627c-2d2482211f6489da-01"

    sent = sqs.send(queue, "test", MessageAttributes={"attr1": {"DataType": "Binary", "BinaryValue": raw}})

    assert sent["MD5OfMessageAttributes"] == "8cbe4db156db8a94db8b801b7addb984"


@pytest.mark.parametrize("parameter", ["AttributeNames", "MessageSystemAttributeNames"])
def test_system_attributes_are_filtered_by_name(sqs, queue, parameter):
    """§3.1 (LS test_receive_message_attribute_names_filters): both parameters ask for them."""
    sqs.send(queue, "msg")

    (message,) = sqs.messages(queue, **{"AttributeNames": [], parameter: ["SenderId", "SequenceNumber"]})

    assert set(message["Attributes"]) == {"SenderId"}


@pytest.mark.rule("3.1/message-delay-range")
def test_the_delay_of_a_message(sqs, queue):
    """§3.1: 0 to 900 seconds for each message."""
    sqs.send(queue, "late", DelaySeconds=900)
    sqs.wait(899)
    assert sqs.receive(queue) == []
    sqs.wait(1)
    assert sqs.receive(queue) == ["late"]

    for seconds in (-1, 901):
        refused = sqs.refusal("send_message", queue, MessageBody="m", DelaySeconds=seconds)
        assert refused.code == "InvalidParameterValue"
