"""
What EventBridge Scheduler refuses (semantics §6.6; Scheduler API and guide).

Lengths, ranges, patterns and enumerations are those of AWS's own model. `Invalid Schedule Expression` and the conflicts are recorded; the
words of the other refusals no source has.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from stagefright.aws_api import constraints, errands
from stagefright.aws_api.errors import ApiError
from stagefright.schedules import InvalidExpression, parse_schedule, zone_named
from stagefright.services.scheduler_targets import JSON_SERVICES, Target

INPUT_BYTES_MAX = 262_144
"""256 KB, the size of a target's `Input`."""

START_GRACE_S = 300
"""How far in the past a `StartDate` may lie."""

READ_ONLY = (
    "get",
    "describe",
    "list",
    "poll",
    "receive",
    "search",
    "scan",
    "query",
    "select",
    "read",
    "lookup",
    "discover",
    "validate",
    "batchGet",
    "batchDescribe",
    "batchRead",
    "transactGet",
    "adminGet",
    "adminList",
    "testMigration",
    "retrieve",
    "testConnection",
    "translateDocument",
    "isAuthorized",
    "isAuthorizedWithToken",
    "invokeModel",
)
"""Beginnings of API actions that cannot be universal targets (Scheduler guide, managing-targets-universal)."""


def invalid(message: str) -> ApiError:
    """Scheduler's refusal of parameters."""
    return ApiError("ValidationException", message, Message=message)


def not_found(message: str) -> ApiError:
    """What a call names does not exist."""
    return ApiError("ResourceNotFoundException", message, status=404, Message=message)


def conflict(message: str) -> ApiError:
    """What is to be made exists."""
    return ApiError("ConflictException", message, status=409, Message=message)


def check_model(operation: str, params: Mapping[str, Any]) -> None:
    """Refuse what breaks a constraint of AWS's model."""
    found = constraints.faults("scheduler", operation, params)
    if found:
        raise invalid(constraints.message(found))


def check_schedule(operation: str, params: Mapping[str, Any], now: float) -> None:
    """Refuse a `CreateSchedule` or an `UpdateSchedule`, but for the group and the name."""
    check_model(operation, params)
    _check_times(params, now)
    _check_window(params["FlexibleTimeWindow"])
    _check_target(params["Target"])


def _check_times(params: Mapping[str, Any], now: float) -> None:
    expression = params["ScheduleExpression"]
    try:
        parse_schedule(expression)
    except InvalidExpression as error:
        raise invalid(f"Invalid Schedule Expression {expression}.") from error
    zone = params.get("ScheduleExpressionTimezone") or "UTC"
    try:
        zone_named(zone)
    except ValueError as error:
        raise invalid(f"Invalid ScheduleExpressionTimezone {zone}.") from error
    start, end = instant(params.get("StartDate")), instant(params.get("EndDate"))
    if start is not None and start < now - START_GRACE_S and not expression.startswith("at"):
        raise invalid("The StartDate you specify cannot be earlier than 5 minutes ago.")
    if end is not None and end <= (now if start is None else start) and not expression.startswith("at"):
        raise invalid("The EndDate you specify must be later than the StartDate, and in the future.")


def _check_window(window: Mapping[str, Any]) -> None:
    if (window["Mode"] == "FLEXIBLE") != (window.get("MaximumWindowInMinutes") is not None):
        raise invalid("MaximumWindowInMinutes must be given if Mode is FLEXIBLE, and only then.")


def _check_target(settings: Mapping[str, Any]) -> None:
    target = Target(settings)
    text = settings.get("Input")
    if text is not None and _size(text) > INPUT_BYTES_MAX:
        raise invalid(f"The Input of a target must not be larger than {INPUT_BYTES_MAX} bytes.")
    if not target.arn.startswith("arn:") or target.arn.count(":") < 5:
        raise invalid(f"Provided Arn {target.arn} is not in correct format.")
    if target.is_universal:
        _check_universal(target, text)
    else:
        _check_templated(target, text)


def _size(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise invalid(f"The Input of a target must be text that UTF-8 can hold: {error.reason}.") from error


def _check_universal(target: Target, text: str | None) -> None:
    service, action = target.api
    if f"{action[:1].lower()}{action[1:]}".startswith(READ_ONLY):
        raise invalid(f"{action} is a read-only action, which EventBridge Scheduler does not support: {target.arn}")
    if errands.find(service, action) is None:
        raise invalid(f"{target.arn} names no API action: the AWS SDK has no {action} of a service {service}.")
    if text is not None and not isinstance(_json(text), dict):
        raise invalid("The Input of a universal target must be a JSON object.")


def _check_templated(target: Target, text: str | None) -> None:
    if target.service not in TEMPLATED:
        raise invalid(f"EventBridge Scheduler has no templated target for {target.arn}.")
    wanted = _PARAMETERS.get(target.service)
    if wanted is not None and wanted not in target.settings:
        raise invalid(f"A target of the service {target.service} needs {wanted}.")
    if target.arn.endswith(".fifo") and target.service == "sqs" and target.group_id is None:
        raise invalid("A FIFO queue needs a MessageGroupId in SqsParameters.")
    if text is not None and target.service in JSON_SERVICES and _json(text) is _NOT_JSON:
        raise invalid(f"The Input of a target of the service {target.service} must be JSON.")


TEMPLATED = frozenset(
    {
        "codebuild",
        "codepipeline",
        "ecs",
        "events",
        "firehose",
        "inspector",
        "kinesis",
        "lambda",
        "sagemaker",
        "sns",
        "sqs",
        "states",
    }
)
"""The services with templated targets, by the service in the ARN."""

_PARAMETERS = {"events": "EventBridgeParameters", "kinesis": "KinesisParameters", "ecs": "EcsParameters"}

_NOT_JSON = object()


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return _NOT_JSON


def instant(value: Any) -> float | None:
    """A timestamp of the API (a date, or epoch seconds) as epoch seconds."""
    if value is None:
        return None
    from botocore.utils import parse_to_aware_datetime

    return float(parse_to_aware_datetime(value).timestamp())
