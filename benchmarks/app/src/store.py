"""Write every message of the batch to the table."""

import json
import os

import boto3

table = boto3.client("dynamodb")


def handler(event, context):
    for record in event["Records"]:
        item = json.loads(record["body"])
        table.put_item(TableName=os.environ["TABLE"], Item={"id": {"S": item["id"]}, "note": {"S": item["note"]}})
