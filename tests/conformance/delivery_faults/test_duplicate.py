"""Duplicate: what is promised at least once comes twice (§2.1, §3.2, §5.5)."""

from __future__ import annotations

import pytest

from stagefright.chaos import Duplicate
from stagefright.chaos.checks import conserved
from stagefright.errors import UsageError


def test_a_message_of_a_queue_is_received_again(system):
    """§3.2: the copy comes when the message was deleted and its visibility timeout is over; the record says which it was."""
    system.up_with_queue(mapping={"BatchSize": 1})

    with system.chaos(Jobs=Duplicate()):
        (sent,) = system.send("job")
        system.settle()

    assert system.batches() == [["job"], ["job"]]
    assert system.attempts() == [0, 30]
    (struck,) = system.strikes()
    assert (struck.resource, struck.detail["fault"], struck.detail["settings"]) == ("Jobs", "duplicate", {})
    assert (struck.detail["harm"]["ids"], struck.detail["harm"]["source"]) == ([sent], "Jobs")
    assert system.depth("Jobs") == (0, 0, 0)


def test_what_a_topic_a_bus_and_an_asynchronous_queue_hand_over_comes_twice(system):
    """§2.1, §5.5, §6: within a second of the first copy, with the ids that it had."""
    system.up(
        Worker=system.function(),
        News=system.topic(),
        Sub=system.subscription(),
        Bus=system.bus(),
        Rule=system.rule(),
    )

    with system.chaos(News=Duplicate(), Bus=Duplicate(copies=2), Worker=Duplicate()):
        system.publish("news")
        system.emit({"n": 1})
        system.settle()

    events = system.events()
    assert sum("Records" in event for event in events) == 2 * 2
    assert sum(event.get("detail") == {"n": 1} for event in events) == 3 * 2
    assert len({event["id"] for event in events if "detail" in event}) == 1
    assert [len(system.strikes("duplicate", name)) for name in ("News", "Bus", "Worker")] == [1, 2, 5]
    assert max(system.attempts()) < 2


def test_the_copies_are_caused_by_the_fault(system):
    """Whoever reads the journal finds the fault above the second invocation, and not above the first."""
    system.up_with_topic()

    with system.chaos(News=Duplicate()):
        system.publish("news")
        system.settle()

    (struck,) = system.strikes()
    first, second = system.invocations()
    assert struck.n not in _above(system, first)
    assert struck.n in _above(system, second)


def _above(system, record):
    found = []
    while record.cause is not None:
        record = system.stage.journal[record.cause]
        found.append(record.n)
    return found


def test_after_the_block_everything_comes_once(system):
    """Leaving the block heals: what is sent afterwards has no copy, and what is on its way arrives."""
    system.up_with_queue(mapping={"BatchSize": 1})
    with system.chaos(Jobs=Duplicate()):
        system.send("in")
        system.settle()
    system.send("after")
    system.settle()

    assert system.batches() == [["in"], ["in"], ["after"]]
    assert conserved("Jobs")(system.stage.journal).holds


def test_a_copy_that_nobody_received_is_no_strike(system, never_fired):
    """The effect counts: a block that ends before anything is received has proved nothing."""
    system.up(Jobs=system.queue())

    with (
        never_fired(r"Jobs=Duplicate\(\) was planned and never struck"),
        system.chaos(Jobs=Duplicate()),
    ):
        system.send("job")


@pytest.mark.parametrize("name", ["Steps", "FifoNews"])
def test_fifo_refuses_it(system, name):
    """§3.3: the message names the reason."""
    system.up(Steps=system.fifo(), FifoNews=system.topic(FifoTopic=True))

    with (
        pytest.raises(UsageError, match="hands each message over once and in order"),
        system.chaos(**{name: Duplicate()}),
    ):
        pass


@pytest.mark.parametrize("name", ["Feed", "Table"])
def test_streams_refuse_it(system, name):
    """§4.2: so do streams."""
    system.up(Feed=system.stream(), Table=system.table())

    with (
        pytest.raises(UsageError, match="a stream hands its records over in order"),
        system.chaos(**{name: Duplicate()}),
    ):
        pass


def test_a_bucket_is_nothing_for_it(system):
    """A resource that hands nothing over is refused with what the fault is for."""
    system.up(Box=system.resource("S3::Bucket"))

    with pytest.raises(UsageError, match="it is for AWS::SQS::Queue, AWS::SNS::Topic"), system.chaos(Box=Duplicate()):
        pass
