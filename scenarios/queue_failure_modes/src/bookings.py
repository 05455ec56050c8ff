"""An order, as it comes in a queue's message, becomes an item of the bookings table."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from typing import Any

import boto3

bookings = boto3.resource("dynamodb").Table(os.environ["BOOKINGS_TABLE"])


def book(body: str) -> str:
    """The message's body is an EventBridge event; an order of a kind that nobody knows is a KeyError."""
    order = json.loads(body)["detail"]
    booking: dict[str, Any] = {"orderId": order["orderId"], "total": Decimal(order["total"])}
    bookings.put_item(Item=booking)
    return order["orderId"]
