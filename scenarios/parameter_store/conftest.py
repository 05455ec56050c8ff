"""What the tests of the parameter store share: a signing key, ways to greet, to change the words, and to look at the logs."""

from __future__ import annotations

import json
import uuid

import pytest

SECRET = "correct-horse-battery-staple"


@pytest.fixture(autouse=True)
def began_ms(stage):
    """When the test began: logs in an account go further back."""
    return stage.clock.now_ms()


@pytest.fixture
def secret(stage, data):
    """The signing key: a SecureString, which CloudFormation cannot make."""
    data.parameter(stage.outputs["SigningKeyName"], SECRET, secure=True)
    return SECRET


@pytest.fixture
def ttl_s(stage):
    """How long the function uses a value before it asks again."""
    configuration = stage.client("lambda").get_function_configuration(FunctionName=stage.ref("GreetingFunction"))
    return float(configuration["Environment"]["Variables"]["CONFIG_TTL_S"])


@pytest.fixture
def greet(stage, secret):
    """Greet amy through the front door; gives the words."""

    def greet():
        return stage.http.get(stage.outputs["GreetingUrl"] + "/amy").json()["greeting"].removesuffix(", amy")

    return greet


@pytest.fixture
def set_text(stage, data):
    """Change the text as an operator would, in SSM."""

    def set_text(text):
        data.parameter(stage.outputs["GreetingTextName"], text)

    return set_text


@pytest.fixture
def just_loaded(stage, greet, set_text):
    """
    A text that the function has loaded this moment, and keeps for a whole span from now on.

    It is this test's own: an environment in an account keeps what another test has set for a while.
    """
    text = f"Hello {uuid.uuid4().hex[:8]}"
    set_text(text)
    stage.wait_until(lambda: greet() == text, within="60s")
    return text


@pytest.fixture
def logs(stage, began_ms):
    """Every line that the function has written since the test began, as text."""

    def logs():
        client = stage.client("logs")
        group = f"/aws/lambda/{stage.ref('GreetingFunction')}"
        try:
            reply = client.filter_log_events(logGroupName=group, startTime=began_ms)
        except client.exceptions.ResourceNotFoundException:  # Lambda makes the group with the first line
            return []
        return [event["message"] for event in reply["events"]]

    return logs


@pytest.fixture
def stale_lines(stage, logs):
    """The `config_stale` lines, parsed; waits until there are some, since an account has them a little later."""

    def found():
        return [json.loads(line) for line in logs() if '"config_stale"' in line]

    def stale_lines(at_least=1):
        stage.wait_until(lambda: len(found()) >= at_least, within="30s")
        return found()

    return stale_lines
