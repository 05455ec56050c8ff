import os
from functools import lru_cache
import boto3


@lru_cache
def table():
    return boto3.resource("dynamodb").Table(os.environ["COUNTS"])


def add(page, key):
    table().update_item(Key={"page": page}, UpdateExpression="ADD clicks :1", ExpressionAttributeValues={":1": 1})
