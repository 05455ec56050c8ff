from __future__ import annotations

import pytest

from stagefright.chaos import Corruption, Failure
from stagefright.chaos.faults.fault import Reader
from stagefright.errors import FaultNeverFired, UsageError

BODY = "0123456789" * 10


def test_a_body_is_cut_and_garbage_follows_until_the_block_ends(stage, chaos):
    """The handler has run; 30 to 80 % of the body are left, as in failure-lambda 1.x."""
    ran = []

    def handler(event, context):
        ran.append(event)
        return {"statusCode": 200, "body": BODY}

    stage.handlers["Worker"] = handler
    with chaos(Worker=Corruption()):
        answer = stage.invoke("Worker", "inside")

    kept = answer["body"].removesuffix("\ufffd" * 3)
    assert BODY.startswith(kept)
    assert 30 <= len(kept) < 80
    assert 3 == len(answer["body"]) - len(kept)
    assert (200, ["inside"]) == (answer["statusCode"], ran)
    assert {"statusCode": 200, "body": BODY} == stage.invoke("Worker", "after")
    assert [("Worker", "corruption", {})] == stage.strikes()


def test_the_cut_is_drawn_by_the_invocation(stage, chaos):
    """The same invocation is cut at the same place, others elsewhere."""
    stage.handlers["Worker"] = lambda event, context: BODY * 100

    with chaos(Worker=Corruption()):
        lengths = [len(stage.invoke("Worker", request_id=f"request-{n}")) for n in (1, 2, 3)]

    assert 3 == len(set(lengths))


@pytest.mark.parametrize(
    ("response", "corrupted"),
    [
        ({"statusCode": 200, "body": "{}"}, {"statusCode": 200, "body": "<html>"}),
        ({"statusCode": 204}, {"statusCode": 204, "body": "<html>"}),
        ("text", {"body": "<html>"}),
        (None, {"body": "<html>"}),
    ],
)
def test_a_given_body_replaces_the_handlers(stage, chaos, response, corrupted):
    """A response that has none is given one."""
    stage.handlers["Worker"] = lambda event, context: response

    with chaos(Worker=Corruption(body="<html>")):
        assert corrupted == stage.invoke("Worker")


@pytest.mark.parametrize("response", [{"items": [1, 2, 3]}, [1, 2, 3], None, 42])
def test_a_response_without_a_body_is_one(stage, chaos, response):
    """Its JSON text is cut, so the caller gets text that is no JSON."""
    stage.handlers["Worker"] = lambda event, context: response

    with chaos(Worker=Corruption()):
        assert stage.invoke("Worker").endswith("\ufffd" * 3)


def test_a_handler_that_failed_has_no_response(stage, chaos):
    """Its error is its own, and the fault that had nothing to corrupt is reported."""
    with pytest.raises(FaultNeverFired, match=r"Corruption\(\)"), chaos(Worker=[Corruption(), Failure("down")]):
        with pytest.raises(Exception, match="down"):
            stage.invoke("Worker")


def test_a_body_is_text():
    """Anything else is a usage error."""
    with pytest.raises(UsageError, match="body is 1; it should be text"):
        Corruption(body=1)


def test_only_failure_lambda_1x_is_told():
    """The others do not look at responses."""
    assert {Reader.FAILURE_LAMBDA_1X: {"corruption": {}}} == Corruption().translations()
    assert {Reader.FAILURE_LAMBDA_1X: {"corruption": {"body": "x"}}} == Corruption(body="x").translations()
