"""
Event source mappings: which queue or stream feeds which function, and how (aws-semantics §3.5, §4.1).

The records and their rules only; pollers listen to `on_mapping_changed` and read `mappings()`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from stagefright.aws_api.errors import ApiError
from stagefright.services import lambda_limits as limits
from stagefright.services.function import LATEST, FunctionVersion
from stagefright.services.function_names import check_range, conflict, invalid, not_found, refused
from stagefright.services.function_settings import unsupported
from stagefright.services.function_store import FunctionStore, Parameters, Response, page, version_of

Source = Literal["sqs", "kinesis", "dynamodb"]
"""The services whose events a mapping can poll here, as they are named in an ARN."""

MappingState = Literal["Enabled", "Disabled", "Deleted"]
"""What a mapping does now. `Deleted` is only ever seen by hooks."""

SOURCE_ARN = re.compile(
    r"arn:aws[a-zA-Z-]*:(?P<service>[a-z0-9-]+):(?P<region>[a-z0-9-]*):(?P<account>\d*):(?P<resource>.+)"
)
POSITIONS = ("LATEST", "AT_TIMESTAMP", "TRIM_HORIZON")
RESPONSE_TYPES = ("ReportBatchItemFailures",)
NOTHING_PROCESSED = "No records processed"

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


class EventSourceMappings(FunctionStore):
    """Operations on event source mappings."""

    def create_event_source_mapping(self, params: Parameters) -> Response:
        """Connect a source to a function; pollers start at once."""
        _refuse_foreign(params)
        source, source_arn = _read_source(params)
        version, function_arn = self._mapped_function(params["FunctionName"])
        blank = EventSourceMapping(
            uuid="",
            arn="",
            source=source,
            source_arn=source_arn,
            function_arn=function_arn,
            last_modified=self._world.clock.now(),
            batch_size=limits.QUEUE_BATCH_SIZE_DEFAULT if source == "sqs" else limits.STREAM_BATCH_SIZE_DEFAULT,
            tags=dict(params.get("Tags") or {}),
        )
        draft = replace(_read_position(blank, params), **_read_changes(blank, params))
        self._check_mapping(draft, version)
        self._refuse_duplicate(draft)
        mapping = self._name_mapping(draft)
        self._keep_mapping(mapping)
        self._mapping_changed(mapping)
        return _describe_mapping(mapping, "Creating")

    def update_event_source_mapping(self, params: Parameters) -> Response:
        """Change what is mentioned; `Enabled: False` stops the pollers."""
        mapping = self._mapping(params)
        changes = _read_changes(mapping, params)
        if params.get("FunctionName"):
            changes["function_arn"] = self._mapped_function(params["FunctionName"])[1]
        updated = replace(mapping, last_modified=self._world.clock.now(), **changes)
        self._check_mapping(updated, self._mapped_function(updated.function_arn)[0])
        if updated.function_arn != mapping.function_arn:
            self._refuse_duplicate(updated)
        self._keep_mapping(updated)
        self._mapping_changed(updated)
        return _describe_mapping(updated, "Updating")

    def get_event_source_mapping(self, params: Parameters) -> Response:
        """One mapping."""
        return _describe_mapping(self._mapping(params))

    def delete_event_source_mapping(self, params: Parameters) -> Response:
        """Disconnect; pollers stop at once."""
        mapping = self._mapping(params)
        remaining = {uuid: other for uuid, other in self._state.mappings.items() if uuid != mapping.uuid}
        self._state = replace(self._state, mappings=remaining)
        self._mapping_changed(replace(mapping, state="Deleted"))
        return _describe_mapping(mapping, "Deleting")

    def list_event_source_mappings(self, params: Parameters) -> Response:
        """The mappings of a source, of a function, or all."""
        source_arn, name = params.get("EventSourceArn"), params.get("FunctionName")
        function_arn = self._mapping_target(name) if name else None
        shown = [
            _describe_mapping(mapping)
            for mapping in self._state.mappings.values()
            if source_arn in (None, mapping.source_arn) and function_arn in (None, mapping.function_arn)
        ]
        return page(shown, params, "EventSourceMappings", default_size=100)

    def note_result(self, uuid: str, result: str) -> None:
        """Keep a stream poller's last result (`OK`, `PROBLEM: Function call failed`) for `LastProcessingResult`."""
        mapping = self._state.mappings.get(uuid)
        if mapping is not None and mapping.last_result != result:
            self._keep_mapping(replace(mapping, last_result=result))

    def _mapping(self, params: Parameters) -> EventSourceMapping:
        mapping = self._state.mappings.get(params["UUID"])
        if mapping is None:
            raise not_found("The resource you requested does not exist.")
        return mapping

    def _keep_mapping(self, mapping: EventSourceMapping) -> None:
        self._state = replace(self._state, mappings={**self._state.mappings, mapping.uuid: mapping})

    def _mapping_changed(self, mapping: EventSourceMapping) -> None:
        for hook in self.on_mapping_changed:
            hook(mapping)

    def _name_mapping(self, draft: EventSourceMapping) -> EventSourceMapping:
        uuid = self._uuid("mapping", draft.source_arn, draft.function_arn)
        arn = f"arn:aws:lambda:{self._world.region}:{self._world.account}:event-source-mapping:{uuid}"
        return replace(draft, uuid=uuid, arn=arn)

    def _mapping_target(self, name_or_arn: str) -> str:
        name = self._name({"FunctionName": name_or_arn})
        arn = self._arn(name.name)
        return arn if name.qualifier in (None, LATEST) else f"{arn}:{name.qualifier}"

    def _mapped_function(self, name_or_arn: str) -> tuple[FunctionVersion, str]:
        name = self._name({"FunctionName": name_or_arn})
        function = self._state.functions.get(name.name)
        if function is None:
            raise refused("Function does not exist")
        return version_of(function, name.qualifier), self._mapping_target(name_or_arn)

    def _refuse_duplicate(self, draft: EventSourceMapping) -> None:
        for other in self._state.mappings.values():
            if (other.source_arn, other.function_arn) == (draft.source_arn, draft.function_arn):
                raise conflict(_duplicate_text(other))

    def _check_mapping(self, mapping: EventSourceMapping, version: FunctionVersion) -> None:
        _check_batching(mapping)
        _check_filters(mapping)
        if mapping.source == "sqs":
            self._check_queue(mapping, version)
        elif not self._world.has_stream(mapping.source_arn):
            raise refused(f"Stream not found: {mapping.source_arn}")

    def _check_queue(self, mapping: EventSourceMapping, version: FunctionVersion) -> None:
        if version.timeout_s > (visibility_s := self._visibility_timeout(mapping.source_arn)):
            raise refused(
                f"Queue visibility timeout: {visibility_s} seconds is less than "
                f"Function timeout: {version.timeout_s} seconds"
            )

    def _visibility_timeout(self, queue_arn: str) -> int:
        queues = self._world.queues
        try:
            url = queues.get_queue_url({"QueueName": queue_arn.rsplit(":", 1)[1]})["QueueUrl"]
            asked = {"QueueUrl": url, "AttributeNames": ["VisibilityTimeout"]}
            return int(queues.get_queue_attributes(asked)["Attributes"]["VisibilityTimeout"])
        except ApiError as refusal:
            raise refused(
                f"Error occurred while ReceiveMessage. SQS Error Code: {refusal.code}. "
                f"SQS Error Message: {refusal.message}"
            ) from refusal


def _refuse_foreign(params: Parameters) -> None:
    for name in FOREIGN_PARAMETERS:
        if params.get(name):
            raise unsupported(
                f"{name} was given for the event source mapping of {params.get('FunctionName')}. Available on the "
                "local stage: SQS queues, Kinesis streams and DynamoDB streams. Run this test with --stage-target=aws."
            )


def _read_source(params: Parameters) -> tuple[Source, str]:
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


def _read_position(mapping: EventSourceMapping, params: Parameters) -> EventSourceMapping:
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


def _read_changes(mapping: EventSourceMapping, params: Parameters) -> dict[str, Any]:
    """The fields that a call sets, each checked by itself; rules between fields come after, in `_check_mapping`."""
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


def _check_batching(mapping: EventSourceMapping) -> None:
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


def _check_filters(mapping: EventSourceMapping) -> None:
    if not mapping.filters:
        return
    # Late, because the pattern language is needed by mappings with filters only.
    from stagefright.patterns import InvalidPattern, compile_mapping_filter

    try:
        compile_mapping_filter(describe_filters(mapping), mapping.source)
    except InvalidPattern as fault:
        raise refused(str(fault)) from fault


def describe_filters(mapping: EventSourceMapping) -> dict[str, Any]:
    """The mapping's `FilterCriteria`, as the API has them."""
    return {"Filters": [{"Pattern": pattern} for pattern in mapping.filters]}


def _duplicate_text(other: EventSourceMapping) -> str:
    function_name = other.function_arn.split(":function:")[1]
    fate = f"Please update or delete the existing mapping with UUID {other.uuid}"
    if other.source == "sqs":
        return (
            f'An event source mapping with SQS arn (" {other.source_arn} ") and function (" {function_name} ") '
            f"already exists. {fate}"
        )
    return (
        f'The event source arn (" {other.source_arn} ") and function (" {function_name} ") '
        f"provided mapping already exists. {fate}"
    )


def _describe_mapping(mapping: EventSourceMapping, transition: str | None = None) -> Response:
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
