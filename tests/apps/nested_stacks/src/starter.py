import os

import boto3


def handler(event, context):
    boto3.client("sqs").send_message(QueueUrl=os.environ["JOBS"], MessageBody=event["job"])
