"""aws-semantics §1.1 to §1.3: Lambda's Invoke, as boto3 sees it."""

from __future__ import annotations

import base64
import json
import re

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

SHOWS_CONTEXT = """
    def handler(event, context):
        client = context.client_context
        return {
            "arn": context.invoked_function_arn,
            "version": context.function_version,
            "custom": client.custom if client else None,
        }
"""


def call(system, function="Worker", **params):
    """Invoke by API."""
    return system.client("lambda").invoke(FunctionName=system.stage.ref(function), **params)


def refusal(operation, *args, **params):
    """Code, message and status of what is refused."""
    with pytest.raises(ClientError) as caught:
        operation(*args, **params)
    response = caught.value.response
    return response["Error"]["Code"], response["Error"]["Message"], response["ResponseMetadata"]["HTTPStatusCode"]


class TestTypes:
    """§1.1: RequestResponse, Event, DryRun."""

    @pytest.mark.rule("1.1/request-response")
    @pytest.mark.rule("1.1/executed-version")
    def test_request_response(self, system):
        """§1.1: status 200, the payload, and the version that ran."""
        system.up(Worker=system.function())
        answer = call(system, Payload=b'{"n": 1}')

        assert json.loads(answer["Payload"].read()) == {"n": 1}
        assert (answer["StatusCode"], answer["ExecutedVersion"]) == (200, "$LATEST")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert "FunctionError" not in answer

    @pytest.mark.rule("1.1/returned-nothing")
    def test_nothing_returned_is_null(self, system):
        """§1.1: four bytes."""
        system.up(Worker=system.function("def handler(event, context): pass"))

        assert call(system)["Payload"].read() == b"null"

    def test_no_payload_is_an_empty_object(self, system):
        """§1.1."""
        system.up(Worker=system.function())

        assert call(system)["Payload"].read() == b"{}"

    @pytest.mark.rule("1.1/event")
    @pytest.mark.rule("1.1/event-response")
    def test_event(self, system):
        """§1.1: status 202, an empty payload, no ExecutedVersion; the function runs later."""
        system.up(Worker=system.function())
        answer = call(system, InvocationType="Event")

        assert answer["Payload"].read() == b""
        assert answer["StatusCode"] == answer["ResponseMetadata"]["HTTPStatusCode"] == 202
        assert "ExecutedVersion" not in answer
        system.settle()
        assert system.attempts() == [0]

    @pytest.mark.rule("1.1/dry-run")
    def test_dry_run(self, system):
        """§1.1: status 204, and nothing runs; a function that is not there is told."""
        system.up(Worker=system.function())
        answer = call(system, InvocationType="DryRun")
        system.settle()

        assert answer["StatusCode"] == answer["ResponseMetadata"]["HTTPStatusCode"] == 204
        assert system.attempts() == []
        invoke = system.client("lambda").invoke
        assert refusal(invoke, FunctionName="nobody", InvocationType="DryRun")[0] == "ResourceNotFoundException"

    @pytest.mark.rule("1.1/function-error")
    @pytest.mark.rule("1.1/unhandled")
    @pytest.mark.rule("1.4/handler-error")
    def test_a_function_error_is_a_success_of_the_call(self, system):
        """§1.4: §1.1: status 200, FunctionError `Unhandled`, the error object as payload."""
        system.up(Worker=system.function(system.FAILS))
        answer = call(system)

        error = json.loads(answer["Payload"].read())
        assert (answer["StatusCode"], answer["FunctionError"]) == (200, "Unhandled")
        assert (error["errorMessage"], error["errorType"]) == ("no", "ValueError")
        assert error["requestId"] == system.invocations()[0].detail["request_id"]

    @pytest.mark.rule("1.4/timeout")
    def test_a_timeout(self, system):
        """§1.4: Sandbox.Timedout, after exactly the timeout."""
        system.up(Worker=system.function("import time\ndef handler(e, c): time.sleep(9)", Timeout=2))
        error = json.loads(call(system)["Payload"].read())

        request_id = system.invocations()[0].detail["request_id"]
        assert error == {
            "errorType": "Sandbox.Timedout",
            "errorMessage": f"RequestId: {request_id} Error: Task timed out after 2.00 seconds",
        }
        assert system.elapsed() == 2

    def test_invoke_async(self, system):
        """The deprecated InvokeAsync still accepts events."""
        system.up(Worker=system.function(system.FAILS))
        answer = system.client("lambda").invoke_async(FunctionName=system.stage.ref("Worker"), InvokeArgs=b"{}")
        system.settle()

        assert answer["Status"] == 202
        assert system.attempts() == [0, 60, 180]


class TestParameters:
    """§1.1: log, qualifier, client context."""

    @pytest.mark.rule("1.1/log-tail")
    def test_the_tail_of_the_log(self, system):
        """§1.1: LogType Tail gives the last 4 KB, in base64, with the platform's lines."""
        system.up(Worker=system.function("def handler(event, context): print('hello ' + 'x' * event['n'])"))
        short = base64.b64decode(call(system, LogType="Tail", Payload=b'{"n": 3}')["LogResult"]).decode()
        long = base64.b64decode(call(system, LogType="Tail", Payload=b'{"n": 9000}')["LogResult"])

        assert re.search(r"START RequestId: \S+ Version: \$LATEST\n", short)
        assert "hello xxx\n" in short
        assert re.search(r"END RequestId: \S+\nREPORT RequestId: \S+\tDuration: ", short)
        assert len(long) == 4096

    @pytest.mark.rule("1.1/log-none")
    def test_no_log_unless_asked(self, system):
        """§1.1: the default is None."""
        system.up(Worker=system.function())

        assert "LogResult" not in call(system)

    @pytest.mark.rule("1.1/client-context")
    def test_client_context(self, system):
        """§1.1: base64 JSON, sync only."""
        system.up(Worker=system.function(SHOWS_CONTEXT))
        context = base64.b64encode(json.dumps({"custom": {"a": "1"}}).encode()).decode()

        assert json.loads(call(system, ClientContext=context)["Payload"].read())["custom"] == {"a": "1"}

    @pytest.mark.rule("1.1/qualifier")
    @pytest.mark.rule("1.7/arn-form")
    @pytest.mark.rule("10.1/context")
    def test_qualifiers(self, system):
        """§1.7, §10.1: the ARN keeps the caller's form, the version is the number."""
        system.up(Worker=system.function(SHOWS_CONTEXT))
        api, name = system.client("lambda"), system.stage.ref("Worker")
        api.publish_version(FunctionName=name)
        api.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        arn = system.stage.arn("Worker")

        def seen(**params):
            answer = api.invoke(**params)
            shown = json.loads(answer["Payload"].read())
            return shown["arn"], shown["version"], answer["ExecutedVersion"]

        assert seen(FunctionName=name) == (arn, "$LATEST", "$LATEST")
        assert seen(FunctionName=name, Qualifier="1") == (f"{arn}:1", "1", "1")
        assert seen(FunctionName=name, Qualifier="live") == (f"{arn}:live", "1", "1")
        assert seen(FunctionName=f"{name}:live") == (f"{arn}:live", "1", "1")
        assert seen(FunctionName=f"{arn}:live") == (f"{arn}:live", "1", "1")
        assert seen(FunctionName=name, Qualifier="$LATEST") == (f"{arn}:$LATEST", "$LATEST", "$LATEST")

    @pytest.mark.rule("10.1/moving")
    def test_an_alias_that_moves(self, system):
        """§10.1: the next invocation runs the new version."""
        system.up(Worker=system.function("def handler(event, context): return 1"))
        api, name = system.client("lambda"), system.stage.ref("Worker")
        api.publish_version(FunctionName=name)
        api.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
        system.update_code("def handler(event, context): return 2")
        api.publish_version(FunctionName=name)
        before = call(system, Qualifier="live")["Payload"].read()
        api.update_alias(FunctionName=name, Name="live", FunctionVersion="2")

        assert (before, call(system, Qualifier="live")["Payload"].read()) == (b"1", b"2")


class TestRefusals:
    """§1.2, §1.3: what Invoke does not take."""

    @pytest.mark.rule("1.3/not-found")
    @pytest.mark.rule("10.1/unknown-alias")
    def test_no_such_function(self, system):
        """§10.1: §1.3: the text names the version."""
        system.up(Worker=system.function())
        invoke = system.client("lambda").invoke
        arn = "arn:aws:lambda:us-east-1:123456789012:function"

        assert refusal(invoke, FunctionName="nobody") == (
            "ResourceNotFoundException",
            f"Function not found: {arn}:nobody:$LATEST",
            404,
        )
        name = system.stage.ref("Worker")
        assert refusal(invoke, FunctionName=name, Qualifier="live")[1] == f"Function not found: {arn}:{name}:live"

    @pytest.mark.parametrize("kind", ["RequestResponse", "Event", "DryRun"])
    @pytest.mark.parametrize("payload", [b"{no", b"\xff", b"NaN", b"[-Infinity]"])
    @pytest.mark.rule("1.3/bad-json")
    @pytest.mark.rule("1.1/dry-run")
    def test_a_payload_that_is_not_json(self, system, kind, payload):
        """§1.3, §1.1: InvalidRequestContentException, also for what only Python's reader takes, and for a dry run."""
        system.up(Worker=system.function())
        code, message, status = refusal(call, system, Payload=payload, InvocationType=kind)

        assert (code, status) == ("InvalidRequestContentException", 400)
        assert message.startswith("Could not parse request body into json: Could not parse payload into json: ")

    @pytest.mark.parametrize(
        ("kind", "limit"), [("RequestResponse", 6 * 1024 * 1024), ("DryRun", 6 * 1024 * 1024), ("Event", 1024 * 1024)]
    )
    @pytest.mark.rule("1.2/sync-request")
    @pytest.mark.rule("1.2/async-request")
    @pytest.mark.rule("1.2/oversize-request")
    def test_a_payload_that_is_too_large(self, system, kind, limit):
        """§1.2: 6 MB, or 1 MB for an asynchronous invocation."""
        system.up(Worker=system.function("def handler(event, context): return len(event)"))
        call(system, Payload=b'"' + b"x" * (limit - 2) + b'"', InvocationType=kind)
        code, _, status = refusal(call, system, Payload=b'"' + b"x" * (limit - 1) + b'"', InvocationType=kind)

        assert (code, status) == ("RequestTooLargeException", 413)

    @pytest.mark.rule("1.2/oversize-response")
    def test_an_answer_that_is_too_large(self, system):
        """§1.2: Function.ResponseSizeTooLarge, with the exact number."""
        system.up(Worker=system.function("def handler(event, context): return 'x' * 6_400_000"))
        answer = call(system)

        assert answer["FunctionError"] == "Unhandled"
        assert json.loads(answer["Payload"].read()) == {
            "errorMessage": "Response payload size exceeded maximum allowed payload size (6291556 bytes).",
            "errorType": "Function.ResponseSizeTooLarge",
        }

    @pytest.mark.rule("1.3/throttle")
    @pytest.mark.rule("1.3/reason-reserved")
    @pytest.mark.rule("1.8/zero")
    def test_a_throttle(self, system):
        """§1.8: §1.3: TooManyRequestsException with Type and Reason, after botocore's own retries and back-off."""
        system.up(Worker=system.function(system.ECHO, ReservedConcurrentExecutions=0))
        client = boto3.client(
            "lambda", region_name="us-east-1", config=Config(retries={"mode": "standard", "total_max_attempts": 3})
        )
        with pytest.raises(client.exceptions.TooManyRequestsException) as caught:
            client.invoke(FunctionName=system.stage.ref("Worker"))

        response = caught.value.response
        assert response["ResponseMetadata"]["HTTPStatusCode"] == 429
        assert response["ResponseMetadata"]["RetryAttempts"] == 2
        assert response["Error"]["Message"] == "Rate Exceeded."
        assert (response["Type"], response["Reason"]) == ("User", "ReservedFunctionConcurrentInvocationLimitExceeded")
        assert system.elapsed() > 0
        assert system.attempts() == []

    def test_a_throttle_that_ends_while_botocore_waits(self, system):
        """§1.3: the retry is a real one, in virtual time: it succeeds once there is room."""
        slow = "import time\ndef handler(event, context): time.sleep(event)"
        caller = """
            import boto3, os
            from botocore.config import Config
            client = boto3.client("lambda", config=Config(retries={"mode": "standard", "max_attempts": 10}))
            def handler(event, context):
                return client.invoke(FunctionName=os.environ["TARGET"], Payload=b"0")["ResponseMetadata"]["RetryAttempts"]
        """
        system.up(
            Target=system.function(slow, ReservedConcurrentExecutions=1, Timeout=10),
            Caller=system.function(caller, Timeout=60, Environment={"Variables": {"TARGET": system.ref("Target")}}),
        )
        system.invoke_later(2, function="Target")
        system.stage.world.kernel.advance(0)
        answer = call(system, "Caller")

        assert json.loads(answer["Payload"].read()) >= 1
        assert len(system.attempts("Target")) == 2
        assert system.attempts("Target")[1] >= 2


class TestLogs:
    """§1.5: what functions write is in CloudWatch Logs."""

    @pytest.mark.rule("1.5/log-group")
    def test_a_log_group_per_function(self, system):
        """§1.5: START, the function's lines, END and REPORT, found by FilterLogEvents."""
        system.up(
            Worker=system.function("def handler(event, context): print('hello')"),
            Group=system.resource("Logs::LogGroup", LogGroupName="/made/by/template", RetentionInDays=7),
            Other=system.function(
                "def handler(event, context): print('other')", LoggingConfig={"LogGroup": system.ref("Group")}
            ),
        )
        call(system)
        call(system, "Other")
        logs = system.client("logs")

        events = logs.filter_log_events(logGroupName=f"/aws/lambda/{system.stage.ref('Worker')}")["events"]
        assert [event["message"].split(" ")[0].strip() for event in events] == [
            "INIT_START",
            "START",
            "hello",
            "END",
            "REPORT",
        ]
        assert {event["timestamp"] for event in events} == {int(system.began * 1000)}
        other = logs.filter_log_events(logGroupName="/made/by/template", filterPattern="other")["events"]
        assert len(other) == 1

    def test_a_reset_forgets_lines(self, system):
        """Nothing that a test logged is there in the next one."""
        system.up(Worker=system.function("def handler(event, context): print('hello')"))
        call(system)
        system.client("logs").describe_log_groups()
        call(system)
        system.stage.reset()

        assert system.client("logs").describe_log_groups()["logGroups"] == []
