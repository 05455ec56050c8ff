"""
What one line in a function's log means (aws-semantics §1.5): which invocation it belongs to, and what the platform said of it.

A line is never more than a hint: code may print what it likes. The platform's own lines are told by their exact beginnings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

TIMED_OUT = "Sandbox.Timedout"
"""The error type of an invocation that Lambda ended at its timeout, as its caller is told it (§1.4)."""

EXITED = "Runtime.ExitError"
"""The error type of an invocation whose process ended."""

UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
"""What a request id looks like."""

_STAMP = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z?"


@dataclass(frozen=True, slots=True)
class Line:
    """
    One line, read.

    `kind` is what it says: `init` (an environment begins), `start`, `end`, `report`, `timeout`, `error` (an exception that left the
    handler), `init_error`, `platform` (anything else that is not the code's), or `other`, which is what code wrote.
    """

    kind: str
    request_id: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)


def read_line(text: str) -> Line:
    """
    What a line of a function's log says.

    >>> read_line("START RequestId: 8f5b... Version: 3").detail
    {'version': '3'}
    >>> read_line("2026-11-21T03:00:00.123Z 8f5b Task timed out after 3.00 seconds").kind
    'other'
    """
    if text.lstrip()[:1] == "{":
        from stagefright.targets.evidence.json_lines import read_json_line

        found = read_json_line(text)
        if found is not None:
            return found
    for pattern, read in _PATTERNS:
        match = pattern.match(text)
        if match:
            return read(match)
    return Line("other", _request_id_of(text))


def said(text: str) -> str:
    """
    What code wrote, without what the runtime put before it.

    >>> said("2026-11-21T03:00:00.123Z\\t8f5b0a3e-0000-4000-8000-0123456789ab\\tINFO\\thello")
    'hello'
    """
    match = _NODE.match(text) or _PYTHON.match(text)
    return text[match.end() :] if match else text


_NODE = re.compile(rf"{_STAMP}\t({UUID}|undefined)\t(?:TRACE|DEBUG|INFO|WARN|ERROR|FATAL)\t")
"""How Node's console writes."""

_PYTHON = re.compile(rf"\[(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)\]\t{_STAMP}\t({UUID})\t")
"""How Python's logging writes."""


def _request_id_of(text: str) -> str | None:
    match = _NODE.match(text) or _PYTHON.match(text)
    return match.group(1) if match and match.group(1) != "undefined" else None


# -- the platform's lines ----------------------------------------------------------------------------------------------


def _init(match: re.Match[str]) -> Line:
    return Line("init", None, {"runtime": match.group(1)})


def _start(match: re.Match[str]) -> Line:
    return Line("start", match.group(1), {"version": match.group(2)})


def _report(match: re.Match[str]) -> Line:
    values = _fields(match.group(2))
    detail: dict[str, Any] = {
        "duration_ms": _number(values.get("Duration")),
        "billed_ms": _number(values.get("Billed Duration")),
        "init_ms": _number(values.get("Init Duration") or values.get("Restore Duration")),
        "status": values.get("Status"),
        "error_type": values.get("Error Type"),
        "trace": values.get("XRAY TraceId"),
    }
    return Line("report", match.group(1), {name: value for name, value in detail.items() if value is not None})


def _init_report(match: re.Match[str]) -> Line:
    values = _fields(match.group(1))
    if values.get("Status", "success") == "success":
        return Line("platform")
    return Line("init_error", None, {"error_type": values.get("Error Type", "Unknown"), "status": values["Status"]})


def _timeout(match: re.Match[str]) -> Line:
    return Line("timeout", match.group(1), {"error_message": f"Task timed out after {match.group(2)} seconds"})


def _exit(match: re.Match[str]) -> Line:
    return Line("error", match.group(1), {"error_type": EXITED, "error_message": match.group(2).strip()})


def _python_error(match: re.Match[str]) -> Line:
    return Line("error", None, {"error_type": match.group(1), "error_message": match.group(2)})


def _node_error(match: re.Match[str]) -> Line:
    request_id = None if match.group(1) == "undefined" else match.group(1)
    try:
        error = json.loads(match.group(2))
    except ValueError:
        error = {}
    error = error if isinstance(error, dict) else {}
    message = str(error.get("errorMessage", match.group(2)))
    return Line("error", request_id, {"error_type": str(error.get("errorType", "Error")), "error_message": message})


def _fields(text: str) -> dict[str, str]:
    """`Name: value` between tabs and line ends."""
    parts = (part.partition(": ") for part in re.split(r"[\t\n]", text))
    return {name.strip(): value.strip() for name, colon, value in parts if colon}


def _number(text: str | None) -> float | None:
    match = re.match(r"[\d.]+", text or "")
    try:
        return float(match.group()) if match else None
    except ValueError:
        return None


_PATTERNS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], Line]], ...] = (
    (re.compile(r"START RequestId: (\S+) Version: (\S+)"), _start),
    (re.compile(r"END RequestId: (\S+)"), lambda match: Line("end", match.group(1))),
    (re.compile(r"REPORT RequestId: (\S+)\s+(.*)", re.DOTALL), _report),
    (re.compile(r"(?:INIT_START|RESTORE_START) Runtime Version: (\S+)"), _init),
    (re.compile(r"INIT_REPORT (.*)", re.DOTALL), _init_report),
    (re.compile(r"EXTENSION\t|TELEMETRY\t|XRAY TraceId: |RESTORE_REPORT "), lambda _: Line("platform")),
    (re.compile(rf"{_STAMP} ({UUID}) Task timed out after ([\d.]+) seconds"), _timeout),
    (re.compile(rf"RequestId: ({UUID}) Error: (Runtime exited[^\n]*)"), _exit),
    (re.compile(rf"{_STAMP}\t({UUID}|undefined)\tERROR\t(?:Invoke Error|Uncaught Exception|Unhandled Promise Rejection) *\t(.*)", re.DOTALL), _node_error),
    # Python's logging has a tab after the level, the runtime client a space.
    (re.compile(r"\[ERROR\] ([A-Za-z_][\w.]*)(?:: (.*?))?(?:\nTraceback .*|\s*)$", re.DOTALL), _python_error),
)  # fmt: skip
