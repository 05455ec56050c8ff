"""FIFO queues: order within a group, groups beside each other, deduplication (semantics §3.3)."""

from __future__ import annotations

import hashlib

import pytest

from stagefright.assumptions import Assumptions
from stagefright.aws_api.errors import ApiError


@pytest.fixture
def queue(sqs):
    return sqs.queue("orders.fifo")


@pytest.mark.rule("3.3/group-in-flight")
def test_messages_in_flight_block_their_group(sqs, queue):
    """§3.3: with g1-m1 and g1-m2 in flight nothing else of g1 comes; when both are deleted, m3 comes at once."""
    for body in ("g1-m1", "g1-m2", "g1-m3"):
        sqs.send(queue, body)

    assert sqs.receive(queue, 2) == ["g1-m1", "g1-m2"]
    assert sqs.receive(queue) == []
    sqs.delete(queue, "g1-m1", "g1-m2")
    assert sqs.receive(queue) == ["g1-m3"]


@pytest.mark.rule("3.3/group-partial-delete")
def test_a_partial_delete_leaves_the_group_blocked(sqs, queue):
    """§3.3 (LS visibility_after_partial_delete): m1 is deleted, m2 still in flight, so m3 waits."""
    for body in ("g1-m1", "g1-m2", "g1-m3"):
        sqs.send(queue, body)
    sqs.receive(queue, 2)

    sqs.delete(queue, "g1-m1")

    assert sqs.receive(queue) == []
    sqs.delete(queue, "g1-m2")
    assert sqs.receive(queue) == ["g1-m3"]


@pytest.mark.parametrize(("seconds", "pause"), [(0, 0), (2, 2)])
@pytest.mark.rule("3.3/group-comes-back")
def test_a_returned_message_comes_again_alone(sqs, queue, seconds, pause):
    """§3.3 (LS after_terminate_visibility_timeout, after_change_message_visibility): m1 again, m2 is in flight."""
    for body in ("g1-m1", "g1-m2", "g1-m3"):
        sqs.send(queue, body)
    sqs.receive(queue, 2)

    sqs.hide(queue, "g1-m1", seconds)
    sqs.wait(pause)

    assert sqs.receive(queue) == ["g1-m1"]
    assert sqs.receive(queue) == []


@pytest.mark.parametrize(("extended", "expected"), [("g1-m0", []), ("g1-m1", ["g1-m0"]), ("g1-m2", ["g1-m0", "g1-m1"])])
@pytest.mark.rule("3.3/group-extended")
def test_an_extended_message_ends_the_run(sqs, queue, extended, expected):
    """§3.3 (LS extends_with_change_message_visibility): three received, one extended, the others expired."""
    for body in ("g1-m0", "g1-m1", "g1-m2"):
        sqs.send(queue, body)
    sqs.receive(queue, 3)

    sqs.hide(queue, extended, 100)
    sqs.wait(30)

    assert sqs.receive(queue) == expected


@pytest.mark.rule("3.3/group-new-sends")
def test_new_messages_do_not_open_a_blocked_group(sqs, queue):
    """§3.3 (LS test_fifo_message_group_visibility): a send changes nothing for a group that waits."""
    sqs.send(queue, "g1-m1")
    sqs.receive(queue)

    sqs.send(queue, "g1-m2")

    assert sqs.receive(queue) == []
    sqs.wait(30)
    assert sqs.receive(queue) == ["g1-m1", "g1-m2"]


@pytest.mark.rule("3.3/one-group-first")
def test_one_receive_fills_from_one_group_first(sqs, queue):
    """§3.3 (LS test_fifo_receive_message_group_id_ordering): all of g1, then g2, whatever the order of sending."""
    for body in ("g1-m1", "g2-m1", "g1-m2", "g1-m3"):
        sqs.send(queue, body)

    assert sqs.receive(queue) == ["g1-m1", "g1-m2", "g1-m3", "g2-m1"]


@pytest.mark.rule("3.3/served-group-waits")
def test_a_served_group_goes_behind_the_waiting_ones(sqs, queue):
    """§3.3: groups take turns."""
    for body in ("g1-m1", "g1-m2", "g2-m1"):
        sqs.send(queue, body)

    assert sqs.receive(queue, 1) == ["g1-m1"]
    sqs.delete(queue, "g1-m1")
    assert sqs.receive(queue, 1) == ["g2-m1"]
    assert sqs.receive(queue, 1) == ["g1-m2"]


@pytest.mark.rule("3.3/deduplication-window")
@pytest.mark.rule("3.3/duplicate-is-accepted")
def test_a_duplicate_is_accepted_and_ignored_for_five_minutes(sqs, queue):
    """§3.3: within five minutes a deduplication id enqueues once; after that it enqueues again."""
    first = sqs.send(queue, "g1-a", MessageDeduplicationId="d")
    sqs.wait(299)
    again = sqs.send(queue, "g1-b", MessageDeduplicationId="d")

    assert (first["MessageId"], first["SequenceNumber"]) == (again["MessageId"], again["SequenceNumber"])
    assert sqs.receive(queue) == ["g1-a"]
    sqs.wait(1)
    sqs.send(queue, "g2-c", MessageDeduplicationId="d")
    assert sqs.receive(queue) == ["g2-c"]


@pytest.mark.rule("3.3/deduplication-outlives-the-message")
def test_a_duplicate_is_ignored_after_the_first_was_deleted(sqs, queue):
    """§3.3 (LS test_fifo_deduplication_arrives_once_after_delete)."""
    sqs.send(queue, "g1-a")
    sqs.receive(queue)
    sqs.delete(queue, "g1-a")

    sqs.send(queue, "g1-a")

    assert sqs.receive(queue) == []


@pytest.mark.rule("3.3/deduplication-scope-queue")
def test_another_group_does_not_make_a_difference(sqs, queue):
    """§3.3 (LS test_sqs_fifo_same_dedup_id_different_message_groups): the scope is the queue."""
    sqs.send(queue, "g1-a", MessageDeduplicationId="d")
    sqs.send(queue, "g2-a", MessageDeduplicationId="d")

    assert sqs.receive(queue) == ["g1-a"]


@pytest.mark.rule("3.3/deduplication-scope-group")
def test_the_scope_can_be_the_group(sqs):
    """§3.3: `DeduplicationScope=messageGroup`."""
    queue = sqs.queue("wide.fifo", DeduplicationScope="messageGroup")
    for body in ("g1-a", "g2-a", "g1-b"):
        sqs.send(queue, body, MessageDeduplicationId="d")

    assert sqs.receive(queue) == ["g1-a", "g2-a"]


@pytest.mark.rule("3.3/content-based")
def test_content_means_the_body_alone(sqs, queue):
    """§3.3: content-based deduplication is the SHA-256 of the body, not of its attributes."""
    sqs.send(queue, "g1-a")
    sqs.send(queue, "g1-a", MessageAttributes={"k": {"DataType": "String", "StringValue": "v"}})

    (message,) = sqs.messages(queue)

    assert message["Attributes"]["MessageDeduplicationId"] == hashlib.sha256(b"g1-a").hexdigest()


@pytest.mark.rule("3.3/group-required")
def test_a_message_needs_a_group(sqs, queue):
    """§3.3 (LS test_posting_to_fifo_requires_deduplicationid_group_id)."""
    refused = sqs.refusal("send_message", queue, MessageBody="x", MessageDeduplicationId="d")

    assert (refused.code, refused.message) == (
        "MissingParameter",
        "The request must contain the parameter MessageGroupId.",
    )


@pytest.mark.rule("3.3/deduplication-id-required")
def test_a_message_needs_a_deduplication_id(sqs):
    """§3.3 (LS test_posting_to_fifo_requires_deduplicationid_group_id)."""
    queue = sqs.queue("explicit.fifo", ContentBasedDeduplication="false")

    refused = sqs.refusal("send_message", queue, MessageBody="x", MessageGroupId="g")

    assert (refused.code, refused.message) == (
        "InvalidParameterValue",
        "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly",
    )


@pytest.mark.rule("3.1/fifo-has-no-message-delay")
@pytest.mark.rule("3.3/delay-refusal")
def test_a_message_has_no_delay_of_its_own(sqs, queue):
    """§3.3, §3.1 (LS test_fifo_queue_send_message_with_delay_seconds_fails)."""
    refused = sqs.refusal("send_message", queue, MessageBody="x", MessageGroupId="g", DelaySeconds=2)

    assert refused.code == "InvalidParameterValue"
    assert refused.message == (
        "Value 2 for parameter DelaySeconds is invalid. "
        "Reason: The request include parameter that is not valid for this queue type."
    )


@pytest.mark.rule("3.1/fifo-delay-of-zero")
def test_a_delay_of_zero_falls_back_to_the_queue(sqs):
    """§3.1: per-message 0 on FIFO means the queue's delay (LS)."""
    queue = sqs.queue("slow.fifo", DelaySeconds="10")
    sqs.send(queue, "g1-a", DelaySeconds=0)

    assert sqs.receive(queue) == []
    sqs.wait(10)
    assert sqs.receive(queue) == ["g1-a"]


@pytest.mark.rule("3.2/expired-handle-fifo")
def test_an_expired_handle_is_refused(sqs, queue):
    """§3.2 (LS test_fifo_delete_message_with_expired_receipt_handle)."""
    sqs.send(queue, "g1-m1")
    sqs.receive(queue, VisibilityTimeout=1)
    sqs.wait(1)
    handle = sqs.handles["g1-m1"]

    refused = sqs.refusal("delete_message", queue, ReceiptHandle=handle)

    assert (refused.code, refused.message) == (
        "InvalidParameterValue",
        f"Value {handle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.",
    )


def test_sequence_numbers_have_twenty_digits_and_grow(sqs, queue):
    """§3.3, §3.9: each message has one; it is in the answer to the send and on the message."""
    sent = [sqs.send(queue, f"g1-{n}")["SequenceNumber"] for n in range(3)]

    assert sent == sorted(set(sent))
    assert {len(number) for number in sent} == {20}
    assert [message["Attributes"]["SequenceNumber"] for message in sqs.messages(queue)] == sent


@pytest.mark.rule("3.3/receive-attempt")
def test_a_repeated_receive_gets_the_same_messages(sqs, queue):
    """§3.3: for five minutes a ReceiveRequestAttemptId gets the same messages and handles."""
    for body in ("g1-a", "g2-a"):
        sqs.send(queue, body)

    first = sqs.messages(queue, 1, ReceiveRequestAttemptId="try", VisibilityTimeout=600)
    again = sqs.messages(queue, 1, ReceiveRequestAttemptId="try", VisibilityTimeout=600)
    sqs.wait(300)
    later = sqs.receive(queue, 1, ReceiveRequestAttemptId="try")

    assert first == again
    assert later == ["g2-a"]


@pytest.mark.rule("3.3/receive-attempt")
def test_an_attempt_id_is_for_fifo_queues(sqs):
    """§3.3: a standard queue refuses it."""
    with pytest.raises(ApiError, match="not valid for this queue type"):
        sqs.receive(sqs.queue(), ReceiveRequestAttemptId="try")


@pytest.mark.rule("3.3/fair-queues")
def test_a_standard_queue_takes_a_group_as_a_label(sqs):
    """§3.3 (LS test_fair_queue_with_message_group_id): it shows up, and delivery stays standard."""
    queue = sqs.queue()
    for body in ("a", "b"):
        sqs.send(queue, body, MessageGroupId="g")

    (first,) = sqs.messages(queue, 1)

    assert first["Attributes"]["MessageGroupId"] == "g"
    assert sqs.receive(queue) == ["b"]


def test_a_batch_with_an_incomplete_entry_is_refused_whole(sqs, queue):
    """§3.3 (LS test_send_batch_missing_message_group_id_for_fifo_queue): with another code than a single send."""
    refused = sqs.refusal("send_message_batch", queue, Entries=[{"Id": "1", "MessageBody": "x"}])

    assert (refused.code, refused.message) == (
        "InvalidParameterValue",
        "The request must contain the parameter MessageGroupId.",
    )


@pytest.mark.parametrize("has_first_id", [True, False])
@pytest.mark.rule("3.3/duplicate-id")
def test_what_the_sender_of_a_duplicate_learns(sqs, queue, has_first_id):
    """§3.3: the send succeeds either way; whether with the first message's id, AWS does not say."""
    sqs.world.assumptions = Assumptions(fifo_duplicate_has_first_id=has_first_id)

    first, again = (sqs.send(queue, "g1-m", MessageDeduplicationId="d") for _ in range(2))

    assert (again["MessageId"] == first["MessageId"]) is has_first_id
    assert (again["SequenceNumber"] == first["SequenceNumber"]) is has_first_id
    assert again["MD5OfMessageBody"] == first["MD5OfMessageBody"]
    assert sqs.receive(queue) == ["g1-m"]


@pytest.mark.rule("3.3/throughput-per-group")
def test_a_limit_per_group_needs_deduplication_per_group(sqs):
    """§3.3 (BC FifoThroughputLimit): high throughput is for `DeduplicationScope=messageGroup` only."""
    queue = sqs.queue("fast.fifo", DeduplicationScope="messageGroup", FifoThroughputLimit="perMessageGroupId")
    assert queue.attributes["FifoThroughputLimit"] == "perMessageGroupId"

    plain = sqs.queue("slow.fifo")
    refused = sqs.refusal("set_queue_attributes", plain, Attributes={"FifoThroughputLimit": "perMessageGroupId"})

    assert refused.code == "InvalidAttributeValue"
