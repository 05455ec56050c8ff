"""Buckets with notifications: the systems of the delivery tests, with a bucket and whoever is told of it."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

_PATH = Path(__file__).parents[1] / "delivery" / "conftest.py"
_spec = importlib.util.spec_from_file_location("delivery_conftest", _PATH)
_delivery = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_delivery)

ALL = [
    "s3:ObjectCreated:*",
    "s3:ObjectRemoved:*",
    "s3:ObjectTagging:*",
    "s3:ObjectAcl:Put",
    "s3:ObjectRestore:*",
]


class BucketSystem(_delivery.System):
    """A stage with a bucket called `Uploads`."""

    NAME = "uploads"

    def bucket(self, versioned=False, **notifications):
        """The bucket, with a template's notification configuration."""
        properties = {"BucketName": self.NAME}
        if versioned:
            properties["VersioningConfiguration"] = {"Status": "Enabled"}
        if notifications:
            properties["NotificationConfiguration"] = notifications
        return {**self.resource("S3::Bucket", **properties), "DependsOn": ["Allowed"] if notifications else []}

    def permission(self, function="Worker", **properties):
        given = {"Action": "lambda:InvokeFunction", "Principal": "s3.amazonaws.com", **properties}
        return self.resource("Lambda::Permission", FunctionName=self.ref(function), **given)

    def up_with_queue(self, versioned=False, **resources):
        """A stage whose queue `Inbox` is told of everything."""
        entries = [{"Event": event, "Queue": self.att("Inbox")} for event in ALL]
        self.up(
            Worker=self.function(),
            Inbox=self.queue(),
            Allowed=self.permission(),
            Uploads=self.bucket(versioned, QueueConfigurations=entries),
            **resources,
        )
        return self.client("s3")

    def up_with_function(self, code=_delivery.ECHO, event="s3:ObjectCreated:*", filters=(), **resources):
        """A stage whose function `Worker` is told of an event."""
        entry = {"Event": event, "Function": self.att("Worker")}
        if filters:
            entry["Filter"] = {"S3Key": {"Rules": [{"Name": name, "Value": value} for name, value in filters]}}
        self.up(
            Worker=self.function(code),
            Allowed=self.permission(SourceArn=f"arn:aws:s3:::{self.NAME}"),
            Uploads=self.bucket(LambdaConfigurations=[entry]),
            **resources,
        )
        return self.client("s3")

    def configure(self, **configuration):
        """Put a configuration by API."""
        more = {"SkipDestinationValidation": configuration.pop("skip")} if "skip" in configuration else {}
        self.client("s3").put_bucket_notification_configuration(
            Bucket=self.NAME, NotificationConfiguration=configuration, **more
        )

    def told(self, queue="Inbox"):
        """The records that a queue has been sent."""
        return [body["Records"][0] for body in self.bodies(queue)]

    def names(self, queue="Inbox"):
        return [record["eventName"] for record in self.told(queue)]


@pytest.fixture
def system(tmp_path):
    """A system that is closed after the test."""
    made = BucketSystem(tmp_path)
    yield made
    made.close()


@pytest.fixture
def refused():
    """Calls, and returns the error of the refusal."""
    from botocore.exceptions import ClientError

    def call(function, *args, **kwargs):
        with pytest.raises(ClientError) as caught:
            function(*args, **kwargs)
        return caught.value.response

    return call


@pytest.fixture
def as_text():
    return json.dumps
