"""
Settings change without a deployment.

The failure feared: a setting that is asked for at every request (slow, and throttled), that never changes, or that
changes by half; a secret in a log. The fault used: none. The verdict expected: SSM is asked once per span, a new value
is in use when the span is over, and the secret is in no log.
"""

from __future__ import annotations

import hashlib
import hmac
import time

import pytest

sees_calls = pytest.mark.only_on("local", reason="the SDK calls of a function are seen there only")
is_cold = pytest.mark.only_on("local", reason="an environment that runs elsewhere has loaded its settings long ago")


@pytest.fixture
def times_asked(journal):
    """How often the function has asked SSM."""

    def times_asked():
        calls = journal.of_kind("call", resource="GreetingFunction")
        return sum(call.detail["operation"] == "GetParameters" for call in calls)

    return times_asked


@sees_calls
def test_a_value_is_asked_for_once_and_kept(greet, times_asked):
    """Within the span, warm requests do not ask SSM."""
    assert [greet() for _ in range(5)] == ["Hello"] * 5
    assert times_asked() == 1


@sees_calls
def test_a_value_is_kept_until_its_span_is_over(greet, set_text, times_asked, ttl_s):
    """A second before the end the old value is used, a second after it the new one."""
    greet()
    set_text("Good morning")

    time.sleep(ttl_s - 1)
    assert greet() == "Hello"

    time.sleep(2)
    assert greet() == "Good morning"
    assert times_asked() == 2


def test_a_new_value_is_in_use_when_the_span_is_over(just_loaded, greet, set_text, ttl_s):
    """Not at once, and without anything being deployed."""
    set_text("Good morning")
    assert greet() == just_loaded

    time.sleep(ttl_s + 1)
    assert greet() == "Good morning"


@pytest.mark.only_on(
    "local", "aws", reason="MiniStack makes a log stream for each invocation, and not for each environment"
)
@pytest.mark.usefixtures("just_loaded")
def test_a_value_is_swapped_without_a_cold_start(stage, greet, set_text, logs, ttl_s):
    """The running environment takes the new value: nothing is deployed, nothing starts again."""

    def environments():
        events = stage.client("logs").describe_log_streams(logGroupName=f"/aws/lambda/{stage.ref('GreetingFunction')}")
        return {stream["logStreamName"] for stream in events["logStreams"]}

    stage.wait_until(logs, within="30s")
    before = environments()
    set_text("Ahoy")
    time.sleep(ttl_s + 1)

    assert greet() == "Ahoy"
    assert environments() == before


def test_a_rotated_secret_is_picked_up(stage, secret, data, ttl_s):
    """Replies are signed with the key that is set now."""
    for key in (secret, "a-new-key"):
        data.parameter(stage.outputs["SigningKeyName"], key, secure=True)
        time.sleep(ttl_s + 1)

        response = stage.http.get(stage.outputs["GreetingUrl"] + "/amy")

        expected = hmac.new(key.encode(), response.content, hashlib.sha256).hexdigest()
        assert response.headers["x-signature"] == expected


def test_a_secret_reaches_no_log(stage, greet, secret, logs, journal):
    """The function logs the key on purpose, and the log shows that there is one, but not which."""
    greet()
    stage.wait_until(logs, within="30s")

    lines = [*logs(), *(record.detail["line"] for record in journal.of_kind("log"))]
    assert any("Secret(***)" in line for line in lines)
    assert not [line for line in lines if secret in line]


@is_cold
def test_a_missing_parameter_is_named(stage):
    """Without the signing key the function cannot start its work, and says which parameter it misses."""
    assert stage.invoke("GreetingFunction", {"pathParameters": {"name": "amy"}}).error

    # Emulators answer another error type; the log has the function's own.
    (failure,) = stage.settle().errors
    assert failure.type == "ConfigUnavailable"
    assert f"SSM has no parameter {stage.outputs['SigningKeyName']}" in failure.message
