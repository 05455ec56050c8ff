"""What AWS writes of the requests that ended and the events that it gave up: on dead-letter queues, and in records for destinations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stagefright.event import parsed
from stagefright.journal import Record
from stagefright.targets.evidence.envelopes import attribute_text

SUCCESS = "Success"
"""The condition of a request that went well; any other is why it was given up."""


def request_ended(event: Record) -> str | None:
    """The id of the request whose end an event tells of."""
    attributes = event.detail.get("attributes")
    if isinstance(attributes, Mapping) and "ErrorCode" in attributes:
        return attribute_text(attributes.get("RequestID"))
    context = _context(event)
    return None if context is None else attribute_text(context.get("requestId"))


def condition_of(event: Record) -> str:
    """Why it was sent; a dead-letter queue is not told, and gets what was tried as often as may be."""
    return str((_context(event) or {}).get("condition", "RetriesExhausted"))


def undelivered(event: Record) -> str | None:
    """Why EventBridge could not deliver the event that a dead-letter queue holds; None if it is none of these."""
    attributes = event.detail.get("attributes")
    if isinstance(attributes, Mapping) and "RULE_ARN" in attributes and "ERROR_CODE" in attributes:
        return attribute_text(attributes["ERROR_CODE"])
    return None


def _context(event: Record) -> Mapping[str, Any] | None:
    """The part of Lambda's record that says whose request it was (aws-semantics §2.3, §4.5)."""
    payload = next((event.detail[part] for part in ("body", "message", "detail") if part in event.detail), None)
    found = parsed(payload)
    context = found.get("requestContext") if isinstance(found, Mapping) else None
    return context if isinstance(context, Mapping) and "condition" in context else None
