"""What happens to an order afterwards; each function prints what it got."""

import json

import boto3


def bill(event, context):
    for record in event["Records"]:
        print("bill", record["Sns"]["Message"])


def audit(event, context):
    for record in event["Records"]:
        print("audit", record["eventName"], record["dynamodb"]["Keys"]["id"]["S"])


def ship(event, context):
    for record in event["Records"]:
        entry = {"Source": "shop", "DetailType": "OrderShipped", "Detail": record["body"]}
        boto3.client("events").put_events(Entries=[entry])
    return {"batchItemFailures": []}


def announce(event, context):
    print("announce", json.dumps(event["detail"], sort_keys=True))


def invoice(event, context):
    for record in event["Records"]:
        print("invoice", record["s3"]["object"]["key"])
