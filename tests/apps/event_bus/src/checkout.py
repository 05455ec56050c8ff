import json
import os

import boto3

events = boto3.client("events")


def handler(event, context):
    reply = events.put_events(
        Entries=[
            {
                "EventBusName": os.environ["BUS"],
                "Source": "shop.checkout",
                "DetailType": "OrderPaid",
                "Detail": json.dumps(event),
            }
        ]
    )
    return {"failed": reply["FailedEntryCount"]}
