from __future__ import annotations

import pytest

from stagefright.chaos import Timeout
from stagefright.chaos.faults.fault import Reader
from stagefright.errors import UsageError


def test_a_timeout_sleeps_past_the_deadline(stage, chaos):
    """Whatever stops functions at their deadline finds this one asleep; the evidence is written before the sleep."""
    left = []
    stage.handlers["Worker"] = lambda event, context: left.append(context.get_remaining_time_in_millis())

    with chaos(Worker=Timeout()):
        stage.invoke("Worker")

    assert [-1000] == left
    assert [("Worker", "timeout", {})] == stage.strikes()
    assert [stage.journal[0].at] == [record.at for record in stage.journal.of_kind("fault")]


def test_a_buffered_timeout_leaves_the_handler_its_buffer(stage, chaos):
    """The handler runs with `buffer_ms` left, as with failure-lambda 1.x."""
    stage.handlers["Worker"] = lambda event, context: context.get_remaining_time_in_millis()

    with chaos(Worker=Timeout(buffer_ms=500)):
        assert 500 == stage.invoke("Worker")


def test_a_buffer_longer_than_the_timeout_delays_nothing(stage, chaos):
    """There is nothing to sleep, and the handler keeps all its time."""
    stage.handlers["Worker"] = lambda event, context: context.get_remaining_time_in_millis()

    with chaos(Worker=Timeout(buffer_ms=60_000)):
        assert 3000 == stage.invoke("Worker")


def test_after_the_block_the_function_has_its_time_again(stage, chaos):
    """Healing is complete: the next invocation starts at once."""
    stage.handlers["Worker"] = lambda event, context: context.get_remaining_time_in_millis()

    with chaos(Worker=Timeout()):
        stage.invoke("Worker")

    assert 3000 == stage.invoke("Worker")


@pytest.mark.parametrize("buffer_ms", [-1, "500", None, 1e9])
def test_a_wrong_buffer_is_refused(buffer_ms):
    """The buffer is a number of milliseconds."""
    with pytest.raises(UsageError, match="buffer_ms is"):
        Timeout(buffer_ms=buffer_ms)


def test_only_failure_lambda_1x_knows_timeouts():
    """Other readers are not told some nearly equal fault instead."""
    assert [Reader.FAILURE_LAMBDA_1X] == list(Timeout().translations())
