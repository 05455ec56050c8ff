"""What a test hands to a function that it invokes, and what it gets back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from stagefright.errors import UsageError
from stagefright.functions import payloads

FUNCTION_TYPE = "AWS::Lambda::Function"
INVOCABLE_TYPES = (FUNCTION_TYPE, "AWS::Lambda::Alias", "AWS::Lambda::Version")
"""What can be invoked."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """The answer of a synchronous invocation."""

    payload: Any
    """What the function returned, or its error payload, decoded."""
    error: str | None
    """The `errorType` of a failed invocation, or what Lambda calls the failure (`Unhandled`) if it has none; None for one that did not fail."""
    error_message: str | None
    status: int
    request_id: str
    log: str = field(repr=False)
    """The end of the invocation's log."""


def event_bytes(function: str, event: Any) -> bytes:
    """An event as the bytes of its JSON; what JSON cannot say is a `UsageError`."""
    try:
        if isinstance(event, bytes):
            json.loads(event)
            return event
        return json.dumps({} if event is None else event, allow_nan=False).encode()
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"The event for {function} is not JSON: {error}.\nReceived: {event!r}\n"
            "Expected dicts with text keys, lists, texts, numbers, booleans and None; convert dates and decimals first."
        ) from None


def read_invocation(answer: Mapping[str, Any]) -> Invocation:
    """What boto3 answered to `invoke(LogType="Tail")`."""
    import base64

    raw = answer["Payload"].read()
    payload = payloads.readable(raw) if raw else None
    failed = "FunctionError" in answer
    details = payload if failed and isinstance(payload, dict) else {}
    log = base64.b64decode(answer.get("LogResult", "")).decode("utf-8", "replace")
    return Invocation(
        payload=payload,
        error=details.get("errorType", answer["FunctionError"]) if failed else None,
        error_message=details.get("errorMessage"),
        status=answer["StatusCode"],
        request_id=answer["ResponseMetadata"]["RequestId"],
        log=log,
    )
