import os

import boto3


def handler(event, context):
    for record in event["Records"]:
        if write(record["body"]):
            announce(record["body"])


def write(order):
    """Whether the order is new."""
    dynamodb = boto3.client("dynamodb")
    item = {"id": {"S": order}}
    try:
        dynamodb.put_item(TableName=os.environ["ORDERS"], Item=item, ConditionExpression="attribute_not_exists(id)")
    except dynamodb.exceptions.ConditionalCheckFailedException:
        return False
    return True


def announce(order):
    if "FunctionError" in boto3.client("lambda").invoke(FunctionName=os.environ["GATE"]):
        raise RuntimeError("it cannot be announced just now")
    boto3.client("sns").publish(TopicArn=os.environ["PLACED"], Message=order)
