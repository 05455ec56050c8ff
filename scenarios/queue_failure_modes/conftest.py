"""What the tests of the queues share: orders as the shop sends them, and a look at the books."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

EVENTS = Path(__file__).parent / "events"


@pytest.fixture
def order():
    """An OrderPlaced event as EventBridge hands it to a queue, with an order id of its own."""
    event = json.loads((EVENTS / "order_placed.json").read_text())

    def order(order_id):
        return {**event, "detail": {**event["detail"], "orderId": order_id}}

    return order


@pytest.fixture
def poison():
    """The event of another shop, whose orders have no `total`: no function here can book it."""
    return json.loads((EVENTS / "order_placed_by_the_old_shop.json").read_text())


@pytest.fixture
def send(stage):
    """Send events to a queue in one call, so that they come in one batch if the mapping takes batches."""

    def send(queue, *events):
        for start in range(0, len(events), 10):
            entries = [
                {"Id": str(n), "MessageBody": json.dumps(event)} for n, event in enumerate(events[start : start + 10])
            ]
            stage.client("sqs").send_message_batch(QueueUrl=stage.ref(queue), Entries=entries)

    return send


@pytest.fixture
def booked(stage):
    """The ids of the orders in the books."""

    def booked():
        items = stage.client("dynamodb").scan(TableName=stage.ref("BookingsTable"))["Items"]
        return sorted(item["orderId"]["S"] for item in items)

    return booked
