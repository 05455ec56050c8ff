import json
import logging
import os

import boto3

import validation
from bookshop_shared.responses import created, bad_request

logger = logging.getLogger()
logger.setLevel(os.environ.get("LOG_LEVEL", "INFO"))

dynamodb = boto3.resource("dynamodb")
table = dynamodb.Table(os.environ["BOOKS_TABLE"])


def lambda_handler(event, context):
    book = json.loads(event["body"])
    problems = validation.check(book)
    if problems:
        return bad_request(problems)
    book.setdefault("currency", os.environ["DEFAULT_CURRENCY"])
    logger.debug("storing %s", book["isbn"])
    table.put_item(Item=book)
    return created(book)
