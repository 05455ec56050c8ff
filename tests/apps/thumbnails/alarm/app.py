import base64
import gzip
import json
import os

import boto3

sns = boto3.client("sns")


def handler(event, context):
    batch = json.loads(gzip.decompress(base64.b64decode(event["awslogs"]["data"])))
    for line in batch["logEvents"]:
        sns.publish(TopicArn=os.environ["TOPIC"], Message=line["message"])
