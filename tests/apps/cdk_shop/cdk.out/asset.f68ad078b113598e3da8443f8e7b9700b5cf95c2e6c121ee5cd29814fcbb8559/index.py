import os

import boto3


def handler(event, context):
    for record in event["Records"]:
        key = record["s3"]["object"]["key"]
        boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE"], MessageBody=key)
