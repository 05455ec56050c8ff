import base64, json, os
import boto3
from clicks import store  # absolute import of our own package


def count(event, context):
    clicks = [json.loads(base64.b64decode(r["kinesis"]["data"])) for r in event["Records"]]
    for click in clicks:
        store.add(click["page"], event["Records"][0]["kinesis"]["partitionKey"])
