"""
The guard against endless loops: `call-chain-length`, the number of invocations that led here.

It travels with everything that a function sends (`carriers.py`), is one more at each invocation, and beyond
CALL_CHAIN_LENGTH_MAX the invocation is refused. The idea is that of DAZN's lambda-powertools.

`guarded` counts by event, as DAZN's middleware does. That has a hole: SQS, Kinesis and DynamoDB hand over batches, whose records
come from chains of different lengths, so no length is the event's, and every batch begins a new chain. `counted` closes
it: count by record, and refuse the one record that has come too far.
"""

from __future__ import annotations

import base64
import functools
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

CALL_CHAIN_LENGTH = "call-chain-length"
CONTEXT = "__context__"

_length: ContextVar[int] = ContextVar("call_chain_length")


class CallChainTooLong(Exception):
    """This invocation, or this record, would be one too many in its chain."""


def guarded(handler: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """A handler that refuses an event which has come too far."""

    @functools.wraps(handler)
    def counting(event: Any, context: Any) -> Any:
        with counted(length_of_event(event)):
            return handler(event, context)

    return counting


@contextmanager
def counted(length_so_far: int) -> Iterator[None]:
    """What is sent in this block is one call further than what led here."""
    length, limit = length_so_far + 1, int(os.environ["CALL_CHAIN_LENGTH_MAX"])
    if length > limit:
        raise CallChainTooLong(f"call {length} of a chain that may have {limit}")
    token = _length.set(length)
    try:
        yield
    finally:
        _length.reset(token)


def current_length() -> int:
    """The number of calls up to this one, to be sent along."""
    return _length.get(1)


def length_of_event(event: Mapping[str, Any]) -> int:
    """How many calls led to an event; 0 if it begins a chain, or if it is a batch and there is no telling."""
    if "Records" in event:
        record = event["Records"][0]
        return _of_sns(record["Sns"]) if "Sns" in record else 0
    carrier = event.get("detail", event)
    return int(carrier.get(CONTEXT, {}).get(CALL_CHAIN_LENGTH, 0))


def length_of_record(record: Mapping[str, Any]) -> int:
    """How many calls led to one record of a batch."""
    if "kinesis" in record:
        data = json.loads(base64.b64decode(record["kinesis"]["data"]))
        return int(data.get(CONTEXT, {}).get(CALL_CHAIN_LENGTH, 0))
    if "dynamodb" in record:
        image = record["dynamodb"].get("NewImage", {})
        return int(image.get(CONTEXT, {}).get("M", {}).get(CALL_CHAIN_LENGTH, {}).get("N", 0))
    return int(record["messageAttributes"].get(CALL_CHAIN_LENGTH, {}).get("stringValue", 0))


def _of_sns(notification: Mapping[str, Any]) -> int:
    return int(notification["MessageAttributes"].get(CALL_CHAIN_LENGTH, {}).get("Value", 0))
