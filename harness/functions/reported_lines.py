"""What the platform and the runtime client write to a function's log around what its code writes (aws-semantics §1.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagefright.functions import payloads

if TYPE_CHECKING:
    from stagefright.functions.environment import Environment
    from stagefright.functions.invocation import Invocation

MEMORY_USED_MB = 64
"""What REPORT lines say; a function in this process has no memory of its own to measure."""


def write_start(environment: Environment, invocation: Invocation) -> None:
    """START."""
    _platform(
        environment,
        invocation,
        f"START RequestId: {invocation.request_id} Version: {invocation.version.version}",
    )


def write_end(
    environment: Environment, invocation: Invocation, error: payloads.Payload | None, duration_s: float
) -> None:
    """END and REPORT, and the runtime's account of an exception before them."""
    environment.flush()
    if error is not None and "stackTrace" in error:
        environment.log.write(_error_line(error), cause=invocation.record)
    request_id = invocation.request_id
    _platform(environment, invocation, f"END RequestId: {request_id}")
    duration_ms = duration_s * 1000
    report = (
        f"REPORT RequestId: {request_id}\tDuration: {duration_ms:.2f} ms\tBilled Duration: {-(-duration_ms // 1):.0f} ms"
        f"\tMemory Size: {invocation.version.memory_mb} MB\tMax Memory Used: {MEMORY_USED_MB} MB\t"
    )
    if environment.invocations == 1:
        report += "Init Duration: 0.00 ms\t"
    if error is not None and error.get("errorType") == payloads.TIMED_OUT:
        report += "Status: timeout"
    elif error is not None and str(error.get("errorType")).startswith("Runtime."):
        report += f"Status: error\tError Type: {error['errorType']}"
    _platform(environment, invocation, report)


def _platform(environment: Environment, invocation: Invocation, line: str) -> None:
    environment.log.write(line, cause=invocation.record, platform=True)


def _error_line(error: payloads.Payload) -> str:
    """The runtime client's account of an exception; its indents are no-break spaces, which keep it one log event."""
    trace = "".join(error["stackTrace"]).rstrip("\n").split("\n")
    lines = ["\N{NO-BREAK SPACE}" * (len(line) - len(line.lstrip(" "))) + line.lstrip(" ") for line in trace]
    head = f"[ERROR] {error['errorType']}: {error['errorMessage']}"
    return "\n".join([head, "Traceback (most recent call last):", *lines]) if error["stackTrace"] else head
