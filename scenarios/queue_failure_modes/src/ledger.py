"""The ledger: slow, and with room for two. It stands for any downstream that cannot scale, such as a database."""

from __future__ import annotations

import time
from typing import Any

from bookings import book

BOOKING_S = 4


def handler(event: str, context: Any) -> str:
    time.sleep(BOOKING_S)
    return book(event)
