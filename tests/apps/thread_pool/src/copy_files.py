import os
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

import boto3

s3 = boto3.client("s3")
dynamodb = boto3.client("dynamodb")
bucket, index = os.environ["BUCKET"], os.environ["INDEX"]


def copy(key):
    body = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    time.sleep(1)
    s3.put_object(Bucket=bucket, Key=f"copy/{key}", Body=body)
    dynamodb.put_item(TableName=index, Item={"id": {"S": key}, "size": {"N": str(len(body))}})
    return key


def handler(event, context):
    started = time.time()
    with ThreadPoolExecutor(max_workers=5) as pool:
        done = {pool.submit(copy, key): key for key in event["keys"]}
        failures = {
            done[future]: type(future.exception()).__name__ for future in as_completed(done) if future.exception()
        }
    return {"failures": failures, "seconds": round(time.time() - started)}
