"""Correlation ids and envelopes as real code logs them; each line is what the library of its name writes."""

from __future__ import annotations

import json

import pytest

from stagefright.flow import Flow
from stagefright.targets.evidence.clues import Reader
from stagefright.targets.evidence.correlation import arrange

ONE = "8f5b0a3e-0000-4000-8000-000000000001"
"""A request id."""

ID = "2f6a1c4e-6a5b-4e0b-9b1e-0d6f3c1b7a55"
"""A correlation id."""

TRACE = "1-5759e988-bd862e3fe1be46a994272793"
NODE = f"2026-11-21T03:00:00.123Z\t{ONE}\tINFO\t"
PYTHON = f"[INFO]\t2026-11-21T03:00:00.123Z\t{ONE}\t"

POWERTOOLS = {
    "level": "INFO", "location": "handler:12", "message": "post distributed", "timestamp": "2026-11-21 03:00:00,123+0000",
    "service": "feed", "cold_start": True, "function_name": "distribute", "function_memory_size": "256",
    "function_arn": "arn:aws:lambda:eu-west-1:123456789012:function:distribute", "function_request_id": ONE,
    "correlation_id": ID, "xray_trace_id": TRACE,
}  # fmt: skip

LINES = {
    "Powertools for Python, correlation_id_path": (json.dumps(POWERTOOLS), {ID, TRACE}),
    "Powertools for Python, without an id": (json.dumps({**POWERTOOLS, "correlation_id": None}), {TRACE}),
    "Powertools for Python, appended keys": (json.dumps({**POWERTOOLS, "correlation_id": "", "x-correlation-id": ID}), {ID, TRACE}),
    "Powertools for TypeScript": (
        f'{{"level":"INFO","message":"post distributed","timestamp":"2026-11-21T03:00:00.123Z","service":"feed","cold_start":true,"function_request_id":"{ONE}","sampling_rate":0,"xray_trace_id":"{TRACE}","correlation_id":"{ID}","postId":"p-1"}}',
        {ID, TRACE},
    ),
    "Lambda's JSON format, Python, extra": (
        f'{{"timestamp":"2026-11-21T03:00:00Z","level":"INFO","message":"post distributed","logger":"root","requestId":"{ONE}","correlationId":"{ID}"}}',
        {ID},
    ),
    "Lambda's JSON format, Node, an object": (
        f'{{"timestamp":"2026-11-21T03:00:00.123Z","level":"INFO","requestId":"{ONE}","message":{{"msg":"x","ctx":{{"x-correlation-id":"{ID}"}}}}}}',
        {ID},
    ),
    "Lambda's JSON format, JSON in the message": (
        json.dumps({"timestamp": "2026-11-21T03:00:00Z", "level": "INFO", "requestId": ONE, "message": json.dumps({"correlation_id": ID})}),
        {ID},
    ),
    "Lambda's JSON format, text in the message": (
        json.dumps({"timestamp": "2026-11-21T03:00:00Z", "level": "INFO", "requestId": ONE, "message": f"published, x-correlation-id={ID}"}),
        {ID},
    ),
    "dazn-lambda-powertools": (
        NODE + f'{{"message":"publishing SNS message...","awsRegion":"eu-west-1","functionName":"distribute","functionVersion":"$LATEST",'
        f'"functionMemorySize":"256","environment":"dev","awsRequestId":"{ONE}","x-correlation-id":"{ID}","x-correlation-user-id":"amy",'
        '"call-chain-length":2,"debug-log-enabled":"false","level":30,"sLevel":"INFO"}',
        {ID},
    ),
    "dazn-lambda-powertools, captured context": (
        json.dumps({"message": "received", "event": {"text": "hello", "__context__": {"x-correlation-id": ID, "call-chain-length": 1}}}),
        {ID},
    ),
    "plain text, equals": (PYTHON + f"published x-correlation-id={ID} to the feed", {ID}),
    "plain text, spaces around": (f"correlation_id = {ID}", {ID}),
    "plain text, colon": (f"INFO correlationId: {ID}, followers: 2", {ID}),
    "plain text, words": (f"[Correlation ID: {ID}] published", {ID}),
    "plain text, quoted": (f'msg="published" correlation_id="{ID}"', {ID}),
    "plain text, in a URL": (f"GET /followers/amy?x-correlation-id={ID}&limit=3", {ID}),
    "plain text, a trace": (f"X-Amzn-Trace-Id: Root={TRACE};Parent=53995c3f42cd8ad8;Sampled=1", {TRACE}),
    "log4j": (f"2026-11-21 03:00:00 {ONE} INFO  Distribute - published [correlationId={ID}]", {ID}),
    "structlog, JSON": (json.dumps({"event": "post distributed", "level": "info", "context": {"ids": {"correlation_id": ID}}}), {ID}),
    "structlog, console": (f"2026-11-21 03:00:00 [info     ] post distributed     correlation_id={ID} count=2", {ID}),
    "structlog, text in the event": (json.dumps({"event": f"distributed correlation_id={ID}", "level": "info"}), {ID}),
    "pino": (f'{{"level":30,"time":1795200000123,"pid":8,"hostname":"169.254.1.1","req":{{"headers":{{"X-Correlation-Id":"{ID}"}}}},"msg":"in"}}', {ID}),
    "winston": (NODE + f'info: published {{"correlationId":"{ID}"}}', {ID}),
    "a dict, as Python prints it": (f"{{'x-correlation-id': {{'Type': 'String', 'Value': '{ID}'}}, 'fallback': {{'Type': 'String', 'Value': 'no'}}}}", {ID}),
    "an object, as Node prints it": (NODE + f"{{\n  message: 'in',\n  'x-correlation-id': '{ID}'\n}}", {ID}),
    "SQS attributes": (json.dumps({"messageAttributes": {"x-correlation-id": {"stringValue": ID, "dataType": "String"}}}), {ID}),
    "a table's item": (json.dumps({"NewImage": {"correlationId": {"S": ID}}}), {ID}),
    **{f"the key {key}": (json.dumps({key: ID}), {ID}) for key in ("X-CORRELATION-ID", "CorrelationId", "correlationID", "correlation-id")},
    **{f"the value {value}": (json.dumps({"correlation_id": value}), set()) for value in ("", "-", "None", "null", "undefined", "unknown", True, None)},
    "another id": (json.dumps({"x-correlation-user-id": "amy", "xcorrelation": ID}), set()),
    "an empty value in text": ("correlation_id= published", set()),
}  # fmt: skip


@pytest.mark.parametrize(("line", "threads"), LINES.values(), ids=LINES)
def test_the_threads_in_a_line(line, threads):
    """Whatever writes it."""
    assert Reader().of_log([line]).threads == threads


BROKEN = {
    "pretty-printed": json.dumps({"event": {"Records": [{"eventSource": "aws:sqs", "messageId": "m-00000001", "body": "a {"}]}, "n": 1}, indent=2).splitlines(),
    "behind a text": ("got the event: " + json.dumps({"Records": [{"eventSource": "aws:sqs", "messageId": "m-00000001"}]}, indent=1)).splitlines(),
    "cut in the middle of a word": [json.dumps({"Records": [{"eventSource": "aws:sqs", "messageId": "m-00000001"}]})[n : n + 17] for n in range(0, 80, 17)],
    "cut within a string": ['{"Records": [{"eventSource": "aws:s', 'qs", "messageId": "m-00000001", "body": "}}}', '"}]}'],
}  # fmt: skip


@pytest.mark.parametrize("lines", BROKEN.values(), ids=BROKEN)
def test_an_envelope_that_is_broken_over_several_log_events(lines):
    """It is put together again, also between other lines."""
    assert list(Reader().of_log(["began [1, 2", "INFO {x", *lines, "ended"]).received) == ["m-00000001"]


def test_a_correlation_id_in_a_broken_object():
    """Its line alone says it."""
    lines = json.dumps({"message": "in", "x-correlation-id": ID}, indent=2).splitlines()

    assert Reader().of_log(lines).threads == {ID}


def test_a_name_that_only_stands_where_a_thread_does_is_not_mentioned():
    """A correlation id is handed on, so whoever logs one need not have met what it once was the id of."""
    shard = "shardId-000000000000:49590338271490256608559692538361571"

    assert (
        "49590338271490256608559692538361571"
        not in Reader().of_log([json.dumps({"x-correlation-id": shard})]).mentioned
    )
    assert ID not in Reader().of_log([f"x-correlation-id={ID} done"]).mentioned
    assert ID in Reader().of_log([f"x-correlation-id={ID} read message {ID}"]).mentioned


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        ('{"orderId": "o-77"}', ["order_id"]),
        ('{"order": {"ORDER-ID": 77}}', ["order_id"]),
        ("booked order_id=o-77", ["orderId"]),
        ("booked {'orderId': 'o-77'}", ["order-id"]),
    ],
)
def test_names_of_your_own(line, keys):
    """In objects and in text, in every spelling, and as numbers."""
    assert Reader(keys).of_log([line]).threads in ({"o-77"}, {"77"})
    assert Reader().of_log([line]).threads == set()


def test_lines_of_an_invocation_in_the_order_of_time(journal, log, event):
    """Log events may come in late, and out of order."""
    event("Orders", "m-00000001", body="{}")
    parts = json.dumps({"Records": [{"eventSource": "aws:sqs", "messageId": "m-00000001"}]}, indent=2).splitlines()
    log.line(1, f"START RequestId: {ONE} Version: $LATEST")
    for place in range(len(parts) - 1, -1, -1):
        log.line(1.1 + place / 1000, parts[place])

    assert Flow(arrange(list(journal)).records).path == ["Orders", "Worker"]


def test_long_lines_are_read_in_no_time():
    """Whatever is logged: nothing is searched more than once or twice."""
    lines = ["a" * 500_000, "a.-" * 200_000, "x={" * 100_000, '"' * 300_000, "correlation id" * 50_000, "{[" * 200_000]

    assert Reader().of_log(lines).threads == set()
