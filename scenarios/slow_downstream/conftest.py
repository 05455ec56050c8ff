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

    return checkout


@pytest.fixture(autouse=True)
def healthy(request, stage, checkout):
    """
    A deployed stage begins as a local one: the circuit is closed, and the carrier answers.

    What an earlier test left is in the table, in the cache of a warm environment for a second, and in its count of failures, which a good
    answer ends. A carrier that is still busy with what another test asked of it comes round, too.
    """
    is_wiring = request.node.get_closest_marker("wiring") is not None
    if stage.is_deployed and not is_wiring:
        stage.wait_until(lambda: _answers_well(stage, checkout), within="90s")


def _answers_well(stage, checkout):
    key = {"id": {"S": "carrier"}}
    client, table = stage.client("dynamodb"), stage.ref("CircuitsTable")
    if "Attributes" in client.delete_item(TableName=table, Key=key, ReturnValues="ALL_OLD"):
        time.sleep(1.1)
    return checkout("guarded").json()["source"] == "carrier"


@pytest.fixture
def asked(stage, journal, healthy):
    """How often the carrier was asked in this test, as far as the journal knows."""
    before = stage.settle().attempts("QuoteFunction").count
    return lambda: len(journal.of_kind("invocation", resource="QuoteFunction")) - before


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
