"""moto's event buses: its control plane creates, changes and lists them, and we read them at every event."""

from __future__ import annotations

from typing import Any


def backend_of(account: str, region: str) -> Any:
    """moto's EventBridge of an account in a region; raises `KeyError` if there is no such region."""
    from moto.events.models import events_backends

    return events_backends[account][region]


def bus_of(arn: str) -> Any:
    """moto's event bus, or None."""
    parts = arn.split(":", 5)
    if len(parts) < 6:
        return None
    try:
        return backend_of(parts[4], parts[3]).event_buses.get(parts[5].removeprefix("event-bus/"))
    except KeyError:
        return None
