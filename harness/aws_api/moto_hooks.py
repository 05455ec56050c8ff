"""
Where moto would deliver events, it hands them to the world instead.

The only place, besides `door.py` and `moto_state.py`, that knows moto's internals. moto keeps the state of streams,
tables, topics and rules; each hook here is one method of a moto class, replaced once per process.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from stagefright.tasks import current_actor
from stagefright.virtual.patching import Patches

if TYPE_CHECKING:
    from stagefright.world import World

_hooked: set[str] = set()
_patches = Patches()


def before(world: World, service: str, operation: str, params: Mapping[str, Any]) -> None:
    """What the world has to do before moto sees a call."""
    _hook_service(service)
    if service == "logs":
        world.logs.flush()
    elif service == "ssm":
        from stagefright.aws_api import moto_state

        moto_state.make_copyable()
    else:
        validate = _validations(world).get((service, operation))
        if validate is not None:
            validate(params)


def _validations(world: World) -> dict[tuple[str, str], Callable[[Mapping[str, Any]], None]]:
    """Calls that moto stores without judging them as AWS does."""
    return {
        ("events", "PutRule"): world.buses.validate_rule,
        ("events", "PutTargets"): world.buses.validate_targets,
        ("sns", "Subscribe"): world.topics.validate_subscription,
        ("sns", "SetSubscriptionAttributes"): world.topics.validate_subscription,
    }


def after(world: World, service: str, operation: str, params: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
    """What the world has to do once moto has answered."""
    if service == "kinesis" and operation == "IncreaseStreamRetentionPeriod" and "Error" not in answer:
        arn = params.get("StreamARN") or f"arn:aws:kinesis:{world.region}:{world.account}:stream/{params['StreamName']}"
        world.streams.retention_s[arn] = params["RetentionPeriodHours"] * 3600


def _hook_service(service: str) -> None:
    if service in _hooked:
        return
    _hooked.add(service)
    if service == "kinesis":
        _hook_kinesis()
    elif service in ("dynamodb", "dynamodbstreams"):
        _hook_table_streams()
    elif service == "sns":
        _hook_filter_policies()
    elif service == "events":
        _hook_replays()


def _world() -> World | None:
    actor = current_actor()
    return None if actor is None else actor.kernel.world


def _hook_kinesis() -> None:
    from moto.kinesis.models import Stream

    original: Callable[..., tuple[str, str]] = Stream.put_record

    def put_record(stream: Any, partition_key: str, explicit_hash_key: str, data: str) -> tuple[str, str]:
        sequence_number, shard_id = original(stream, partition_key, explicit_hash_key, data)
        world = _world()
        if world is not None:
            raw = base64.b64decode(data)
            world.streams.kinesis_record(stream.arn, shard_id, sequence_number, partition_key, raw)
        return sequence_number, shard_id

    _patches.set(Stream, "put_record", put_record)


def _hook_table_streams() -> None:
    from moto.dynamodb.models.table import StreamShard

    original: Callable[..., None] = StreamShard.add

    def add(shard: Any, old: Any, new: Any) -> None:
        if old is not None and new is not None and old.to_json() == new.to_json():
            # A write that changes nothing leaves no record in the stream (aws-semantics §4.6).
            return
        original(shard, old, new)
        world = _world()
        if world is not None:
            table = shard.table
            stream_arn = f"{table.table_arn}/stream/{table.latest_stream_label}"
            world.streams.table_change(table.table_arn, stream_arn, shard.id, shard.items[-1].to_json())

    _patches.set(StreamShard, "add", add)


def _hook_filter_policies() -> None:
    """Our own validation has judged the policy already; moto's refuses operators that AWS has."""
    from moto.sns.models import SNSBackend

    _patches.set(SNSBackend, "_validate_filter_policy", lambda _backend, _value, scope: None)


def _hook_replays() -> None:
    """What moto would send to a rule's targets (replays of archives) goes the world's way."""
    from moto.events.models import Rule

    def send_to_targets(rule: Any, event: Any, transform_input: bool = True) -> None:
        world = _world()
        if world is not None:
            world.buses.send_to_rule(rule, event)

    _patches.set(Rule, "send_to_targets", send_to_targets)


def deliver_logs(world: World, lines: list[Any]) -> None:
    """Write lines of functions into the emulated CloudWatch Logs."""
    from moto.logs.models import logs_backends

    backend = logs_backends[world.account][world.region]
    for line in lines:
        if line.group not in backend.groups:
            backend.create_log_group(line.group, {})
        group = backend.groups[line.group]
        if line.stream not in group.streams:
            group.create_log_stream(line.stream)
        stream = group.streams[line.stream]
        from moto.logs.models import LogEvent

        stream.events.append(LogEvent(line.at_ms, {"timestamp": line.at_ms, "message": line.text}))


