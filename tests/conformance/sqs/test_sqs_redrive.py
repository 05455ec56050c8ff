"""Dead-letter queues: when messages move, what stays with them, and how they come back (semantics §3.4)."""

from __future__ import annotations

import json

import pytest


def with_dead_letters(sqs, count=2, suffix="", **attributes):
    """A queue and its dead-letter queue."""
    dead = sqs.queue(f"dead{suffix}")
    policy = json.dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": count})
    return sqs.queue(f"orders{suffix}", RedrivePolicy=policy, **attributes), dead


def receive_until_dead(sqs, queue, count):
    """Fail `count` times, and look once more."""
    for _ in range(count):
        assert len(sqs.receive(queue)) == 1
        sqs.wait(30)
    assert sqs.receive(queue) == []


@pytest.mark.rule("3.4/seen-max-times")
@pytest.mark.rule("3.4/moves-at-the-next-receive")
def test_a_consumer_sees_a_message_exactly_max_times(sqs):
    """§3.4: two receives, then the third attempt moves it; not the end of the visibility timeout."""
    queue, dead = with_dead_letters(sqs, count=2)
    sqs.send(queue, "m")
    for _ in range(2):
        sqs.receive(queue)
        sqs.wait(30)

    assert sqs.counts(dead) == (0, 0, 0)
    assert sqs.receive(queue) == []
    assert sqs.receive(dead) == ["m"]


@pytest.mark.rule("3.4/keeps-itself")
@pytest.mark.rule("3.4/receive-count-continues")
@pytest.mark.rule("3.4/names-its-source")
def test_the_receive_count_goes_on(sqs):
    """§3.4 (LS): after max 1 the first receive from the dead-letter queue shows 2, and names the source."""
    queue, dead = with_dead_letters(sqs, count=1)
    attributes = {"k": {"DataType": "String", "StringValue": "v"}}
    sent = sqs.send(queue, "m", MessageAttributes=attributes)
    receive_until_dead(sqs, queue, 1)

    (message,) = sqs.messages(dead, MessageAttributeNames=["All"])

    assert message["MessageId"] == sent["MessageId"]
    assert message["MessageAttributes"] == attributes
    assert message["Attributes"]["ApproximateReceiveCount"] == "2"
    assert message["Attributes"]["DeadLetterQueueSourceArn"] == queue.arn


@pytest.mark.rule("3.4/moves-at-the-next-receive")
def test_one_receive_moves_dead_messages_and_hands_out_the_living(sqs):
    """§3.4: the move happens inside the receive, which goes on to the next message."""
    queue, dead = with_dead_letters(sqs, count=1)
    for body in ("a", "b"):
        sqs.send(queue, body)
    sqs.receive(queue, 1)
    sqs.wait(30)

    assert sqs.receive(queue, 1) == ["b"]
    assert sqs.receive(dead) == ["a"]


def test_the_move_wakes_the_receiver_of_the_dead_letter_queue(sqs):
    """§3.4: whoever waits at the dead-letter queue learns of the move."""
    queue, dead = with_dead_letters(sqs, count=1)
    sqs.send(queue, "m")
    sqs.receive(queue)
    start = sqs.world.clock.now()
    sqs.world.kernel.at(start + 35, queue.receive)

    sqs.wait(20)

    assert sqs.receive(dead, WaitTimeSeconds=20) == ["m"]
    assert sqs.world.clock.now() == start + 35


@pytest.mark.rule("3.4/timestamp-standard")
def test_retention_goes_on_in_a_standard_dead_letter_queue(sqs):
    """§3.4 (DG sqs-dead-letter-queues): the original time of sending stays."""
    queue, dead = with_dead_letters(sqs, count=1, MessageRetentionPeriod="600")
    sqs.service.set_queue_attributes({"QueueUrl": dead.url, "Attributes": {"MessageRetentionPeriod": "60"}})
    sqs.send(queue, "m")
    receive_until_dead(sqs, queue, 1)

    assert sqs.counts(dead) == (1, 0, 0)
    sqs.wait(30)
    assert sqs.counts(dead) == (0, 0, 0)


@pytest.mark.rule("3.4/timestamp-fifo")
@pytest.mark.rule("3.4/deduplication-id-fifo")
def test_retention_begins_anew_in_a_fifo_dead_letter_queue(sqs):
    """§3.4 (DG, GH): the time of sending is reset, and the message id is the deduplication id."""
    queue, dead = with_dead_letters(sqs, count=1, suffix=".fifo")
    sqs.send(queue, "g1-m")
    receive_until_dead(sqs, queue, 1)

    (message,) = sqs.messages(dead)

    assert message["Attributes"]["SentTimestamp"] == str(int(sqs.world.clock.now() * 1000))
    assert message["Attributes"]["MessageDeduplicationId"] == message["MessageId"]
    assert message["Attributes"]["MessageGroupId"] == "g1"


def test_a_dead_fifo_message_makes_room_for_the_next_of_its_group(sqs):
    """§3.3, §3.4: the group goes on behind the message that moved."""
    queue, dead = with_dead_letters(sqs, count=1, suffix=".fifo")
    for body in ("g1-m1", "g1-m2"):
        sqs.send(queue, body)
    sqs.receive(queue, 1)
    sqs.wait(30)

    assert sqs.receive(queue, 1) == ["g1-m2"]
    assert sqs.receive(dead) == ["g1-m1"]


def test_a_message_stays_when_its_dead_letter_queue_is_gone(sqs):
    """§3.4: nothing is lost for want of a place."""
    queue, dead = with_dead_letters(sqs, count=1)
    sqs.send(queue, "m")
    sqs.receive(queue)
    sqs.service.delete_queue({"QueueUrl": dead.url})
    sqs.wait(30)

    assert sqs.receive(queue) == ["m"]


@pytest.mark.rule("3.4/default-count")
def test_ten_receives_are_the_default(sqs):
    """§3.4 (BC): `maxReceiveCount` may be left out."""
    dead = sqs.queue("dead")
    queue = sqs.queue("orders", RedrivePolicy=json.dumps({"deadLetterTargetArn": dead.arn}))
    sqs.send(queue, "m")

    receive_until_dead(sqs, queue, 10)

    assert sqs.receive(dead) == ["m"]


def test_the_journal_tells_the_move(sqs):
    """§3.4: one `dead_letter` record, caused by the arrival of the message; no second `event`."""
    queue, dead = with_dead_letters(sqs, count=1)
    sent = sqs.send(queue, "m")
    receive_until_dead(sqs, queue, 1)

    (event,) = sqs.world.journal.of_kind("event")
    (moved,) = sqs.world.journal.of_kind("dead_letter")

    assert (moved.resource, moved.cause) == (dead.name, event.n)
    assert moved.detail["source"] == queue.name
    assert moved.detail["condition"] == "maxReceiveCount"
    assert moved.detail["ids"] == [sent["MessageId"]]
    assert dead.receive()[0].record == moved.n


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("dummy", "Invalid value for deadLetterTargetArn."),
        ("arn:aws:sqs:us-east-1:123456789012:nobody", "Dead letter target does not exist."),
        ("arn:aws:sqs:us-east-1:123456789012:line.fifo", "Dead-letter queue must be same type of queue as the source."),
        (
            "arn:aws:sqs:eu-west-1:123456789012:nobody",
            "Dead-letter queue must be in the same account and Region as the source.",
        ),
    ],
)
@pytest.mark.rule("3.4/same-type-and-place")
def test_a_dead_letter_queue_must_fit(sqs, target, reason):
    """§3.4: it exists, and is of the same type, account and Region (LS test_invalid_dead_letter_arn_*)."""
    sqs.queue("line.fifo")
    queue = sqs.queue()
    policy = json.dumps({"deadLetterTargetArn": target, "maxReceiveCount": 42})

    refused = sqs.refusal("set_queue_attributes", queue, Attributes={"RedrivePolicy": policy})

    assert refused.code == "InvalidParameterValue"
    assert refused.message == f"Value {policy} for parameter RedrivePolicy is invalid. Reason: {reason}"


@pytest.mark.parametrize("count", [0, 1001, "many"])
def test_the_count_has_a_range(sqs, count):
    """§3.4: 1 to 1,000."""
    policy = json.dumps({"deadLetterTargetArn": sqs.queue("dead").arn, "maxReceiveCount": count})

    refused = sqs.refusal("set_queue_attributes", sqs.queue(), Attributes={"RedrivePolicy": policy})

    assert f"Invalid value for maxReceiveCount: {count}, valid values are from 1 to 1000" in refused.message


@pytest.mark.parametrize(
    ("allowance", "allowed"),
    [
        ({"redrivePermission": "allowAll"}, True),
        ({"redrivePermission": "denyAll"}, False),
        ({"redrivePermission": "byQueue", "sourceQueueArns": ["arn:aws:sqs:us-east-1:123456789012:orders"]}, True),
        ({"redrivePermission": "byQueue", "sourceQueueArns": ["arn:aws:sqs:us-east-1:123456789012:other"]}, False),
    ],
)
@pytest.mark.rule("3.4/allow-policy")
def test_a_dead_letter_queue_chooses_its_sources(sqs, allowance, allowed):
    """§3.4: `RedriveAllowPolicy`."""
    dead = sqs.queue("dead", RedriveAllowPolicy=json.dumps(allowance))
    params = {"Attributes": {"RedrivePolicy": json.dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": 1})}}

    if allowed:
        sqs.service.set_queue_attributes({"QueueUrl": sqs.queue().url, **params})
    else:
        assert sqs.refusal("set_queue_attributes", sqs.queue(), **params).code == "InvalidParameterValue"


def test_sources_are_listed(sqs):
    """§3.4: ListDeadLetterSourceQueues."""
    queue, dead = with_dead_letters(sqs)

    assert sqs.service.list_dead_letter_source_queues({"QueueUrl": dead.url}) == {"queueUrls": [queue.url]}


class TestMoveTasks:
    """StartMessageMoveTask and its companions (§3.4; LS test_sqs_move_task)."""

    def dead_letters(self, sqs, count):
        """A dead-letter queue with some messages in it."""
        queue, dead = with_dead_letters(sqs, count=1)
        for number in range(count):
            sqs.send(queue, f"m{number}")
        sqs.receive(queue)
        sqs.wait(30)
        assert sqs.receive(queue) == []
        return queue, dead

    def task(self, sqs, dead):
        """The newest task of a dead-letter queue."""
        return sqs.service.list_message_move_tasks({"SourceArn": dead.arn})["Results"][0]

    def test_messages_go_back_to_their_source(self, sqs):
        """§3.4: without a destination they go home, as new messages."""
        queue, dead = self.dead_letters(sqs, 2)

        sqs.service.start_message_move_task({"SourceArn": dead.arn})
        sqs.wait(1)
        task = self.task(sqs, dead)

        assert sqs.receive(queue) == ["m0", "m1"]
        assert (task["Status"], task["ApproximateNumberOfMessagesMoved"]) == ("COMPLETED", 2)
        assert "TaskHandle" not in task

    @pytest.mark.rule("3.4/move-task-rate")
    def test_a_rate_is_kept_and_a_task_can_be_cancelled(self, sqs):
        """§3.4 (LS test_move_task_cancel)."""
        _, dead = self.dead_letters(sqs, 5)
        other = sqs.queue("other")

        started = sqs.service.start_message_move_task(
            {"SourceArn": dead.arn, "DestinationArn": other.arn, "MaxNumberOfMessagesPerSecond": 1}
        )
        sqs.wait(2.5)
        running = self.task(sqs, dead)
        cancelled = sqs.service.cancel_message_move_task(started)
        sqs.wait(10)

        assert (running["Status"], running["TaskHandle"]) == ("RUNNING", started["TaskHandle"])
        assert cancelled == {"ApproximateNumberOfMessagesMoved": 2}
        assert self.task(sqs, dead)["Status"] == "CANCELLED"
        assert (sqs.counts(dead)[0], sqs.counts(other)[0]) == (3, 2)

    def test_a_task_fails_when_its_destination_goes(self, sqs):
        """§3.4 (LS test_move_task_delete_destination_queue_while_running)."""
        _, dead = self.dead_letters(sqs, 5)
        other = sqs.queue("other")
        sqs.service.start_message_move_task(
            {"SourceArn": dead.arn, "DestinationArn": other.arn, "MaxNumberOfMessagesPerSecond": 1}
        )
        sqs.wait(1.5)

        sqs.service.delete_queue({"QueueUrl": other.url})
        sqs.wait(5)
        task = self.task(sqs, dead)

        assert (task["Status"], task["FailureReason"]) == ("FAILED", "AWS.SimpleQueueService.NonExistentQueue")
        assert sqs.counts(dead)[0] == 4

    @pytest.mark.rule("3.4/move-task-one")
    def test_one_task_at_a_time(self, sqs):
        """§3.4 (LS test_start_multiple_move_tasks)."""
        _, dead = self.dead_letters(sqs, 1)
        sqs.service.start_message_move_task({"SourceArn": dead.arn})

        refused = sqs.refusal("start_message_move_task", dead, SourceArn=dead.arn)

        assert refused.message.startswith("There is already a task running.")

    @pytest.mark.parametrize(
        ("params", "code", "status"),
        [
            ({"SourceArn": "arn:aws:sqs:us-east-1:123456789012:orders"}, "InvalidParameterValue", 400),
            ({"SourceArn": "arn:aws:sqs:us-east-1:123456789012:nobody"}, "ResourceNotFoundException", 404),
            (
                {"SourceArn": "arn:aws:sqs:us-east-1:123456789012:dead", "DestinationArn": "nobody"},
                "ResourceNotFoundException",
                404,
            ),
            (
                {"SourceArn": "arn:aws:sqs:us-east-1:123456789012:dead", "MaxNumberOfMessagesPerSecond": 501},
                "InvalidParameterValue",
                400,
            ),
        ],
    )
    @pytest.mark.rule("3.4/move-task-source")
    @pytest.mark.rule("3.4/move-task-rate")
    def test_what_is_refused(self, sqs, params, code, status):
        """§3.4 (LS): not a dead-letter queue, unknown queues, a rate over 500."""
        _, dead = with_dead_letters(sqs)

        refused = sqs.refusal("start_message_move_task", dead, **params)

        assert (refused.code, refused.status) == (code, status)

    def test_handles_are_checked(self, sqs):
        """§3.4 (LS test_cancel_with_invalid_task_handle)."""
        _, dead = with_dead_letters(sqs)

        refused = sqs.refusal("cancel_message_move_task", dead, TaskHandle="nonsense")

        assert refused.message == "Value for parameter TaskHandle is invalid."

    @pytest.mark.rule("3.1/message-size-of-services")
    def test_a_destination_that_does_not_take_so_much(self, sqs):
        """§3.4, §3.1: the task fails, and the message stays where it is."""
        queue, dead = with_dead_letters(sqs, count=1)
        sqs.send(queue, "x" * 1025)
        sqs.receive(queue)
        sqs.wait(30)
        sqs.receive(queue)
        sqs.service.set_queue_attributes({"QueueUrl": queue.url, "Attributes": {"MaximumMessageSize": "1024"}})

        sqs.service.start_message_move_task({"SourceArn": dead.arn})
        sqs.wait(1)

        task = self.task(sqs, dead)
        assert (task["Status"], task["FailureReason"]) == ("FAILED", "InvalidParameterValue")
        assert (sqs.counts(queue)[0], sqs.counts(dead)[0]) == (0, 1)

    @pytest.mark.rule("3.4/move-task-rate")
    def test_five_hundred_a_second_at_most(self, sqs):
        """§3.4 (BC): the fastest rate, and the default."""
        queue, dead = self.dead_letters(sqs, 10)

        sqs.service.start_message_move_task({"SourceArn": dead.arn, "MaxNumberOfMessagesPerSecond": 500})
        sqs.wait(0.011)

        assert (sqs.counts(queue)[0], sqs.counts(dead)[0]) == (5, 5)


@pytest.mark.rule("3.4/allow-policy-sources")
def test_ten_sources_may_be_named(sqs):
    """§3.4: `byQueue` takes ten source queues at most."""

    def policy(count):
        arns = [f"arn:aws:sqs:us-east-1:123456789012:source{number}" for number in range(count)]
        return {"RedriveAllowPolicy": json.dumps({"redrivePermission": "byQueue", "sourceQueueArns": arns})}

    dead = sqs.queue("dead", **policy(10))

    assert sqs.refusal("set_queue_attributes", dead, Attributes=policy(11)).code == "InvalidParameterValue"
