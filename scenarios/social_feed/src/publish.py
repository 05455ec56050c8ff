"""POST /posts: take a post and write it to the stream."""

from __future__ import annotations

import base64
import json
import os
import re
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import boto3
from correlation import correlation, from_http, http_headers, kinesis_data, log

TEXT_MAX = 2_000
# A name becomes a part of a path, so a slash or a leading dot would lead elsewhere.
USER_NAME = re.compile(r"\w[\w.-]{0,63}")

kinesis = boto3.client("kinesis")


class InvalidPost(ValueError):
    """The request's body is not a post."""


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    with correlation(from_http(event) or context.aws_request_id):
        try:
            post = post_from(event)
        except InvalidPost as problem:
            log("post_refused", reason=str(problem))
            return reply(400, {"error": str(problem)})
        # The author is the key: posts of one author share a shard, so they stay in order.
        kinesis.put_record(StreamName=os.environ["POST_STREAM"], PartitionKey=post["author"], Data=kinesis_data(post))
        log("post_accepted", author=post["author"], postId=post["postId"])
        return reply(202, {"postId": post["postId"]})


def post_from(event: dict[str, Any]) -> dict[str, str]:
    """The `yubl-posted` event that the request asks for."""
    fields = parsed_body(event)
    author, text = fields.get("author"), fields.get("text")
    if not isinstance(author, str) or not USER_NAME.fullmatch(author):
        raise InvalidPost("'author' must be a user name: up to 64 letters, digits, '_', '-' and '.'")
    if not isinstance(text, str) or not text.strip():
        raise InvalidPost("'text' must be a text that is not empty")
    if len(text) > TEXT_MAX:
        raise InvalidPost(f"'text' is longer than {TEXT_MAX} characters")
    return {
        "type": "yubl-posted",
        "postId": new_post_id(),
        "author": author,
        "text": text,
        "postedAt": datetime.now(UTC).isoformat(timespec="milliseconds"),
    }


def parsed_body(event: dict[str, Any]) -> dict[str, Any]:
    body = event.get("body") or ""
    try:
        parsed = json.loads(base64.b64decode(body) if event.get("isBase64Encoded") else body)
    except ValueError:
        raise InvalidPost("the body must be JSON") from None
    if not isinstance(parsed, dict):
        raise InvalidPost("the body must be a JSON object")
    return parsed


def new_post_id() -> str:
    """An id that sorts by time, so that a feed read by its key is in order."""
    return f"{int(time.time() * 1000):013d}-{uuid.uuid4().hex[:12]}"


def reply(status: int, body: dict[str, Any]) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json", **http_headers()},
        "body": json.dumps(body),
    }
