import json
import os

import boto3

cache = {}


def handler(event, context):
    if "rates" not in cache:
        cache["rates"] = fetch()
    return {"price": event["amount"] * cache["rates"]["EUR"]}


def fetch():
    answer = boto3.client("lambda").invoke(FunctionName=os.environ["RATES"])
    return json.load(answer["Payload"])
