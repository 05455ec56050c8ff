import os
from decimal import Decimal

import boto3
from boto3.dynamodb.types import TypeDeserializer

totals = boto3.resource("dynamodb").Table(os.environ["TOTALS"])
deserialize = TypeDeserializer().deserialize


def handler(event, context):
    for record in event["Records"]:
        change = record["dynamodb"]
        before, after = (amount(change.get(image)) for image in ("OldImage", "NewImage"))
        totals.update_item(
            Key={"customer": deserialize(change["Keys"]["customer"])},
            UpdateExpression="ADD amount :change",
            ExpressionAttributeValues={":change": after - before},
        )


def amount(image):
    return deserialize(image["amount"]) if image else Decimal(0)
