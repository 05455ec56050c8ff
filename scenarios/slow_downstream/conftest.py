"""What the tests of the checkout share: an order, ways to check it out, and a look at the circuit."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

EVENTS = Path(__file__).parent / "events"


@pytest.fixture
def order():
    """An order of two kilograms, for which the carrier asks 500 Rappen."""
    return json.loads((EVENTS / "order.json").read_text())


@pytest.fixture
def checkout_event():
    """A request as API Gateway hands it to a function."""
    return json.loads((EVENTS / "checkout.json").read_text())


@pytest.fixture
def checkout(stage, order):
    """Check the order out, in one of the three ways; gives the response."""

    def checkout(way):
        return stage.http.post(f"/{way}/checkout", json=order)

    if stage.is_deployed:
        _close(stage, checkout)
    return checkout


def _close(stage, checkout):
    """
    Let the circuit begin as on a local stage: closed, with nothing held against the carrier.

    What an earlier test has left is in the table, in the cache of a warm environment for a second, and in its count of failures, which a
    good answer ends.
    """
    table, key = stage.ref("CircuitsTable"), {"id": {"S": "carrier"}}
    deleted = stage.client("dynamodb").delete_item(TableName=table, Key=key, ReturnValues="ALL_OLD")
    if "Attributes" in deleted:
        time.sleep(1.1)
    assert checkout("guarded").json()["source"] == "carrier"


@pytest.fixture
def circuit(stage):
    """The state of the circuit as the table has it: CLOSED, OPEN, HALF_OPEN, or None before its first move."""

    def circuit():
        reply = stage.client("dynamodb").get_item(TableName=stage.ref("CircuitsTable"), Key={"id": {"S": "carrier"}})
        return reply["Item"]["state"]["S"] if "Item" in reply else None

    return circuit


@pytest.fixture
def moves(stage):
    """Where the circuit went, in order, from the log of the guarded checkout."""

    def moves():
        group = f"/aws/lambda/{stage.ref('GuardedCheckoutFunction')}"
        events = stage.client("logs").filter_log_events(logGroupName=group)["events"]
        lines = [json.loads(event["message"]) for event in events if '"circuit_moved"' in event["message"]]
        return [line["to"] for line in lines]

    return moves
