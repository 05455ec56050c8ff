import json
import os

import boto3

client = boto3.client("lambda")


def handler(event, context):
    response = client.invoke(
        FunctionName=os.environ["CHECKOUT"],
        InvocationType=event.pop("type", "RequestResponse"),
        Payload=json.dumps(event),
    )
    if response["StatusCode"] == 202:
        return "accepted"
    return json.load(response["Payload"])
