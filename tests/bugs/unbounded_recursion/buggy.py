import os
import time

import boto3


def handler(event, context):
    for record in event["Records"]:
        stamp(record["dynamodb"]["Keys"])
        time.sleep(1)


def stamp(key):
    boto3.client("dynamodb").update_item(
        TableName=os.environ["ORDERS"],
        Key=key,
        UpdateExpression="SET changed_at = :now",
        ExpressionAttributeValues={":now": {"N": str(time.time())}},
    )
