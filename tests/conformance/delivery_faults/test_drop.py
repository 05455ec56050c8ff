"""Drop: an event is lost where AWS may lose one, and nowhere else (§2.1, §5.2, §6.4)."""

from __future__ import annotations

import pytest

from stagefright.chaos import Drop
from stagefright.chaos.checks import conserved
from stagefright.errors import UsageError


def test_an_asynchronous_event_is_lost(system):
    """§2.1: Lambda's queue is backed up; not even a dead-letter queue learns of it."""
    system.up(
        Dead=system.queue(),
        Worker=system.function(DeadLetterConfig={"TargetArn": system.att("Dead")}),
        News=system.topic(),
        Sub=system.subscription(),
    )

    with system.chaos(Worker=Drop()):
        system.invoke_later()
        system.publish("news")
        system.settle()

    assert system.invocations() == []
    assert system.bodies("Dead") == []
    assert [r.resource for r in system.strikes("drop")] == ["Worker", "Worker"]
    assert all("backed up" in reason for reason in system.dropped())
    assert conserved("News")(system.stage.journal).broken


def test_a_synchronous_invocation_is_not_struck(system):
    """§1: its caller waits for it, so nothing can be dropped."""
    system.up(Worker=system.function())

    with system.chaos(Worker=Drop()):
        assert system.stage.invoke("Worker", 5).payload == 5
        system.invoke_later()
        system.settle()

    assert len(system.invocations()) == 1


@pytest.mark.parametrize("has_dead_letters", [False, True])
def test_a_topic_gives_a_message_up(system, has_dead_letters):
    """§5.2: without a retry; the subscription's dead-letter queue keeps it, if there is one."""
    policy = {"RedrivePolicy": {"deadLetterTargetArn": system.att("Dead")}} if has_dead_letters else {}
    system.up(
        Dead=system.queue(),
        Worker=system.function(),
        News=system.topic(),
        Sub=system.subscription(**policy),
    )

    with system.chaos(News=Drop()):
        (sent,) = system.publish("news")
        system.settle()

    assert system.invocations() == []
    (struck,) = system.strikes("drop", "News")
    assert struck.detail["harm"] == {"ids": [sent], "source": "News", "consumer": "Worker"}
    assert len(system.messages("Dead")) == has_dead_letters
    assert len(system.dropped()) == (not has_dead_letters)
    verdict = conserved("News")(system.stage.journal)
    assert verdict.holds == has_dead_letters
    assert verdict.counts["dead_lettered" if has_dead_letters else "lost"] == 1


@pytest.mark.parametrize("has_dead_letters", [False, True])
def test_a_bus_gives_an_event_up(system, has_dead_letters):
    """§6.4: as one that it may not hand to the target."""
    config = {"DeadLetterConfig": {"Arn": system.att("Dead")}} if has_dead_letters else {}
    system.up(Dead=system.queue(), Worker=system.function(), Bus=system.bus(), Rule=system.rule(**config))

    with system.chaos(Bus=Drop()):
        system.emit({"n": 1})
        system.settle()

    assert system.invocations() == []
    dead = system.messages("Dead")
    assert [m["MessageAttributes"]["ERROR_CODE"]["StringValue"] for m in dead] == ["NO_PERMISSIONS"] * has_dead_letters
    assert conserved("Bus")(system.stage.journal).holds == has_dead_letters


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Jobs", "SQS never loses a message"),
        ("Steps", "a FIFO queue or topic hands each message over once and in order"),
        ("FifoNews", "a FIFO queue or topic hands each message over once and in order"),
        ("Feed", "a stream never loses a record"),
        ("Table", "a table's stream never loses a record"),
    ],
)
def test_where_nothing_is_ever_lost_it_is_refused(system, name, reason):
    """The sentence says why."""
    system.up(
        Jobs=system.queue(),
        Steps=system.fifo(),
        FifoNews=system.topic(FifoTopic=True),
        Feed=system.stream(),
        Table=system.table(),
    )

    with pytest.raises(UsageError, match=reason), system.chaos(**{name: Drop()}):
        pass
