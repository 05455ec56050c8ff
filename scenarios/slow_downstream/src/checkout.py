"""
POST /checkout: an order, with what its shipping costs.

Three ways to ask the carrier, each of which survives what the one before does not: `naive` waits for as long as it takes, `patient`
asks with a timeout and falls back to the flat rate, and `guarded` stops asking a carrier that does not answer anyway.
"""

from __future__ import annotations

import json
import os
from typing import Any

import boto3
from aws_lambda_powertools.utilities.circuit_breaker import CircuitBreakerConfig, circuit_breaker
from aws_lambda_powertools.utilities.circuit_breaker.persistence import CircuitBreakerDynamoDBPersistence
from carrier import CarrierUnavailable, quote

FLAT_RATE_RAPPEN = 900

circuit = circuit_breaker(
    name="carrier",
    persistence_store=CircuitBreakerDynamoDBPersistence(table_name=os.environ["CIRCUITS_TABLE"]),
    config=CircuitBreakerConfig(
        failure_threshold=3,
        recovery_timeout=30,
        success_threshold=2,
        handled_exceptions=CarrierUnavailable,
        local_cache_max_age=1,
    ),
    on_circuit_open=lambda order, context, circuit: flat_rate(order, f"circuit {circuit.state}".lower()),
    on_transition=lambda move: log("circuit_moved", to=str(move.to_state), at=move.opened_at),
)


def naive(event: dict[str, Any], context: Any) -> dict[str, Any]:
    order = json.loads(event["body"])
    reply = boto3.client("lambda").invoke(FunctionName=os.environ["QUOTE_FUNCTION"], Payload=json.dumps(order))
    return answer({"shippingRappen": json.load(reply["Payload"])["rappen"], "source": "carrier"})


def patient(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return answer(quote_or_flat_rate(json.loads(event["body"]), context))


def guarded(event: dict[str, Any], context: Any) -> dict[str, Any]:
    order = json.loads(event["body"])
    try:
        return answer(quote_behind_the_circuit(order, context))
    except CarrierUnavailable as problem:
        return answer(flat_rate(order, str(problem)))


def quote_or_flat_rate(order: dict[str, Any], context: Any) -> dict[str, Any]:
    try:
        return {"shippingRappen": quote(order, context), "source": "carrier"}
    except CarrierUnavailable as problem:
        return flat_rate(order, str(problem))


@circuit
def quote_behind_the_circuit(order: dict[str, Any], context: Any) -> dict[str, Any]:
    return {"shippingRappen": quote(order, context), "source": "carrier"}


def flat_rate(order: dict[str, Any], reason: str) -> dict[str, Any]:
    log("fallback_used", orderId=order["orderId"], reason=reason)
    return {"shippingRappen": FLAT_RATE_RAPPEN, "source": "flat rate"}


def answer(body: dict[str, Any]) -> dict[str, Any]:
    return {"statusCode": 200, "headers": {"content-type": "application/json"}, "body": json.dumps(body)}


def log(message: str, **fields: Any) -> None:
    print(json.dumps({"message": message, **fields}), flush=True)
