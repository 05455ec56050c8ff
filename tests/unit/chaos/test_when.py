from __future__ import annotations

import pytest

from stagefright.chaos import Failure, Latency, Noop
from stagefright.chaos.faults.fault import Reader
from stagefright.errors import UsageError

EVENT = {
    "detail": {"kind": "order", "count": 3, "paid": True, "note": None, "price": 2.0, "tags": ["a", "b"]},
    "Records": [{"body": "poison pill"}, {"body": "fine"}],
}


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"path": "detail.kind", "value": "order"}, True),
        ({"path": "detail.kind", "value": "Order"}, False),
        ({"path": "detail.count", "value": 3}, True),
        ({"path": "detail.count", "value": "3"}, True),
        ({"path": "detail.price", "value": 2}, True),
        ({"path": "detail.paid", "value": True}, True),
        ({"path": "detail.paid", "value": "true"}, True),
        ({"path": "detail.note", "value": "null"}, True),
        ({"path": "detail.note"}, True),
        ({"path": "detail.nothing"}, False),
        ({"path": "detail.nothing", "value": "undefined"}, False),
        ({"path": "Records.0.body", "value": "poison", "operator": "startsWith"}, True),
        ({"path": "Records.1.body", "value": "poison", "operator": "startsWith"}, False),
        ({"path": "Records.2.body"}, False),
        ({"path": "Records.-1.body"}, False),
        ({"path": "detail.kind", "value": "^or.er$", "operator": "regex"}, True),
        ({"path": "detail.kind", "value": "^rd", "operator": "regex"}, False),
        ({"path": "detail.kind.more"}, False),
    ],
)
def test_it_strikes_for_such_events_alone(condition, holds):
    """The four operators of failure-lambda 1.x, on text as JavaScript writes it."""
    assert holds is Failure("x").when(**condition)._matches(EVENT)


def test_other_events_pass_and_after_the_block_all_do(stage, chaos):
    """The event decides, invocation by invocation."""
    ran = []
    stage.handlers["Worker"] = lambda event, context: ran.append(event["kind"])

    with chaos(Worker=Failure("x").when("kind", "bad")):
        stage.invoke("Worker", {"kind": "good"})
        with pytest.raises(Exception, match="x"):
            stage.invoke("Worker", {"kind": "bad"})
    stage.invoke("Worker", {"kind": "bad"})

    assert ["good", "bad"] == ran


@pytest.mark.parametrize("event", [None, "text", 7, [], {}])
def test_an_event_of_any_shape_is_looked_at(event):
    """What has no such path does not match, and nothing breaks."""
    assert not Noop().when("detail.kind", "x")._matches(event)


def test_two_conditions_must_both_hold():
    """A `when` around another is what failure-lambda calls a list of conditions."""
    fault = Failure("x").when("detail.kind", "order").when("detail.paid", False)

    assert [
        {"path": "detail.kind", "operator": "eq", "value": "order"},
        {"path": "detail.paid", "operator": "eq", "value": "false"},
    ] == fault.translations()[Reader.FAILURE_LAMBDA_1X]["exception"]["match"]


def test_it_goes_with_a_probability_at_failure_lambda_1x():
    """In either order; the readers that match nothing are not told."""
    for fault in (
        Latency(delay_ms=1).when("a").with_probability(0.5),
        Latency(delay_ms=1).with_probability(0.5).when("a"),
    ):
        ((reader, modes),) = fault.translations().items()
        assert Reader.FAILURE_LAMBDA_1X == reader
        assert (50, [{"path": "a", "operator": "exists"}]) == (
            modes["latency"]["percentage"],
            modes["latency"]["match"],
        )


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        ({"path": ""}, "path is ''"),
        ({"path": 1}, "path is 1"),
        ({"path": "a", "operator": "startsWith"}, "startsWith compares with text"),
        ({"path": "a", "operator": "equals", "value": "x"}, "it should be one of eq, exists, startsWith, regex"),
        ({"path": "a", "operator": "exists", "value": "x"}, "exists compares with none"),
        ({"path": "a", "operator": "regex", "value": "("}, "is no regular expression"),
        ({"path": "a", "operator": "regex", "value": "(a*)*"}, "can take for ever"),
    ],
)
def test_a_wrong_condition_is_refused(condition, problem):
    """What failure-lambda would drop is said where it is written."""
    with pytest.raises(UsageError) as refused:
        Noop().when(**condition)

    assert problem in str(refused.value)
