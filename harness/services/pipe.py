"""
One pipe: source, filters, enrichment, target (aws-semantics §6.7), read from what the API is given.

How it polls its source is described as an event source mapping, because by the same pollers it is read; the pipe stands where a function would.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from stagefright.aws_api.errors import ApiError
from stagefright.patterns import InvalidPattern, compile_pipe_filter
from stagefright.services import lambda_limits as limits
from stagefright.services.event_source_mapping import EventSourceMapping, Source

if TYPE_CHECKING:
    from stagefright.assumptions import Assumptions

NAME = re.compile(r"[\.\-_A-Za-z0-9]{1,64}")
TEMPLATE_CHARS_MAX = 8_192
FILTERS_MAX = 5

SOURCE_PARAMETERS: Mapping[Source, str] = {
    "sqs": "SqsQueueParameters",
    "kinesis": "KinesisStreamParameters",
    "dynamodb": "DynamoDBStreamParameters",
}
"""The sources that a local stage reads, and where their settings are."""

TARGET_BATCH_MAX: Mapping[str, int | None] = {
    "lambda": None,
    "sqs": 10,
    "sns": 10,
    "events": 10,
    "kinesis": 500,
    "logs": 10_000,
}
"""The targets that a local stage hands events to, and how many each takes at once; a function takes what fits into 6 MB (DG eb-pipes)."""

POSITIONS: Mapping[Source, tuple[str, ...]] = {
    "sqs": (),
    "kinesis": ("TRIM_HORIZON", "LATEST", "AT_TIMESTAMP"),
    "dynamodb": ("TRIM_HORIZON", "LATEST"),
}

INVOCATION_TYPES = ("REQUEST_RESPONSE", "FIRE_AND_FORGET")
BISECT = "AUTOMATIC_BISECT"


@dataclass(frozen=True, slots=True)
class Pipe:
    """A pipe in plain values."""

    name: str
    arn: str
    source: str
    target: str
    role_arn: str
    created_at: float
    modified_at: float
    polling: EventSourceMapping | None = None
    """None if the local stage cannot read the source, or cannot hand over to the enrichment or the target."""
    is_running: bool = True
    description: str | None = None
    source_parameters: Mapping[str, Any] = field(default_factory=dict)
    enrichment: str | None = None
    enrichment_parameters: Mapping[str, Any] = field(default_factory=dict)
    target_parameters: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    log_configuration: Mapping[str, Any] | None = None
    kms_key: str | None = None

    @property
    def target_service(self) -> str:
        """The service that the target's ARN names."""
        return service_of(self.target)

    @property
    def waits_for_target(self) -> bool:
        """Whether a function that is the target is waited for; it is unless the pipe says otherwise."""
        settings = self.target_parameters.get("LambdaFunctionParameters") or {}
        return bool(settings.get("InvocationType", INVOCATION_TYPES[0]) == INVOCATION_TYPES[0])

    @property
    def unserved(self) -> str | None:
        """What of the pipe a local stage does not have, in words; None if it has everything."""
        if source_of(self.source) is None:
            return f"the source {self.source}"
        if self.enrichment and service_of(self.enrichment) != "lambda":
            return f"the enrichment {self.enrichment}"
        if self.target_service not in TARGET_BATCH_MAX or ":api-destination/" in self.target:
            return f"the target {self.target}"
        return None


def service_of(arn: str) -> str:
    """The service that an ARN names; nothing for an address of a self-managed Kafka."""
    parts = arn.split(":", 5)
    return parts[2] if len(parts) == 6 else ""


def source_of(arn: str) -> Source | None:
    """What kind of source an ARN names; None if the local stage cannot read it."""
    match service_of(arn):
        case "sqs":
            return "sqs"
        case "kinesis":
            return "kinesis"
        case "dynamodb" if "/stream/" in arn:
            return "dynamodb"
    return None


def invalid(message: str) -> ApiError:
    """A refusal of EventBridge Pipes; where AWS's text is not recorded the message says what is wrong."""
    return ApiError("ValidationException", message)


def check_pipe(pipe: Pipe) -> None:
    """Refuse what is wrong with a pipe, whether the local stage can serve it or not."""
    if not NAME.fullmatch(pipe.name):
        raise invalid(
            f"1 validation error detected: Value '{pipe.name}' at 'name' failed to satisfy constraint: "
            f"Member must satisfy regular expression pattern: {NAME.pattern}"
        )
    for parameters in (pipe.enrichment_parameters, pipe.target_parameters):
        if len(parameters.get("InputTemplate") or "") > TEMPLATE_CHARS_MAX:
            raise invalid(f"InputTemplate must have length less than or equal to {TEMPLATE_CHARS_MAX}.")
    settings = pipe.target_parameters.get("LambdaFunctionParameters") or {}
    check_choice("InvocationType", settings.get("InvocationType"), INVOCATION_TYPES)
    _check_fifo_target(pipe)


def _check_fifo_target(pipe: Pipe) -> None:
    settings = pipe.target_parameters.get("SqsQueueParameters") or {}
    if pipe.target_service == "sns" and pipe.target.endswith(".fifo"):
        raise invalid(f"The target {pipe.target} is a FIFO topic; Pipes does not support them.")
    if pipe.target_service == "sqs" and pipe.target.endswith(".fifo") and not settings.get("MessageGroupId"):
        raise invalid(f"The target {pipe.target} is a FIFO queue; SqsQueueParameters.MessageGroupId is required.")
    kinesis = pipe.target_parameters.get("KinesisStreamParameters") or {}
    if pipe.target_service == "kinesis" and not kinesis.get("PartitionKey"):
        raise invalid(f"The target {pipe.target} is a stream; KinesisStreamParameters.PartitionKey is required.")


def read_polling(pipe: Pipe, assumptions: Assumptions) -> EventSourceMapping | None:
    """How the pipe's source is polled; None if something of the pipe is not served."""
    source = source_of(pipe.source)
    if source is None or pipe.unserved:
        return None
    given = dict(pipe.source_parameters.get(SOURCE_PARAMETERS[source]) or {})
    is_queue = source == "sqs"
    polling = EventSourceMapping(
        uuid=pipe.arn,
        arn=pipe.arn,
        source=source,
        source_arn=pipe.source,
        function_arn=pipe.arn,
        last_modified=pipe.modified_at,
        state="Enabled" if pipe.is_running else "Disabled",
        batch_size=_batch_size(pipe, given, assumptions),
        batching_window_s=_ranged(given, "MaximumBatchingWindowInSeconds", 0, limits.BATCHING_WINDOW_S),
        response_types=("ReportBatchItemFailures",),
        filters=_filters(pipe),
        starting_position=None if is_queue else _position(given, source),
        starting_timestamp=_epoch(given.get("StartingPositionTimestamp")),
        parallelization_factor=_ranged(given, "ParallelizationFactor", 1, limits.PARALLELIZATION_FACTOR),
        retry_attempts_max=_ranged(given, "MaximumRetryAttempts", limits.FOREVER, limits.STREAM_RETRY_ATTEMPTS),
        record_age_max_s=_record_age(given),
        bisect_on_error=_bisects(given),
        on_failure=_dead_letter(given),
    )
    _check_queue_batching(polling)
    return polling


def _ranged(given: Mapping[str, Any], name: str, default: int, bounds: tuple[int, int]) -> int:
    value = given.get(name)
    if value is None:
        return default
    if not bounds[0] <= value <= bounds[1]:
        raise invalid(f"{name} must be between {bounds[0]} and {bounds[1]}; {value} was given.")
    return int(value)


def _batch_size(pipe: Pipe, given: Mapping[str, Any], assumptions: Assumptions) -> int:
    """A batch may not be bigger than the target takes (DG eb-pipes-batching-concurrency)."""
    is_queue = source_of(pipe.source) == "sqs"
    default = limits.QUEUE_BATCH_SIZE_DEFAULT if is_queue else assumptions.pipe_stream_batch_size
    size = _ranged(given, "BatchSize", default, limits.BATCH_SIZE)
    most = TARGET_BATCH_MAX[pipe.target_service]
    if most is not None and size > most:
        raise invalid(f"BatchSize is {size}, but the target {pipe.target} takes at most {most} events at once.")
    return size


def _check_queue_batching(polling: EventSourceMapping) -> None:
    if polling.is_fifo and (polling.batching_window_s or polling.batch_size > limits.FIFO_BATCH_SIZE_MAX):
        raise invalid(f"A FIFO queue has no batching window, and a BatchSize of at most {limits.FIFO_BATCH_SIZE_MAX}.")
    is_large = polling.source == "sqs" and polling.batch_size > limits.QUEUE_BATCH_SIZE_WITHOUT_WINDOW_MAX
    if is_large and not polling.batching_window_s:
        raise invalid("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10")


def _record_age(given: Mapping[str, Any]) -> int:
    if given.get("MaximumRecordAgeInSeconds") in (None, limits.FOREVER):
        return limits.FOREVER
    return _ranged(given, "MaximumRecordAgeInSeconds", limits.FOREVER, limits.STREAM_RECORD_AGE_S)


def _bisects(given: Mapping[str, Any]) -> bool:
    check_choice("OnPartialBatchItemFailure", given.get("OnPartialBatchItemFailure"), (BISECT,))
    return given.get("OnPartialBatchItemFailure") == BISECT


def _dead_letter(given: Mapping[str, Any]) -> str | None:
    arn: str | None = (given.get("DeadLetterConfig") or {}).get("Arn")
    if arn is not None and (service_of(arn) not in ("sqs", "sns") or arn.endswith(".fifo")):
        raise invalid(f"The dead-letter queue {arn} is not a standard SQS queue or SNS topic.")
    return arn


def _position(given: Mapping[str, Any], source: Source) -> str:
    position = given.get("StartingPosition")
    if position is None:
        raise invalid(f"{SOURCE_PARAMETERS[source]}.StartingPosition is required.")
    check_choice("StartingPosition", position, POSITIONS[source])
    if (position == "AT_TIMESTAMP") != (given.get("StartingPositionTimestamp") is not None):
        raise invalid("StartingPositionTimestamp is required with StartingPosition AT_TIMESTAMP, and only with it.")
    return str(position)


def check_choice(name: str, value: object, known: tuple[str, ...]) -> None:
    """Refuse what is none of an enumeration's values."""
    if value is not None and value not in known:
        raise invalid(f"{name} must be one of {', '.join(known)}; {value} was given.")


def _filters(pipe: Pipe) -> tuple[str, ...]:
    """The patterns, each found valid."""
    given = (pipe.source_parameters.get("FilterCriteria") or {}).get("Filters") or ()
    patterns = tuple(entry.get("Pattern") or "{}" for entry in given)
    if len(patterns) > FILTERS_MAX:
        raise invalid(f"A pipe takes at most {FILTERS_MAX} filters; {len(patterns)} were given.")
    try:
        compile_pipe_filter(patterns, source_of(pipe.source) or "sqs")
    except InvalidPattern as fault:
        raise invalid(f"Invalid filter pattern: {fault.reason}") from fault
    return patterns


def _epoch(timestamp: Any) -> float | None:
    """An instant, which a template gives as text."""
    if timestamp is None or isinstance(timestamp, int | float):
        return timestamp
    if isinstance(timestamp, datetime):
        return timestamp.timestamp()
    try:
        instant = datetime.fromisoformat(str(timestamp))
    except ValueError as error:
        raise invalid(
            f"StartingPositionTimestamp must be an instant such as 2026-01-01T00:00:00Z; {timestamp} was given."
        ) from error
    return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).timestamp()
