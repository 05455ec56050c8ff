"""
The timeouts fit into each other, and the circuit has a place for its state.

The failure feared: a timeout that somebody raised, so that the customer is gone before the fallback has its turn. The fault used: none. The
verdict expected: from the front door to the carrier, who waits has more time than whom he waits for, unless he gives up by himself.
"""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.wiring

WAYS = ("Naive", "Patient", "Guarded")
API_PATIENCE_S = 30
"""An HTTP API ends a request after that time, whatever the function behind it does."""

CARRIER_PATIENCE_S = 3
"""What `src/carrier.py` waits for a quote at most."""


def test_a_checkout_ends_before_the_api_does(configuration):
    """Then the answer, or the error, is the function's own."""
    assert all(configuration(f"{way}CheckoutFunction")["Timeout"] < API_PATIENCE_S for way in WAYS)


def test_there_is_time_for_the_fallback(configuration):
    """Twice the patience with the carrier: a cold start, the circuit's table and the flat rate have the rest."""
    for way in ("Patient", "Guarded"):
        assert configuration(f"{way}CheckoutFunction")["Timeout"] >= 2 * CARRIER_PATIENCE_S


def test_the_carrier_may_take_longer_than_anybody_waits(configuration):
    """Which is why its callers must not wait for it."""
    assert configuration("QuoteFunction")["Timeout"] > API_PATIENCE_S


def test_each_knows_the_carrier_and_the_circuit(stage, configuration):
    """By names that CloudFormation chose."""
    for way in WAYS:
        variables = configuration(f"{way}CheckoutFunction")["Environment"]["Variables"]
        assert variables["QUOTE_FUNCTION"] == stage.ref("QuoteFunction")
        assert variables["CIRCUITS_TABLE"] == stage.ref("CircuitsTable")


@pytest.mark.needs("HttpApi")
def test_each_way_has_its_own_path(stage):
    """Three routes on one API."""
    routes = stage.client("apigatewayv2").get_routes(ApiId=stage.ref("HttpApi"))["Items"]

    assert {route["RouteKey"] for route in routes} >= {f"POST /{way.lower()}/checkout" for way in WAYS}


@pytest.mark.parametrize("turn", ["first", "second"])
def test_a_circuit_that_a_test_opened_is_closed_after_it(data, circuit, turn):
    """So the second turn finds it as the first did."""
    assert circuit() != "OPEN"

    data.item("CircuitsTable", {"id": "carrier", "state": "OPEN"})

    assert circuit() == "OPEN"
