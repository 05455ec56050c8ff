import os
import time

import boto3


def handler(event, context):
    for record in event["Records"]:
        time.sleep(40)
        boto3.client("dynamodb").put_item(TableName=os.environ["SENT"], Item={"id": {"S": record["messageId"]}})
