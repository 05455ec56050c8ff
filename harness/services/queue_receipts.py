"""
Receipt handles: what a receiver names a received message with, and how SQS refuses those that it cannot use.
"""

from __future__ import annotations

import base64
import binascii

from stagefright.aws_api.errors import ApiError
from stagefright.services import queue_limits as limits
from stagefright.services.queue_message import Message


class Receipts:
    """The handles of one queue; each names a message and one receive of it, and `key` tells queues apart."""

    def __init__(self, key: str) -> None:
        self._key = key

    def handle(self, message: Message) -> str:
        """The handle of a message's newest receive."""
        raw = f"{self._key}:{message.order}:{message.receive_count}"
        return "AQEB" + base64.b64encode(raw.encode()).decode()

    def parse(self, handle: str) -> tuple[int, int]:
        """The order number and the receive count that a handle stands for; refuses what this queue never gave out."""
        try:
            raw = base64.b64decode(handle.removeprefix("AQEB"), validate=True).decode()
            key, order, receive_count = raw.split(":")
            numbers = int(order), int(receive_count)
        except (binascii.Error, ValueError):
            raise _not_a_handle(handle) from None
        if key != self._key:
            raise _not_a_handle(handle)
        return numbers


def _not_a_handle(handle: str) -> ApiError:
    return ApiError("ReceiptHandleIsInvalid", f'The input receipt handle "{handle}" is not a valid receipt handle.')


def handle_expired(handle: str) -> ApiError:
    """A FIFO queue's refusal of a handle whose receive is over (§3.2)."""
    return ApiError(
        "InvalidParameterValue",
        f"Value {handle} for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.",
    )


def not_available(handle: str) -> ApiError:
    """The refusal to change the visibility of what is gone."""
    return ApiError(
        "InvalidParameterValue",
        f"Value {handle} for parameter ReceiptHandle is invalid. "
        "Reason: Message does not exist or is not available for visibility timeout change.",
    )


def beyond_twelve_hours(seconds: int) -> ApiError:
    """The refusal to hide a message for more than twelve hours from its receive (§3.1)."""
    return ApiError(
        "InvalidParameterValue",
        f"Value {seconds} for parameter VisibilityTimeout is invalid. Reason: Total VisibilityTimeout for the message "
        f"is beyond the limit [{limits.VISIBILITY_S_MAX} seconds].",
    )
