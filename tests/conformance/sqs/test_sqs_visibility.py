"""Receive, visibility timeout, delay, retention and long polling of standard queues (semantics §3.1, §3.2)."""

from __future__ import annotations

import pytest

from stagefright.aws_api.errors import ApiError
from stagefright.clock import EPOCH
from stagefright.services import queue_limits as limits


@pytest.fixture
def queue(sqs):
    return sqs.queue()


@pytest.mark.rule("3.2/hidden")
@pytest.mark.rule("3.2/receive-count")
@pytest.mark.rule("3.2/new-handle")
@pytest.mark.rule("3.2/visible-again")
def test_a_received_message_is_hidden_until_its_timeout_ends(sqs, queue):
    """§3.2: hidden for the visibility timeout, then visible again with a count of two and a new handle."""
    sqs.send(queue, "m")

    (first,) = sqs.messages(queue)
    sqs.wait(29.999)
    nothing = sqs.receive(queue)
    sqs.wait(0.001)
    (second,) = sqs.messages(queue)

    assert nothing == []
    assert first["ReceiptHandle"] != second["ReceiptHandle"]
    assert [m["Attributes"]["ApproximateReceiveCount"] for m in (first, second)] == ["1", "2"]


@pytest.mark.rule("3.2/first-receive-timestamp")
def test_the_first_receive_is_remembered(sqs, queue):
    """§3.2: `ApproximateFirstReceiveTimestamp` is fixed on the first receive."""
    sqs.send(queue, "m")
    sqs.wait(5)
    sqs.receive(queue)
    sqs.wait(30)

    (message,) = sqs.messages(queue)

    assert message["Attributes"]["SentTimestamp"] == str(int(EPOCH * 1000))
    assert message["Attributes"]["ApproximateFirstReceiveTimestamp"] == str(int((EPOCH + 5) * 1000))


@pytest.mark.rule("3.2/change-visibility-zero")
def test_zero_makes_a_message_visible_now(sqs, queue):
    """§3.2: `ChangeMessageVisibility` to 0, without any time passing."""
    sqs.send(queue, "m")
    sqs.receive(queue)

    sqs.hide(queue, "m", 0)

    assert sqs.receive(queue) == ["m"]


def test_a_receive_that_does_not_hide_gives_each_message_once(sqs, queue):
    """§3.2: with `VisibilityTimeout` 0 a message is visible at once, but not twice in one receive."""
    for body in ("a", "b"):
        sqs.send(queue, body)

    assert sqs.receive(queue, VisibilityTimeout=0) == ["a", "b"]
    assert sqs.receive(queue, VisibilityTimeout=0) == ["a", "b"]


@pytest.mark.rule("3.2/change-visibility")
def test_a_change_of_visibility_is_for_this_receive_only(sqs, queue):
    """§3.2: the next receive hides as long as the queue says."""
    sqs.send(queue, "m")
    sqs.receive(queue)
    sqs.hide(queue, "m", 100)
    sqs.wait(100)
    sqs.receive(queue)
    sqs.wait(30)

    assert sqs.receive(queue) == ["m"]


@pytest.mark.rule("3.1/visibility-cap")
@pytest.mark.rule("3.2/change-visibility-cap")
def test_nothing_is_hidden_longer_than_twelve_hours_from_its_receive(sqs, queue):
    """§3.1, §3.2: the total counts from the receive (aws-sdk-net#794)."""
    sqs.send(queue, "m")
    sqs.receive(queue)
    sqs.wait(1)

    refused = sqs.refusal("change_message_visibility", queue, ReceiptHandle=sqs.handles["m"], VisibilityTimeout=43_200)

    assert refused.code == "InvalidParameterValue"
    assert refused.message.endswith(
        "Reason: Total VisibilityTimeout for the message is beyond the limit [43200 seconds]."
    )
    sqs.hide(queue, "m", 43_199)


@pytest.mark.rule("3.2/old-handle-standard")
def test_a_handle_that_is_out_of_date_is_accepted_and_deletes_nothing(sqs, queue):
    """§3.2 (BC DeleteMessage): only the newest handle deletes."""
    sqs.send(queue, "m")
    (first,) = sqs.messages(queue)
    sqs.wait(30)
    sqs.receive(queue)

    sqs.service.delete_message({"QueueUrl": queue.url, "ReceiptHandle": first["ReceiptHandle"]})
    sqs.wait(30)

    assert sqs.receive(queue) == ["m"]


def test_an_expired_handle_still_deletes(sqs, queue):
    """§3.2: as long as nobody received the message again, a standard queue takes the handle."""
    sqs.send(queue, "m")
    sqs.receive(queue)
    sqs.wait(31)

    sqs.delete(queue, "m")
    sqs.delete(queue, "m")

    assert sqs.counts(queue) == (0, 0, 0)


def test_visibility_can_be_changed_after_it_expired(sqs, queue):
    """§3.2 (LS test_change_message_visibility_after_visibility_timeout_expiration)."""
    sqs.send(queue, "m")
    sqs.receive(queue)
    sqs.wait(31)

    sqs.hide(queue, "m", 5)

    assert sqs.receive(queue) == []
    sqs.wait(5)
    assert sqs.receive(queue) == ["m"]


def test_a_deleted_message_has_no_visibility(sqs, queue):
    """§3.2: AWS's text."""
    sqs.send(queue, "m")
    sqs.receive(queue)
    sqs.delete(queue, "m")

    refused = sqs.refusal("change_message_visibility", queue, ReceiptHandle=sqs.handles["m"], VisibilityTimeout=1)

    assert refused.message.endswith("Message does not exist or is not available for visibility timeout change.")


@pytest.mark.parametrize("handle", ["nonsense", "AQEBnonsense", "AQEBAAAA", "é"])
def test_a_handle_that_is_none_is_refused(sqs, queue, handle):
    """§3.2: what SQS never gave out is not a handle."""
    refused = sqs.refusal("delete_message", queue, ReceiptHandle=handle)

    assert (refused.code, refused.message) == (
        "ReceiptHandleIsInvalid",
        f'The input receipt handle "{handle}" is not a valid receipt handle.',
    )


def test_a_handle_belongs_to_its_queue(sqs, queue):
    """§3.2: another queue does not know it."""
    sqs.send(queue, "m")
    sqs.receive(queue)

    refused = sqs.refusal("delete_message", sqs.queue("other"), ReceiptHandle=sqs.handles["m"])

    assert refused.code == "ReceiptHandleIsInvalid"


@pytest.mark.rule("3.1/message-delay-range")
def test_a_delay_holds_a_message_back(sqs, queue):
    """§3.1: 0..900 seconds, counted as delayed."""
    sqs.send(queue, "m", DelaySeconds=900)

    assert sqs.counts(queue) == (0, 0, 1)
    sqs.wait(900)
    assert sqs.counts(queue) == (1, 0, 0)


@pytest.mark.rule("3.1/delay-change-standard")
def test_a_new_queue_delay_is_for_later_messages(sqs, queue):
    """§3.1 (GH sqs-delay-queues): not retroactive on a standard queue."""
    sqs.send(queue, "m")
    sqs.service.set_queue_attributes({"QueueUrl": queue.url, "Attributes": {"DelaySeconds": "60"}})

    assert sqs.receive(queue) == ["m"]


@pytest.mark.rule("3.1/delay-change-fifo")
def test_a_new_queue_delay_is_retroactive_on_fifo(sqs):
    """§3.1 (GH sqs-delay-queues)."""
    queue = sqs.queue("orders.fifo")
    sqs.send(queue, "g1-m")
    sqs.wait(10)
    sqs.service.set_queue_attributes({"QueueUrl": queue.url, "Attributes": {"DelaySeconds": "60"}})

    assert sqs.receive(queue) == []
    sqs.wait(50)
    assert sqs.receive(queue) == ["g1-m"]


@pytest.mark.rule("3.1/retention-ends")
def test_messages_end_with_their_retention(sqs):
    """§3.1: after the retention period a message is gone, in flight or not; the journal says so."""
    queue = sqs.queue(MessageRetentionPeriod="60")
    sqs.send(queue, "a")
    sqs.send(queue, "b")
    sqs.receive(queue, 1, VisibilityTimeout=600)

    sqs.wait(60)

    assert sqs.counts(queue) == (0, 0, 0)
    dropped = sqs.world.journal.of_kind("dropped")
    assert [(record.detail["reason"], record.cause) for record in dropped] == [("retention", 0), ("retention", 1)]


def test_a_long_poll_ends_with_the_first_message(sqs, queue):
    """§3.1: the wait is over as soon as there is something to give."""
    sqs.world.kernel.at(EPOCH + 7, lambda: sqs.send(queue, "m"))

    assert sqs.receive(queue, WaitTimeSeconds=20) == ["m"]
    assert sqs.world.clock.now() == EPOCH + 7


@pytest.mark.rule("3.2/visible-again")
def test_a_long_poll_meets_a_message_that_comes_back(sqs, queue):
    """§3.2: a visibility timeout that ends during the wait ends the wait."""
    sqs.send(queue, "m")
    sqs.receive(queue, VisibilityTimeout=5)

    assert sqs.receive(queue, WaitTimeSeconds=20) == ["m"]
    assert sqs.world.clock.now() == EPOCH + 5


@pytest.mark.rule("3.1/long-poll-range")
def test_a_long_poll_of_an_empty_queue_lasts(sqs):
    """§3.1: the queue's `ReceiveMessageWaitTimeSeconds` counts when the call says nothing."""
    queue = sqs.queue("patient", ReceiveMessageWaitTimeSeconds="20")

    assert sqs.receive(queue) == []
    assert sqs.world.clock.now() == EPOCH + 20


def test_a_message_sent_with_a_delay_during_the_wait_is_met(sqs, queue):
    """§3.1: the poller learns of delays that begin while it waits."""
    sqs.world.kernel.at(EPOCH + 1, lambda: sqs.send(queue, "m", DelaySeconds=3))

    assert sqs.receive(queue, WaitTimeSeconds=20) == ["m"]
    assert sqs.world.clock.now() == EPOCH + 4


@pytest.mark.rule("3.1/in-flight-standard")
def test_too_many_messages_in_flight(sqs, queue, monkeypatch):
    """§3.1: a short poll is refused, a long poll comes back empty."""
    monkeypatch.setattr("stagefright.services.queue_limits.IN_FLIGHT_MAX", 2)
    for body in ("a", "b", "c"):
        sqs.send(queue, body)
    sqs.receive(queue, 3)

    with pytest.raises(ApiError) as refused:
        sqs.receive(queue)

    assert refused.value.code == "OverLimit"
    assert sqs.receive(queue, WaitTimeSeconds=1) == []


@pytest.mark.rule("3.1/in-flight-fifo")
def test_too_many_messages_in_flight_on_fifo(sqs, monkeypatch):
    """§3.1: a FIFO queue gives no error."""
    monkeypatch.setattr("stagefright.services.queue_limits.IN_FLIGHT_MAX", 1)
    queue = sqs.queue("orders.fifo")
    for body in ("g1-a", "g2-a"):
        sqs.send(queue, body)

    assert sqs.receive(queue) == ["g1-a"]
    assert sqs.receive(queue) == []


@pytest.mark.rule("3.1/purge-interval")
def test_one_purge_a_minute(sqs, queue):
    """§3.1 (LS test_successive_purge_calls_fail): the second is refused with 403."""
    sqs.send(queue, "m")
    sqs.service.purge_queue({"QueueUrl": queue.url})

    refused = sqs.refusal("purge_queue", queue)

    assert sqs.counts(queue) == (0, 0, 0)
    assert (refused.code, refused.status, refused.message) == (
        "AWS.SimpleQueueService.PurgeQueueInProgress",
        403,
        "Only one PurgeQueue operation on orders is allowed every 60 seconds.",
    )
    sqs.wait(60)
    sqs.service.purge_queue({"QueueUrl": queue.url})


@pytest.mark.rule("3.1/purge-clears-deduplication")
def test_a_purge_makes_a_fifo_queue_forget(sqs):
    """§3.1 (LS): the deduplication cache is cleared too."""
    queue = sqs.queue("orders.fifo")
    sqs.send(queue, "g1-a")
    sqs.service.purge_queue({"QueueUrl": queue.url})
    sqs.send(queue, "g1-a")

    assert sqs.receive(queue) == ["g1-a"]


@pytest.mark.rule("3.1/in-flight-limit")
def test_the_number_in_flight():
    """§3.1: 120,000 for both kinds of queue."""
    assert limits.IN_FLIGHT_MAX == 120_000


@pytest.mark.rule("3.1/in-flight-standard")
def test_a_delete_makes_room_in_flight(sqs, queue, monkeypatch):
    """§3.1: a receiver that waits because too much is in flight goes on when something is deleted."""
    monkeypatch.setattr("stagefright.services.queue_limits.IN_FLIGHT_MAX", 1)
    for body in ("a", "b"):
        sqs.send(queue, body)
    sqs.receive(queue, 1)
    told = []
    queue.on_available.append(lambda: told.append(sqs.receive(queue)))

    sqs.delete(queue, "a")

    assert told == [["b"]]
