"""Reorder: later events pass earlier ones, where no order is promised (§3.2, §5.5)."""

from __future__ import annotations

import pytest

from stagefright.chaos import Reorder
from stagefright.chaos.checks import conserved
from stagefright.errors import UsageError


def test_later_messages_of_a_queue_come_first(system):
    """§3.2: and the record names who overtook whom."""
    system.up_with_queue(mapping={"BatchSize": 1})

    with system.chaos(Jobs=Reorder().on_call(1)):
        system.send(*map(str, range(12)))
        system.settle()

    order = [body for (body,) in system.batches()]
    assert order != sorted(order, key=int)
    assert [body for body in order if body != "0"] == [str(n) for n in range(1, 12)]


def test_the_strike_names_who_passed_whom(system):
    """The ids in the record are the overtaken one's."""
    system.up_with_queue(mapping={"BatchSize": 1})

    with system.chaos(Jobs=Reorder()):
        ids = system.send(*map(str, range(12)))
        system.settle()

    struck = system.strikes("reorder", "Jobs")
    assert struck
    for record in struck:
        (passed,) = record.detail["harm"]["ids"]
        assert ids.index(passed) < ids.index(record.detail["harm"]["overtaken_by"])


@pytest.mark.parametrize("source", ["topic", "bus"])
def test_what_a_topic_or_a_bus_hands_over_is_shuffled(system, source):
    """§5.5: within a tenth of a second; nothing is lost."""
    getattr(system, f"up_with_{source}")()
    name = {"topic": "News", "bus": "Bus"}[source]

    with system.chaos(**{name: Reorder()}):
        if source == "topic":
            system.publish(*map(str, range(10)))
        else:
            system.emit(*({"n": n} for n in range(10)))
        system.settle()

    got = [int(e["Records"][0]["Sns"]["Message"]) if "Records" in e else e["detail"]["n"] for e in system.events()]
    assert sorted(got) == list(range(10)) != got
    assert max(system.attempts()) <= 0.1
    assert conserved(name)(system.stage.journal).holds


def test_a_lone_event_has_nobody_to_pass(system, never_fired):
    """The effect counts: one event cannot be reordered."""
    system.up_with_topic()

    with (
        never_fired(r"News=Reorder\(\) was planned and never struck"),
        system.chaos(News=Reorder()),
    ):
        system.publish("only")
        system.settle()


def test_fifo_and_streams_refuse_it(system):
    """§3.3, §4.2: both reasons in one message."""
    system.up(Steps=system.fifo(), Feed=system.stream())

    with pytest.raises(UsageError) as refused, system.chaos(Steps=Reorder(), Feed=Reorder()):
        pass

    assert "cannot strike Steps (AWS::SQS::Queue): a FIFO queue or topic" in str(refused.value)
    assert "cannot strike Feed (AWS::Kinesis::Stream): a stream hands its records over in order" in str(refused.value)
