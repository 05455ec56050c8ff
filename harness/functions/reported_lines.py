"""
What the platform and the runtime client write to a function's log around what its code writes (aws-semantics §1.5).

As text, or as one JSON object per event, which the function's `SystemLogLevel` filters.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from stagefright.functions import payloads
from stagefright.functions.variables import ON_DEMAND, PROVISIONED

if TYPE_CHECKING:
    from stagefright.functions.environment import Environment
    from stagefright.functions.invocation import Invocation
    from stagefright.services.function import FunctionVersion

MEMORY_USED_MB = 64
"""What REPORT lines say; a function in this process has no memory of its own to measure."""

RUNTIME_BUILD = "v11"
"""The runtime's own version, which AWS moves on by itself."""

LEVELS = ("DEBUG", "INFO", "WARN")
"""System log levels, from the most to the least talkative."""


def write_init_start(environment: Environment, version: FunctionVersion) -> None:
    """INIT_START: an environment begins its init phase."""
    runtime = version.runtime.replace("python", "python:")
    name = f"{runtime}.{RUNTIME_BUILD}"
    arn = f"arn:aws:lambda:{version.function_arn.split(':')[3]}::runtime:{environment.runtime_id}"
    if not _is_json(environment):
        _line(environment, f"INIT_START Runtime Version: {name}\tRuntime Version ARN: {arn}")
        return
    record = {
        "initializationType": _initialization_type(environment),
        "phase": "init",
        "runtimeVersion": name,
        "runtimeVersionArn": arn,
        "functionName": version.function_name,
        "functionVersion": version.version,
    }
    _event(environment, "initStart", "INFO", record)


def write_init_end(
    environment: Environment, error: payloads.Payload | None, duration_s: float, *, phase: str = "init"
) -> None:
    """INIT_REPORT, which only a failure or provisioned concurrency has, and the runtime's account of an exception before it."""
    environment.flush()
    _write_error(environment, error)
    status, error_type = _status(error, fails_with="error")
    if not _is_json(environment):
        if error is not None or environment.provisioned:
            _line(
                environment,
                f"INIT_REPORT Init Duration: {duration_s * 1000:.2f} ms\tPhase: {phase}"
                + (f"\tStatus: {status}" if error is not None else "")
                + (f"\tError Type: {error_type}" if error_type else ""),
            )
        return
    level = "WARN" if error is not None else "INFO" if environment.provisioned else "DEBUG"
    outcome = {"status": status} | ({"errorType": error_type} if error_type else {})
    common = {"initializationType": _initialization_type(environment), "phase": phase, **outcome}
    _event(environment, "initRuntimeDone", "WARN" if error is not None else "DEBUG", common)
    _event(environment, "initReport", level, {**common, "metrics": {"durationMs": round(duration_s * 1000, 3)}})


def write_start(environment: Environment, invocation: Invocation) -> None:
    """START."""
    version = invocation.version
    if not _is_json(environment):
        _line(environment, f"START RequestId: {invocation.request_id} Version: {version.version}", invocation.record)
        return
    record = {
        "requestId": invocation.request_id,
        "functionArn": invocation.resolved.invoked_arn,
        "version": version.version,
    }
    _event(environment, "start", "INFO", record, invocation.record)


def write_end(
    environment: Environment,
    invocation: Invocation,
    error: payloads.Payload | None,
    duration_s: float,
    *,
    produced_bytes: int,
    is_told: bool,
) -> None:
    """END and REPORT; before them the runtime's account of an exception, unless the init phase has told it."""
    environment.flush()
    if not is_told:
        _write_error(environment, error, invocation.record)
    duration_ms = duration_s * 1000
    billed_ms = int(-(-duration_ms // 1))
    status, error_type = _status(error)
    if _is_json(environment):
        _write_json_end(environment, invocation, duration_ms, billed_ms, (status, error_type), produced_bytes)
        return
    _line(environment, f"END RequestId: {invocation.request_id}", invocation.record)
    report = (
        f"REPORT RequestId: {invocation.request_id}\tDuration: {duration_ms:.2f} ms\tBilled Duration: {billed_ms} ms"
        f"\tMemory Size: {invocation.version.memory_mb} MB\tMax Memory Used: {MEMORY_USED_MB} MB\t"
    )
    if (init_ms := _init_ms(environment)) is not None:
        report += f"Init Duration: {init_ms:.2f} ms\t"
    if status != "success":
        report += f"Status: {status}" + (f"\tError Type: {error_type}" if error_type else "")
    _line(environment, report, invocation.record)


def _write_json_end(
    environment: Environment,
    invocation: Invocation,
    duration_ms: float,
    billed_ms: int,
    outcome: tuple[str, str | None],
    produced_bytes: int,
) -> None:
    status, error_type = outcome
    ended = {"status": status} | ({"errorType": error_type} if error_type else {})
    asked = {"requestId": invocation.request_id}
    failed = status != "success"
    done = {**asked, **ended, "metrics": {"durationMs": round(duration_ms, 3), "producedBytes": produced_bytes}}
    _event(environment, "runtimeDone", "WARN" if failed else "DEBUG", done, invocation.record)
    metrics: dict[str, Any] = {
        "durationMs": round(duration_ms, 3),
        "billedDurationMs": billed_ms,
        "memorySizeMB": invocation.version.memory_mb,
        "maxMemoryUsedMB": MEMORY_USED_MB,
    }
    if (init_ms := _init_ms(environment)) is not None:
        metrics["initDurationMs"] = round(init_ms, 3)
    report = {**asked, "metrics": metrics, **ended}
    _event(environment, "report", "WARN" if failed else "INFO", report, invocation.record)


def _init_ms(environment: Environment) -> float | None:
    """How long the init phase took, for the invocation that had to wait for it."""
    is_first = environment.invocations == 1 and not environment.provisioned
    return None if not is_first or environment.init_s is None else environment.init_s * 1000


def _status(error: payloads.Payload | None, *, fails_with: str = "success") -> tuple[str, str | None]:
    """The status, and the error type if it is one of the platform's; `fails_with` is the status of an exception."""
    if error is None:
        return "success", None
    error_type = str(error.get("errorType"))
    if error_type == payloads.TIMED_OUT:
        return "timeout", None
    if error_type.startswith("Runtime."):
        return "error", error_type
    return fails_with, None if fails_with == "success" else error_type


def _initialization_type(environment: Environment) -> str:
    return PROVISIONED if environment.provisioned else ON_DEMAND


def _is_json(environment: Environment) -> bool:
    return environment.log.settings.get("LogFormat") == "JSON"


def _line(environment: Environment, line: str, cause: int | None = None) -> None:
    environment.log.write(line, cause=cause, platform=True)


def _event(
    environment: Environment, kind: str, level: str, record: Mapping[str, Any], cause: int | None = None
) -> None:
    """Write a platform event, unless the function's system log level is above it."""
    least = environment.log.settings.get("SystemLogLevel", "INFO")
    if LEVELS.index(level) < LEVELS.index(least):
        return
    event = {"time": environment.iso(), "type": f"platform.{kind}", "record": record}
    _line(environment, json.dumps(event, separators=(",", ":")), cause)


def _write_error(environment: Environment, error: payloads.Payload | None, cause: int | None = None) -> None:
    """The runtime client's account of an exception; a timeout or an exit has none."""
    if error is None or "stackTrace" not in error:
        return
    text = _error_text(error) if not _is_json(environment) else _error_object(environment, error)
    environment.log.write(text, cause=environment.actor.cause if cause is None else cause)


def _error_object(environment: Environment, error: payloads.Payload) -> str:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(environment.now()))
    return json.dumps({"timestamp": stamp, "level": "ERROR", **error}, ensure_ascii=False)


def _error_text(error: payloads.Payload) -> str:
    """Its indents are no-break spaces, which keep it one log event."""
    trace = "".join(error["stackTrace"]).rstrip("\n").split("\n")
    lines = ["\N{NO-BREAK SPACE}" * (len(line) - len(line.lstrip(" "))) + line.lstrip(" ") for line in trace]
    head = f"[ERROR] {error['errorType']}: {error['errorMessage']}"
    return "\n".join([head, "Traceback (most recent call last):", *lines]) if error["stackTrace"] else head
