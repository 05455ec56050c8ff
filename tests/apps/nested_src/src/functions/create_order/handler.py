import json
import os

import boto3
from validation import validated

table = boto3.resource("dynamodb").Table(os.environ["TABLE"])


def create(event, context):
    order = validated(json.loads(event["body"]))
    table.put_item(Item=order)
    return {"statusCode": 201, "body": json.dumps({"id": order["id"]})}
