import os

import boto3

table = boto3.resource("dynamodb").Table(os.environ["TABLE"])


def get(event, context):
    item = table.get_item(Key={"id": event["pathParameters"]["id"]}).get("Item")
    if item is None:
        return {"statusCode": 404}
    return {"id": item["id"], "amount": int(item["amount"])}
