"""
Where moto would deliver events, it hands them to the world instead.

The only place, besides `door.py` and `moto_state.py`, that knows moto's internals. moto keeps the state of streams,
tables, topics and rules; each hook here is one method of a moto class, replaced once per process.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from stagefright.aws_api import kinesis_hooks, light_imports, rest_api_hooks
from stagefright.aws_api.table_items import put_beside
from stagefright.errors import UsageError
from stagefright.services.stream_limits import check_record, check_records
from stagefright.tasks import current_actor
from stagefright.virtual.patching import Patches

if TYPE_CHECKING:
    from stagefright.functions.log import LogLine
    from stagefright.world import World

_hooked: set[str] = set()
_patches = Patches()


def before(world: World, service: str, operation: str, params: Mapping[str, Any]) -> Any:
    """What the world has to do before moto sees a call; returns what `after` wants to know of the time before."""
    _hook_service(service)
    if service == "logs":
        world.logs.flush()
    if service == "s3":
        return world.buckets.before(operation, params)
    if service == "dynamodb":
        return world.table_pasts.about_to_write(operation, params)
    validate = _validations(world).get((service, operation))
    if validate is not None:
        validate(params)
    return None


def _validations(world: World) -> dict[tuple[str, str], Callable[[Mapping[str, Any]], None]]:
    """Calls that moto stores without judging them as AWS does."""
    return {
        ("apigateway", "CreateDeployment"): lambda params: rest_api_hooks.check_stage_name(
            params.get("stageName") or "none"
        ),
        ("apigateway", "CreateStage"): lambda params: rest_api_hooks.check_stage(world, params),
        ("apigateway", "PutGatewayResponse"): rest_api_hooks.check_gateway_response,
        ("apigateway", "PutIntegration"): lambda params: rest_api_hooks.check_integration(world, params),
        ("events", "PutRule"): partial(_validate_rule, world),
        ("kinesis", "PutRecord"): check_record,
        ("kinesis", "PutRecords"): check_records,
        ("events", "PutTargets"): world.buses.validate_targets,
        **{
            ("events", name): world.buses.validate_change
            for name in ("DeleteRule", "DisableRule", "EnableRule", "RemoveTargets")
        },
        ("logs", "FilterLogEvents"): world.log_groups.validate_pattern,
        ("logs", "PutMetricFilter"): world.log_groups.validate_pattern,
        ("scheduler", "CreateSchedule"): world.scheduler.validate_create,
        ("scheduler", "CreateScheduleGroup"): world.scheduler.validate_group,
        ("scheduler", "DeleteScheduleGroup"): world.scheduler.validate_group_deletion,
        ("scheduler", "UpdateSchedule"): world.scheduler.validate_update,
        ("sns", "CreateTopic"): world.topics.validate_topic,
        ("sns", "SetTopicAttributes"): world.topics.validate_topic,
        ("sns", "Subscribe"): world.topics.validate_subscription,
        ("sns", "SetSubscriptionAttributes"): world.topics.validate_subscription,
    }


def _validate_rule(world: World, params: Mapping[str, Any]) -> None:
    world.buses.validate_rule(params)
    world.scheduled_rules.validate(params)


_SCHEDULE_CHANGES = frozenset(
    [("events", operation) for operation in ("PutRule", "EnableRule", "DisableRule", "DeleteRule")]
    + [("scheduler", operation) for operation in ("CreateSchedule", "UpdateSchedule", "DeleteSchedule")]
)
"""After these calls, alarms are set or taken back."""


def after(
    world: World,
    service: str,
    operation: str,
    params: Mapping[str, Any],
    answer: Mapping[str, Any],
    seen: Any,
    cause: int | None,
) -> None:
    """What the world has to do once moto has answered; `seen` is what `before` returned, `cause` the call's record."""
    if service == "s3":
        world.buckets.after(operation, params, answer, seen, cause)
    elif service == "logs":
        world.log_groups.after(operation, params, answer, cause)
    elif service == "kinesis" and operation == "IncreaseStreamRetentionPeriod" and "Error" not in answer:
        arn = params.get("StreamARN") or f"arn:aws:kinesis:{world.region}:{world.account}:stream/{params['StreamName']}"
        world.streams.retention_s[arn] = params["RetentionPeriodHours"] * 3600
    elif (service, operation) in _SCHEDULE_CHANGES and "Error" not in answer:
        with world.kernel.blame(cause):
            (world.scheduler if service == "scheduler" else world.scheduled_rules).changed(params)
    elif service == "kinesis" and operation in kinesis_hooks.RESHARDING:
        kinesis_hooks.close_shards(world)
    elif (service, operation) == ("sns", "Subscribe") and "Error" not in answer:
        world.topics.subscribed(params, answer, cause)
    elif service == "dynamodb" and "Error" not in answer:
        world.table_pasts.written(seen)
        world.table_lifetimes.written(operation, params)
    elif service == "apigatewayv2" and operation == "CreateApi" and params.get("Target") and "Error" not in answer:
        _quick_create(world, answer["ApiId"], params)
    elif service == "apigateway" and operation == "CreateRestApi" and "Error" not in answer:
        rest_api_hooks.created(world, answer["id"], params)


def _quick_create(world: World, api_id: str, params: Mapping[str, Any]) -> None:
    """An API that is made with a `Target` has its integration, its route and its stage at once; moto only makes the API."""
    from moto.apigatewayv2.models import apigatewayv2_backends

    api = apigatewayv2_backends[world.account][world.region].apis[api_id]
    integration = api.create_integration(
        connection_type="INTERNET",
        description=None,
        integration_method="POST",
        integration_type="AWS_PROXY",
        integration_uri=params["Target"],
        payload_format_version="2.0",
    )
    api.create_route(
        api_key_required=False,
        authorization_scopes=None,
        route_key=params.get("RouteKey") or "$default",
        target=f"integrations/{integration.id}",
    )
    api.create_stage({"stageName": "$default", "autoDeploy": True})


def tell_account(world: World, headers: Any) -> None:
    """Let moto answer for the world's account; it goes by the access key else, and takes every key for its own account's."""
    from moto.core import DEFAULT_ACCOUNT_ID

    if world.account != DEFAULT_ACCOUNT_ID:
        headers["x-moto-account-id"] = world.account


def _hook_service(service: str) -> None:
    # Tables and their streams are two services of one model, which must not be hooked twice.
    service = "dynamodb" if service == "dynamodbstreams" else service
    if service in _hooked:
        return
    _hooked.add(service)
    light_imports.load(service)
    if service == "kinesis":
        kinesis_hooks.hook(_patches, _world)
    elif service == "dynamodb":
        _hook_table_streams()
    elif service == "s3":
        _hook_buckets()
    elif service == "logs":
        _hook_log_groups()
    elif service == "iam":
        _hook_policy_documents()
    elif service == "sns":
        _hook_filter_policies()
    elif service == "apigateway":
        rest_api_hooks.hook(_patches)


def refusing_in_worlds(start: Callable[..., None]) -> Callable[..., None]:
    """In place of `MockAWS.start`, which empties every service, those of the stage too."""

    def start_outside(mock: Any, *args: Any, **kwargs: Any) -> None:
        if current_actor() is not None:
            raise UsageError(
                "The stage already answers for AWS in this test, and moto's mock would wipe it. Remove mock_aws from this "
                "test and from the fixtures that it uses; or do without `stage` here."
            )
        start(mock, *args, **kwargs)

    return start_outside


def _world() -> World | None:
    actor = current_actor()
    return None if actor is None else actor.kernel.world


def _hook_table_streams() -> None:
    from moto.dynamodb.models import DynamoDBBackend
    from moto.dynamodb.models.table import StreamShard

    original: Callable[..., None] = StreamShard.add
    updates: list[list[tuple[Any, Any, Any]]] = []

    def add(shard: Any, old: Any, new: Any) -> None:
        if updates:
            updates[-1].append((shard, old, new))
            return
        if old is not None and new is not None and old.to_json() == new.to_json():
            # A write that changes nothing leaves no record in the stream (aws-semantics §4.6).
            return
        original(shard, old, new)
        world = _world()
        if world is not None:
            table = shard.table
            stream_arn = f"{table.table_arn}/stream/{table.latest_stream_label}"
            put = partial(put_beside, table, new if new is not None else old)
            world.streams.table_change(table.table_arn, stream_arn, shard.id, shard.items[-1].to_json(), put)

    def update_item(backend: Any, *args: Any, **kwargs: Any) -> Any:
        """moto makes a new item in two writes, first its key and then the rest; the stream sees the outcome only."""
        if _world() is None:
            return update(backend, *args, **kwargs)
        updates.append([])
        try:
            item = update(backend, *args, **kwargs)
        finally:
            changes = updates.pop()
        if changes:
            add(*changes[-1])
        return item

    update: Callable[..., Any] = DynamoDBBackend.update_item
    _patches.set(StreamShard, "add", add)
    _patches.set(DynamoDBBackend, "update_item", update_item)
    _patches.set(DynamoDBBackend, "transact_write_items", _all_or_nothing(DynamoDBBackend.transact_write_items))


def _all_or_nothing(original: Callable[..., None]) -> Callable[..., None]:
    """moto rolls a cancelled transaction back after it has written; streams must never see such writes."""

    def transact_write_items(backend: Any, transact_items: list[dict[str, Any]]) -> None:
        world = _world()
        if world is None:
            original(backend, transact_items)
            return
        with world.streams.all_or_nothing():
            original(backend, transact_items)

    return transact_write_items


def _hook_buckets() -> None:
    """In a world moto's own notifications, which would meet moto's own queues and functions, are off (see `services/buckets.py`)."""
    import moto.s3.models

    _keep_objects_in_memory()
    notifications = moto.s3.models.notifications
    original = notifications.send_event

    def send_event(*args: Any, **kwargs: Any) -> None:
        if _world() is None:
            original(*args, **kwargs)

    _patches.set(notifications, "send_event", send_event)


def _hook_log_groups() -> None:
    """In a world filter patterns are AWS's, and moto's own subscriptions are off (see `services/log_groups.py`)."""
    import moto.logs.models

    from stagefright.patterns.log_patterns import LogFilter

    models: Any = moto.logs.models
    original_filter, original_send = models.EventMessageFilter, models.LogStream._send_log_events

    def event_message_filter(pattern: str | None) -> Any:
        return original_filter(pattern) if _world() is None else LogFilter(pattern or "")

    def send_log_events(stream: Any, *args: Any, **kwargs: Any) -> None:
        if _world() is None:
            original_send(stream, *args, **kwargs)

    _patches.set(models, "EventMessageFilter", event_message_filter)
    _patches.set(models.LogStream, "_send_log_events", send_log_events)


def _hook_policy_documents() -> None:
    """
    In a world a policy must be a JSON object, and that is all.

    IAM refuses nothing on a local stage, so a document that AWS takes and moto does not must not stop a deployment.
    """
    from moto.iam.exceptions import MalformedPolicyDocument
    from moto.iam.policy_validation import IAMPolicyDocumentValidator, IAMTrustPolicyDocumentValidator

    def lenient(original: Callable[[Any], None]) -> Callable[[Any], None]:
        def validate(validator: Any) -> None:
            if _world() is None:
                original(validator)
            elif not _is_json_object(validator._policy_document):
                raise MalformedPolicyDocument("Syntax errors in policy.")

        return validate

    for kind in (IAMPolicyDocumentValidator, IAMTrustPolicyDocumentValidator):
        _patches.set(kind, "validate", lenient(kind.validate))


def _is_json_object(document: str) -> bool:
    try:
        return isinstance(json.loads(document), dict)
    except ValueError:
        return False


def _hook_filter_policies() -> None:
    """Our own validation has judged the policy already; moto's refuses operators that AWS has."""
    from moto.sns.models import SNSBackend

    _patches.set(SNSBackend, "_validate_filter_policy", lambda _backend, _value, scope: None)


def _keep_objects_in_memory() -> None:
    """moto opens a temporary file for each object and complains of those left open; a world just forgets its objects."""
    import moto.s3.models

    _patches.set(moto.s3.models, "tempfile", SimpleNamespace(SpooledTemporaryFile=lambda max_size=0: io.BytesIO()))
    _patches.set(moto.s3.models.FakeKey, "__del__", lambda key: key.dispose())


def deliver_logs(world: World, lines: Iterable[LogLine]) -> None:
    """Write lines of functions into the emulated CloudWatch Logs."""
    from moto.logs.models import LogEvent, logs_backends

    backend = logs_backends[world.account][world.region]
    for line in lines:
        if line.group not in backend.groups:
            backend.create_log_group(line.group, {})
        group = backend.groups[line.group]
        if line.stream not in group.streams:
            group.create_log_stream(line.stream)
        stream = group.streams[line.stream]
        stream.events.append(LogEvent(line.at_ms, {"timestamp": line.at_ms, "message": line.text}))
