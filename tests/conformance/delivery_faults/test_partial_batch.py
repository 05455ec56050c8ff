"""PartialBatch: batch sizes are upper limits, and AWS may stay below them (§3.2, §3.5, §4.2)."""

from __future__ import annotations

import pytest

from stagefright.chaos import PartialBatch
from stagefright.chaos.checks import in_order
from stagefright.errors import UsageError


def test_a_mapping_gets_a_part_of_what_there_is(system):
    """§3.5: the rest comes next, and its receive count has not grown."""
    system.up_with_queue(mapping={"BatchSize": 10, "Enabled": False})
    ids = system.send(*"abcde")

    with system.chaos(Jobs=PartialBatch(records=2)):
        mapping = system.stage.ref("Map")
        system.client("lambda").update_event_source_mapping(UUID=mapping, Enabled=True)
        system.settle()

    assert [len(batch) for batch in system.batches()] == [2, 2, 1]
    assert sorted(body for batch in system.batches() for body in batch) == [*"abcde"]
    counts = [r["attributes"]["ApproximateReceiveCount"] for e in system.events() for r in e["Records"]]
    assert counts == ["1"] * 5
    first, second = system.strikes("partial_batch", "Jobs")
    harm = first.detail["harm"]
    assert (harm["ids"], harm["handed_over"], harm["left"]) == ([ids[0]], 2, 3)
    assert second.detail["harm"]["left"] == 1


def test_a_receiver_gets_a_part_too(system):
    """§3.2: `MaxNumberOfMessages` is a maximum."""
    system.up(Jobs=system.queue())
    system.send(*"abc")

    with system.chaos(Jobs=PartialBatch()):
        answer = system.client("sqs").receive_message(QueueUrl=system.stage.ref("Jobs"), MaxNumberOfMessages=10)

    assert [m["Body"] for m in answer["Messages"]] == ["a"]
    assert system.depth("Jobs") == (2, 1, 0)


@pytest.mark.parametrize("source", ["stream", "table"])
def test_a_shard_is_read_in_small_steps(system, source):
    """§4.2: in order; what is cut off is the next batch."""
    getattr(system, f"up_with_{source}")(BatchSize=100, MaximumBatchingWindowInSeconds=5)
    name = {"stream": "Feed", "table": "Table"}[source]

    with system.chaos(**{name: PartialBatch(records=3)}):
        (system.put if source == "stream" else system.write)(*"abcdefgh")
        system.settle()

    assert system.batches()[0] == [*"abc"]
    assert [one for batch in system.batches() for one in batch] == [*"abcdefgh"]
    assert all(len(batch) <= 3 for batch in system.batches())


def test_the_groups_of_a_fifo_queue_keep_their_order(system):
    """§3.3: a message that was cut off is received after those before it."""
    system.up_with_queue(queue=system.fifo(), mapping={"BatchSize": 10})

    with system.chaos(Jobs=PartialBatch(records=2)):
        for number in range(6):
            for group in "ab":
                system.send(f"{group}{number}", MessageGroupId=group)
        system.settle()

    assert in_order("Worker")(system.stage.journal).holds
    assert all(len(batch) <= 2 for batch in system.batches())


def test_a_batch_that_is_small_anyway_is_no_strike(system, never_fired):
    """The effect counts."""
    system.up_with_queue()

    with never_fired("More events than `records` must be there at once"), system.chaos(Jobs=PartialBatch(records=5)):
        system.send("a")
        system.settle()


def test_a_topic_has_no_batches(system):
    """The reason is in the message."""
    system.up(News=system.topic(), Worker=system.function())

    with pytest.raises(UsageError) as refused, system.chaos(News=PartialBatch(), Worker=PartialBatch()):
        pass

    assert "it hands events over one by one" in str(refused.value)
    assert "plan it for the queue or the stream" in str(refused.value)


@pytest.mark.parametrize("records", [0, -1, 1.5, 10_001])
def test_what_is_no_number_of_records_is_refused(records):
    """Where it is written."""
    with pytest.raises(UsageError, match="should be a whole number from 1"):
        PartialBatch(records=records)
