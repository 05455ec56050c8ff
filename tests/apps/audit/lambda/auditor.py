import os
import boto3
from boto3.dynamodb.types import TypeDeserializer

deserialize = TypeDeserializer().deserialize
table = boto3.resource("dynamodb").Table(os.environ["AUDIT_TABLE"])


def plain(image):
    return {k: deserialize(v) for k, v in (image or {}).items()}


def main(event, context):
    for record in event["Records"]:
        change = record["dynamodb"]
        old, new = plain(change.get("OldImage")), plain(change.get("NewImage"))
        fields = sorted(k for k in {*old, *new} if old.get(k) != new.get(k))
        table.put_item(
            Item={"sequence": change["SequenceNumber"], "id": new["id"], "what": record["eventName"], "fields": fields}
        )
