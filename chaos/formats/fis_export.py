"""Plans as experiment templates of AWS FIS: the way back of `fis.py`, as far as FIS goes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stagefright.chaos.faults.fault import AnyFault
from stagefright.chaos.formats.durations import format_duration, parse_duration
from stagefright.chaos.formats.fis import ALARM_SOURCE
from stagefright.chaos.formats.fis_actions import (
    ADD_DELAY,
    DELAY_MS_MAX,
    ERROR,
    FIS_MESSAGE,
    FUNCTION,
    JSON_TYPE,
    RESPONSE,
    WAIT,
    duration_s,
)
from stagefright.chaos.formats.problems import Refusals
from stagefright.chaos.plan import Plan
from stagefright.errors import ExperimentError
from stagefright.spans import Span, parse_span

if TYPE_CHECKING:
    from stagefright.stage import Stage

Said = tuple[str, dict[str, str]]
"""An action id with its parameters."""

TIMEOUT_OVERRUN_MS = 1_000
"""How much longer than the function's timeout a delay must be for FIS to time it out."""


def to_fis(
    plan: Plan,
    stage: Stage,
    *,
    role_arn: str,
    duration: Span = "5m",
    description: str = "",
    near_enough: bool = False,
    stop_when: Sequence[str] = (),
) -> dict[str, Any]:
    """
    The FIS template that does what a plan does to the functions of a stage, for `boto3.client("fis").create_experiment_template`.

    `duration` is for faults that hold as long as their block. An error message or type of your own is lost on FIS; such a fault is
    refused unless `near_enough`. `stop_when` are alarms, by ARN. Raises `ExperimentError`, which names everything that FIS cannot express.
    """
    refusals, actions, targets = Refusals(), dict[str, Any](), dict[str, Any]()
    for index, (name, fault) in enumerate(plan):
        where = f"{name}={fault!r}"
        said = refusals.attempt(where, lambda: _action(fault, name, stage, parse_span(duration), near_enough))  # noqa: B023
        if said is None:
            continue
        (action_id, parameters), after_s = said
        target, key = f"{name}Target", f"{name}{index + 1}"
        targets[target] = {"resourceType": FUNCTION, "resourceArns": [stage.arn(name)], "selectionMode": "ALL"}
        actions[key] = {"actionId": action_id, "parameters": parameters, "targets": {"Functions": target}}
        if after_s:
            wait = refusals.attempt(where, lambda: _wait(after_s))  # noqa: B023
            actions[f"{key}Wait"] = wait
            actions[key]["startAfter"] = [f"{key}Wait"]
    refusals.end("This plan cannot be expressed as a FIS template:")
    return {
        "description": description or repr(plan),
        "targets": targets,
        "actions": actions,
        "stopConditions": [{"source": ALARM_SOURCE, "value": arn} for arn in stop_when] or [{"source": "none"}],
        "roleArn": role_arn,
    }


def _action(fault: AnyFault, name: str, stage: Stage, span_s: float, near_enough: bool) -> tuple[Said, float]:
    """The action for one fault, and the seconds after which it begins."""
    percentage, after_s, plain = 100.0, 0.0, fault
    while plain.kind in ("with_probability", "during"):
        if plain.kind == "during":
            span_s, after_s = getattr(plain, "span_s"), getattr(plain, "after_s")  # noqa: B009
        else:
            percentage *= getattr(plain, "probability")  # noqa: B009
        plain = getattr(plain, "fault")  # noqa: B009
    say = _SAYINGS.get(plain.kind)
    if say is None:
        known = ", ".join(_SAYINGS)
        raise ExperimentError(f"FIS has no action for the fault {plain.kind}; it has some for {known}.")
    action_id, parameters = say(plain, near_enough, lambda: _timeout_ms(stage, name))
    parameters["duration"] = format_duration(duration_s(format_duration(span_s)))
    whole = round(percentage, 6)
    if whole != int(whole) or not 1 <= whole <= 100:
        raise ExperimentError(f"FIS has whole percentages from 1 to 100, not {whole:g}.")
    if whole < 100:
        parameters["invocationPercentage"] = str(int(whole))
    return (action_id, parameters), after_s


def _wait(after_s: float) -> dict[str, Any]:
    text = format_duration(after_s)
    if parse_duration(text) != after_s:
        raise ExperimentError(f"FIS waits for whole seconds, not {after_s:g}.")
    duration_s(text)
    return {"actionId": WAIT, "parameters": {"duration": text}}


def _timeout_ms(stage: Stage, name: str) -> int:
    found = stage.client("lambda").get_function_configuration(FunctionName=stage.ref(name))
    return int(found["Timeout"]) * 1_000


TimeoutMs = Callable[[], int]


def _say_latency(fault: Any, _near_enough: bool, _timeout_ms: TimeoutMs) -> Said:
    low, high = fault.range_ms
    if low != high or low != int(low):
        raise ExperimentError("FIS has one fixed delay, of whole milliseconds.")
    return ADD_DELAY, {"startupDelayMilliseconds": str(int(low))}


def _say_timeout(fault: Any, _near_enough: bool, timeout_ms: TimeoutMs) -> Said:
    if fault.buffer_ms:
        raise ExperimentError("FIS cannot leave a function some of its time.")
    delay_ms = min(timeout_ms() + TIMEOUT_OVERRUN_MS, DELAY_MS_MAX)
    return ADD_DELAY, {"startupDelayMilliseconds": str(delay_ms)}


def _say_error(fault: Any, near_enough: bool, _timeout_ms: TimeoutMs) -> Said:
    if not near_enough and (fault.message != FIS_MESSAGE or fault.error_type != "Exception"):
        raise ExperimentError(
            "FIS fails with an error of its own, without your message or type; near_enough=True accepts that."
        )
    return ERROR, {"preventExecution": "true" if fault.kind == "failure" else "false"}


def _say_status_code(fault: Any, _near_enough: bool, _timeout_ms: TimeoutMs) -> Said:
    if fault.body is not None:
        raise ExperimentError("FIS answers without a body of yours.")
    return RESPONSE, {
        "statusCode": str(fault.status_code),
        "contentTypeHeader": JSON_TYPE,
        "preventExecution": "true",
    }


_SAYINGS: Mapping[str, Callable[[Any, bool, TimeoutMs], Said]] = {
    "latency": _say_latency,
    "timeout": _say_timeout,
    "failure": _say_error,
    "error_after_commit": _say_error,
    "status_code": _say_status_code,
}
"""How each kind of fault is said to FIS; a new one adds its line."""
