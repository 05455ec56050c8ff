"""One event source mapping: which source feeds which function, and how (aws-semantics §3.5, §4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

from stagefright.services import lambda_limits as limits
from stagefright.services.function_store import Response

Source = Literal["sqs", "kinesis", "dynamodb"]
"""The services whose events a mapping can poll here, as they are named in an ARN."""

MappingState = Literal["Enabled", "Disabled", "Deleted"]
"""What a mapping does now. `Deleted` is only ever seen by hooks."""

NOTHING_PROCESSED = "No records processed"


@dataclass(frozen=True, slots=True)
class EventSourceMapping:
    """One mapping. Fields that a queue does not have keep their defaults on a queue's mapping, and the reverse."""

    uuid: str
    arn: str
    source: Source
    source_arn: str
    function_arn: str
    """With its qualifier, if the mapping names one."""
    last_modified: float
    state: MappingState = "Enabled"
    batch_size: int = limits.QUEUE_BATCH_SIZE_DEFAULT
    batching_window_s: int = 0
    response_types: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    """Patterns as JSON text; an event that matches any of them passes, and none means that all pass."""
    maximum_concurrency: int | None = None
    provisioned_pollers: tuple[int, int] | None = None
    """Minimum and maximum."""
    starting_position: str | None = None
    starting_timestamp: float | None = None
    parallelization_factor: int = 1
    retry_attempts_max: int = limits.FOREVER
    record_age_max_s: int = limits.FOREVER
    bisect_on_error: bool = False
    tumbling_window_s: int = 0
    on_failure: str | None = None
    last_result: str = NOTHING_PROCESSED
    tags: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_enabled(self) -> bool:
        """Whether pollers should run."""
        return self.state == "Enabled"

    @property
    def stream_arn(self) -> str:
        """The stream itself, also where the mapping reads it as a consumer with a throughput of its own."""
        return self.source_arn.partition("/consumer/")[0]

    @property
    def is_pushed_to(self) -> bool:
        """Whether Kinesis pushes records instead of being polled: enhanced fan-out (§4.2)."""
        return "/consumer/" in self.source_arn

    @property
    def is_fifo(self) -> bool:
        """Whether the source is a FIFO queue."""
        return self.source == "sqs" and self.source_arn.endswith(".fifo")

    @property
    def reports_batch_item_failures(self) -> bool:
        """Whether the function's return value says which records failed."""
        return "ReportBatchItemFailures" in self.response_types


def describe_filters(mapping: EventSourceMapping) -> dict[str, Any]:
    """The mapping's `FilterCriteria`, as the API has them."""
    return {"Filters": [{"Pattern": pattern} for pattern in mapping.filters]}


def describe_mapping(mapping: EventSourceMapping, transition: str | None = None) -> Response:
    """The API's view; `transition` is the passing state that AWS shows in the answer to a change."""
    shown: Response = {
        "UUID": mapping.uuid,
        "EventSourceMappingArn": mapping.arn,
        "EventSourceArn": mapping.source_arn,
        "FunctionArn": mapping.function_arn,
        "BatchSize": mapping.batch_size,
        "MaximumBatchingWindowInSeconds": mapping.batching_window_s,
        "FunctionResponseTypes": list(mapping.response_types),
        "LastModified": datetime.fromtimestamp(mapping.last_modified, UTC),
        "State": transition or mapping.state,
        "StateTransitionReason": "USER_INITIATED" if mapping.source == "sqs" else "User action",
    }
    if mapping.filters:
        shown["FilterCriteria"] = describe_filters(mapping)
    return shown | (_describe_queue(mapping) if mapping.source == "sqs" else _describe_stream(mapping))


def _describe_queue(mapping: EventSourceMapping) -> Response:
    shown: Response = {}
    if mapping.maximum_concurrency is not None:
        shown["ScalingConfig"] = {"MaximumConcurrency": mapping.maximum_concurrency}
    if mapping.provisioned_pollers is not None:
        low, high = mapping.provisioned_pollers
        shown["ProvisionedPollerConfig"] = {"MinimumPollers": low, "MaximumPollers": high}
    return shown


def _describe_stream(mapping: EventSourceMapping) -> Response:
    shown: Response = {
        "StartingPosition": mapping.starting_position,
        "ParallelizationFactor": mapping.parallelization_factor,
        "MaximumRetryAttempts": mapping.retry_attempts_max,
        "MaximumRecordAgeInSeconds": mapping.record_age_max_s,
        "BisectBatchOnFunctionError": mapping.bisect_on_error,
        "TumblingWindowInSeconds": mapping.tumbling_window_s,
        "DestinationConfig": {"OnFailure": {"Destination": mapping.on_failure} if mapping.on_failure else {}},
        "LastProcessingResult": mapping.last_result,
    }
    if mapping.starting_timestamp is not None:
        shown["StartingPositionTimestamp"] = datetime.fromtimestamp(mapping.starting_timestamp, UTC)
    return shown
