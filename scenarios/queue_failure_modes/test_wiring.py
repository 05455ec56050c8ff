"""
Each queue is set up as its way of working needs it.

The failure feared: a template that somebody tidied up, so that a queue hands a message out while it is still worked on, or gives up too
early, or keeps a dead letter for too short. The fault used: none. The verdict expected: what AWS says about its queues and mappings is
what the cure needs, and only the failures that are shown here lack it.
"""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.wiring

WAYS = (
    "WithoutDeadLetters",
    "WithDeadLetters",
    "ShortVisibility",
    "LongVisibility",
    "Raising",
    "Unheard",
    "Reporting",
    "Eager",
    "Measured",
)
VISIBILITY_FACTOR = 6
"""Lambda's advice: a queue's visibility timeout is six times the timeout of the function that works on it."""

RECEIVES_MIN = 3
"""With fewer, one throttled batch or one short outage makes dead letters of good messages."""


def test_each_way_has_a_queue_and_a_function_of_its_own(stage, mapping):
    """Nobody else takes from a queue, and every mapping is on."""
    for way in WAYS:
        found = mapping(f"{way}Function")
        assert (found["EventSourceArn"], found["State"]) == (stage.arn(f"{way}Queue"), "Enabled"), way


def test_a_message_stays_hidden_while_it_is_worked_on(queue, configuration):
    """Six times the function's timeout, which covers the wait for a free environment too; one way shows what becomes of less."""
    factors = {
        way: queue(f"{way}Queue")["VisibilityTimeout"] / configuration(f"{way}Function")["Timeout"] for way in WAYS
    }

    assert {way: factor for way, factor in factors.items() if factor < VISIBILITY_FACTOR} == {"ShortVisibility": 1}


def test_what_is_given_up_is_kept(stage, queue):
    """Each queue but one leads to the dead-letter queue, and none gives up at the first trouble."""
    policies = {way: queue(f"{way}Queue")["RedrivePolicy"] for way in WAYS}

    assert policies.pop("WithoutDeadLetters") is None
    assert {policy["deadLetterTargetArn"] for policy in policies.values()} == {stage.arn("DeadLetters")}
    assert min(int(policy["maxReceiveCount"]) for policy in policies.values()) >= RECEIVES_MIN


def test_a_dead_letter_outlives_its_queue(queue):
    """A message keeps its age when it is moved, so it must not be too old for the dead-letter queue when it comes there."""
    kept_s = queue("DeadLetters")["MessageRetentionPeriod"]

    assert [way for way in WAYS if queue(f"{way}Queue")["MessageRetentionPeriod"] >= kept_s] == []


def test_the_size_of_a_batch(mapping):
    """What one bad message can do depends on how many others are with it."""
    sizes = {way: mapping(f"{way}Function")["BatchSize"] for way in WAYS}

    assert {way for way, size in sizes.items() if size > 1} == {"Raising", "Unheard", "Reporting"}


def test_a_report_is_listened_to(mapping):
    """Without this setting, a report of failed messages means success of all; one way shows what comes of that."""
    assert mapping("ReportingFunction")["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert not mapping("UnheardFunction").get("FunctionResponseTypes")


def test_who_works_through_the_ledger_is_told_where_it_is(stage, configuration):
    """CloudFormation chose the name."""
    for way in ("Eager", "Measured"):
        assert configuration(f"{way}Function")["Environment"]["Variables"]["LEDGER_FUNCTION"] == stage.ref(
            "LedgerFunction"
        )


def test_the_outputs_say_where_to_look(stage):
    """Who is called in the night has the names of the dead-letter queue and of the books from the stack."""
    assert stage.outputs == {"DeadLetters": stage.ref("DeadLetters"), "BookingsTable": stage.ref("BookingsTable")}


def test_a_dead_letter_can_be_read_and_taken_out(stage, listen, data, order):
    """A look leaves it where it is; whoever has dealt with it deletes it."""
    dead, sqs, url = listen.sqs("DeadLetters"), stage.client("sqs"), stage.ref("DeadLetters")

    sent = data.message("DeadLetters", order("o-dead"))
    assert dead.expect(body={"detail": {"orderId": "o-dead"}}).json["source"] == "com.example.shop"

    found = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
    [receipt] = [message["ReceiptHandle"] for message in found if message["MessageId"] == sent]
    sqs.delete_message(QueueUrl=url, ReceiptHandle=receipt)


@pytest.mark.parametrize("turn", ["first", "second"])
def test_what_a_test_puts_into_the_books_is_taken_out_again(data, booked, turn):
    """So the second turn finds them as the first did."""
    assert "o-known-before" not in booked()

    data.item("BookingsTable", {"orderId": "o-known-before"})

    assert "o-known-before" in booked()
