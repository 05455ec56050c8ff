"""What the tests of the parameter store share: a signing key, ways to greet, to look at the logs, and to break SSM."""

from __future__ import annotations

import json
import time

import pytest
from botocore.client import BaseClient
from botocore.exceptions import ClientError, ReadTimeoutError

SECRET = "correct-horse-battery-staple"


@pytest.fixture
def secret(stage, data):
    """The signing key: a SecureString, which CloudFormation cannot make."""
    data.parameter(stage.outputs["SigningKeyName"], SECRET, secure=True)
    return SECRET


@pytest.fixture
def greet(stage, secret):
    """Greet amy through the front door."""

    def greet():
        return stage.http.get(stage.outputs["GreetingUrl"] + "/amy").json()["greeting"]

    return greet


@pytest.fixture
def set_text(stage, data):
    """Change the text as an operator would, in SSM."""

    def set_text(text):
        data.parameter(stage.outputs["GreetingTextName"], text)

    return set_text


@pytest.fixture
def logs(stage):
    """Every line that the function wrote, as text."""

    def logs():
        reply = stage.client("logs").filter_log_events(logGroupName=f"/aws/lambda/{stage.ref('GreetingFunction')}")
        return [event["message"] for event in reply["events"]]

    return logs


@pytest.fixture
def stale_lines(logs):
    """The `config_stale` lines, parsed."""

    def stale_lines():
        return [json.loads(line) for line in logs() if '"config_stale"' in line]

    return stale_lines


class BrokenSsm:
    """SSM as its client sees it on a bad day. It fails the SDK call, which is shared by test and functions."""

    def __init__(self, monkeypatch):
        self._monkeypatch = monkeypatch
        self._call = BaseClient._make_api_call

    def down(self):
        """SSM refuses."""
        self._break(
            lambda _: ClientError({"Error": {"Code": "InternalServerError", "Message": "down"}}, "GetParameters")
        )

    def slow(self):
        """SSM answers later than the client waits."""
        self._break(self._time_out)

    def heal(self):
        """SSM answers again."""
        self._monkeypatch.setattr(BaseClient, "_make_api_call", self._call)

    def _time_out(self, client):
        time.sleep(client.meta.config.read_timeout * client.meta.config.retries["total_max_attempts"])
        return ReadTimeoutError(endpoint_url=client.meta.endpoint_url)

    def _break(self, error):
        def call(client, operation, parameters):
            if operation == "GetParameters":
                raise error(client)
            return self._call(client, operation, parameters)

        self._monkeypatch.setattr(BaseClient, "_make_api_call", call)


@pytest.fixture
def ssm(monkeypatch):
    """SSM, to be broken and healed."""
    return BrokenSsm(monkeypatch)
