import os
import boto3
from boto3.dynamodb.conditions import Attr

client = boto3.resource("dynamodb")


def handler(event, context):
    word = event["pathParameters"]["proxy"]
    limit = int((event.get("queryStringParameters") or {}).get("limit", 10))
    found = client.Table(os.environ["BOOKS_TABLE"]).scan(FilterExpression=Attr("title").contains(word))["Items"]
    # HTTP APIs turn a plain return value into a 200 response
    return {
        "count": len(found),
        "isbns": sorted(b["isbn"] for b in found)[:limit],
        "method": event["requestContext"]["http"]["method"],
    }
