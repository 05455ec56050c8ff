import json
import os

import boto3

TABLE = boto3.resource("dynamodb").Table(os.environ["TABLE"])


def handler(event, context):
    (record,) = event["Records"]
    entry = json.loads(record["body"])
    TABLE.put_item(Item=entry)
    return {"booked": entry["id"]}
