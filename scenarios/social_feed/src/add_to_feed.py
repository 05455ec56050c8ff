"""
SNS to DynamoDB: put a post into the feeds of a batch of followers.

SNS delivers at least once. The key of an entry is (user, post) and all of the entry comes from the message, so a
second delivery writes what is there already.
"""

from __future__ import annotations

import json
import os
from typing import Any

import boto3
from correlation import correlation, from_sns, log

feed = boto3.resource("dynamodb").Table(os.environ["FEED_TABLE"])


def handler(event: dict[str, Any], context: Any) -> None:
    for record in event["Records"]:
        with correlation(from_sns(record["Sns"]) or context.aws_request_id):
            add_to_feeds(json.loads(record["Sns"]["Message"]))


def add_to_feeds(message: dict[str, Any]) -> None:
    followers = message.pop("followers")
    with feed.batch_writer(overwrite_by_pkeys=["user", "postId"]) as writer:
        for follower in followers:
            writer.put_item(Item={"user": follower, **message})
    log("added_to_feeds", postId=message["postId"], count=len(followers))
