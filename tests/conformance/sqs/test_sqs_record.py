"""The Lambda event record of a message (semantics §3.9)."""

from __future__ import annotations

import pytest

from stagefright.services.queue_record import record


@pytest.mark.rule("3.9/shape")
@pytest.mark.rule("3.9/binary")
@pytest.mark.rule("3.9/case")
def test_the_record_of_a_standard_message(sqs):
    """§3.9: lower camel case, strings for attributes, base64 for bytes."""
    queue = sqs.queue()
    attributes = {
        "k": {"DataType": "String", "StringValue": "v"},
        "raw": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
    }
    sent = sqs.send(queue, "text", MessageAttributes=attributes)
    (message,) = queue.receive()

    found = record(message)

    assert found == {
        "messageId": sent["MessageId"],
        "receiptHandle": message.receipt_handle,
        "body": "text",
        "attributes": {
            "ApproximateReceiveCount": "1",
            "SentTimestamp": "1767225600000",
            "SenderId": found["attributes"]["SenderId"],
            "ApproximateFirstReceiveTimestamp": "1767225600000",
        },
        "messageAttributes": {
            "k": {"stringValue": "v", "stringListValues": [], "binaryListValues": [], "dataType": "String"},
            "raw": {"binaryValue": "AAE=", "stringListValues": [], "binaryListValues": [], "dataType": "Binary"},
        },
        "md5OfMessageAttributes": sent["MD5OfMessageAttributes"],
        "md5OfBody": sent["MD5OfMessageBody"],
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:orders",
        "awsRegion": "us-east-1",
    }


@pytest.mark.rule("3.9/md5-of-attributes")
def test_no_fingerprint_without_attributes(sqs):
    """§3.9: `md5OfMessageAttributes` only with attributes."""
    queue = sqs.queue()
    sqs.send(queue, "text")

    assert "md5OfMessageAttributes" not in record(queue.receive()[0])


@pytest.mark.rule("3.9/dead-letter-source")
def test_what_a_dead_letter_adds(sqs):
    """§3.9: the queue that gave it up."""
    dead = sqs.queue("dead")
    policy = f'{{"deadLetterTargetArn": "{dead.arn}", "maxReceiveCount": 1}}'
    queue = sqs.queue(RedrivePolicy=policy)
    sqs.send(queue, "m")
    sqs.receive(queue)
    sqs.wait(30)
    sqs.receive(queue)

    (message,) = dead.receive()

    assert record(message)["attributes"]["DeadLetterQueueSourceArn"] == queue.arn


@pytest.mark.rule("3.9/fifo")
@pytest.mark.rule("3.9/trace-header")
def test_what_a_fifo_message_adds(sqs):
    """§3.9: sequence number, group and deduplication id; the trace header when there is one."""
    queue = sqs.queue("orders.fifo")
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793"
    sent = sqs.send(
        queue, "g1-m", MessageSystemAttributes={"AWSTraceHeader": {"DataType": "String", "StringValue": trace}}
    )

    attributes = record(queue.receive()[0])["attributes"]

    assert attributes["SequenceNumber"] == sent["SequenceNumber"]
    assert attributes["MessageGroupId"] == "g1"
    assert len(attributes["MessageDeduplicationId"]) == 64
    assert attributes["AWSTraceHeader"] == trace
    assert all(isinstance(value, str) for value in attributes.values())
