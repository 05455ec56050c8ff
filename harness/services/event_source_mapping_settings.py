"""
The parameters of event source mappings: what a call may say, and what may stand together (aws-semantics §3.5, §4.1).

Each parameter is checked by itself when it is read; rules between fields come after, over the whole mapping.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from stagefright.services import lambda_limits as limits
from stagefright.services.event_source_mapping import EventSourceMapping, Source, describe_filters
from stagefright.services.function_names import check_range, invalid, refused
from stagefright.services.function_settings import unsupported
from stagefright.services.function_store import Parameters

SOURCE_ARN = re.compile(
    r"arn:aws[a-zA-Z-]*:(?P<service>[a-z0-9-]+):(?P<region>[a-z0-9-]*):(?P<account>\d*):(?P<resource>.+)"
)

POSITIONS = ("LATEST", "AT_TIMESTAMP", "TRIM_HORIZON")

RESPONSE_TYPES = ("ReportBatchItemFailures",)

STREAM_PARAMETERS = (
    "ParallelizationFactor",
    "MaximumRecordAgeInSeconds",
    "MaximumRetryAttempts",
    "BisectBatchOnFunctionError",
    "TumblingWindowInSeconds",
    "DestinationConfig",
)
"""What only streams know."""

QUEUE_PARAMETERS = ("ScalingConfig", "ProvisionedPollerConfig")
"""What only queues know."""

FOREIGN_PARAMETERS = (
    "SelfManagedEventSource",
    "AmazonManagedKafkaEventSourceConfig",
    "SelfManagedKafkaEventSourceConfig",
    "DocumentDBEventSourceConfig",
    "Topics",
    "Queues",
)
"""What belongs to Kafka, Amazon MQ and DocumentDB, which the local stage does not imitate."""


def refuse_foreign(params: Parameters) -> None:
    """Refuse what is not imitated, in words that say what is."""
    for name in FOREIGN_PARAMETERS:
        if params.get(name):
            raise unsupported(
                f"{name} was given for the event source mapping of {params.get('FunctionName')}. Available on the "
                "local stage: SQS queues, Kinesis streams and DynamoDB streams. Run this test with --stage-target=aws."
            )


def read_source(params: Parameters) -> tuple[Source, str]:
    """The service and the ARN of what is to be polled."""
    arn: str | None = params.get("EventSourceArn")
    if not arn:
        raise refused("Unrecognized event source.")
    form = SOURCE_ARN.fullmatch(arn)
    if form is None:
        raise invalid(arn, "eventSourceArn", f"Member must satisfy regular expression pattern: {SOURCE_ARN.pattern}")
    match form["service"]:
        case "sqs":
            return "sqs", arn
        case "kinesis":
            return "kinesis", arn
        case "dynamodb" if "/stream/" in form["resource"]:
            return "dynamodb", arn
        case "kafka" | "mq" | "rds" | "docdb":
            raise unsupported(
                f"The event source {arn} is not imitated. Available on the local stage: SQS queues, Kinesis streams "
                "and DynamoDB streams. Run this test with --stage-target=aws."
            )
    raise refused("Unrecognized event source.")


def read_position(mapping: EventSourceMapping, params: Parameters) -> EventSourceMapping:
    """The mapping with the place in its stream where it begins; a queue has none."""
    position, timestamp = params.get("StartingPosition"), params.get("StartingPositionTimestamp")
    if position is not None and position not in POSITIONS:
        known = f"Member must satisfy enum value set: [{', '.join(POSITIONS)}]"
        raise invalid(position, "startingPosition", known)
    if mapping.source == "sqs":
        if position is not None or timestamp is not None:
            raise refused("StartingPosition is not valid for SQS event sources.")
        return mapping
    _check_position(mapping, position, timestamp)
    return replace(mapping, starting_position=position, starting_timestamp=_epoch(timestamp))


def _check_position(mapping: EventSourceMapping, position: str | None, timestamp: Any) -> None:
    if position is None:
        constraint = "Member must not be null."
        raise refused(
            f"1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: {constraint}"
        )
    if position != "AT_TIMESTAMP":
        if timestamp is not None:
            raise refused("Timestamp only valid with StartingPosition AT_TIMESTAMP")
        return
    if mapping.source == "dynamodb":
        raise refused(f"Unsupported starting position for arn type: {mapping.source_arn}")
    if timestamp is None:
        # AWS's text is not recorded; the rule is the API model's.
        raise refused("StartingPositionTimestamp is required with StartingPosition AT_TIMESTAMP")
    if (_epoch(timestamp) or 0.0) < 0:
        raise refused(
            "Received Exception while reading from provided stream. "
            "class java.lang.Long can not be converted to a Timestamp"
        )


def _epoch(timestamp: Any) -> float | None:
    if timestamp is None:
        return None
    return timestamp.timestamp() if isinstance(timestamp, datetime) else float(timestamp)


def read_changes(mapping: EventSourceMapping, params: Parameters) -> dict[str, Any]:
    """The fields that a call sets."""
    strange = QUEUE_PARAMETERS if mapping.source != "sqs" else STREAM_PARAMETERS
    for name in strange:
        if params.get(name):
            raise refused(f"Unsupported {name} parameter for given event source mapping type.")
    changes: dict[str, Any] = {}
    for name, read in _READERS.items():
        if params.get(name) is not None:
            changes |= read(params[name])
    return changes


def _number(field_name: str, member: str, bounds: tuple[int, int]) -> Callable[[Any], dict[str, Any]]:
    def read(value: Any) -> dict[str, Any]:
        check_range(value, member, bounds)
        return {field_name: value}

    return read


def _enabled(value: bool) -> dict[str, Any]:
    return {"state": "Enabled" if value else "Disabled"}


def _response_types(value: Any) -> dict[str, Any]:
    if any(kind not in RESPONSE_TYPES for kind in value):
        shown, known = f"[{', '.join(value)}]", f"[{', '.join(RESPONSE_TYPES)}]"
        constraint = f"Member must satisfy constraint: [Member must satisfy enum value set: {known}]"
        raise invalid(shown, "functionResponseTypes", constraint)
    return {"response_types": tuple(value)}


def _filters(value: Mapping[str, Any]) -> dict[str, Any]:
    patterns = tuple(entry.get("Pattern") or "{}" for entry in value.get("Filters") or ())
    if len(patterns) > limits.FILTERS_MAX:
        # AWS's text is not recorded; the quota is §3.5's.
        raise refused(
            f"An event source mapping takes at most {limits.FILTERS_MAX} filters; {len(patterns)} were given."
        )
    for pattern in patterns:
        if len(pattern) > limits.FILTER_LENGTH_MAX:
            constraint = f"Member must have length less than or equal to {limits.FILTER_LENGTH_MAX}"
            raise invalid(pattern, "filterCriteria.filters.1.member.pattern", constraint)
    return {"filters": patterns}


def _record_age(value: int) -> dict[str, Any]:
    if value != limits.FOREVER:
        check_range(value, "maximumRecordAgeInSeconds", limits.STREAM_RECORD_AGE_S)
    return {"record_age_max_s": value}


def _destination(value: Mapping[str, Any]) -> dict[str, Any]:
    if (value.get("OnSuccess") or {}).get("Destination"):
        # Only failed batches are reported; AWS's text is not recorded, the rule is §4.1's.
        raise refused("Unsupported DestinationConfig parameter for given event source mapping type.")
    arn = (value.get("OnFailure") or {}).get("Destination") or None
    if arn is not None and not re.match(r"arn:aws[a-zA-Z-]*:(sqs|sns|s3):", arn):
        raise refused(f"The destination {arn} is not an SQS queue, SNS topic or S3 bucket.")
    if arn is not None and arn.endswith(".fifo"):
        # AWS's text is not recorded; the rule is §4.1's.
        raise refused(f"The destination {arn} is a FIFO one; a standard queue or topic is needed.")
    return {"on_failure": arn}


def _scaling(value: Mapping[str, Any]) -> dict[str, Any]:
    concurrency = value.get("MaximumConcurrency")
    check_range(concurrency, "scalingConfig.maximumConcurrency", limits.MAPPING_CONCURRENCY)
    return {"maximum_concurrency": concurrency}


def _pollers(value: Mapping[str, Any]) -> dict[str, Any]:
    if not value:
        return {"provisioned_pollers": None}
    low = value.get("MinimumPollers", limits.POLLERS_MIN[0])
    high = value.get("MaximumPollers", limits.POLLERS_MIN[1])
    check_range(low, "provisionedPollerConfig.minimumPollers", limits.POLLERS_MIN)
    check_range(high, "provisionedPollerConfig.maximumPollers", limits.POLLERS_MAX)
    if low > high:
        # AWS's text is not recorded.
        raise refused(f"MinimumPollers ({low}) must be less than or equal to MaximumPollers ({high}).")
    return {"provisioned_pollers": (low, high)}


_READERS: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "Enabled": _enabled,
    "BatchSize": _number("batch_size", "batchSize", limits.BATCH_SIZE),
    "MaximumBatchingWindowInSeconds": _number(
        "batching_window_s", "maximumBatchingWindowInSeconds", limits.BATCHING_WINDOW_S
    ),
    "FunctionResponseTypes": _response_types,
    "FilterCriteria": _filters,
    "ScalingConfig": _scaling,
    "ProvisionedPollerConfig": _pollers,
    "ParallelizationFactor": _number("parallelization_factor", "parallelizationFactor", limits.PARALLELIZATION_FACTOR),
    "MaximumRetryAttempts": _number("retry_attempts_max", "maximumRetryAttempts", limits.STREAM_RETRY_ATTEMPTS),
    "MaximumRecordAgeInSeconds": _record_age,
    "BisectBatchOnFunctionError": lambda value: {"bisect_on_error": bool(value)},
    "TumblingWindowInSeconds": _number("tumbling_window_s", "tumblingWindowInSeconds", limits.TUMBLING_WINDOW_S),
    "DestinationConfig": _destination,
}


def check_batching(mapping: EventSourceMapping) -> None:
    """Refuse sizes, windows and pollers that do not go together."""
    if mapping.is_fifo:
        _check_fifo_batching(mapping)
    is_large = mapping.source == "sqs" and mapping.batch_size > limits.QUEUE_BATCH_SIZE_WITHOUT_WINDOW_MAX
    if is_large and mapping.batching_window_s == 0:
        raise refused("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10")
    if mapping.maximum_concurrency is not None and mapping.provisioned_pollers is not None:
        # AWS's text is not recorded; the rule is §3.5's.
        raise refused("ScalingConfig.MaximumConcurrency and ProvisionedPollerConfig cannot be used together.")


def _check_fifo_batching(mapping: EventSourceMapping) -> None:
    if mapping.batching_window_s:
        raise refused("Batching window is not supported for FIFO queues.")
    if mapping.batch_size > limits.FIFO_BATCH_SIZE_MAX:
        # AWS's text is not recorded; the rule is §3.5's.
        raise refused(
            f"BatchSize must be less than or equal to {limits.FIFO_BATCH_SIZE_MAX} for FIFO queues; "
            f"{mapping.batch_size} was given."
        )


def check_filters(mapping: EventSourceMapping) -> None:
    """Refuse a pattern that the filter language does not have."""
    if not mapping.filters:
        return
    # Late, because the pattern language is needed by mappings with filters only.
    from stagefright.patterns import InvalidPattern, compile_mapping_filter

    try:
        compile_mapping_filter(describe_filters(mapping), mapping.source)
    except InvalidPattern as fault:
        raise refused(str(fault)) from fault
