"""Answers what a customer has ordered so far."""

import json

from database import transaction


def handler(event, _context):
    customer = event["pathParameters"]["customer"]
    with transaction() as cursor:
        cursor.execute("SELECT cents FROM totals WHERE customer = %s", (customer,))
        row = cursor.fetchone()
    if row is None:
        return {"statusCode": 404, "body": json.dumps({"message": f"no orders of {customer}"})}
    return {"statusCode": 200, "body": json.dumps({"customer": customer, "cents": row[0]})}
