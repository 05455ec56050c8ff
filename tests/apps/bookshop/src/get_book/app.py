import os

import boto3

from bookshop_shared.responses import ok, not_found

# the same module name as in create_book, and a helper of the same name below
import validation

table = boto3.resource("dynamodb").Table(os.environ["BOOKS_TABLE"])


def lambda_handler(event, context):
    isbn = event["pathParameters"]["isbn"]
    if not validation.is_isbn(isbn):
        return not_found(f"{isbn} is no ISBN")
    item = table.get_item(Key={"isbn": isbn}).get("Item")
    if item is None:
        return not_found(isbn)
    return ok(item)
