"""
Settings outlive SSM.

The failure feared: SSM is slow or down, and so is everything that reads its settings there; or worse, nobody notices
that the settings in use are old. The fault used: SSM's client fails, at once or after its timeout. The verdict expected:
the last values serve, a log line says how old they are, and the new ones are in use soon after SSM is back.
"""

from __future__ import annotations

import time

import pytest

pytestmark = pytest.mark.only_on(
    "local", reason="values are kept for a minute, and botocore is hurt inside the functions"
)

TTL_S = 60
RETRY_AFTER_S = 5


def test_down_serves_the_stale_value_and_says_so(greet, set_text, ssm, stale_lines):
    """The old value goes on serving; the log says that it is old, how old, and why."""
    greet()
    set_text("Good morning")
    ssm.down()
    time.sleep(TTL_S + 10)

    assert greet() == "Hello, amy"

    [line] = stale_lines()
    assert line["age_s"] == pytest.approx(TTL_S + 10, abs=1)
    assert "InternalServerError" in line["reason"]


def test_slow_costs_the_clients_timeout_once(greet, ssm, stale_lines, clock):
    """One request waits for the client's two attempts of a second; those after it do not wait at all."""
    greet()
    ssm.slow()
    time.sleep(TTL_S + 1)
    started = clock.now()

    assert greet() == "Hello, amy"
    waited_s = clock.now() - started
    assert [greet() for _ in range(3)] == ["Hello, amy"] * 3

    assert waited_s == pytest.approx(2, abs=0.5)
    assert clock.now() - started == pytest.approx(waited_s, abs=0.5)
    assert "ReadTimeoutError" in stale_lines()[0]["reason"]


def test_down_for_long_is_said_again_with_a_growing_age(greet, ssm, stale_lines):
    """Every failed refresh is a line, so an alarm can watch the age."""
    greet()
    ssm.down()
    time.sleep(TTL_S)

    for _ in range(3):
        greet()
        time.sleep(RETRY_AFTER_S + 1)

    ages = [line["age_s"] for line in stale_lines()]
    assert len(ages) == 3
    assert ages == sorted(set(ages))


def test_back_again_the_new_value_is_used_soon(greet, set_text, ssm):
    """A stale value is not kept for a whole span: the function asks again after a few seconds."""
    greet()
    set_text("Good morning")
    ssm.down()
    time.sleep(TTL_S + 1)
    greet()

    ssm.heal()
    time.sleep(RETRY_AFTER_S + 1)

    assert greet() == "Good morning, amy"


def test_down_at_the_first_load_is_a_clear_error(stage, secret, ssm):
    """Without a value there is nothing to serve: the error names the parameters and the cause, and no value."""
    ssm.down()

    result = stage.invoke("GreetingFunction", {"pathParameters": {"name": "amy"}})

    assert result.payload["errorType"] == "ConfigUnavailable"
    assert stage.outputs["GreetingTextName"] in result.payload["errorMessage"]
    assert "InternalServerError" in result.payload["errorMessage"]


def test_a_parameter_that_was_deleted_is_stale_too(stage, greet, stale_lines):
    """A parameter that somebody deleted keeps its last value, and is named in the log."""
    greet()
    stage.client("ssm").delete_parameter(Name=stage.outputs["SigningKeyName"])
    time.sleep(TTL_S + 1)

    assert greet() == "Hello, amy"
    assert stage.outputs["SigningKeyName"] in stale_lines()[0]["reason"]


def test_no_failure_shows_the_secret(greet, secret, ssm, logs):
    """Errors and stale lines speak of parameters by name."""
    greet()
    ssm.down()
    time.sleep(TTL_S + 1)
    greet()

    assert not [line for line in logs() if secret in line]
