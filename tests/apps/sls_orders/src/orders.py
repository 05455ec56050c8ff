"""Taking orders over HTTP."""

import json
import os

import boto3


def place(event, context):
    table = boto3.resource("dynamodb").Table(os.environ["TABLE"])
    if event["routeKey"] == "POST /orders":
        order = json.loads(event["body"])
        table.put_item(Item=order)
        boto3.client("sns").publish(TopicArn=os.environ["TOPIC"], Message=json.dumps(order))
        return {"statusCode": 201, "body": json.dumps({"id": order["id"]})}
    found = table.get_item(Key={"id": event["pathParameters"]["id"]}).get("Item")
    return {"statusCode": 200, "body": json.dumps(found)} if found else {"statusCode": 404}
