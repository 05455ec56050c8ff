"""All or nothing: an exception gives the whole batch back to the queue, the messages that were booked included."""

from __future__ import annotations

from typing import Any

from bookings import book


def handler(event: dict[str, Any], context: Any) -> None:
    for record in event["Records"]:
        book(record["body"])
