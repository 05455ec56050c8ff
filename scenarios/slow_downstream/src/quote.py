"""The carrier's quotes: what it costs to ship an order. It stands for any service that one does not run oneself."""

from __future__ import annotations

from typing import Any

RAPPEN_PER_KG = 250


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    return {"rappen": RAPPEN_PER_KG * event["weightKg"]}
