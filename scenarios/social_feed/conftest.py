"""What the tests of the social feed share: ways to act on it, and ways to look at it."""

from __future__ import annotations

import json
import uuid

import pytest


class People:
    """Names of users: `who.amy`, `who("amy.b")`."""

    def __init__(self, suffix):
        self._suffix = suffix

    def __call__(self, name):
        return name + self._suffix

    __getattr__ = __call__


@pytest.fixture
def who(stage):
    """
    Users of this test alone.

    A local stage begins anew for each test. One in an account keeps what earlier tests and other runs have left in its feeds.
    """
    return People("" if stage.target == "local" else f"-{uuid.uuid4().hex[:12]}")


@pytest.fixture
def post(who):
    """A post of amy's, as the publish function writes it to the stream."""
    return {
        "type": "yubl-posted",
        "postId": "1700000000000-aaaaaaaaaaaa",
        "author": who.amy,
        "text": "hello",
        "postedAt": "2023-11-14T22:13:20.000+00:00",
    }


@pytest.fixture
def follow(data):
    """Let users follow a user: `follow("amy", "bob", "carl")` gives amy two followers."""

    def follow(user, *followers):
        for follower in followers:
            data.item("FollowersTable", {"user": user, "follower": follower})

    return follow


@pytest.fixture
def publish(stage):
    """Publish a post through the front door; keyword arguments are headers."""

    def publish(author, text, **headers):
        return stage.http.post(stage.outputs["PostsUrl"], json={"author": author, "text": text}, headers=headers)

    return publish


@pytest.fixture
def put_records(stage):
    """Write records straight to the stream, in one call and with one key; a mapping becomes JSON. Gives their numbers."""

    def put_records(*records):
        reply = stage.client("kinesis").put_records(
            StreamName=stage.ref("PostStream"),
            Records=[
                {"Data": record if isinstance(record, bytes) else json.dumps(record).encode(), "PartitionKey": "amy"}
                for record in records
            ],
        )
        return [record["SequenceNumber"] for record in reply["Records"]]

    return put_records


@pytest.fixture
def put_post(put_records, post):
    """Write a post of amy's to the stream: `put_post(text="hello")`. Gives its number there."""

    def put_post(**changes):
        return put_records({**post, **changes})[0]

    return put_post


@pytest.fixture
def feed(stage):
    """The texts in a user's feed, oldest first."""

    def feed(user):
        reply = stage.client("dynamodb").query(
            TableName=stage.ref("FeedTable"),
            KeyConditionExpression="#user = :user",
            ExpressionAttributeNames={"#user": "user"},
            ExpressionAttributeValues={":user": {"S": user}},
        )
        return [item["text"]["S"] for item in reply["Items"]]

    return feed


@pytest.fixture
def logs(stage):
    """The structured lines that a function has written since the test began, optionally those with one message only."""

    began = stage.clock.now_ms()

    def logs(function, message=None):
        client = stage.client("logs")
        try:
            reply = client.filter_log_events(
                logGroupName=f"/aws/lambda/{stage.ref(function)}",
                startTime=began,
                filterPattern='"x-correlation-id"',
            )
        except client.exceptions.ResourceNotFoundException:  # Lambda makes the group with the first line
            return []
        lines = [json.loads(event["message"]) for event in reply["events"]]
        return [line for line in lines if message in (None, line["message"])]

    return logs
