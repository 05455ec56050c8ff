from __future__ import annotations

import pytest

from stagefright.chance import Chance
from stagefright.chaos import Latency
from stagefright.chaos.faults.fault import Reader
from stagefright.chaos.faults.points import Invocation
from stagefright.errors import UsageError


def drawn(seed, context, place=0, nth=0):
    point = Invocation(seed=seed, event={}, context=context, nth=nth, slot=(0, place))
    return Latency(min_delay_ms=100, max_delay_ms=400).prepare(point)["latency_ms"]


def test_latency_delays_the_handler_and_heals(stage, chaos):
    """The handler starts exactly so much later, and on time again after the block."""
    started = []
    stage.handlers["Worker"] = lambda event, context: started.append(stage.clock.now())
    start = stage.clock.now()

    with chaos(Worker=Latency(delay_ms=400)):
        stage.invoke("Worker")
    stage.invoke("Worker")

    assert [pytest.approx(start + 0.4)] * 2 == started
    assert [("Worker", "latency", {"delay_ms": 400})] == stage.strikes()


def test_latency_counts_towards_the_timeout(stage, chaos):
    """The handler sees less remaining time, as on AWS."""
    stage.handlers["Worker"] = lambda event, context: context.get_remaining_time_in_millis()

    with chaos(Worker=Latency(delay_ms=400)):
        assert 2600 == stage.invoke("Worker")


def test_a_range_is_drawn_by_what_it_decides(make_context):
    """Same seed, request and fault: same delay. Another of any of them: another delay."""
    one = make_context("request-1")

    assert drawn(7, one) == drawn(7, make_context("request-1"))
    others = {drawn(8, one), drawn(7, make_context("request-2")), drawn(7, one, place=1), drawn(7, one, nth=1)}
    assert 5 == len({drawn(7, one), *others})
    assert all(100 <= drawn(7, make_context(f"request-{n}")) < 400 for n in range(100))


def test_a_draw_is_the_worlds_own(make_context):
    """The runtime carries its own copy of the keyed draw, which gives what the world's chance would give."""
    assert Chance(7).uniform(100, 400, "request-1", 0, 0, 0) == drawn(7, make_context("request-1"))


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, "no delay is given"),
        ({"min_delay_ms": 1}, "no delay is given"),
        ({"delay_ms": 1, "max_delay_ms": 2}, "delay_ms and a range are both given"),
        ({"min_delay_ms": 2, "max_delay_ms": 1}, "max_delay_ms (1) is less than min_delay_ms (2)"),
        ({"delay_ms": -1}, "delay_ms is -1; it should be a number from 0 to 900000"),
        ({"delay_ms": "400"}, "delay_ms is '400'"),
        ({"delay_ms": True}, "delay_ms is True"),
        ({"delay_ms": float("nan")}, "delay_ms is nan"),
        ({"delay_ms": 900_001}, "delay_ms is 900001"),
    ],
)
def test_wrong_settings_are_refused(settings, problem):
    """Each wrong setting is a usage error at construction, with the value in the message."""
    with pytest.raises(UsageError) as refused:
        Latency(**settings)

    assert problem in str(refused.value)


def test_all_problems_are_reported_at_once():
    """Two wrong settings are two lines of one error."""
    with pytest.raises(UsageError) as refused:
        Latency(min_delay_ms="a", max_delay_ms="b")

    assert 3 == len(str(refused.value).splitlines())


def test_a_fraction_of_a_millisecond_cannot_be_said_to_chaos_lambda():
    """chaos-lambda ignores a delay that is not an int, so it is told whole milliseconds or nothing."""
    assert 400 == Latency(delay_ms=400.0).translations()[Reader.CHAOS_LAMBDA]["delay"]
    assert Reader.CHAOS_LAMBDA not in Latency(delay_ms=0.5).translations()
    assert Reader.CHAOS_LAMBDA not in Latency(min_delay_ms=1, max_delay_ms=2).translations()
