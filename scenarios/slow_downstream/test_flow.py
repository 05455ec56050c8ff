"""
A checkout with a carrier that is well.

The failure feared: protection that costs something when nothing is wrong. The fault used: none. The verdict expected: all three
ways give the carrier's price, with one call to the carrier each.
"""

from __future__ import annotations

import json

import pytest

WAYS = ("naive", "patient", "guarded")


@pytest.mark.parametrize("way", WAYS)
def test_the_carriers_price_is_given(stage, checkout, asked, way):
    """Two kilograms at 250 Rappen, for one call."""
    response = checkout(way)

    assert response.status_code == 200
    assert response.json() == {"shippingRappen": 500, "source": "carrier"}
    stage.settle()
    assert asked() == 1


def test_the_request_as_api_gateway_sends_it(stage, checkout_event):
    """The function by itself, with a recorded request."""
    result = stage.invoke("GuardedCheckoutFunction", checkout_event)

    assert json.loads(result.payload["body"]) == {"shippingRappen": 500, "source": "carrier"}


def test_a_circuit_that_is_closed_writes_nothing(checkout, circuit):
    """The healthy way reads the circuit's state, and leaves no trace in the table."""
    checkout("guarded")

    assert circuit() is None
