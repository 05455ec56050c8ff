import json
import os

import boto3


def handler(event, context):
    order = json.loads(event["body"])
    boto3.resource("dynamodb").Table(os.environ["TABLE"]).put_item(Item=order)
    boto3.client("sns").publish(TopicArn=os.environ["TOPIC"], Message=json.dumps(order))
    return {"statusCode": 201, "body": json.dumps({"id": order["id"]})}
