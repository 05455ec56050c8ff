from __future__ import annotations

import json

import pytest

from stagefright.chaos import Both, Corruption, ErrorAfterCommit, Failure, Latency, Noop, StatusCode, Timeout
from stagefright.chaos.faults.fault import Reader
from stagefright.errors import UsageError


def test_both_strike_in_their_order(stage, chaos, clock):
    """The handler is late and then fails, at the second call only."""
    start = clock.now()
    with chaos(Worker=Both(Latency(delay_ms=1000), Failure("x")).on_call(2)):
        assert "event" == stage.invoke("Worker", "event")
        with pytest.raises(Exception, match="x"):
            stage.invoke("Worker", "event")

    assert start + 1 == clock.now()
    assert "event" == stage.invoke("Worker", "event")


def test_each_strikes_where_it_strikes(stage, chaos, clock):
    """One before the handler, one after it; they draw together."""
    stage.handlers["Worker"] = lambda event, context: "answer" * 10
    both = Both(Latency(delay_ms=1000), Corruption()).with_probability(0.5)
    start = clock.now()

    with chaos(Worker=both):
        answers = [stage.invoke("Worker", request_id=f"request-{n}") for n in range(20)]

    corrupted = [answer for answer in answers if answer.endswith("\ufffd")]
    assert 0 < len(corrupted) < 20
    assert start + len(corrupted) == clock.now()


def test_what_one_makes_of_a_response_the_next_one_sees(stage, chaos):
    """Two corruptions are one on top of the other; an error has the last word."""
    stage.handlers["Worker"] = lambda event, context: {"body": "x"}

    with chaos(Worker=Both(Corruption(body="0123456789"), Corruption())):
        assert stage.invoke("Worker")["body"].startswith("012")
    with chaos(Worker=Both(ErrorAfterCommit("lost"), Corruption())), pytest.raises(Exception, match="lost"):
        stage.invoke("Worker")


def test_after_an_answer_nothing_is_left_to_strike(stage, chaos):
    """The handler's stead is taken."""
    with chaos(Worker=Both(StatusCode(503), Failure("x"))):
        assert 503 == stage.invoke("Worker")["statusCode"]


def test_its_log_line_names_what_struck(stage, chaos):
    """A query for latencies finds it."""
    with chaos(Worker=Both(Latency(delay_ms=1), Noop()).on_call(1)):
        stage.invoke("Worker")

    assert ["latency+noop"] == [json.loads(line)["mode"] for line in stage.log("Worker")]


def test_failure_lambda_1x_is_told_both_if_each_has_a_mode():
    """Readers that hold one fault are not told; two of one mode cannot be said."""
    assert [Reader.FAILURE_LAMBDA_1X] == list(Both(Latency(delay_ms=1), Failure("x")).translations())
    assert Reader.FAILURE_LAMBDA_1X not in Both(Latency(delay_ms=1), Latency(delay_ms=2)).translations()
    assert Reader.FAILURE_LAMBDA_0X not in Both(Timeout(), Noop()).translations()
    assert Reader.FAILURE_LAMBDA_0X in Both(Latency(delay_ms=1), Noop()).translations()


def test_one_fault_is_not_both():
    """And a class is no fault."""
    with pytest.raises(UsageError, match="takes two faults or more"):
        Both(Noop())
