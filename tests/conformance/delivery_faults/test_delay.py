"""Delay: an event comes late, and what keeps order keeps it."""

from __future__ import annotations

import pytest

from stagefright.chaos import Delay
from stagefright.errors import UsageError


def test_a_queue_shows_its_message_later(system):
    """§3.2: as if it had been sent with a delay."""
    system.up_with_queue()

    with system.chaos(Jobs=Delay(delay_ms=2_500)):
        system.send("job")
        system.settle()

    assert system.attempts() == [2.5]
    (struck,) = system.strikes("delay", "Jobs")
    assert struck.detail["harm"]["delay_s"] == 2.5
    assert struck.detail["settings"] == {"delay_ms": 2_500}


def test_a_topic_a_bus_and_an_asynchronous_queue_hand_over_later(system):
    """Each adds its own."""
    system.up(
        Worker=system.function(), News=system.topic(), Sub=system.subscription(), Bus=system.bus(), Rule=system.rule()
    )

    with system.chaos(News=Delay(delay_ms=1_000), Bus=Delay(delay_ms=3_000), Worker=Delay(delay_ms=500)):
        system.publish("news")
        system.emit({"n": 1})
        system.settle()

    assert system.attempts() == [1.5, 3.5]


@pytest.mark.parametrize("source", ["stream", "table"])
def test_a_late_record_holds_up_its_shard(system, source):
    """§4.2: the second record waits for the first, although only the first is late; its arrival time is the true one."""
    name = {"stream": "Feed", "table": "Table"}[source]
    getattr(system, f"up_with_{source}")()

    def write(one):
        system.put(one) if source == "stream" else system.write(one)

    with system.chaos(**{name: Delay(delay_ms=10_000)}):
        write("a")
    write("b")
    system.settle()

    assert set(system.attempts()) == {10}
    assert [one for batch in system.batches() for one in batch] == ["a", "b"]
    record = system.events()[0]["Records"][0]
    body = record.get("kinesis") or record["dynamodb"]
    arrived = body.get("approximateArrivalTimestamp") or body["ApproximateCreationDateTime"]
    assert arrived == pytest.approx(system.began, abs=1)


@pytest.mark.parametrize("source", ["stream", "table"])
def test_a_lone_record_is_late_too(system, source):
    """§4.2: the reader has met the shard before its first record is given to it."""
    getattr(system, f"up_with_{source}")()

    with system.chaos(**{{"stream": "Feed", "table": "Table"}[source]: Delay(delay_ms=20)}):
        (system.put if source == "stream" else system.write)("a")
        system.settle()

    assert system.batches() == [["a"]]
    assert system.attempts() == [0.02]


def test_a_reader_of_the_latest_records_does_not_get_a_late_one(system):
    """§4.2: it was accepted before the mapping was there."""
    system.up(Worker=system.function(), Feed=system.stream())

    with system.chaos(Feed=Delay(delay_ms=20)):
        system.put("before")
    system.client("lambda").create_event_source_mapping(
        FunctionName=system.stage.ref("Worker"), EventSourceArn=system.stage.arn("Feed"), StartingPosition="LATEST"
    )
    system.put("after")
    system.settle()

    assert system.batches() == [["after"]]


def test_the_children_of_a_shard_wait_for_its_late_records(system):
    """§4.2: a shard that was split is read to its end first, and its end is late."""
    system.up_with_stream()
    kinesis, name = system.client("kinesis"), system.stage.ref("Feed")

    with system.chaos(Feed=Delay(delay_ms=5_000)):
        system.put("parent")
    middle = str(2**127)
    kinesis.split_shard(StreamName=name, ShardToSplit="shardId-000000000000", NewStartingHashKey=middle)
    system.put("child")
    system.settle()

    assert system.batches() == [["parent"], ["child"]]
    assert system.attempts() == [5, 5]


def test_a_late_message_of_a_group_holds_up_its_group_only(system):
    """§3.3: another group overtakes it, its own does not."""
    system.up_with_queue(queue=system.fifo(), mapping={"BatchSize": 1})

    with system.chaos(Jobs=Delay(delay_ms=5_000)):
        system.send("a1", MessageGroupId="a")
    system.send("a2", MessageGroupId="a")
    system.send("b1", MessageGroupId="b")
    system.settle()

    assert system.batches() == [["b1"], ["a1"], ["a2"]]
    assert system.attempts() == [0, 5, 5]


def test_a_fifo_topic_keeps_the_order_of_a_group(system):
    """§5.5: the late message is the first all the same."""
    system.up(
        News=system.topic(FifoTopic=True, ContentBasedDeduplication=True),
        Steps=system.fifo(),
        Sub=system.subscription("Steps", protocol="sqs", RawMessageDelivery=True),
    )

    with system.chaos(News=Delay(delay_ms=5_000)):
        system.publish("1", MessageGroupId="a")
    system.publish("2", "3", MessageGroupId="a")
    system.publish("x", MessageGroupId="b")
    system.settle()

    assert [r.detail["body"] for r in system.records("event", "Steps")] == ["x", "1", "2", "3"]


@pytest.mark.parametrize("delay_ms", [0, -1, True, "1", float("nan"), 86_400_001])
def test_what_is_no_delay_is_refused(delay_ms):
    """Where it is written."""
    with pytest.raises(UsageError, match="should be a number above 0"):
        Delay(delay_ms=delay_ms)


def test_a_bare_number_is_refused():
    """It does not say its unit."""
    with pytest.raises(UsageError, match=r"say Delay\(delay_ms=400\)"):
        Delay(400)
