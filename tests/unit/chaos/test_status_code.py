from __future__ import annotations

import json

import pytest

from stagefright.chaos import StatusCode
from stagefright.chaos.faults.fault import Reader
from stagefright.errors import UsageError


def test_a_status_code_is_answered_in_the_handlers_stead_and_heals(stage, chaos):
    """The handler does not run inside the block, and does after it; the answer has failure-lambda's shape."""
    ran = []
    stage.handlers["Worker"] = lambda event, context: ran.append(event)

    with chaos(Worker=StatusCode(status_code=503)):
        answer = stage.invoke("Worker", "inside")
    stage.invoke("Worker", "after")

    assert {
        "statusCode": 503,
        "headers": {"Content-Type": "application/json"},
        "body": '{"message":"Injected status code 503"}',
    } == answer
    assert ["after"] == ran
    assert [("Worker", "status_code", {"status_code": 503})] == stage.strikes()


def test_a_body_is_given_as_it_is(stage, chaos):
    """What the client gets is the test's choice."""
    with chaos(Worker=StatusCode(429, body=json.dumps({"slow": "down"}))):
        answer = stage.invoke("Worker")

    assert (429, {"slow": "down"}) == (answer["statusCode"], json.loads(answer["body"]))


def test_the_caller_of_a_deployed_function_gets_the_answer(deploy):
    """On a stage the answer is the function's response, not an error of it."""
    stage, chaos = deploy("def handler(event, context):\n    return 'ran'\n")

    with chaos(Worker=StatusCode()):
        invoked = stage.invoke("Worker", {})

    assert (None, 500) == (invoked.error, invoked.payload["statusCode"])
    assert "ran" == stage.invoke("Worker", {}).payload


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"status_code": 99}, "status_code is 99; it should be a whole number from 100 to 599"),
        ({"status_code": 600}, "status_code is 600"),
        ({"status_code": "500"}, "status_code is '500'"),
        ({"status_code": True}, "status_code is True"),
        ({"status_code": 500.0}, "status_code is 500.0"),
        ({"body": {"a": 1}}, "body is {'a': 1}; it should be text"),
    ],
)
def test_wrong_settings_are_refused(settings, problem):
    """Each wrong setting is a usage error at construction, with the value in the message."""
    with pytest.raises(UsageError) as refused:
        StatusCode(**settings)

    assert problem in str(refused.value)


def test_it_is_said_to_failure_lambda_and_a_body_to_nobody():
    """chaos-lambda runs the handler and overwrites what it answered, so it is not told; no reader takes a body."""
    assert {
        Reader.FAILURE_LAMBDA_0X: {"failureMode": "statuscode", "statusCode": 404},
        Reader.FAILURE_LAMBDA_1X: {"statuscode": {"status_code": 404}},
    } == StatusCode(404).translations()
    assert {} == StatusCode(404, body="{}").translations()
