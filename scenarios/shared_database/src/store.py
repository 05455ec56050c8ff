"""Stores the orders of a batch; what cannot be stored goes back to the queue alone."""

import json

from database import transaction


def handler(event, _context):
    failures = []
    for message in event["Records"]:
        try:
            store(json.loads(message["body"]))
        except Exception as error:
            print(json.dumps({"level": "error", "messageId": message["messageId"], "error": str(error)}))
            failures.append({"itemIdentifier": message["messageId"]})
    return {"batchItemFailures": failures}


def store(order):
    """An order that is there already changes nothing: a queue may deliver twice."""
    with transaction() as cursor:
        cursor.execute(
            "INSERT INTO orders (order_id, customer, cents, currency) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            (order["orderId"], order["customer"], order["cents"], order["currency"]),
        )
        if cursor.rowcount:
            cursor.execute(
                "INSERT INTO totals VALUES (%s, %s) ON CONFLICT (customer) DO UPDATE SET cents = totals.cents + excluded.cents",
                (order["customer"], order["cents"]),
            )
