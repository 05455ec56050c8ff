"""Standard queues that duplicate and reorder on request; FIFO queues that never do (§3.2, §3.3)."""

from __future__ import annotations

from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stagefright.delivery.at_least_once import Decision

PROBABILITY = st.sampled_from([0.0, 0.3, 1.0])
SETTINGS = st.fixed_dictionaries({"duplicate_probability": PROBABILITY, "reorder_probability": PROBABILITY})


def send(sqs, queue, *bodies, **params):
    return [sqs.call("send_message", queue, MessageBody=body, **params)["MessageId"] for body in bodies]


def drain(sqs, queue, *, times=20, count=3):
    """What a consumer sees that deletes all it receives: the messages, in order."""
    seen = []
    for _ in range(times):
        while found := sqs.receive(queue, MaxNumberOfMessages=count, AttributeNames=["All"]):
            for message in found:
                seen.append(message)
                sqs.call("delete_message", queue, ReceiptHandle=message["ReceiptHandle"])
        sqs.wait(30)
    return seen


def bodies(messages):
    return [message["Body"] for message in messages]


@pytest.mark.rule("3.2/at-least-once")
def test_a_deleted_message_may_come_once_more(loose):
    """§3.2: the same message, with the same id and a count of two, when its visibility timeout is over; then never again."""
    sqs = loose(duplicate_probability=1.0)
    queue = sqs.queue()
    (sent,) = send(sqs, queue, "a")

    (first,) = sqs.receive(queue)
    sqs.call("delete_message", queue, ReceiptHandle=first["ReceiptHandle"])
    assert sqs.receive(queue) == []
    sqs.wait(30)
    (again,) = sqs.receive(queue, AttributeNames=["All"])
    sqs.call("delete_message", queue, ReceiptHandle=again["ReceiptHandle"])
    sqs.wait(100)

    assert [first["MessageId"], again["MessageId"]] == [sent, sent]
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"
    assert sqs.receive(queue) == []
    assert queue.depth().total == 0


def test_the_journal_names_a_duplicate(loose):
    """Architecture, records: a `fault` that the message's arrival caused, with the settings that asked for it."""
    sqs = loose(duplicate_probability=1.0)
    queue = sqs.queue()
    (sent,) = send(sqs, queue, "a")
    drain(sqs, queue)

    (record,) = sqs.world.journal.of_kind("fault")
    assert (record.resource, record.detail["fault"]) == ("ORDERS", "duplicate")
    assert record.detail["settings"] == {"duplicate_probability": 1.0}
    assert record.detail["harm"]["ids"] == [sent]
    assert sqs.world.journal[record.cause].kind == "event"


@pytest.mark.rule("3.2/best-effort-order")
def test_later_messages_may_overtake(loose):
    """§3.2: all come, in another order than they were sent; the journal says who passed whom."""
    sqs = loose(reorder_probability=0.5)
    queue = sqs.queue()
    sent = [f"m{n}" for n in range(20)]
    ids = dict(zip(send(sqs, queue, *sent), sent, strict=True))

    seen = bodies(drain(sqs, queue))

    assert seen != sent
    assert sorted(seen) == sorted(sent)
    records = sqs.world.journal.of_kind("fault")
    assert {record.detail["fault"] for record in records} == {"reorder"}
    for record in records:
        passed, passing = ids[record.detail["harm"]["ids"][0]], ids[record.detail["harm"]["overtaken_by"]]
        assert seen.index(passing) < seen.index(passed)
        assert sent.index(passing) > sent.index(passed)


@pytest.mark.rule("3.2/best-effort-order")
def test_by_default_the_oldest_comes_first_and_once(loose):
    """§3.2: a world is exact unless it is asked to be as loose as AWS may be."""
    sqs = loose()
    queue = sqs.queue()
    send(sqs, queue, *"abcdefghij")

    assert bodies(drain(sqs, queue)) == list("abcdefghij")
    assert sqs.world.journal.of_kind("fault") == []


def test_a_table_says_which_queues(loose):
    """A pattern of logical ids has its own probability; of two that fit the last one counts."""
    sqs = loose(duplicate_probability={"*": 1.0, "CALM*": 0.0})
    wild, calm = sqs.queue("wild"), sqs.queue("calm-1")
    for queue in (wild, calm):
        send(sqs, queue, "a")

    assert (len(drain(sqs, wild)), len(drain(sqs, calm))) == (2, 1)


def test_a_duplicate_is_never_a_dead_letter(loose):
    """Who would have received it for the last time has processed it; a copy of it does not fill the dead-letter queue."""
    sqs = loose(duplicate_probability=1.0)
    dead = sqs.queue("dead")
    policy = f'{{"deadLetterTargetArn": "{dead.arn}", "maxReceiveCount": 1}}'
    queue = sqs.queue(RedrivePolicy=policy)
    send(sqs, queue, "a")

    assert len(drain(sqs, queue)) == 1
    assert dead.depth().total == 0


@pytest.mark.parametrize(
    ("decision", "expected", "fault"),
    [
        (Decision(()), [], "drop"),
        (Decision((45.0,)), ["a"], "delay"),
        (Decision((0.0, 0.0, 0.0)), ["a", "a", "a"], "duplicate"),
    ],
)
def test_a_decider_decides_before_the_settings(loose, decision, expected, fault):
    """Faults put a decider in front: it may lose, delay or multiply a message, and a reset takes it away."""
    sqs = loose(duplicate_probability=1.0)
    queue = sqs.queue()
    sqs.world.at_least_once.deciders.append(lambda hand_over: decision if hand_over.source == "ORDERS" else None)
    send(sqs, queue, "a")

    assert bodies(drain(sqs, queue)) == expected
    assert {record.detail["fault"] for record in sqs.world.journal.of_kind("fault")} == {fault}

    sqs.world.at_least_once.reset()
    send(sqs, queue, "b")
    assert bodies(drain(sqs, queue)) == ["b", "b"]


def test_a_decider_is_asked_once_for_each_message(loose):
    """A fault may count how often it strikes, so what it says of a message holds until the message is gone."""
    sqs = loose()
    queue = sqs.queue()
    asked = []

    def decider(hand_over):
        asked.append(hand_over.event_id)
        return Decision((0.0, 0.0), places=2, settings={"times": 1}) if len(asked) == 1 else None

    sqs.world.at_least_once.deciders.append(decider)
    sent = send(sqs, queue, "a", "b", "c", "d")

    assert bodies(drain(sqs, queue)) == ["b", "c", "a", "d", "a"]
    assert asked == sent
    assert [record.detail["settings"] for record in sqs.world.journal.of_kind("fault")] == [{"times": 1}] * 2


MESSAGES = st.lists(st.tuples(st.sampled_from("xyz"), st.integers(0, 5)), max_size=25)


@settings(max_examples=60, deadline=None)
@given(given_settings=SETTINGS, messages=MESSAGES, seed=st.integers(0, 3))
@pytest.mark.rule("3.3/deduplication-window")
def test_fifo_keeps_its_promises_under_any_setting(loose, given_settings, messages, seed):
    """§3.3: per group in order, and each deduplication id once within its window."""
    sqs = loose(**given_settings)
    sqs.world.chance.seed = seed
    queue = sqs.queue("orders.fifo")
    for group, number in messages:
        params = {"MessageGroupId": group, "MessageDeduplicationId": f"{group}{number}"}
        sqs.call("send_message", queue, MessageBody=f"{group}{number}", **params)

    seen = bodies(drain(sqs, queue, times=3))

    wanted = list(dict.fromkeys(f"{group}{number}" for group, number in messages))

    def by_group(texts):
        return {key: list(group) for key, group in groupby(sorted(texts, key=lambda t: t[0]), key=lambda t: t[0])}

    assert by_group(seen) == by_group(wanted)
    assert sqs.world.journal.of_kind("fault") == []


@settings(max_examples=60, deadline=None)
@given(given_settings=SETTINGS, count=st.integers(0, 25), seed=st.integers(0, 3))
@pytest.mark.rule("3.2/at-least-once")
def test_nothing_is_lost_and_the_same_seed_is_the_same_story(loose, given_settings, count, seed):
    """§3.2: every message comes at least once and at most twice; two runs with a seed have one journal."""
    stories = []
    for _ in range(2):
        sqs = loose(**given_settings)
        sqs.world.chance.seed = seed
        queue = sqs.queue()
        send(sqs, queue, *[f"m{n}" for n in range(count)])
        seen = bodies(drain(sqs, queue, times=3))
        assert set(seen) == {f"m{n}" for n in range(count)}
        assert len(seen) <= 2 * count
        assert queue.depth().total == 0
        stories.append(sqs.world.journal.text())

    assert stories[0] == stories[1]
