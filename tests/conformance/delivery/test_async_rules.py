"""aws-semantics §2: who invokes asynchronously, which settings apply, and what becomes of results that nobody takes."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError, ParamValidationError

from stagefright.aws_api.errors import ApiError

SLOW_OR_BROKEN = """
    import time
    def handler(event, context):
        if event["slow"]:
            time.sleep(700)
        else:
            raise ValueError("no")
"""


class TestQueue:
    """§2.1: Lambda's own queue."""

    @pytest.mark.rule("2.1/throttle-backoff")
    def test_the_wait_after_a_throttle_doubles_up_to_five_minutes(self, system):
        """§2.1: from 1 s to 300 s; the curve between is an assumption."""
        system.up(Worker=system.function(SLOW_OR_BROKEN, Timeout=900, ReservedConcurrentExecutions=1))
        system.invoke_later({"slow": True})
        system.invoke_later({"slow": False})
        system.settle()

        waits = [r.detail["due"] - r.at for r in system.records("retry") if r.detail["reason"] == "Throttled"]
        assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]

    @pytest.mark.rule("2.1/system-errors")
    def test_a_system_error_uses_up_no_attempt(self, system, monkeypatch):
        """§2.1: a 5xx of Lambda itself is retried as a throttle is, and the function still has its three attempts."""
        system.up(Worker=system.function(system.FAILS))
        executor, failures = system.stage.world.executor, [ApiError("ServiceException", "broken", status=500)] * 2
        run = executor.run

        async def fails_twice(*args, **kwargs):
            if failures:
                raise failures.pop()
            return await run(*args, **kwargs)

        monkeypatch.setattr(executor, "run", fails_twice)
        system.invoke_later()
        system.settle()

        assert system.attempts() == [3, 63, 183]
        assert [r.detail["reason"] for r in system.records("retry")][:2] == ["ServiceException"] * 2

    @pytest.mark.rule("2.1/maximum-retry-attempts")
    @pytest.mark.rule("2.1/maximum-event-age")
    @pytest.mark.parametrize(
        "setting",
        [
            {"MaximumRetryAttempts": 3},
            {"MaximumRetryAttempts": -1},
            {"MaximumEventAgeInSeconds": 59},
            {"MaximumEventAgeInSeconds": 21601},
        ],
    )
    def test_limits_of_the_settings(self, system, setting):
        """§2.1: 0 to 2 retries, 60 to 21,600 seconds."""
        system.up(Worker=system.function())
        (name,) = setting
        # botocore itself refuses what is below the minimum.
        with pytest.raises((ClientError, ParamValidationError), match=f"(?i){name}"):
            system.client("lambda").put_function_event_invoke_config(FunctionName=system.stage.ref("Worker"), **setting)

    @pytest.mark.rule("2.1/updates-apply-to-queued-events")
    def test_queued_events_follow_new_settings(self, system):
        """§2.1: a destination and a number of retries that are set between two attempts count for the next."""
        system.up(Worker=system.function(system.FAILS), Dead=system.queue())
        system.invoke_later({"n": 1})
        system.advance(30)
        system.client("lambda").put_function_event_invoke_config(
            FunctionName=system.stage.ref("Worker"),
            MaximumRetryAttempts=1,
            DestinationConfig={"OnFailure": {"Destination": system.stage.arn("Dead")}},
        )
        system.settle()

        assert system.attempts() == [0, 60]
        assert system.bodies()[0]["requestContext"]["approximateInvokeCount"] == 2

    @pytest.mark.rule("2.1/config-per-qualifier")
    def test_settings_of_the_function_are_not_those_of_its_alias(self, system):
        """§2.1: an alias without settings has AWS's defaults, whatever `$LATEST` has."""
        system.up(
            Worker=system.function(system.FAILS),
            Version=system.resource("Lambda::Version", FunctionName=system.ref("Worker")),
            Live=system.resource(
                "Lambda::Alias",
                FunctionName=system.ref("Worker"),
                FunctionVersion=system.att("Version", "Version"),
                Name="live",
            ),
            Config=system.invoke_config(MaximumRetryAttempts=0),
        )
        system.invoke_later(Qualifier="live")
        system.settle()

        assert system.attempts() == [0, 60, 180]

    @pytest.mark.rule("2.1/config-per-qualifier")
    def test_a_version_may_have_settings(self, system):
        """§2.1: a version's settings count for that version."""
        system.up(
            Worker=system.function(system.FAILS),
            Version=system.resource("Lambda::Version", FunctionName=system.ref("Worker")),
            Config=system.resource(
                "Lambda::EventInvokeConfig",
                FunctionName=system.ref("Worker"),
                Qualifier=system.att("Version", "Version"),
                MaximumRetryAttempts=1,
            ),
        )
        system.invoke_later(Qualifier="1")
        system.settle()

        assert system.attempts() == [0, 60]

    @pytest.mark.rule("2.1/zero-reserved-concurrency-dead-letter")
    def test_no_concurrency_and_a_dead_letter_queue(self, system):
        """§2.1: the event goes there at once, and nothing runs."""
        system.up(
            Worker=system.function(ReservedConcurrentExecutions=0, DeadLetterConfig={"TargetArn": system.att("Dead")}),
            Dead=system.queue(),
        )
        system.invoke_later({"n": 1})
        system.settle()

        assert (system.attempts(), system.elapsed()) == ([], 0)
        assert system.bodies() == [{"n": 1}]


class TestCallers:
    """§2.2: services that hand an event over and never see what the function does with it."""

    @pytest.mark.rule("2.2/sns")
    def test_sns(self, system):
        """§2.2: one delivery, three attempts, and nothing in the subscription's dead-letter queue."""
        redrive = {"deadLetterTargetArn": system.att("Dead")}
        system.up(
            Feed=system.topic(),
            Dead=system.queue(),
            Worker=system.function(system.FAILS),
            Subscription=system.resource(
                "SNS::Subscription",
                TopicArn=system.ref("Feed"),
                Protocol="lambda",
                Endpoint=system.att("Worker"),
                RedrivePolicy=redrive,
            ),
        )
        system.client("sns").publish(TopicArn=system.stage.ref("Feed"), Message="{}")
        system.settle()

        assert system.attempts() == [0, 60, 180]
        assert len(system.records("delivery", "Worker")) == 1
        assert system.messages() == []
        assert system.dropped() == ["RetriesExhausted"]

    @pytest.mark.rule("2.2/eventbridge")
    def test_eventbridge(self, system):
        """§2.2: one delivery, three attempts, and nothing in the target's dead-letter queue."""
        target = {"Id": "w", "Arn": system.att("Worker"), "DeadLetterConfig": {"Arn": system.att("Dead")}}
        system.up(
            Dead=system.queue(),
            Worker=system.function(system.FAILS),
            Rule=system.resource("Events::Rule", EventPattern={"source": ["shop"]}, Targets=[target]),
        )
        system.client("events").put_events(Entries=[{"Source": "shop", "DetailType": "paid", "Detail": "{}"}])
        system.settle()

        assert system.attempts() == [0, 60, 180]
        assert len(system.records("delivery", "Worker")) == 1
        assert system.messages() == []


class TestRecords:
    """§2.3: what a destination gets, and what it does not take."""

    @pytest.mark.rule("2.3/request-payload-forms")
    @pytest.mark.parametrize("event", [{"a": [1, None]}, [1, "zwei"], "text", 7, 1.5, True, None, {}])
    def test_forms_of_the_event(self, system, event):
        """§2.3: `requestPayload` is the JSON value that the caller sent."""
        system.up(
            Worker=system.function(system.ECHO),
            Config=system.invoke_config(success=system.att("Done")),
            Done=system.queue(),
        )
        name = system.stage.ref("Worker")
        system.client("lambda").invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(event).encode())
        system.settle()

        record = system.bodies("Done")[0]
        assert record["requestPayload"] == event
        assert record["responsePayload"] == event

    @pytest.mark.rule("2.3/request-payload-forms")
    def test_no_event_at_all(self, system):
        """§2.3: a caller that sends nothing sends an empty object."""
        system.up(
            Worker=system.function(system.FAILS),
            Config=system.invoke_config(failure=system.att("Dead"), MaximumRetryAttempts=0),
            Dead=system.queue(),
        )
        system.client("lambda").invoke(FunctionName=system.stage.ref("Worker"), InvocationType="Event")
        system.settle()

        assert system.bodies()[0]["requestPayload"] == {}

    @pytest.mark.rule("2.3/bucket-on-failure-only")
    def test_a_bucket_is_for_failures(self, system):
        """§2.3: refused for successes."""
        system.up(Worker=system.function(), Bucket=system.resource("S3::Bucket"))
        destination = {"Destination": system.stage.arn("Bucket")}
        put = system.client("lambda").put_function_event_invoke_config
        name = system.stage.ref("Worker")
        with pytest.raises(ClientError) as caught:
            put(FunctionName=name, DestinationConfig={"OnSuccess": destination})
        put(FunctionName=name, DestinationConfig={"OnFailure": destination})

        assert caught.value.response["Error"]["Code"] == "InvalidParameterValueException"

    @pytest.mark.rule("2.3/fifo-not-supported")
    @pytest.mark.rule("2.3/failed-delivery")
    @pytest.mark.rule("2.4/standard-only")
    @pytest.mark.parametrize("kind", ["queue", "topic"])
    @pytest.mark.parametrize("way", ["destination", "dead letter"])
    def test_fifo(self, system, kind, way):
        """§2.3, §2.4: neither as a destination nor for dead letters; what would go there is lost, and the journal says so."""
        fifo = {"queue": system.queue(FifoQueue=True), "topic": system.topic(FifoTopic=True)}[kind]
        arn = system.att("Fifo") if kind == "queue" else system.ref("Fifo")
        given = {"DeadLetterConfig": {"TargetArn": arn}} if way == "dead letter" else {}
        config = {"failure": arn} if way == "destination" else {}
        system.up(
            Fifo=fifo,
            Worker=system.function(system.FAILS, **given),
            Config=system.invoke_config(MaximumRetryAttempts=0, **config),
        )
        system.invoke_later()
        flow = system.stage.settle()

        (lost,) = system.records("dropped", "Fifo")
        assert flow.dead_letters == []
        assert flow.dropped[0].resource == "Fifo"
        assert "Fifo did not take a dead letter of Worker" in str(flow)
        assert "FIFO" in lost.detail["reason"] or "MessageGroupId" in lost.detail["reason"]
        assert system.records("event", "Fifo") == []

    @pytest.mark.rule("2.3/failed-delivery")
    @pytest.mark.parametrize("service", ["sns", "lambda", "events", "s3"])
    def test_a_destination_that_is_not_there(self, system, service):
        """§2.3: the record is lost, whichever service should have taken it."""
        resource = {"sns": "t", "lambda": "function:f", "events": "event-bus/b", "s3": "b"}[service]
        arn = "arn:aws:s3:::b" if service == "s3" else f"arn:aws:{service}:us-east-1:123456789012:{resource}"
        system.up(
            Worker=system.function(system.FAILS), Config=system.invoke_config(failure=arn, MaximumRetryAttempts=0)
        )
        system.invoke_later()
        flow = system.stage.settle()

        assert len(system.dropped()) == 1
        assert flow.dropped[0].ids == [system.invocations()[0].detail["request_id"]]

    @pytest.mark.rule("2.3/failed-delivery")
    @pytest.mark.rule("2.4/failed-delivery")
    @pytest.mark.rule("3.1/message-size-of-services")
    def test_queues_that_do_not_take_so_much(self, system):
        """§2.3, §2.4, §3.1: Lambda's messages have the limits of any sender's; attributes count."""
        small = system.queue(MaximumMessageSize=1024)
        system.up(
            Worker=system.function(system.FAILS, DeadLetterConfig={"TargetArn": system.att("Dead")}),
            Config=system.invoke_config(MaximumRetryAttempts=0, failure=system.att("Failures")),
            Dead=small,
            Failures=small,
        )
        system.invoke_later("x" * 900)
        system.settle()
        taken = [len(system.messages("Dead")), len(system.messages("Failures"))]
        system.invoke_later("x" * 1000)
        system.settle()

        assert taken == [1, 0]
        assert system.messages("Dead") == []
        reason = "InvalidParameterValue: One or more parameters are invalid. Reason: Message must be shorter than 1024 bytes."
        assert system.dropped() == [reason] * 3

    @pytest.mark.rule("2.4/failed-delivery")
    def test_a_dead_letter_queue_that_is_not_there(self, system):
        """§2.4: the event is lost."""
        system.up(
            Worker=system.function(system.FAILS, DeadLetterConfig={"TargetArn": system.att("Dead")}),
            Dead=system.queue(),
        )
        system.client("sqs").delete_queue(QueueUrl=system.stage.ref("Dead"))
        system.invoke_later()
        flow = system.stage.settle()

        assert "NonExistentQueue" in system.dropped()[0]
        assert (flow.dead_letters, flow.stopped_at) == ([], "Worker")
