"""
Settings outlive SSM.

The failure feared: SSM is slow or down, and so is everything that reads its settings there; or worse, nobody notices
that the settings in use are old. The fault used: the function's calls to SSM fail, at once or after its client's timeout. The
verdict expected: the last values serve, a log line says how old they are, and the new ones are in use soon after SSM is back.
"""

from __future__ import annotations

import time

import pytest

from stagefright.chaos import ReadTimeout, ServiceError
from stagefright.chaos.checks import no_retry_storm

DOWN = ServiceError("ssm", "GetParameters", code="InternalServerError")
SLOW = ReadTimeout("ssm", "GetParameters")
RETRY_AFTER_S = 5
CLIENT_WAITS_S = 2
"""Two attempts of a second."""

slow = pytest.mark.nightly  # where time is real it takes ten seconds
is_cold = pytest.mark.only_on("local", reason="an environment that runs elsewhere has loaded its settings long ago")
sees_calls = pytest.mark.only_on("local", reason="the SDK calls of a function are seen there only")


def test_down_serves_the_stale_value_and_says_so(chaos, just_loaded, greet, set_text, stale_lines, ttl_s):
    """The old value goes on serving; the log says that it is old, how old, and why."""
    set_text("Good morning")
    with chaos(GreetingFunction=DOWN):
        time.sleep(ttl_s + 1)
        assert greet() == just_loaded

    [line] = stale_lines()
    assert ttl_s <= line["age_s"] <= ttl_s + RETRY_AFTER_S
    assert "InternalServerError" in line["reason"]


@slow
def test_slow_costs_the_clients_timeout_once(chaos, just_loaded, greet, stale_lines, clock, ttl_s):
    """One request waits for the client's two attempts of a second; those after it do not wait at all."""
    with chaos(GreetingFunction=SLOW):
        time.sleep(ttl_s + 1)
        started = clock.now()
        assert greet() == just_loaded
        waited_s = clock.now() - started
        assert [greet() for _ in range(3)] == [just_loaded] * 3
        in_all_s = clock.now() - started

    assert waited_s >= CLIENT_WAITS_S
    assert in_all_s - waited_s < CLIENT_WAITS_S
    [line] = stale_lines()
    assert "ReadTimeoutError" in line["reason"]


@slow
def test_down_for_long_is_said_again_with_a_growing_age(chaos, just_loaded, greet, stale_lines, ttl_s):
    """Every failed refresh is a line, so an alarm can watch the age."""
    with chaos(GreetingFunction=DOWN):
        time.sleep(ttl_s)
        for _ in range(3):
            assert greet() == just_loaded
            time.sleep(min(RETRY_AFTER_S, ttl_s) + 0.5)

    ages = [line["age_s"] for line in stale_lines(at_least=3)]
    assert len(ages) == 3
    assert ages == sorted(set(ages))


@sees_calls
@pytest.mark.usefixtures("just_loaded")
def test_down_it_is_asked_once_in_a_while(chaos, greet, journal, ttl_s):
    """An outage does not become a storm: most requests do not ask at all."""
    with chaos(GreetingFunction=DOWN):
        for _ in range(30):
            greet()
            time.sleep(1)
    time.sleep(ttl_s)
    greet()

    no_retry_storm("GreetingFunction", calls_max=1, to="ssm.GetParameters").require(journal)


@slow
@pytest.mark.usefixtures("just_loaded")
def test_back_again_the_new_value_is_used_soon(chaos, greet, set_text, ttl_s):
    """A stale value is not kept for a whole span: the function asks again after a few seconds."""
    with chaos(GreetingFunction=DOWN):
        set_text("Good morning")
        time.sleep(ttl_s + 1)
        assert greet() != "Good morning"

    time.sleep(min(RETRY_AFTER_S, ttl_s) + 1)

    assert greet() == "Good morning"


@is_cold
@pytest.mark.usefixtures("secret")
def test_down_at_the_first_load_is_a_clear_error(stage, chaos):
    """Without a value there is nothing to serve: the error names the parameters and the cause, and no value."""
    with chaos(GreetingFunction=DOWN):
        result = stage.invoke("GreetingFunction", {"pathParameters": {"name": "amy"}})

    assert result.payload["errorType"] == "ConfigUnavailable"
    assert stage.outputs["GreetingTextName"] in result.payload["errorMessage"]
    assert "InternalServerError" in result.payload["errorMessage"]


def test_a_parameter_that_was_deleted_is_stale_too(stage, just_loaded, greet, stale_lines, ttl_s):
    """A parameter that somebody deleted keeps its last value, and is named in the log."""
    stage.client("ssm").delete_parameter(Name=stage.outputs["SigningKeyName"])
    time.sleep(ttl_s + 1)

    assert greet() == just_loaded
    assert stage.outputs["SigningKeyName"] in stale_lines()[0]["reason"]


@slow
def test_no_failure_shows_the_secret(chaos, just_loaded, greet, secret, logs, stale_lines, ttl_s):
    """Errors and stale lines speak of parameters by name."""
    with chaos(GreetingFunction=DOWN):
        time.sleep(ttl_s + 1)
        assert greet() == just_loaded
    stale_lines()

    assert not [line for line in logs() if secret in line]
