"""GET /followers/{user}: who follows a user."""

from __future__ import annotations

import json
import os
from typing import Any

import boto3
from correlation import correlation, from_http, http_headers, log

dynamodb = boto3.client("dynamodb")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    with correlation(from_http(event) or context.aws_request_id):
        user = event["pathParameters"]["user"]
        followers = followers_of(user)
        log("followers_read", user=user, count=len(followers))
        return {
            "statusCode": 200,
            "headers": {"content-type": "application/json", **http_headers()},
            "body": json.dumps({"user": user, "followers": followers}),
        }


def followers_of(user: str) -> list[str]:
    pages = dynamodb.get_paginator("query").paginate(
        TableName=os.environ["FOLLOWERS_TABLE"],
        KeyConditionExpression="#user = :user",
        ProjectionExpression="follower",
        ExpressionAttributeNames={"#user": "user"},
        ExpressionAttributeValues={":user": {"S": user}},
    )
    return [item["follower"]["S"] for page in pages for item in page["Items"]]
