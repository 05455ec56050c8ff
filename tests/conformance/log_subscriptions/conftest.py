"""Log groups with subscribers: the systems of the delivery tests, with a log group and whoever is told of its lines."""

from __future__ import annotations

import base64
import gzip
import importlib.util
import json
from pathlib import Path

import pytest

_PATH = Path(__file__).parents[1] / "delivery" / "conftest.py"
_spec = importlib.util.spec_from_file_location("delivery_conftest", _PATH)
_delivery = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_delivery)


class LogSystem(_delivery.System):
    """A stage with a log group called `/app`, and a function `Alarm` that is told of it."""

    GROUP = "/app"

    def group(self, name=GROUP):
        return self.resource("Logs::LogGroup", LogGroupName=name)

    def permission(self, function="Alarm", principal="logs.amazonaws.com", **properties):
        given = {"Action": "lambda:InvokeFunction", "Principal": principal, **properties}
        return self.resource("Lambda::Permission", FunctionName=self.ref(function), **given)

    def subscription(self, pattern="", group="Group", destination=None, after="Allowed", **properties):
        made = self.resource(
            "Logs::SubscriptionFilter",
            LogGroupName=self.ref(group),
            FilterPattern=pattern,
            DestinationArn=destination or self.att("Alarm"),
            **properties,
        )
        return {**made, "DependsOn": [after]} if after else made

    def up_subscribed(self, pattern="", code=_delivery.ECHO, **resources):
        """A stage in which `Alarm` is subscribed to `/app`."""
        given = {
            "Alarm": self.function(code),
            "Allowed": self.permission(),
            "Group": self.group(),
            "Filter": self.subscription(pattern, FilterName="errors"),
        }
        self.up(**{**given, **resources})
        return self.client("logs")

    def log(self, *messages, stream="s1", group=GROUP):
        """Write log events as an application does."""
        logs = self.client("logs")
        known = logs.describe_log_streams(logGroupName=group)["logStreams"]
        if stream not in [one["logStreamName"] for one in known]:
            logs.create_log_stream(logGroupName=group, logStreamName=stream)
        now = self.stage.clock.now_ms()
        events = [{"timestamp": now, "message": message} for message in messages]
        logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)

    def told(self, function="Alarm"):
        """What a function was told, unpacked."""
        return [unpacked(event["awslogs"]["data"]) for event in self.events(function)]

    def messages_told(self, function="Alarm"):
        return [[event["message"] for event in batch["logEvents"]] for batch in self.told(function)]


def unpacked(data):
    return json.loads(gzip.decompress(base64.b64decode(data)))


@pytest.fixture
def system(tmp_path):
    """A system that is closed after the test."""
    made = LogSystem(tmp_path)
    yield made
    made.close()


@pytest.fixture
def refused():
    """Calls, and returns the error of the refusal."""
    from botocore.exceptions import ClientError

    def call(function, *args, **kwargs):
        with pytest.raises(ClientError) as caught:
            function(*args, **kwargs)
        return caught.value.response["Error"]

    return call
