"""Recorded lines of CloudWatch Logs, and what each says (aws-semantics §1.5)."""

from __future__ import annotations

import json

import pytest

from stagefright.targets.evidence.injections import complaint, read_injection
from stagefright.targets.evidence.lines import read_line, said

ONE = "8f5b0a3e-0000-4000-8000-000000000001"
"""A request id."""

START = "START RequestId: 8f5b0a3e-0000-4000-8000-000000000001 Version: $LATEST"
COLD = (
    "REPORT RequestId: 8f5b0a3e-0000-4000-8000-000000000001\tDuration: 3.01 ms\tBilled Duration: 4 ms\tMemory Size: 128 MB"
    "\tMax Memory Used: 36 MB\tInit Duration: 110.10 ms\t\nXRAY TraceId: 1-5f3b0a3e-0123456789abcdef01234567\t"
    "SegmentId: 0123456789abcdef\tSampled: true\t"
)
TIMED_OUT = (
    "REPORT RequestId: 8f5b0a3e-0000-4000-8000-000000000001\tDuration: 3000.00 ms\tBilled Duration: 3000 ms"
    "\tMemory Size: 128 MB\tMax Memory Used: 36 MB\tStatus: timeout"
)
EXITED = TIMED_OUT.replace("Status: timeout", "Status: error\tError Type: Runtime.ExitError")

TEXT = {
    "init": ("INIT_START Runtime Version: python:3.12.v38\tRuntime Version ARN: arn:aws:lambda:eu-west-1::runtime:0af", "init", None, {"runtime": "python:3.12.v38"}),
    "start": (START, "start", ONE, {"version": "$LATEST"}),
    "end": (f"END RequestId: {ONE}", "end", ONE, {}),
    "cold": (COLD, "report", ONE, {"duration_ms": 3.01, "billed_ms": 4.0, "init_ms": 110.1, "trace": "1-5f3b0a3e-0123456789abcdef01234567"}),
    "timed out": (TIMED_OUT, "report", ONE, {"duration_ms": 3000.0, "billed_ms": 3000.0, "status": "timeout"}),
    "exited": (EXITED, "report", ONE, {"duration_ms": 3000.0, "billed_ms": 3000.0, "status": "error", "error_type": "Runtime.ExitError"}),
    "legacy timeout": (f"2026-11-21T03:00:03.004Z {ONE} Task timed out after 3.00 seconds", "timeout", ONE, {"error_message": "Task timed out after 3.00 seconds"}),
    "legacy exit": (f"RequestId: {ONE} Error: Runtime exited with error: signal: killed\nRuntime.ExitError", "error", ONE, {"error_type": "Runtime.ExitError", "error_message": "Runtime exited with error: signal: killed"}),
    "failed init": ("INIT_REPORT Init Duration: 900.00 ms\tPhase: init\tStatus: error\tError Type: Runtime.ImportModuleError", "init_error", None, {"error_type": "Runtime.ImportModuleError", "status": "error"}),
    "snapstart": ("RESTORE_START Runtime Version: python:3.12.v38\tRuntime Version ARN: x", "init", None, {"runtime": "python:3.12.v38"}),
    "provisioned": ("INIT_REPORT Init Duration: 900.00 ms\tPhase: init", "platform", None, {}),
    "python error": ("[ERROR] KeyError: 'id'\nTraceback (most recent call last):\n\u00a0\u00a0File \"/var/task/app.py\", line 3, in handler", "error", None, {"error_type": "KeyError", "error_message": "'id'"}),
    "python long message": ("[ERROR] ValueError: one\ntwo\nTraceback (most recent call last):\n", "error", None, {"error_type": "ValueError", "error_message": "one\ntwo"}),
    "python import": ("[ERROR] Runtime.ImportModuleError: Unable to import module 'app': No module named 'x'\nTraceback (most recent call last):", "error", None, {"error_type": "Runtime.ImportModuleError", "error_message": "Unable to import module 'app': No module named 'x'"}),
    "python logging": (f"[ERROR]\t2026-11-21T03:00:00.123Z\t{ONE}\tKeyError: it was handled", "other", ONE, {}),
    "node error": (f'2026-11-21T03:00:00.123Z\t{ONE}\tERROR\tInvoke Error \t{{"errorType":"Error","errorMessage":"down","stack":["Error: down"]}}', "error", ONE, {"error_type": "Error", "error_message": "down"}),
    "node before it runs": ('2026-11-21T03:00:00.123Z\tundefined\tERROR\tUncaught Exception \t{"errorType":"Runtime.ImportModuleError","errorMessage":"Cannot find module"}', "error", None, {"error_type": "Runtime.ImportModuleError", "error_message": "Cannot find module"}),
    "node console": (f"2026-11-21T03:00:00.123Z\t{ONE}\tERROR\tnot an Invoke Error", "other", ONE, {}),
    "print": ("START of the work", "other", None, {}),
}  # fmt: skip


@pytest.mark.parametrize(("line", "kind", "request_id", "detail"), TEXT.values(), ids=TEXT)
def test_the_text_format(line, kind, request_id, detail):
    """Each line that the platform or a runtime writes says one thing."""
    found = read_line(line)

    assert (found.kind, found.request_id, dict(found.detail)) == (kind, request_id, detail)


def platform(kind, **record):
    return json.dumps({"time": "2026-11-21T03:00:00.000Z", "type": f"platform.{kind}", "record": record})


TRACING = {"spanId": "0", "type": "X-Amzn-Trace-Id", "value": "Root=1-5f3b0a3e-0123456789abcdef01234567;Sampled=1"}
METRICS = {"durationMs": 3.01, "billedDurationMs": 4, "memorySizeMB": 128, "maxMemoryUsedMB": 36}

JSON = {
    "init": (platform("initStart", runtimeVersion="python:3.12.v38", phase="init"), "init", None, {"runtime": "python:3.12.v38"}),
    "start": (platform("start", requestId=ONE, version="7", tracing=TRACING), "start", ONE, {"version": "7", "trace": "1-5f3b0a3e-0123456789abcdef01234567"}),
    "report": (platform("report", requestId=ONE, metrics={**METRICS, "initDurationMs": 110.1}, status="success"), "report", ONE, {"duration_ms": 3.01, "billed_ms": 4, "init_ms": 110.1, "status": "success"}),
    "timeout": (platform("report", requestId=ONE, metrics=METRICS, status="timeout"), "report", ONE, {"duration_ms": 3.01, "billed_ms": 4, "status": "timeout"}),
    "done": (platform("runtimeDone", requestId=ONE, status="success"), "end", ONE, {}),
    "failed init": (platform("initReport", status="error", errorType="Runtime.ExitError"), "init_error", None, {"error_type": "Runtime.ExitError", "status": "error"}),
    "good init": (platform("initReport", status="success"), "platform", None, {}),
    "an extension": (platform("extension", name="x", state="Ready"), "platform", None, {}),
    "no request": (platform("start", version="7"), "platform", None, {}),
    "no numbers": (platform("report", requestId=ONE, metrics={"durationMs": "x"}, status=7), "report", ONE, {}),
    "python error": (json.dumps({"timestamp": "x", "log_level": "ERROR", "errorMessage": "down", "errorType": "ValueError", "requestId": ONE, "stackTrace": []}), "error", ONE, {"error_type": "ValueError", "error_message": "down"}),
    "node error": (json.dumps({"timestamp": "x", "level": "ERROR", "requestId": ONE, "message": {"errorType": "Error", "errorMessage": "down", "stackTrace": []}}), "error", ONE, {"error_type": "Error", "error_message": "down"}),
    "handled error": (json.dumps({"level": "ERROR", "message": "handled", "exception_name": "ValueError", "function_request_id": ONE}), "other", ONE, {}),
    "no object": ('{"not json', "other", None, {}),
    "of somebody else": (json.dumps({"type": "platform.start", "record": "no"}), "other", None, {}),
}  # fmt: skip


@pytest.mark.parametrize(("line", "kind", "request_id", "detail"), JSON.values(), ids=JSON)
def test_the_json_format(line, kind, request_id, detail):
    """The same, with `LogFormat: JSON`."""
    found = read_line(line)

    assert (found.kind, found.request_id, dict(found.detail)) == (kind, request_id, detail)


OURS = {"source": "stagefright", "level": "warn", "action": "inject", "mode": "latency", "latency_ms": 400.0}
FAILURE_LAMBDA = {"source": "failure-lambda", "level": "warn", "mode": "exception", "action": "inject"}

INJECTIONS = {
    "ours": ({**OURS, "fault": "latency", "settings": {"delay_ms": 400}, "request_id": ONE}, {"fault": "latency", "settings": {"delay_ms": 400}, "harm": {"latency_ms": 400.0}}),
    "ours of an older layer": (OURS, {"fault": "latency", "settings": {}, "harm": {"latency_ms": 400.0}, "injector": "stagefright"}),
    "failure-lambda": (FAILURE_LAMBDA, {"fault": "exception", "settings": {}, "harm": {}, "injector": "failure-lambda 1.x"}),
    "wrapped by a JSON logger": ({"timestamp": "x", "level": "WARN", "message": FAILURE_LAMBDA}, {"fault": "exception", "settings": {}, "harm": {}, "injector": "failure-lambda 1.x"}),
    "wrapped as text": ({"level": "WARN", "message": json.dumps(FAILURE_LAMBDA)}, {"fault": "exception", "settings": {}, "harm": {}, "injector": "failure-lambda 1.x"}),
    "a dry run": ({**FAILURE_LAMBDA, "action": "dryrun"}, None),
    "a complaint": ({"source": "stagefright", "level": "error", "action": "config", "message": "it is off"}, None),
    "somebody else's": ({"source": "orders", "action": "inject", "mode": "x"}, None),
}  # fmt: skip


@pytest.mark.parametrize(("line", "detail"), INJECTIONS.values(), ids=INJECTIONS)
def test_strikes(line, detail):
    """A line of an injector is a `fault` record; the same with what Node's console puts before it."""
    text = json.dumps(line)

    assert read_injection(text) == detail
    assert read_injection(f"2026-11-21T03:00:00.123Z\t{ONE}\tWARN\t{text}") == detail


@pytest.mark.parametrize(
    ("line", "mode"),
    [
        ("Injecting 400 ms latency.", "latency"),
        ("Injecting exception message: down", "exception"),
        ("Injecting status code: 404", "statuscode"),
        ("Injecting disk space: 100 MB", "diskspace"),
        ("Intercepted network connection to dynamodb.us-east-1.amazonaws.com", "denylist"),
    ],
)
def test_strikes_of_failure_lambda_0x(line, mode):
    """0.x prints plain text."""
    found = read_injection(f"2026-11-21T03:00:00.123Z\t{ONE}\tINFO\t{line}")

    assert (found["fault"], found["injector"]) == (mode, "failure-lambda 0.x")


def test_complaints():
    """What an injector could not do explains why nothing struck."""
    line = {"source": "stagefright", "level": "error", "action": "config", "message": "/flag is off: it has no faults"}

    assert complaint(json.dumps(line)) == "/flag is off: it has no faults"
    assert complaint(json.dumps(OURS)) is None
    assert complaint("no json") is None


def test_what_the_runtime_puts_before_a_line():
    """Code wrote what comes after it."""
    assert said(f"[INFO]\t2026-11-21T03:00:00.123Z\t{ONE}\thello") == "hello"
    assert said(f"2026-11-21T03:00:00.123Z\t{ONE}\tINFO\thello") == "hello"
    assert said("hello") == "hello"
