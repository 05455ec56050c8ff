import os
import time

import boto3


def handler(event, context):
    for _ in range(10):
        if book():
            return
        time.sleep(0.1)
    raise RuntimeError("the ledger is down")


def book():
    return "FunctionError" not in boto3.client("lambda").invoke(FunctionName=os.environ["LEDGER"])
