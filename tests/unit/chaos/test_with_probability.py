from __future__ import annotations

import pytest

from stagefright.chaos import Both, Failure, Latency, Noop, StatusCode
from stagefright.chaos.faults.fault import Reader
from stagefright.errors import FaultNeverFired, UsageError


def struck(stage, chaos, fault, requests):
    """Which of the requests the fault strikes."""
    before = len(stage.journal.of_kind("fault"))
    found = []
    with chaos(Worker=fault):
        for request_id in requests:
            stage.invoke("Worker", request_id=request_id)
            after = len(stage.journal.of_kind("fault"))
            found.append(after > before)
            before = after
    return found


REQUESTS = [f"request-{n}" for n in range(400)]


def test_it_strikes_now_and_then_and_the_others_pass(stage, chaos):
    """About three in ten; after the block none."""
    found = struck(stage, chaos, Noop().with_probability(0.3), REQUESTS)
    stage.invoke("Worker")

    assert 0.2 < sum(found) / len(found) < 0.4
    assert sum(found) == len(stage.strikes())


def test_one_more_invocation_changes_none_of_the_others(stage, chaos):
    """The draw is the fault point's, never the next of a stream."""
    alone = struck(stage, chaos, Noop().with_probability(0.5), REQUESTS[1:])
    with_another = struck(stage, chaos, Noop().with_probability(0.5), ["another", *REQUESTS[1:]])

    assert with_another[1:] != alone  # another block, other draws
    stage.journal.clear()
    first, second = type(chaos)(stage, seed=7), type(chaos)(stage, seed=7)
    assert (
        struck(stage, first, Noop().with_probability(0.5), ["another", *REQUESTS[1:]])[1:]
        == struck(stage, second, Noop().with_probability(0.5), REQUESTS[1:])
        == alone
    )


def test_the_retries_of_one_event_are_drawn_apart(stage, chaos):
    """They have one request id, and would else all fail or none."""
    assert {True, False} == set(struck(stage, chaos, Noop().with_probability(0.5), ["request-1"] * 20))


def test_what_it_wraps_draws_for_itself(stage, chaos):
    """The delays of those that strike fill their whole range, and not its lower part."""
    fault = Latency(min_delay_ms=0, max_delay_ms=100).with_probability(0.2)
    struck(stage, chaos, fault, REQUESTS)

    delays = [record.detail["harm"]["latency_ms"] for record in stage.journal.of_kind("fault")]
    assert max(delays) > 80


def test_certainty_is_a_probability_too(stage, chaos):
    """1 strikes always."""
    assert [True] * 3 == struck(stage, chaos, Noop().with_probability(1), REQUESTS[:3])


def test_one_that_happens_not_to_strike_is_reported(stage, chaos):
    """A rate makes a bad test; the block says so."""
    with pytest.raises(FaultNeverFired, match=r"Noop\(\).with_probability\(1e-09\)"):
        struck(stage, chaos, Noop().with_probability(1e-9), REQUESTS[:3])


@pytest.mark.parametrize("probability", [0, -0.1, 1.1, "0.5", True, None, float("nan")])
def test_a_wrong_probability_is_refused(probability):
    """0 could never strike; a percentage is no probability."""
    with pytest.raises(UsageError, match="probability is"):
        Noop().with_probability(probability)


class TestOtherReaders:
    def test_are_told_a_rate_or_a_percentage(self):
        """0.x and chaos-lambda share `rate`; 1.x has whole per cent."""
        said = Failure("x").with_probability(0.25).translations()

        assert 0.25 == said[Reader.FAILURE_LAMBDA_0X]["rate"] == said[Reader.CHAOS_LAMBDA]["rate"]
        assert {"exception": {"exception_msg": "x", "percentage": 25}} == said[Reader.FAILURE_LAMBDA_1X]

    def test_are_told_nothing_that_they_cannot_say(self):
        """A fraction of a per cent, a probability of a probability, two modes that would each roll for themselves."""
        assert Reader.FAILURE_LAMBDA_1X not in Failure("x").with_probability(0.125).translations()
        assert {} == Failure("x").with_probability(0.5).with_probability(0.5).translations()
        both = Both(Latency(delay_ms=1), Failure("x"))
        assert Reader.FAILURE_LAMBDA_1X in both.translations()
        assert Reader.FAILURE_LAMBDA_1X not in both.with_probability(0.5).translations()

    def test_of_chaos_lambda_calls_no_handler_twice(self):
        """Its status code with a missed roll does."""
        assert Reader.CHAOS_LAMBDA not in StatusCode(500).with_probability(0.5).translations()
