"""aws-semantics §6.7: what a pipe tries again, and what it gives up."""

from __future__ import annotations

import base64
import json

import pytest

from stagefright.aws_api.errors import ApiError


def settings(**more):
    return {"KinesisStreamParameters": {"StartingPosition": "TRIM_HORIZON", **more}}


@pytest.fixture
def feed(system):
    """Deploys a stream, a pipe and a function."""

    def up(code=system.FAILS, *, dead="Dead", resources=None, **more):
        dlq = {"DeadLetterConfig": {"Arn": system.att(dead) if isinstance(dead, str) else dead}} if dead else {}
        return system.up(
            Feed=system.stream(),
            Dead=system.queue(),
            Worker=system.function(code),
            Flow=system.pipe("Feed", "Worker", SourceParameters=settings(**dlq, **more)),
            **(resources or {}),
        )

    return up


def numbers(system):
    return [[json.loads(base64.b64decode(r["data"])) for r in event] for event in system.events()]


class TestStreams:
    """§6.7: retries of a stream's batch."""

    @pytest.mark.rule("6.7/retry-attempts", "6.7/dead-letters", "6.7/dead-letter-form")
    def test_retries_and_then_the_dead_letter_queue(self, system, feed):
        """§6.7: as often as MaximumRetryAttempts says; the queue is told where the records are."""
        feed(MaximumRetryAttempts=2)
        number = system.put(1)[0]
        system.settle()

        assert len(system.attempts()) == 3
        body = system.bodies()[0]
        assert body["context"] == {
            "partnerResourceArn": system.stage.arn("Flow"),
            "condition": "RetryAttemptsExhausted",
        }
        assert body["KinesisBatchInfo"]["startSequenceNumber"] == number
        assert body["KinesisBatchInfo"]["batchSize"] == 1

    @pytest.mark.rule("6.7/internal-errors")
    def test_an_unavailable_queue_counts_for_nothing(self, system, monkeypatch):
        """§6.7: no retry is allowed, and yet the record arrives once the target is there again."""
        system.up(
            Feed=system.stream(),
            Out=system.queue(),
            Dead=system.queue(),
            Flow=system.pipe(
                "Feed",
                "Out",
                SourceParameters=settings(MaximumRetryAttempts=0, DeadLetterConfig={"Arn": system.att("Dead")}),
            ),
        )
        queue = system.stage.world.queues.by_arn(system.stage.arn("Out"))
        send, refusals = queue.send, [ApiError("ServiceUnavailable", "later", status=503)] * 3

        def unavailable(*args, **kwargs):
            if refusals:
                raise refusals.pop()
            return send(*args, **kwargs)

        monkeypatch.setattr(queue, "send", unavailable)
        system.put(1)
        system.settle()

        assert (len(system.texts("Out")), system.bodies()) == (1, [])
        assert refusals == []

    @pytest.mark.rule("6.7/dead-letters")
    def test_a_topic_may_be_told(self, system, feed):
        """§6.7: a queue or a topic, standard ones."""
        resources = {
            "Failures": system.topic(),
            "Subscription": system.resource(
                "SNS::Subscription",
                TopicArn=system.ref("Failures"),
                Protocol="sqs",
                Endpoint=system.att("Dead"),
                RawMessageDelivery=True,
            ),
        }
        feed(dead=system.ref("Failures"), resources=resources, MaximumRetryAttempts=0)
        system.put(1)
        system.settle()

        assert "KinesisBatchInfo" in system.bodies()[0]

    @pytest.mark.rule("6.7/record-age")
    def test_age_ends_the_retries(self, system, feed):
        """§6.7: MaximumRecordAgeInSeconds; such records go to the queue without another attempt."""
        feed(MaximumRecordAgeInSeconds=60)
        system.put(1)
        system.settle()

        assert system.bodies()[0]["context"]["condition"] == "RecordAgeExceeded"
        assert system.elapsed() < 122

    @pytest.mark.rule("6.7/retry-attempts")
    def test_without_a_limit_until_the_records_expire(self, system, feed):
        """§6.7: -1 is the default, and means until the end of retention."""
        feed(dead=None)
        system.put(1)
        system.settle()

        assert system.dropped() == ["retention"]

    @pytest.mark.rule("6.7/bisect")
    def test_automatic_bisect(self, system, feed):
        """§6.7: a failing batch is halved until the poison is alone."""
        code = """
            import base64
            def handler(event, context):
                if any(base64.b64decode(r["data"]) == b"3" for r in event): raise ValueError
        """
        feed(
            code,
            OnPartialBatchItemFailure="AUTOMATIC_BISECT",
            MaximumRetryAttempts=0,
            BatchSize=4,
            MaximumBatchingWindowInSeconds=1,
        )
        system.put(1, 2, 3, 4)
        system.settle()

        assert numbers(system) == [[1, 2, 3, 4], [1, 2], [3, 4], [3], [4]]
        assert system.bodies()[0]["KinesisBatchInfo"]["batchSize"] == 1

    @pytest.mark.rule("6.7/partial-function")
    def test_a_function_reports_by_event_id(self, system, feed):
        """§6.7: items of streams are called by their eventID; what lies before the lowest is done."""
        code = """
            import base64
            def handler(event, context):
                bad = [r["eventID"] for r in event if base64.b64decode(r["data"]) == b"2"]
                return {"batchItemFailures": [{"itemIdentifier": one} for one in bad]}
        """
        feed(code, MaximumRetryAttempts=1, BatchSize=3, MaximumBatchingWindowInSeconds=1)
        system.put(1, 2, 3)
        system.settle()

        assert numbers(system) == [[1, 2, 3], [2, 3], [2, 3]]

    @pytest.mark.rule("6.7/execution-time")
    @pytest.mark.parametrize(("seconds", "count"), [(299, 0), (301, 1)])
    def test_an_execution_takes_at_most_five_minutes(self, system, seconds, count):
        """§6.7: enrichment and target together; the pipe goes on without waiting for what still runs."""
        code = f"import time\ndef handler(event, context): time.sleep({seconds} - 100)"
        system.up(
            Feed=system.stream(),
            Dead=system.queue(),
            Enrich=system.function(
                "import time\ndef handler(event, context): time.sleep(100); return event", Timeout=900
            ),
            Worker=system.function(code, Timeout=900),
            Flow=system.pipe(
                "Feed",
                "Worker",
                Enrichment="Enrich",
                SourceParameters=settings(MaximumRetryAttempts=0, DeadLetterConfig={"Arn": system.att("Dead")}),
            ),
        )
        system.put(1)
        system.settle()

        given_up = [record.at - system.began for record in system.records("dead_letter", "Dead")]
        assert given_up == [300] * count

    @pytest.mark.rule("6.7/vanished-target")
    def test_a_target_that_is_gone_is_a_failure(self, system):
        """§6.7: the owner's fault, so it counts."""
        system.up(
            Feed=system.stream(),
            Out=system.queue(),
            Dead=system.queue(),
            Flow=system.pipe(
                "Feed",
                "Out",
                SourceParameters=settings(MaximumRetryAttempts=1, DeadLetterConfig={"Arn": system.att("Dead")}),
            ),
        )
        system.client("sqs").delete_queue(QueueUrl=system.stage.ref("Out"))
        system.put(1)
        system.settle()

        assert len(system.bodies()) == 1
        assert [r.detail["reason"] for r in system.records("retry", "Flow")] == ["TargetError"]


class TestQueues:
    """§6.7: retries of messages."""

    @pytest.mark.rule("6.7/scaling")
    def test_five_executions_at_first(self, system):
        """§6.7: and more for each minute of a backlog."""
        system.up(
            In=system.queue(VisibilityTimeout=3600),
            Worker=system.function("import time\ndef handler(event, context): time.sleep(20)", Timeout=60),
            Flow=system.pipe("In", "Worker", SourceParameters={"SqsQueueParameters": {"BatchSize": 1}}),
        )
        system.send(*map(str, range(12)), queue="In")
        system.settle()

        assert system.attempts() == [0] * 5 + [20] * 5 + [40] * 2

    @pytest.mark.rule("6.7/partial-function")
    def test_a_function_reports_by_message_id(self, system):
        """§6.7: only those come back."""
        code = """
            def handler(event, context):
                bad = [r["messageId"] for r in event if r["body"] == "b"]
                return {"batchItemFailures": [{"itemIdentifier": one} for one in bad]}
        """
        system.up(
            In=system.redriving("Dead", 2, VisibilityTimeout=60),
            Dead=system.queue(),
            Worker=system.function(code),
            Flow=system.pipe("In", "Worker"),
        )
        system.send("a", "b", "c", queue="In")
        system.settle()

        assert [sorted(r["body"] for r in event) for event in system.events()] == [["a", "b", "c"], ["b"]]
        assert [message["Body"] for message in system.messages("Dead")] == ["b"]

    @pytest.mark.rule("6.7/partial-function")
    @pytest.mark.parametrize(
        ("answer", "count"),
        [
            ("'anything'", 1),
            ("{'ok': True}", 1),
            ("{'batchItemFailures': []}", 1),
            ("{'batchItemFailures': None}", 1),
            ("{'batchItemFailures': [{'itemIdentifier': ''}]}", 2),
            ("{'batchItemFailures': [{'itemIdentifier': None}]}", 2),
            ("{'batchItemFailures': [{'foo': 'x'}]}", 2),
        ],
    )
    def test_answers(self, system, answer, count):
        """§6.7: empty and null reports, and answers that are no reports, are success; unusable ones fail the batch."""
        system.up(
            In=system.redriving("Dead", 2, VisibilityTimeout=60),
            Dead=system.queue(),
            Worker=system.function(f"def handler(event, context): return {answer}"),
            Flow=system.pipe("In", "Worker"),
        )
        system.send("a", queue="In")
        system.settle()

        assert len(system.attempts()) == count

    @pytest.mark.rule("6.7/partial-target", "6.7/retry-through-enrichment")
    def test_events_that_the_target_refuses_are_tried_again_alone(self, system):
        """§6.7: through the whole pipe, the enrichment included."""
        system.up(
            In=system.redriving("Dead", 2, VisibilityTimeout=60),
            Dead=system.queue(),
            Bus=system.resource("Events::EventBus", Name="orders"),
            Rule=system.resource(
                "Events::Rule",
                EventBusName=system.ref("Bus"),
                EventPattern={"account": [{"exists": True}]},
                Targets=[{"Id": "t", "Arn": system.att("Out")}],
            ),
            Out=system.queue(),
            Enrich=system.function(),
            # An object is a detail; a list is none, so that event alone is refused.
            Flow=system.pipe("In", "Bus", Enrichment="Enrich", TargetParameters={"InputTemplate": "<$.body>"}),
        )
        system.send("{}", "[]", queue="In")
        system.settle()

        assert [len(event) for event in system.events("Enrich")] == [2, 1]
        assert len(system.texts()) == 1
        assert [message["Body"] for message in system.messages("Dead")] == ["[]"]

    @pytest.mark.rule("6.7/queue-dead-letters")
    def test_a_gone_function_leads_to_the_queues_own_dead_letters(self, system):
        """§6.7: after its maxReceiveCount."""
        system.up(
            In=system.redriving("Dead", 2, VisibilityTimeout=60),
            Dead=system.queue(),
            Worker=system.function(),
            Flow=system.pipe("In", "Worker"),
        )
        system.client("lambda").delete_function(FunctionName=system.stage.ref("Worker"))
        system.send("a", queue="In")
        system.settle()

        assert len(system.messages("Dead")) == 1
