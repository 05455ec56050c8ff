import os

import boto3


def handler(event, context):
    table = boto3.resource("dynamodb").Table(os.environ["TABLE"])
    for record in event["Records"]:
        if record["body"] == "bad":
            raise ValueError("bad job")
        table.put_item(Item={"id": record["body"]})
