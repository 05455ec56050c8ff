"""Instants as EventBridge takes and writes them: given as a number, a text or a `datetime`, written in UTC with whole seconds."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


def instant(when: Any) -> float:
    """
    Epoch seconds.

    >>> instant("2026-01-01T00:00:00Z") == instant(1767225600) == instant(datetime(2026, 1, 1))
    True
    """
    if isinstance(when, str):
        when = datetime.fromisoformat(when)
    if not isinstance(when, datetime):
        return float(when)
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()


def moment(when: Any) -> datetime:
    """As boto3 gives an instant."""
    return datetime.fromtimestamp(instant(when), UTC)


def timestamp(when: Any) -> str:
    """
    As an event carries it (semantics §6.1).

    >>> timestamp(1767225600.9)
    '2026-01-01T00:00:00Z'
    """
    return moment(when).strftime("%Y-%m-%dT%H:%M:%SZ")
