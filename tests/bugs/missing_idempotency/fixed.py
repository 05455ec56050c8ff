import json
import os

import boto3
from buggy import send_receipt


def handler(event, context):
    for record in event["Records"]:
        order = json.loads(record["body"])
        charge_once(order)
        send_receipt(order)


def charge_once(order):
    dynamodb = boto3.client("dynamodb")
    try:
        dynamodb.put_item(
            TableName=os.environ["PAYMENTS"],
            Item={"id": {"S": order["id"]}},
            ConditionExpression="attribute_not_exists(id)",
        )
    except dynamodb.exceptions.ConditionalCheckFailedException:
        print(f"{order['id']} is paid already")
