"""The way to the carrier: one call, with as much patience as the caller has left."""

from __future__ import annotations

import functools
import json
import os
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ConnectTimeoutError, ReadTimeoutError

RESERVE_MS = 1_000
"""Kept free at the end of an invocation, for the fallback and the answer."""

PATIENCE_MAX_MS = 3_000
"""A customer is waiting: even with time left, nobody waits longer than this for a quote."""

CONNECT_TIMEOUT_S = 1


class CarrierUnavailable(Exception):
    """There is no quote now; the carrier, and not the order, is to blame."""


def patience_ms(context: Any) -> int:
    """How long this invocation may wait for the carrier, in whole steps, such that clients can be kept."""
    spare_ms = context.get_remaining_time_in_millis() - RESERVE_MS
    return max(min(spare_ms, PATIENCE_MAX_MS) // 500 * 500, 500)


def quote(order: dict[str, Any], context: Any) -> int:
    """What the carrier asks for, in Rappen."""
    client = _client(patience_ms(context))
    try:
        reply = client.invoke(FunctionName=os.environ["QUOTE_FUNCTION"], Payload=json.dumps(order))
    except (ReadTimeoutError, ConnectTimeoutError, client.exceptions.TooManyRequestsException) as error:
        raise CarrierUnavailable(type(error).__name__) from error
    answer = json.load(reply["Payload"])
    if "FunctionError" in reply:
        raise CarrierUnavailable(answer.get("errorType", reply["FunctionError"]))
    return int(answer["rappen"])


@functools.cache
def _client(timeout_ms: int) -> Any:
    # One attempt: whoever cannot wait for one answer has no time for a second, and the carrier has enough to do.
    config = Config(
        connect_timeout=CONNECT_TIMEOUT_S, read_timeout=timeout_ms / 1000, retries={"total_max_attempts": 1}
    )
    return boto3.client("lambda", config=config)
