"""Kinesis to SNS: hand every post to the followers of its author, batch by batch."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from typing import Any

import boto3
from correlation import correlation, from_kinesis, log, sns_attributes
from followers import followers_of

# Kept free at the end of an invocation, for the fallback and for publishing.
RESERVE_MS = 2_000
# What a call gets when the time is as good as over: enough for an API that is well.
WAIT_MIN_MS = 100
# What a feed shows of a post.
POST_FIELDS = ("postId", "author", "text", "postedAt")

sns = boto3.client("sns")


def handler(event: dict[str, Any], context: Any) -> None:
    """An exception makes Lambda halve the batch and retry, so one bad record ends up alone. A repeat does no harm."""
    records = event["Records"]
    for done, record in enumerate(records):
        post = decoded(record)
        with correlation(from_kinesis(post) or record["eventID"]):
            if post["type"] == "yubl-posted":
                distribute(post, timeout_s=share_of_time_s(context, records_left=len(records) - done))
            else:
                log("event_ignored", type=post["type"])


def decoded(record: dict[str, Any]) -> dict[str, Any]:
    try:
        return json.loads(base64.b64decode(record["kinesis"]["data"]))
    except ValueError:
        with correlation(record["eventID"]):
            log("record_unreadable", sequenceNumber=record["kinesis"]["sequenceNumber"])
        raise


def share_of_time_s(context: Any, *, records_left: int) -> float:
    """How long one record may wait for the relationship API, such that all records left end before the timeout."""
    spare_ms = context.get_remaining_time_in_millis() - RESERVE_MS
    return max(spare_ms / records_left, WAIT_MIN_MS) / 1000


def distribute(post: dict[str, Any], *, timeout_s: float) -> None:
    followers = followers_of(post["author"], timeout_s=timeout_s)
    for batch in batches(followers.names, int(os.environ["BATCH_SIZE"])):
        sns.publish(
            TopicArn=os.environ["FEED_TOPIC"],
            Message=json.dumps({name: post[name] for name in POST_FIELDS} | {"followers": batch}),
            MessageAttributes=sns_attributes(fallback="true" if followers.fallback else "false"),
        )
    log("post_distributed", postId=post["postId"], followers=len(followers.names), fallback=followers.fallback)


def batches(names: list[str], size: int) -> Iterator[list[str]]:
    """
    >>> list(batches(["a", "b", "c"], 2))
    [['a', 'b'], ['c']]
    """
    for start in range(0, len(names), size):
        yield names[start : start + size]
