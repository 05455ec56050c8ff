"""
The end of the road for what a topic, a rule or a schedule could not hand over: its dead-letter queue, or nothing.

Either is on record; which message the queue gets, its sender knows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from stagefright.aws_api.errors import ApiError

if TYPE_CHECKING:
    from stagefright.services.peers import QueuePeer, World

Send = Callable[["QueuePeer", int], None]
"""Send what was given up to a queue, given the record that causes it; refuses with an `ApiError`."""


def keep(
    world: World,
    arn: str | None,
    send: Send,
    error: ApiError,
    *,
    owner: str,
    condition: str,
    attempts: int,
    cause: int,
    drop: Callable[[str], None],
    **detail: Any,
) -> None:
    """Keep an event that was given up in the queue `arn`, or `drop` it, with the reason; `owner` is whose queue it would be."""
    queue = world.queues.by_arn(arn) if arn else None
    if arn is None or queue is None:
        missing = f"the dead-letter queue {arn} does not exist" if arn else f"{owner} has no dead-letter queue"
        drop(f"could not be delivered ({error}); {missing}")
        return
    record = world.journal.write(
        "dead_letter", world.name_of(arn), cause=cause, condition=condition, attempts=attempts,
        error_message=error.message, **detail,
    )  # fmt: skip
    try:
        send(queue, record.n)
    except ApiError as refused:
        drop(f"its dead-letter queue refused it ({refused})")


def text_attributes(facts: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Facts as message attributes."""
    return {name: {"DataType": "String", "StringValue": text} for name, text in facts.items()}
