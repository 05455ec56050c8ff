import json


def handler(event, context):
    for record in event["Records"]:
        json.loads(record["Sns"]["Message"])
