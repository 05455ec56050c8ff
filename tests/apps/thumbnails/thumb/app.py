import logging
import os
from urllib.parse import unquote_plus

import boto3

log = logging.getLogger()
log.setLevel("INFO")
s3 = boto3.client("s3")


def handler(event, context):
    for record in event["Records"]:
        bucket, key = record["s3"]["bucket"]["name"], unquote_plus(record["s3"]["object"]["key"])
        picture = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        if not picture.startswith(b"JPG"):
            log.error("%s is no picture", key)
            raise ValueError(key)
        s3.put_object(Bucket=os.environ["TARGET"], Key=f"small/{key}", Body=picture[:10])
