"""The rows of the table: what is measured, in what unit, and what we allow ourselves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One line of the table. `key` is the name of the contestant's method that measures it."""

    key: str
    title: str
    unit: str = "ms"
    budget: float | None = None
    heavy: bool = False
    """Measured once in a run, not once in every round."""
    yardstick: str = ""
    """What the real thing takes, where that is known and cannot be measured here."""


ROWS = (
    Row("async_failure", "async failure, two retries, dead-letter queue", budget=10, yardstick="180 s on AWS"),
    Row("message", "one SQS -> function -> DynamoDB message, warm", budget=2.5),
    Row("message_cold", "  the first after a reset: a cold start"),
    Row("call_own", "one SDK call: sqs send_message", budget=0.5),
    Row("call_http", "  the same from another process, over HTTP"),
    Row("call_kept", "one SDK call: dynamodb put_item", budget=1.5),
    Row("backlog_small", "cost per message, 100 in the queue"),
    Row("backlog_large", "cost per message, 10,000 in the queue", heavy=True),
    Row("backlog_ratio", "  large backlog against small", unit="x", budget=1.1),
    Row("kept_per_message", "memory kept per message, 5,000 to 10,000", unit="bytes", budget=64, heavy=True),
    Row("kept_after_reset", "  kept after a reset, of 10,000", unit="KB", heavy=True),
    Row("resident_growth", "  growth of the process meanwhile", unit="MB", heavy=True),
    Row("stack_up_first", "15-resource stack up, first in the process"),
    Row("stack_up", "15-resource stack up", budget=300),
    Row("reset", "reset to the deployed stack between tests", budget=5),
    Row("plugin_unused", "plugin loaded but unused, CPU time", budget=15),
    Row("runtime_unused", "in-function runtime, cold start on top of boto3, CPU time", budget=3.5),
    Row("runtime_striking", "  the same with a flag and its first strike", budget=5),
    Row("hours_of_throttles", "6 hours of an async throttle ladder", budget=50, yardstick="6 h on AWS"),
    Row("day_of_retries", "24 hours of EventBridge retries", budget=100, yardstick="24 h on AWS"),
)
