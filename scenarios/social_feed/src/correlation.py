"""
The id that ties the hops of one request together, and the structured log that shows it.

The id travels as an HTTP header, inside `__context` of a Kinesis record's data, and as an SNS message attribute.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

CORRELATION_ID = "x-correlation-id"
CONTEXT = "__context"

_current: ContextVar[str] = ContextVar("correlation_id")


@contextmanager
def correlation(correlation_id: str) -> Iterator[str]:
    """Everything logged and sent in this block carries the id."""
    token = _current.set(correlation_id)
    try:
        yield correlation_id
    finally:
        _current.reset(token)


def log(message: str, **fields: Any) -> None:
    """Write one line of JSON, with the correlation id."""
    print(json.dumps({"message": message, CORRELATION_ID: _current.get(None), **fields}), flush=True)


def http_headers() -> dict[str, str]:
    """The current id, for an HTTP request or response."""
    return {CORRELATION_ID: _current.get()}


def kinesis_data(event: Mapping[str, Any]) -> bytes:
    """The event with the current id, as the data of a Kinesis record."""
    return json.dumps({**event, CONTEXT: http_headers()}).encode()


def sns_attributes(**more: str) -> dict[str, dict[str, str]]:
    """The current id, and more, as SNS message attributes."""
    return {name: {"DataType": "String", "StringValue": value} for name, value in {**http_headers(), **more}.items()}


def from_http(event: Mapping[str, Any]) -> str | None:
    """The id that came with an HTTP API request (payload 2.0 gives header names in lower case)."""
    return event.get("headers", {}).get(CORRELATION_ID)


def from_kinesis(event: Mapping[str, Any]) -> str | None:
    """The id inside the decoded data of a Kinesis record."""
    return event.get(CONTEXT, {}).get(CORRELATION_ID)


def from_sns(notification: Mapping[str, Any]) -> str | None:
    """The id that came with an SNS notification, as Lambda sees it."""
    return notification.get("MessageAttributes", {}).get(CORRELATION_ID, {}).get("Value")
