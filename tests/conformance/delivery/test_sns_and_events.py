"""aws-semantics §5, §6: topics and buses hand events to functions and queues."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def topic(system):
    """Deploys a topic with one subscription `Sub`; `Worker` and `Inbox` are there to subscribe."""

    def up(protocol="lambda", code=system.ECHO, **subscription):
        endpoint = system.att("Worker" if protocol == "lambda" else "Inbox")
        return system.up(
            Feed=system.topic(),
            Worker=system.function(code),
            Inbox=system.queue(),
            Dead=system.queue(),
            Sub=system.resource(
                "SNS::Subscription", TopicArn=system.ref("Feed"), Protocol=protocol, Endpoint=endpoint, **subscription
            ),
        )

    return up


def publish(system, message="hello", **more):
    """Publish; returns the message id."""
    arn = system.stage.ref("Feed")
    return system.client("sns").publish(TopicArn=arn, Message=message, **more)["MessageId"]


class TestTopicToFunction:
    """§5.3, §5.5."""

    @pytest.mark.rule("5.5/lambda-event")
    def test_shape(self, system, topic):
        """§5.5: one record; Subject is null when unset, URLs are spelled `...Url`."""
        topic()
        message_id = publish(system, MessageAttributes={"k": {"DataType": "String", "StringValue": "v"}})
        system.settle()

        (record,) = system.events()[0]["Records"]
        told = record["Sns"]
        assert set(record) == {"EventSource", "EventVersion", "EventSubscriptionArn", "Sns"}
        assert (record["EventSource"], record["EventVersion"]) == ("aws:sns", "1.0")
        assert record["EventSubscriptionArn"] == system.stage.ref("Sub")
        assert set(told) == {
            "Type",
            "MessageId",
            "TopicArn",
            "Subject",
            "Message",
            "Timestamp",
            "SignatureVersion",
            "Signature",
            "SigningCertUrl",
            "UnsubscribeUrl",
            "MessageAttributes",
        }
        assert (told["MessageId"], told["Message"], told["Subject"]) == (message_id, "hello", None)
        assert told["TopicArn"] == system.stage.ref("Feed")
        assert told["Timestamp"] == "2026-01-01T00:00:00.000Z"
        assert told["MessageAttributes"] == {"k": {"Type": "String", "Value": "v"}}

    @pytest.mark.rule("5.3/asynchronous")
    @pytest.mark.rule("5.3/hand-over-only")
    def test_a_function_error_is_lambdas_business(self, system, topic):
        """§5.3: the async ladder applies; SNS delivered once, and its dead-letter queue stays empty."""
        topic(code=system.FAILS, RedrivePolicy={"deadLetterTargetArn": system.att("Dead")})
        publish(system)
        system.settle()

        assert system.attempts() == [0, 60, 180]
        assert len(system.records("delivery", "Worker")) == 1
        assert system.messages() == []

    @pytest.mark.rule("5.2/client-side-errors")
    def test_a_deleted_function(self, system, topic):
        """§5.2, §5.4: a client-side error is not retried; the notification goes to the subscription's queue."""
        topic(RedrivePolicy={"deadLetterTargetArn": system.att("Dead")})
        system.client("lambda").delete_function(FunctionName=system.stage.ref("Worker"))
        publish(system, "lost?")
        system.settle()

        assert system.elapsed() == 0
        (body,) = system.bodies()
        assert (body["Type"], body["Message"]) == ("Notification", "lost?")

    @pytest.mark.rule("5.6/scope")
    def test_filter_policies(self, system, topic):
        """§5.6: on attributes by default."""
        topic(FilterPolicy={"kind": ["good"]})
        for kind in ("good", "bad"):
            publish(system, kind, MessageAttributes={"kind": {"DataType": "String", "StringValue": kind}})
        publish(system, "none")
        system.settle()

        assert [event["Records"][0]["Sns"]["Message"] for event in system.events()] == ["good"]

    @pytest.mark.rule("5.6/scope")
    def test_filter_policies_on_the_body(self, system, topic):
        """§5.6: FilterPolicyScope MessageBody."""
        topic(FilterPolicy={"n": [{"numeric": [">", 1]}]}, FilterPolicyScope="MessageBody")
        for n in (1, 2):
            publish(system, json.dumps({"n": n}))
        system.settle()

        assert [event["Records"][0]["Sns"]["Message"] for event in system.events()] == ['{"n": 2}']

    def test_an_inline_subscription(self, system):
        """A topic's own `Subscription` property subscribes too."""
        endpoint = {"Protocol": "lambda", "Endpoint": system.att("Worker")}
        system.up(Worker=system.function(), Feed=system.topic(Subscription=[endpoint]))
        publish(system)
        system.settle()

        assert system.attempts() == [0]


class TestTopicToQueue:
    """§5.5: envelope and raw."""

    @pytest.mark.rule("5.5/notification")
    def test_envelope(self, system, topic):
        """§5.5: the notification as the body; Subject and MessageAttributes only if set."""
        topic("sqs")
        publish(system)
        publish(system, Subject="s", MessageAttributes={"k": {"DataType": "String", "StringValue": "v"}})
        system.settle()

        plain, full = system.bodies("Inbox")
        names = ["Type", "MessageId", "TopicArn", "Message", "Timestamp", "SignatureVersion", "Signature"]
        assert set(plain) == {*names, "SigningCertURL", "UnsubscribeURL"}
        assert set(full) - set(plain) == {"Subject", "MessageAttributes"}

    @pytest.mark.rule("5.5/raw")
    def test_raw(self, system, topic):
        """§5.5: the message itself; attributes become message attributes."""
        topic("sqs", RawMessageDelivery=True)
        publish(system, MessageAttributes={"k": {"DataType": "String", "StringValue": "v"}})
        system.settle()

        (message,) = system.messages("Inbox")
        assert message["Body"] == "hello"
        assert message["MessageAttributes"] == {"k": {"DataType": "String", "StringValue": "v"}}

    def test_through_a_queue_to_a_function(self, system):
        """§5.5, §3.9: the usual fan-out: topic, queue, function."""
        system.up(
            Feed=system.topic(),
            Jobs=system.queue(),
            Worker=system.function(),
            Map=system.mapping("Jobs"),
            Sub=system.resource(
                "SNS::Subscription",
                TopicArn=system.ref("Feed"),
                Protocol="sqs",
                Endpoint=system.att("Jobs"),
                RawMessageDelivery=True,
            ),
        )
        publish(system, "one")
        system.settle()

        assert system.batches() == [["one"]]
        assert system.elapsed() == 0


class TestSubscriptionsByApi:
    """A subscription made in a test behaves as one of the template."""

    def test_it_delivers_and_a_reset_removes_it(self, system):
        """Filter, raw delivery, and the way back."""
        system.up(Feed=system.topic(), Inbox=system.queue())
        system.client("sns").subscribe(
            TopicArn=system.stage.ref("Feed"),
            Protocol="sqs",
            Endpoint=system.stage.arn("Inbox"),
            Attributes={"RawMessageDelivery": "true", "FilterPolicy": json.dumps({"k": ["v"]})},
        )
        publish(system, "yes", MessageAttributes={"k": {"DataType": "String", "StringValue": "v"}})
        publish(system, "no")
        system.settle()
        assert [message["Body"] for message in system.messages("Inbox")] == ["yes"]

        system.stage.reset()
        publish(system, "yes", MessageAttributes={"k": {"DataType": "String", "StringValue": "v"}})
        system.settle()
        assert system.messages("Inbox") == []

    def test_unsubscribing(self, system, topic):
        """What is unsubscribed gets nothing any more."""
        topic()
        system.client("sns").unsubscribe(SubscriptionArn=system.stage.ref("Sub"))
        publish(system)
        system.settle()

        assert system.attempts() == []


@pytest.fixture
def rule(system):
    """Deploys a rule on a bus with one target."""

    def up(target="Inbox", code=system.ECHO, bus=None, pattern=None, state="ENABLED", **settings):
        where = {"EventBusName": system.ref("Bus")} if bus else {}
        resources = {"Bus": system.resource("Events::EventBus", Name=bus)} if bus else {}
        return system.up(
            **resources,
            Worker=system.function(code),
            Inbox=system.queue(),
            Dead=system.queue(),
            Rule=system.resource(
                "Events::Rule",
                EventPattern=pattern or {"source": ["shop"]},
                State=state,
                Targets=[{"Id": "target", "Arn": system.att(target), **settings}],
                **where,
            ),
        )

    return up


def put_event(system, detail=None, **more):
    """Put one event of the shop; returns its id."""
    entry = {"Source": "shop", "DetailType": "order", "Detail": json.dumps(detail or {"n": 1}), **more}
    return system.client("events").put_events(Entries=[entry])["Entries"][0]["EventId"]


class TestRules:
    """§6.1, §6.3, §6.4."""

    @pytest.mark.rule("6.1/targets-get-the-event")
    @pytest.mark.rule("6.4/function-errors")
    def test_to_a_function(self, system, rule):
        """§6.1: the whole event, asynchronously; a function error never comes back."""
        rule("Worker", system.FAILS, DeadLetterConfig={"Arn": system.att("Dead")})
        event_id = put_event(system)
        system.settle()

        assert system.events()[0] == {
            "version": "0",
            "id": event_id,
            "detail-type": "order",
            "source": "shop",
            "account": "123456789012",
            "time": "2026-01-01T00:00:00Z",
            "region": "us-east-1",
            "resources": [],
            "detail": {"n": 1},
        }
        assert system.attempts() == [0, 60, 180]
        assert system.messages() == []

    @pytest.mark.rule("6.1/targets-get-the-event")
    def test_to_a_queue(self, system, rule):
        """§6.1: the event as the body."""
        rule()
        put_event(system)
        put_event(system, Source="other")
        system.settle()

        assert [body["detail"] for body in system.bodies("Inbox")] == [{"n": 1}]

    @pytest.mark.rule("6.1/own-bus-only")
    def test_on_a_custom_bus(self, system, rule):
        """§6.1: a rule sees the events of its own bus only."""
        rule(bus="orders")
        put_event(system, {"n": "default"})
        put_event(system, {"n": "custom"}, EventBusName="orders")
        system.settle()

        assert [body["detail"]["n"] for body in system.bodies("Inbox")] == ["custom"]

    @pytest.mark.rule("6.3/input-constant")
    @pytest.mark.parametrize(
        ("settings", "expected"),
        [
            ({"Input": '{"fixed": 1}'}, {"fixed": 1}),
            ({"InputPath": "$.detail"}, {"n": 1}),
            (
                {
                    "InputTransformer": {
                        "InputPathsMap": {"n": "$.detail.n"},
                        "InputTemplate": '{"number": <n>, "s": "<n>"}',
                    }
                },
                {"number": 1, "s": "1"},
            ),
        ],
    )
    def test_inputs(self, system, rule, settings, expected):
        """§6.3: Input, InputPath, InputTransformer."""
        rule(**settings)
        put_event(system)
        system.settle()

        assert system.bodies("Inbox") == [expected]

    @pytest.mark.rule("6.4/no-retry")
    @pytest.mark.rule("6.4/dead-letter-attributes")
    def test_a_deleted_target(self, system, rule):
        """§6.4: no retry; the event goes to the target's dead-letter queue with the error as attributes."""
        rule("Worker", DeadLetterConfig={"Arn": system.att("Dead")})
        system.client("lambda").delete_function(FunctionName=system.stage.ref("Worker"))
        put_event(system)
        system.settle()

        (message,) = system.messages()
        assert json.loads(message["Body"])["detail"] == {"n": 1}
        names = message["MessageAttributes"]
        assert names["TARGET_ARN"]["StringValue"] == system.stage.arn("Worker")
        assert names["RULE_ARN"]["StringValue"] == system.stage.arn("Rule")
        assert names["ERROR_CODE"]["StringValue"] == "NO_RESOURCE"
        assert system.elapsed() == 0

    @pytest.mark.rule("6.1/disable-rule")
    def test_a_disabled_rule(self, system, rule):
        """§6.1: a rule with State DISABLED sends nothing until it is enabled."""
        rule(state="DISABLED")
        put_event(system)
        system.settle()
        assert system.bodies("Inbox") == []

        system.client("events").enable_rule(Name=system.stage.ref("Rule"))
        put_event(system)
        system.settle()
        assert len(system.bodies("Inbox")) == 1

    @pytest.mark.rule("6.1/targets-get-the-event")
    def test_to_a_stream(self, system):
        """§6.1: a Kinesis target gets the event as data, and what reads the stream goes on from there."""
        system.up(
            Feed=system.resource("Kinesis::Stream", ShardCount=1),
            Worker=system.function(),
            Map=system.mapping("Feed", StartingPosition="LATEST"),
            Rule=system.resource(
                "Events::Rule",
                EventPattern={"source": ["shop"]},
                Targets=[
                    {
                        "Id": "t",
                        "Arn": system.att("Feed"),
                        "RoleArn": system.ROLE,
                        "KinesisParameters": {"PartitionKeyPath": "$.source"},
                    }
                ],
            ),
        )
        put_event(system)
        system.settle()

        assert system.batches()[0][0]["detail"] == {"n": 1}
        assert system.events()[0]["Records"][0]["kinesis"]["partitionKey"] == "shop"
