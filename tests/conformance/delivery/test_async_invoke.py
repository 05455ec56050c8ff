"""aws-semantics §2: asynchronous invocation, from the queue inside Lambda to the place where a given-up event lands."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError


class TestRetries:
    """§2.1: how often, and when."""

    @pytest.mark.rule("2.1/function-error-ladder")
    def test_a_failing_function_is_tried_three_times(self, system):
        """§2.1: attempts at 0, 60 and 180 s, all with one request id."""
        system.up(Worker=system.function(system.FAILS))
        system.invoke_later({"n": 1})
        system.settle()

        assert system.attempts() == [0, 60, 180]
        assert len({record.detail["request_id"] for record in system.invocations()}) == 1
        assert [record.detail["attempt"] for record in system.invocations()] == [1, 2, 3]
        assert system.dropped() == ["RetriesExhausted"]

    @pytest.mark.rule("2.1/one-request-id")
    def test_the_handler_sees_one_request_id(self, system):
        """§2.1: `context.aws_request_id` stays the same on every attempt."""
        code = "def handler(event, context):\n  print(context.aws_request_id)\n  raise ValueError"
        system.up(Worker=system.function(code))
        system.invoke_later()
        system.settle()

        ids = {r.detail["line"] for r in system.records("log", "Worker") if "Traceback" not in r.detail["line"]}
        assert {line.strip() for line in ids} == {system.invocations()[0].detail["request_id"]}

    @pytest.mark.rule("2.1/success-ends-the-ladder")
    def test_a_success_ends_the_ladder(self, system):
        """§2.1: nothing is tried again once the function has succeeded."""
        code = """
            seen = []
            def handler(event, context):
                seen.append(1)
                if len(seen) < 2: raise ValueError
        """
        system.up(Worker=system.function(code))
        system.invoke_later()
        system.settle()

        assert system.attempts() == [0, 60]
        assert system.dropped() == []

    @pytest.mark.rule("2.1/maximum-retry-attempts")
    @pytest.mark.rule("2.3/no-retries")
    @pytest.mark.parametrize(("retries", "expected"), [(0, [0]), (1, [0, 60]), (2, [0, 60, 180])])
    def test_maximum_retry_attempts(self, system, retries, expected):
        """§2.1, §2.3: EventInvokeConfig allows 0 to 2 retries; the condition is the same for each."""
        system.up(
            Worker=system.function(system.FAILS),
            Config=system.invoke_config(MaximumRetryAttempts=retries, failure=system.att("Dead")),
            Dead=system.queue(),
        )
        system.invoke_later()
        system.settle()

        assert system.attempts() == expected
        context = system.bodies()[0]["requestContext"]
        assert (context["condition"], context["approximateInvokeCount"]) == ("RetriesExhausted", retries + 1)

    @pytest.mark.rule("2.1/look-ahead-expiry-60")
    @pytest.mark.rule("2.1/look-ahead-expiry-90")
    @pytest.mark.rule("2.1/maximum-event-age")
    @pytest.mark.parametrize(("age", "count", "attempts"), [(60, 1, [0]), (90, 2, [0, 60]), (181, 3, [0, 60, 180])])
    def test_an_event_that_would_be_too_old_is_given_up_at_once(self, system, age, count, attempts):
        """§2.1: Lambda looks ahead to the next attempt."""
        system.up(
            Worker=system.function(system.FAILS),
            Config=system.invoke_config(MaximumEventAgeInSeconds=age, failure=system.att("Dead")),
            Dead=system.queue(),
        )
        system.invoke_later()
        system.settle()

        context = system.bodies()[0]["requestContext"]
        condition = "EventAgeExceeded" if count < 3 else "RetriesExhausted"
        assert (context["condition"], context["approximateInvokeCount"]) == (condition, count)
        assert system.attempts() == attempts
        assert system.elapsed() == attempts[-1]

    @pytest.mark.rule("2.1/run-time-on-top")
    def test_the_time_that_the_function_runs_comes_on_top(self, system):
        """§2.1: the wait begins when the attempt has ended."""
        code = "import time\ndef handler(event, context):\n  time.sleep(2)\n  raise ValueError"
        system.up(Worker=system.function(code, Timeout=5))
        system.invoke_later()
        system.settle()

        assert system.attempts() == [0, 62, 184]

    @pytest.mark.rule("2.1/every-way-to-fail")
    @pytest.mark.parametrize(
        ("code", "error_type"),
        [
            ("import time\ndef handler(event, context): time.sleep(100)", "Sandbox.Timedout"),
            ("import sys\ndef handler(event, context): sys.exit(1)", "Runtime.ExitError"),
            ("raise ValueError('at import')", "ValueError"),
        ],
    )
    def test_timeouts_and_exits_are_function_errors(self, system, code, error_type):
        """§2.1: whatever way a function fails, it is retried twice."""
        system.up(
            Worker=system.function(code, Timeout=1),
            Config=system.invoke_config(failure=system.att("Dead")),
            Dead=system.queue(),
        )
        system.invoke_later()
        system.settle()

        assert len(system.attempts()) == 3
        record = system.bodies()[0]
        assert record["responsePayload"]["errorType"] == error_type
        assert record["responseContext"]["functionError"] == "Unhandled"


class TestThrottles:
    """§2.1: throttles go back to the queue, and use up no attempt."""

    @pytest.mark.rule("2.1/throttles-use-no-attempt")
    def test_throttles_use_up_no_attempts(self, system):
        """§2.1: a throttled event waits 1, 2, 4, ... seconds, and then still has its three attempts."""
        code = """
            import time
            def handler(event, context):
                if event["slow"]:
                    time.sleep(20)
                else:
                    raise ValueError
        """
        system.up(Worker=system.function(code, Timeout=60, ReservedConcurrentExecutions=1))
        system.invoke_later({"slow": True})
        system.invoke_later({"slow": False})
        system.settle()

        assert system.attempts() == [0, 31, 91, 211]
        waits = [r.detail["due"] - r.at for r in system.records("retry") if r.detail["reason"] != "FunctionError"]
        assert waits == [1, 2, 4, 8, 16]

    @pytest.mark.rule("2.1/throttle-window")
    def test_throttles_go_on_for_six_hours(self, system):
        """§2.1: backoff grows to 5 minutes; after 6 hours the event is given up."""
        code = "import time\ndef handler(event, context): time.sleep(899)"
        system.up(
            Worker=system.function(code, Timeout=900, ReservedConcurrentExecutions=1),
            Config=system.invoke_config(failure=system.att("Dead")),
            Dead=system.queue(),
        )
        for n in range(40):
            system.invoke_later({"n": n})
        system.settle()

        given_up = [body["requestContext"] for body in system.bodies()]
        assert {context["condition"] for context in given_up} == {"EventAgeExceeded"}
        assert system.elapsed() <= 6 * 3600 + 900
        assert 15 <= len(given_up) <= 20
        assert {context["approximateInvokeCount"] for context in given_up} <= {0, 1}

    @pytest.mark.rule("2.1/throttle-window")
    @pytest.mark.rule("2.1/maximum-event-age")
    def test_an_event_that_is_always_throttled(self, system):
        """§2.1: by default it is given up when the next try would begin after six hours; it never ran, so there is no response."""
        system.up(
            Worker=system.function(ReservedConcurrentExecutions=1),
            Version=system.resource(
                "Lambda::Version",
                FunctionName=system.ref("Worker"),
                ProvisionedConcurrencyConfig={"ProvisionedConcurrentExecutions": 1},
            ),
            Config=system.invoke_config(failure=system.att("Dead")),
            Dead=system.queue(),
        )
        system.invoke_later({"n": 1})
        system.settle()

        # 1 + 2 + 4 + ... + 256 s, then 70 times 300 s; once more would be 21,811 s.
        assert (system.attempts(), system.elapsed()) == ([], 511 + 70 * 300)
        (record,) = system.bodies()
        context = record["requestContext"]
        assert (context["condition"], context["approximateInvokeCount"]) == ("EventAgeExceeded", 0)
        assert not {"responseContext", "responsePayload"} & set(record)

    @pytest.mark.rule("2.1/zero-reserved-concurrency")
    def test_reserved_concurrency_of_zero_skips_the_queue(self, system):
        """§2.1: condition ZeroReservedConcurrency at once, count 0, and no response."""
        system.up(
            Worker=system.function(system.ECHO, ReservedConcurrentExecutions=0),
            Config=system.invoke_config(failure=system.att("Dead")),
            Dead=system.queue(),
        )
        system.invoke_later({"n": 1})
        system.settle()

        assert (system.attempts(), system.elapsed()) == ([], 0)
        record = system.bodies()[0]
        assert record["requestContext"]["condition"] == "ZeroReservedConcurrency"
        assert record["requestContext"]["approximateInvokeCount"] == 0
        assert record["requestPayload"] == {"n": 1}
        assert not {"responseContext", "responsePayload"} & set(record)


class TestDestinations:
    """§2.3: records of results."""

    @pytest.mark.rule("2.3/record")
    @pytest.mark.rule("2.3/qualified-arn")
    @pytest.mark.rule("2.3/to-queue")
    def test_the_record_of_a_failure(self, system):
        """§2.3: every key, in AWS's order; the function ARN is qualified."""
        system.up(
            Worker=system.function(system.FAILS),
            Config=system.invoke_config(failure=system.att("Dead")),
            Dead=system.queue(),
        )
        system.invoke_later({"n": 1})
        system.settle()

        record = system.bodies()[0]
        request_id = system.invocations()[0].detail["request_id"]
        assert list(record) == [
            "version",
            "timestamp",
            "requestContext",
            "requestPayload",
            "responseContext",
            "responsePayload",
        ]
        assert record["version"] == "1.0"
        assert record["timestamp"] == "2026-01-01T00:03:00.000Z"
        assert record["requestContext"] == {
            "requestId": request_id,
            "functionArn": system.stage.arn("Worker") + ":$LATEST",
            "condition": "RetriesExhausted",
            "approximateInvokeCount": 3,
        }
        assert record["requestPayload"] == {"n": 1}
        assert record["responseContext"] == {
            "statusCode": 200,
            "executedVersion": "$LATEST",
            "functionError": "Unhandled",
        }
        assert record["responsePayload"]["errorMessage"] == "no"
        assert record["responsePayload"]["requestId"] == request_id

    @pytest.mark.rule("2.3/success")
    def test_the_record_of_a_success(self, system):
        """§2.3: condition Success, and no functionError."""
        system.up(
            Worker=system.function(system.ECHO),
            Config=system.invoke_config(success=system.att("Done"), failure=system.att("Dead")),
            Done=system.queue(),
            Dead=system.queue(),
        )
        system.invoke_later({"n": 1})
        system.settle()

        record = system.bodies("Done")[0]
        assert record["requestContext"]["condition"] == "Success"
        assert record["requestContext"]["approximateInvokeCount"] == 1
        assert record["responseContext"] == {"statusCode": 200, "executedVersion": "$LATEST"}
        assert record["responsePayload"] == {"n": 1}
        assert system.bodies("Dead") == []

    @pytest.mark.rule("2.3/to-topic")
    def test_to_a_topic(self, system):
        """§2.3: the record is the message; here a queue subscribes, raw."""
        system.up(
            Worker=system.function(system.FAILS),
            Config=system.invoke_config(failure=system.ref("Failures")),
            Failures=system.topic(),
            Inbox=system.queue(),
            Subscription=system.resource(
                "SNS::Subscription",
                TopicArn=system.ref("Failures"),
                Protocol="sqs",
                Endpoint=system.att("Inbox"),
                RawMessageDelivery=True,
            ),
        )
        system.invoke_later()
        system.settle()

        assert system.bodies("Inbox")[0]["requestContext"]["condition"] == "RetriesExhausted"

    @pytest.mark.rule("2.3/to-topic-too-large")
    def test_a_record_too_large_for_a_topic_loses_its_payload(self, system):
        """§2.3: SNS takes 256 KB; the record still arrives, without request and response payload."""
        system.up(
            Worker=system.function("def handler(event, context): raise ValueError"),
            Config=system.invoke_config(failure=system.ref("Failures"), MaximumRetryAttempts=0),
            Failures=system.topic(),
            Inbox=system.queue(),
            Subscription=system.resource(
                "SNS::Subscription",
                TopicArn=system.ref("Failures"),
                Protocol="sqs",
                Endpoint=system.att("Inbox"),
                RawMessageDelivery=True,
            ),
        )
        system.invoke_later({"text": "x" * 300_000})
        system.settle()

        record = system.bodies("Inbox")[0]
        assert record["requestContext"]["approximateInvokeCount"] == 1
        assert not {"requestPayload", "responsePayload"} & set(record)

    @pytest.mark.rule("2.3/to-function")
    def test_to_a_function(self, system):
        """§2.3: the next function is invoked asynchronously with the record as its event."""
        system.up(
            Worker=system.function(system.ECHO),
            Next=system.function(system.FAILS),
            Config=system.invoke_config(success=system.att("Next")),
        )
        system.invoke_later({"n": 1})
        system.settle()

        assert system.events("Next")[0]["requestPayload"] == {"n": 1}
        assert system.attempts("Next") == [0, 60, 180]

    @pytest.mark.rule("2.3/to-event-bus")
    @pytest.mark.parametrize(("code", "outcome"), [("ECHO", "Success"), ("FAILS", "Failure")])
    def test_to_an_event_bus(self, system, code, outcome):
        """§2.3: source, detail-type, and both ARNs as resources."""
        system.up(
            Bus=system.resource("Events::EventBus", Name="results"),
            Worker=system.function(getattr(system, code)),
            Config=system.invoke_config(success=system.att("Bus"), failure=system.att("Bus"), MaximumRetryAttempts=0),
            Rule=system.resource(
                "Events::Rule",
                EventBusName=system.ref("Bus"),
                EventPattern={"source": ["lambda"]},
                Targets=[{"Id": "inbox", "Arn": system.att("Inbox")}],
            ),
            Inbox=system.queue(),
        )
        system.invoke_later({"n": 1})
        system.settle()

        event = system.bodies("Inbox")[0]
        assert event["source"] == "lambda"
        assert event["detail-type"] == f"Lambda Function Invocation Result - {outcome}"
        assert event["resources"] == [system.stage.arn("Bus"), system.stage.arn("Worker") + ":$LATEST"]
        assert event["detail"]["requestPayload"] == {"n": 1}

    @pytest.mark.rule("2.3/to-bucket")
    def test_to_a_bucket(self, system):
        """§2.3: key aws/lambda/async/<function>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<uuid>."""
        system.up(
            Bucket=system.resource("S3::Bucket"),
            Worker=system.function(system.FAILS),
            Config=system.invoke_config(failure=system.att("Bucket"), MaximumRetryAttempts=0),
        )
        system.invoke_later({"n": 1})
        system.settle()

        s3, name = system.client("s3"), system.stage.ref("Bucket")
        key = s3.list_objects_v2(Bucket=name)["Contents"][0]["Key"]
        prefix = f"aws/lambda/async/{system.stage.ref('Worker')}/2026/01/01/2026-01-01T00.00.00-"
        assert key.startswith(prefix)
        assert len(key) == len(prefix) + 36
        assert json.loads(s3.get_object(Bucket=name, Key=key)["Body"].read())["requestPayload"] == {"n": 1}

    def test_calls_of_the_world_are_not_the_tests(self, system):
        """Lambda writes the object, not the test: the journal has no S3 call of a test or function."""
        system.up(
            Bucket=system.resource("S3::Bucket"),
            Worker=system.function(system.FAILS),
            Config=system.invoke_config(failure=system.att("Bucket"), MaximumRetryAttempts=0),
        )
        system.invoke_later()
        system.settle()

        assert [r.detail["operation"] for r in system.records("call")] == ["Invoke"]

    def test_a_fifo_queue_is_no_destination(self, system):
        """§2.3: FIFO targets are not supported; the record is lost, and the journal says why."""
        system.up(
            Worker=system.function(system.FAILS),
            Config=system.invoke_config(failure="arn:aws:sqs:us-east-1:123456789012:nowhere", MaximumRetryAttempts=0),
        )
        system.invoke_later()
        system.settle()

        assert "NonExistentQueue" in system.dropped()[0]

    @pytest.mark.rule("2.1/config-per-qualifier")
    @pytest.mark.rule("2.3/qualified-arn")
    def test_a_version_has_a_config_of_its_own(self, system):
        """§2.1: EventInvokeConfig belongs to function, version or alias; the record's ARN carries the qualifier."""
        system.up(
            Worker=system.function(system.FAILS),
            Version=system.resource("Lambda::Version", FunctionName=system.ref("Worker")),
            Live=system.resource(
                "Lambda::Alias",
                FunctionName=system.ref("Worker"),
                FunctionVersion=system.att("Version", "Version"),
                Name="live",
            ),
            Config=system.resource(
                "Lambda::EventInvokeConfig",
                FunctionName=system.ref("Worker"),
                Qualifier="live",
                MaximumRetryAttempts=0,
                DestinationConfig={"OnFailure": {"Destination": system.att("Dead")}},
            ),
            Dead=system.queue(),
        )
        system.stage.world.kernel.settle()
        system.invoke_later(Qualifier="live")
        system.settle()

        record = system.bodies()[0]
        assert system.attempts() == [0]
        assert record["requestContext"]["functionArn"] == system.stage.arn("Worker") + ":live"
        assert record["responseContext"]["executedVersion"] == "1"


class TestDeadLetterQueue:
    """§2.4: the older way to keep an event."""

    @pytest.mark.rule("2.4/body")
    @pytest.mark.rule("2.4/attributes")
    def test_body_and_attributes(self, system):
        """§2.4: the event unchanged; RequestID, ErrorCode (a Number) and ErrorMessage as attributes."""
        system.up(
            Worker=system.function(system.FAILS, DeadLetterConfig={"TargetArn": system.att("Dead")}),
            Dead=system.queue(),
        )
        system.invoke_later({"n": 1, "text": "ä"})
        system.settle()

        message = system.messages()[0]
        assert message["Body"] == json.dumps({"n": 1, "text": "ä"})
        assert message["MessageAttributes"] == {
            "RequestID": {"DataType": "String", "StringValue": system.invocations()[0].detail["request_id"]},
            "ErrorCode": {"DataType": "Number", "StringValue": "200"},
            "ErrorMessage": {"DataType": "String", "StringValue": "no"},
        }

    @pytest.mark.rule("2.4/error-message-size")
    def test_the_error_message_is_cut(self, system):
        """§2.4: the first kilobyte."""
        code = "def handler(event, context): raise ValueError('x' * 5000)"
        system.up(
            Worker=system.function(code, DeadLetterConfig={"TargetArn": system.att("Dead")}),
            Dead=system.queue(),
        )
        system.invoke_later()
        system.settle()

        assert system.messages()[0]["MessageAttributes"]["ErrorMessage"]["StringValue"] == "x" * 1024

    @pytest.mark.rule("2.4/on-a-topic")
    def test_on_a_topic(self, system):
        """§2.4: the event is the message, and its subscribers get Type and Value."""
        system.up(
            Worker=system.function(system.FAILS, DeadLetterConfig={"TargetArn": system.ref("Failures")}),
            Failures=system.topic(),
            Alarm=system.function(),
            Subscription=system.resource(
                "SNS::Subscription", TopicArn=system.ref("Failures"), Protocol="lambda", Endpoint=system.att("Alarm")
            ),
        )
        system.invoke_later({"n": 1})
        system.settle()

        told = system.events("Alarm")[0]["Records"][0]["Sns"]
        assert json.loads(told["Message"]) == {"n": 1}
        assert told["MessageAttributes"]["ErrorCode"] == {"Type": "Number", "Value": "200"}

    @pytest.mark.rule("2.4/independent-of-destination")
    def test_queue_and_destination_are_independent(self, system):
        """§2.4: both are used if both are set."""
        system.up(
            Worker=system.function(system.FAILS, DeadLetterConfig={"TargetArn": system.att("Dead")}),
            Config=system.invoke_config(failure=system.att("Failures"), MaximumRetryAttempts=0),
            Dead=system.queue(),
            Failures=system.queue(),
        )
        system.invoke_later({"n": 1})
        system.settle()

        assert system.bodies("Dead") == [{"n": 1}]
        assert system.bodies("Failures")[0]["requestPayload"] == {"n": 1}
        assert {record.resource for record in system.records("dead_letter")} == {"Dead", "Failures"}

    def test_what_a_dead_letter_causes_is_traced_to_it(self, system):
        """The journal: invocation, dead letter, the queue's event and what it causes hang together."""
        system.up(
            Worker=system.function(system.FAILS, DeadLetterConfig={"TargetArn": system.ref("Failures")}),
            Failures=system.topic(),
            Inbox=system.queue(),
            Subscription=system.resource(
                "SNS::Subscription", TopicArn=system.ref("Failures"), Protocol="sqs", Endpoint=system.att("Inbox")
            ),
        )
        system.invoke_later()
        system.settle()

        journal = system.stage.journal
        record = system.records("event", "Inbox")[0]
        trail = []
        while record.cause is not None:
            record = journal[record.cause]
            trail.append((record.kind, record.resource))
        assert trail[:4] == [
            ("delivery", "Inbox"),
            ("event", "Failures"),
            ("dead_letter", "Failures"),
            ("outcome", "Worker"),
        ]
        assert trail[-1] == ("call", "test")


class TestChangesUnderWay:
    """§2.1: the function may change while events are queued."""

    @pytest.mark.rule("2.1/updates-apply-to-queued-events")
    def test_queued_events_run_on_the_new_code(self, system):
        """§2.1: an update between two attempts is seen by the second."""
        system.up(Worker=system.function(system.FAILS))
        system.invoke_later({"n": 1})
        system.advance(30)
        system.update_code(system.ECHO)
        system.settle()

        assert system.attempts() == [0, 60]
        assert system.records("outcome")[-1].detail["payload"] == {"n": 1}

    def test_events_of_a_deleted_function_are_lost(self, system):
        """A function that is deleted between two attempts is not run; the journal says so."""
        system.up(Worker=system.function(system.FAILS))
        system.invoke_later()
        system.advance(30)
        system.client("lambda").delete_function(FunctionName=system.stage.ref("Worker"))
        system.settle()

        assert system.attempts() == [0]
        assert "Function not found" in system.dropped()[0]

    def test_a_payload_over_1_mb_is_refused(self, system):
        """§1.2: RequestTooLargeException, 413."""
        system.up(Worker=system.function())
        system.invoke_later("x" * (1024 * 1024 - 2))
        with pytest.raises(ClientError) as caught:
            system.invoke_later("x" * (1024 * 1024 - 1))
        system.settle()

        assert caught.value.response["Error"]["Code"] == "RequestTooLargeException"
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
        assert system.attempts() == [0]
