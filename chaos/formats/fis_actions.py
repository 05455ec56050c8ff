"""
The actions of AWS FIS that our faults can express, one line of a table each, with their parameters.

An entry says how its parameters become faults. The way back is in `fis_export.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stagefright.chaos.faults.fault import AnyFault
from stagefright.chaos.formats.durations import parse_duration
from stagefright.chaos.formats.problems import fault
from stagefright.errors import ExperimentError

FUNCTION, STREAM, ROLE = "aws:lambda:function", "aws:kinesis:stream", "aws:iam:role"
"""FIS's types of targets."""

DURATION_S = (60, 43_200)
"""FIS runs an action from a minute to twelve hours."""

DELAY_MS_MAX = 900_000
FIS_MESSAGE = "AWS FIS injected an error"
"""What an invocation fails with; FIS has no parameter for it."""

JSON_TYPE = "application/json"


@dataclass(frozen=True)
class Parameter:
    """A parameter of an action: how its text is read, and its default; without one it must be given."""

    read: Callable[[str], Any]
    default: Any = None


@dataclass(frozen=True)
class Action:
    """An action of FIS; `faults` makes ours of its parameters, for one target."""

    target: str
    parameters: Mapping[str, Parameter]
    faults: Callable[[Mapping[str, Any]], Iterator[AnyFault]]
    percentage: str | None = None
    """The parameter that says how many of the calls are struck."""


def read_parameters(action: Action, given: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """The values of an action's parameters, and what is wrong with them."""
    values, problems = {}, [f"it has no parameter {name!r}." for name in given if name not in action.parameters]
    for name, parameter in action.parameters.items():
        raw = given.get(name, parameter.default)
        if raw is None:
            problems.append(f"the parameter {name!r} is missing.")
            continue
        try:
            values[name] = parameter.read(str(raw)) if isinstance(raw, str | int) else _refuse("text")
        except (ExperimentError, ValueError) as error:
            problems.append(f"the parameter {name!r} is {raw!r}: {error}")
    return values, problems


def duration_s(text: str) -> int:
    """A duration that FIS accepts, in seconds."""
    found = parse_duration(text)
    low, high = DURATION_S
    return found if low <= found <= high else _refuse("from a minute (PT1M) to twelve hours (PT12H)")


def _whole(low: int, high: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= 9 and low <= int(text) <= high):
            _refuse(f"a whole number from {low} to {high}")
        return int(text)

    return read


def _switch(text: str) -> bool:
    if text not in ("true", "false"):
        _refuse('"true" or "false"')
    return text == "true"


def _content_type(text: str) -> str:
    return text if text == JSON_TYPE else _refuse(f"only {JSON_TYPE} can be expressed")


def _operations(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()] or _refuse("a list of operations")


def _api_service(text: str) -> str:
    return text if text in ("ec2", "kinesis") else _refuse("ec2 or kinesis, the services that FIS has")


def _refuse(expected: str) -> Any:
    raise ExperimentError(f"it should be {expected}." if not expected.startswith("only") else f"{expected}.")


def _delay(values: Mapping[str, Any]) -> Iterator[AnyFault]:
    yield fault("Latency", delay_ms=values["startupDelayMilliseconds"])


def _error(values: Mapping[str, Any]) -> Iterator[AnyFault]:
    yield fault("Failure" if values["preventExecution"] else "ErrorAfterCommit", message=FIS_MESSAGE)


def _response(values: Mapping[str, Any]) -> Iterator[AnyFault]:
    if not values["preventExecution"]:
        raise ExperimentError("preventExecution=false (run the code, then answer something else) cannot be expressed.")
    yield fault("StatusCode", status_code=values["statusCode"])


def _throughput(_values: Mapping[str, Any]) -> Iterator[AnyFault]:
    yield fault("Throttle", service="kinesis")


def _expired(_values: Mapping[str, Any]) -> Iterator[AnyFault]:
    yield fault("ServiceError", service="kinesis", operation="GetRecords", code="ExpiredIteratorException")


def _api_error(code: str) -> Callable[[Mapping[str, Any]], Iterator[AnyFault]]:
    def faults(values: Mapping[str, Any]) -> Iterator[AnyFault]:
        for operation in values["operations"]:
            yield fault("ServiceError", service=values["service"], operation=operation, code=code)

    return faults


_DURATION = {"duration": Parameter(duration_s)}
_INVOCATIONS = {**_DURATION, "invocationPercentage": Parameter(_whole(1, 100), 100)}
_SHARE = {**_DURATION, "percentage": Parameter(_whole(1, 100))}
_API = {**_SHARE, "service": Parameter(_api_service), "operations": Parameter(_operations)}
_PREVENT = {"preventExecution": Parameter(_switch)}
_DELAY_MS = {"startupDelayMilliseconds": Parameter(_whole(0, DELAY_MS_MAX), 1000)}
_RESPONSE = {**_PREVENT, "contentTypeHeader": Parameter(_content_type), "statusCode": Parameter(_whole(0, 999))}

WAIT = "aws:fis:wait"
"""The action that only takes time; its one parameter is `duration`."""

ADD_DELAY, ERROR, RESPONSE = (
    "aws:lambda:invocation-add-delay",
    "aws:lambda:invocation-error",
    "aws:lambda:invocation-http-integration-response",
)

ACTIONS: Mapping[str, Action] = {
    ADD_DELAY: Action(FUNCTION, _INVOCATIONS | _DELAY_MS, _delay, "invocationPercentage"),
    ERROR: Action(FUNCTION, _INVOCATIONS | _PREVENT, _error, "invocationPercentage"),
    RESPONSE: Action(FUNCTION, _INVOCATIONS | _RESPONSE, _response, "invocationPercentage"),
    "aws:kinesis:stream-provisioned-throughput-exception": Action(STREAM, _SHARE, _throughput, "percentage"),
    "aws:kinesis:stream-expired-iterator-exception": Action(STREAM, _SHARE, _expired, "percentage"),
    "aws:fis:inject-api-internal-error": Action(ROLE, _API, _api_error("InternalFailure"), "percentage"),
    "aws:fis:inject-api-throttle-error": Action(ROLE, _API, _api_error("ThrottlingException"), "percentage"),
    "aws:fis:inject-api-unavailable-error": Action(ROLE, _API, _api_error("ServiceUnavailable"), "percentage"),
}
"""The actions that can be expressed."""
