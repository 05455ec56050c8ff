"""Lambda's JSON log format: the platform's events, and what the runtimes write of an exception."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from stagefright.targets.evidence.lines import Line

PLATFORM = "platform."
"""How the types of the platform's events begin."""

FAILED_STATUSES = ("error", "failure", "timeout")
"""The statuses of an init phase or an invocation that went wrong."""

TRACES = ("stackTrace", "trace", "stack")
"""Where the runtimes write the stack of an exception that left the handler; what code logs by itself has other names for it."""


def read_json_line(text: str) -> Line | None:
    """
    A line that is one JSON object; None if it is not.

    >>> read_json_line('{"type": "platform.start", "record": {"requestId": "1", "version": "3"}}')
    Line(kind='start', request_id='1', detail={'version': '3'})
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict):
        return None
    kind, record = found.get("type"), found.get("record")
    if isinstance(kind, str) and kind.startswith(PLATFORM) and isinstance(record, dict):
        return _platform(kind.removeprefix(PLATFORM), record)
    return _written(found)


def _platform(kind: str, record: Mapping[str, Any]) -> Line:
    request_id = _text(record.get("requestId"))
    if kind in ("initStart", "restoreStart"):
        return Line("init", None, {"runtime": _text(record.get("runtimeVersion")) or ""})
    if kind == "start" and request_id is not None:
        return Line("start", request_id, {"version": str(record.get("version", "$LATEST")), **_trace(record)})
    if kind == "report" and request_id is not None:
        return Line("report", request_id, _report(record))
    if kind in ("initReport", "initRuntimeDone") and record.get("status") in FAILED_STATUSES:
        return Line(
            "init_error", None, {"error_type": record.get("errorType") or "Unknown", "status": record["status"]}
        )
    if kind == "runtimeDone":
        return Line("end", request_id, _trace(record))
    return Line("platform", request_id)


def _report(record: Mapping[str, Any]) -> dict[str, Any]:
    metrics = record.get("metrics")
    metrics = metrics if isinstance(metrics, dict) else {}
    found = {
        "duration_ms": _number(metrics.get("durationMs")),
        "billed_ms": _number(metrics.get("billedDurationMs")),
        "init_ms": _number(metrics.get("initDurationMs", metrics.get("restoreDurationMs"))),
        "status": _text(record.get("status")),
        "error_type": _text(record.get("errorType")),
    }
    return {name: value for name, value in found.items() if value is not None} | _trace(record)


def _trace(record: Mapping[str, Any]) -> dict[str, str]:
    tracing = record.get("tracing")
    header = _text(tracing.get("value")) if isinstance(tracing, dict) else None
    return {"trace": root_of(header)} if header else {}


def root_of(header: str) -> str:
    """
    The trace id in a trace header.

    >>> root_of("Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1")
    '1-5759e988-bd862e3fe1be46a994272793'
    """
    parts = dict(part.partition("=")[::2] for part in header.split(";"))
    return parts.get("Root", header)


def _written(found: Mapping[str, Any]) -> Line:
    """A line of the runtime's logger, or of the code's own."""
    request_id = (
        _text(found.get("requestId")) or _text(found.get("function_request_id")) or _text(found.get("AWSRequestId"))
    )
    message = found.get("message")
    for error in (found, message if isinstance(message, dict) else {}):
        if (
            _is_error_level(found)
            and "errorType" in error
            and "errorMessage" in error
            and any(t in error for t in TRACES)
        ):
            detail = {"error_type": str(error["errorType"]), "error_message": str(error["errorMessage"])}
            return Line("error", request_id, detail)
    return Line("other", request_id)


def _is_error_level(found: Mapping[str, Any]) -> bool:
    return found.get("level", found.get("log_level")) in ("ERROR", "FATAL")


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
