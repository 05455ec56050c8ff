import json
import os
import uuid

import boto3


def handler(event, context):
    for record in event["Records"]:
        order = json.loads(record["body"])
        payment = {"id": {"S": str(uuid.uuid4())}, "order": {"S": order["id"]}}
        boto3.client("dynamodb").put_item(TableName=os.environ["PAYMENTS"], Item=payment)
        send_receipt(order)


def send_receipt(order):
    answer = boto3.client("lambda").invoke(FunctionName=os.environ["MAILER"], Payload=json.dumps(order))
    if "FunctionError" in answer:
        raise RuntimeError("the receipt was not sent")
