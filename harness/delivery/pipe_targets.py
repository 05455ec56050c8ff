"""The targets of pipes that take events one by one: queues, topics, buses, streams and log groups (aws-semantics §6.7)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stagefright.aws_api.errors import ApiError
from stagefright.delivery import targets
from stagefright.delivery.pipe_input import dynamic

if TYPE_CHECKING:
    from stagefright.services.pipe import Pipe
    from stagefright.world import World


def hand_over_each(
    world: World, pipe: Pipe, events: Sequence[Any], texts: Sequence[str], cause: int
) -> dict[int, ApiError]:
    """
    Hand each text to the pipe's target; `events` are what paths in the target's parameters look into.

    Returns the refusals, by place in the batch.
    """
    refused: dict[int, ApiError] = {}
    for place, (event, text) in enumerate(zip(events, texts, strict=True)):
        try:
            _hand_over(world, pipe, event, text, cause)
        except ApiError as refusal:
            refused[place] = refusal
    return refused


def _hand_over(world: World, pipe: Pipe, event: Any, text: str, cause: int) -> None:
    given = pipe.target_parameters
    match pipe.target_service:
        case "events":
            _to_bus(world, pipe, given.get("EventBridgeEventBusParameters") or {}, event, text, cause)
        case "logs":
            _to_log_group(world, pipe, given.get("CloudWatchLogsParameters") or {}, text, cause)
        case "sqs":
            _to_queue(world, pipe, given.get("SqsQueueParameters") or {}, event, text, cause)
        case "kinesis":
            key = dynamic((given.get("KinesisStreamParameters") or {}).get("PartitionKey"), event)
            targets.hand_over(world, pipe.target, text, cause=cause, partition_key=key)
        case _:
            targets.hand_over(world, pipe.target, text, cause=cause)


def _to_queue(world: World, pipe: Pipe, given: Mapping[str, Any], event: Any, text: str, cause: int) -> None:
    group, dedup = (dynamic(given.get(name), event) for name in ("MessageGroupId", "MessageDeduplicationId"))
    targets.hand_over(world, pipe.target, text, cause=cause, group_id=group, dedup_id=dedup)


def _to_bus(world: World, pipe: Pipe, given: Mapping[str, Any], event: Any, text: str, cause: int) -> None:
    """The text is the event's detail; source and type are the pipe's own, unless its parameters say otherwise."""
    try:
        detail = json.loads(text)
    except ValueError:
        detail = None
    if not isinstance(detail, Mapping):
        raise ApiError("MalformedDetail", "Detail is malformed.")
    known = world.assumptions
    origin = f"aws:{pipe.source.split(':')[2]}"
    world.buses.accept(
        pipe.target,
        source=dynamic(given.get("Source"), event) or known.pipe_bus_source.replace("{name}", pipe.name),
        detail_type=dynamic(given.get("DetailType"), event) or known.pipe_bus_detail_type.replace("{source}", origin),
        detail=detail,
        resources=[dynamic(one, event) or "" for one in given.get("Resources") or ()],
        cause=cause,
    )


def _to_log_group(world: World, pipe: Pipe, given: Mapping[str, Any], text: str, cause: int) -> None:
    group = targets.resource_of(pipe.target).removeprefix("log-group:").removesuffix(":*")
    with world.kernel.blame(cause):
        world.logs_put(group, text, given.get("LogStreamName") or pipe.name)
