"""aws-semantics §10.3: from a log group to the functions and streams that are subscribed to it."""

from __future__ import annotations

import base64
import gzip
import json

import pytest

from stagefright.assumptions import Assumptions
from stagefright.errors import EndlessLoop, TemplateError


class TestDelivery:
    """§10.3: what a subscriber gets."""

    @pytest.mark.rule("10.3/event")
    @pytest.mark.rule("10.3/data-message")
    @pytest.mark.rule("10.3/log-events")
    def test_shape(self, system):
        """§10.3: every key; ids are numbers that grow, times are milliseconds."""
        system.up_subscribed()
        system.log("test", "test 2")
        flow = system.stage.settle()

        (event,) = system.events("Alarm")
        assert list(event) == ["awslogs"]
        assert list(event["awslogs"]) == ["data"]
        (batch,) = system.told()
        ids = [one.pop("id") for one in batch["logEvents"]]
        assert batch == {
            "messageType": "DATA_MESSAGE",
            "owner": "123456789012",
            "logGroup": "/app",
            "logStream": "s1",
            "subscriptionFilters": ["errors"],
            "logEvents": [
                {"timestamp": 1767225600000, "message": "test"},
                {"timestamp": 1767225600000, "message": "test 2"},
            ],
        }
        assert all(len(one) == 56 and one.isdigit() for one in ids)
        assert ids[0] < ids[1]
        assert flow.path == ["Group", "Alarm"]

    @pytest.mark.rule("10.3/event")
    def test_the_same_lines_are_the_same_bytes(self, system):
        """§10.3: gzip without a time, so two runs give the same event."""
        system.up_subscribed()
        data = []
        for _ in range(2):
            system.stage.reset()
            system.log("one", "two")
            system.settle()
            data.append(system.events("Alarm")[0]["awslogs"]["data"])

        assert data[0] == data[1]

    @pytest.mark.rule("10.3/asynchronous")
    @pytest.mark.rule("2.2/cloudwatch-logs")
    def test_asynchronously(self, system):
        """§10.3, §2.2: the function's errors are Lambda's business."""
        system.up_subscribed(code=system.FAILS)
        system.log("x")
        system.settle()

        assert system.attempts("Alarm") == [0, 60, 180]
        assert len(system.records("delivery", "Alarm")) == 1

    @pytest.mark.rule("10.3/batches")
    def test_one_stream_per_delivery(self, system):
        """§10.3: each call writes to one stream, and its lines stay together and in order."""
        system.up_subscribed("-debug")
        system.log("a1", "debug", "a2", stream="a")
        system.log("b1", stream="b")
        system.log("debug", stream="b")
        system.settle()

        assert [(batch["logStream"], len(batch["logEvents"])) for batch in system.told()] == [("a", 2), ("b", 1)]
        assert system.messages_told() == [["a1", "a2"], ["b1"]]

    @pytest.mark.rule("10.3/when")
    def test_lines_of_a_function(self, system):
        """§10.3: those of one invocation come together, when it has ended."""
        code = """
            import time
            def handler(event, context):
                print("ERROR one")
                time.sleep(5)
                print("fine")
                print("ERROR two")
        """
        system.up_subscribed(
            "ERROR",
            Worker=system.function(code, Timeout=10),
            Group=system.group({"Fn::Sub": "/aws/lambda/${Worker}"}),
        )
        system.stage.invoke("Worker", {})
        flow = system.stage.settle()

        assert system.messages_told() == [["ERROR one", "ERROR two"]]
        assert system.attempts("Alarm") == [5]
        times = [event["timestamp"] for event in system.told()[0]["logEvents"]]
        assert times[1] - times[0] == 5000
        assert flow.path == ["Worker", "Group", "Alarm"]

    @pytest.mark.rule("10.3/when")
    def test_platform_lines_count(self, system):
        """§10.3: START, END and REPORT are log events too, and a timeout's lines come as well."""
        system.up_subscribed(
            "REPORT",
            Worker=system.function("import time\ndef handler(event, context): time.sleep(9)", Timeout=1),
            Group=system.group({"Fn::Sub": "/aws/lambda/${Worker}"}),
        )
        system.stage.invoke("Worker", {})
        system.settle()

        ((line,),) = system.messages_told()
        assert line.startswith("REPORT RequestId:")
        assert "Status: timeout" in line

    def test_what_was_written_before_is_not_delivered(self, system):
        """§10.3: a subscription is for what comes after it."""
        system.up(Alarm=system.function(), Allowed=system.permission(), Group=system.group())
        system.log("before")
        system.client("logs").put_subscription_filter(
            logGroupName="/app", filterName="f", filterPattern="", destinationArn=system.stage.arn("Alarm")
        )
        system.log("after")
        system.settle()

        assert system.messages_told() == [["after"]]

    @pytest.mark.rule("10.3/batch-size")
    def test_large_batches_are_split(self, system):
        """§10.3: a function can take a batch whatever its size; its order stays."""
        system.up_subscribed()
        lines = [f"{n} " + str(n) * 60_000 for n in range(1, 8)]
        system.log(*lines)
        system.settle()

        assert [message for batch in system.messages_told() for message in batch] == lines
        assert len(system.told()) > 1

    @pytest.mark.rule("10.3/batch-size")
    def test_how_large_a_batch_may_be_is_assumed(self, system):
        """§10.3: a smaller limit splits further, down to one line."""
        system.up_subscribed()
        system.stage.world.assumptions = Assumptions(log_subscription_bytes_max=10)
        system.log("a", "b", "c")
        system.settle()

        assert system.messages_told() == [["a"], ["b"], ["c"]]

    @pytest.mark.rule("10.3/to-stream")
    @pytest.mark.parametrize("distribution", ["ByLogStream", "Random"])
    def test_to_a_stream(self, system, distribution):
        """§10.3: the compressed JSON is the record's data; its key is the log stream, or random."""
        system.up(
            Group=system.group(),
            Feed=system.resource("Kinesis::Stream", ShardCount=1),
            Filter=system.subscription(
                "?ERROR ?WARN",
                destination=system.att("Feed"),
                RoleArn=system.ROLE,
                Distribution=distribution,
                after=None,
            ),
            Worker=system.function(),
            Mapping=system.mapping("Feed", StartingPosition="TRIM_HORIZON"),
        )
        system.log("ERROR a", "fine", "WARN b")
        flow = system.stage.settle()

        record = system.events("Worker")[0]["Records"][0]["kinesis"]
        batch = json.loads(gzip.decompress(base64.b64decode(record["data"])))
        assert [event["message"] for event in batch["logEvents"]] == ["ERROR a", "WARN b"]
        assert (record["partitionKey"] == "s1") is (distribution == "ByLogStream")
        assert flow.path == ["Group", "Feed", "Worker"]

    @pytest.mark.rule("10.3/own-log")
    def test_a_function_that_is_subscribed_to_itself(self, system):
        """§10.3: the loop is stopped, and the error draws it."""
        system.up_subscribed(
            Group=system.group({"Fn::Sub": "/aws/lambda/${Alarm}"}), code="def handler(event, context): print('x')"
        )
        system.stage.invoke("Alarm", {})
        with pytest.raises(EndlessLoop, match="Alarm -> Group -> Alarm"):
            system.settle()

    def test_a_rule_that_writes_to_a_log_group(self, system):
        """§6.3, §10.3: what a rule's target writes is delivered as well."""
        system.up_subscribed(
            Rule=system.resource(
                "Events::Rule",
                EventPattern={"source": ["shop"]},
                Targets=[{"Id": "l", "Arn": "arn:aws:logs:us-east-1:123456789012:log-group:/app"}],
            )
        )
        system.client("events").put_events(Entries=[{"Source": "shop", "DetailType": "paid", "Detail": "{}"}])
        system.settle()

        assert '"source":"shop"' in system.messages_told()[0][0]


class TestSubscribing:
    """§10.3: what is kept, and what is refused."""

    @pytest.fixture
    def put(self, system):
        """Puts a subscription filter; `system` is up, without one."""
        system.up(Alarm=system.function(), Allowed=system.permission(), Group=system.group())

        def call(name="f", **changes):
            given = {"logGroupName": "/app", "filterPattern": "", "destinationArn": system.stage.arn("Alarm")}
            system.client("logs").put_subscription_filter(filterName=name, **{**given, **changes})

        return call

    @pytest.mark.rule("10.3/two-filters")
    def test_two_and_no_more(self, system, put, refused):
        """§10.3: the third is refused; one of the same name replaces the first."""
        put("a")
        put("b", filterPattern="ERROR")
        error = refused(put, "c")
        put("a", filterPattern="WARN")
        system.log("ERROR", "WARN", "fine")
        system.settle()

        assert error == {"Code": "LimitExceededException", "Message": "Resource limit exceeded."}
        kept = system.client("logs").describe_subscription_filters(logGroupName="/app")["subscriptionFilters"]
        assert [(one["filterName"], one["filterPattern"]) for one in kept] == [("a", "WARN"), ("b", "ERROR")]
        assert [batch["subscriptionFilters"] for batch in system.told()] == [["a"], ["b"]]
        assert system.messages_told() == [["WARN"], ["ERROR"]]

    def test_deleting_and_resetting(self, system, refused):
        """A deleted subscription is silent; a reset brings the deployed one back."""
        logs = system.up_subscribed()
        logs.delete_subscription_filter(logGroupName="/app", filterName="errors")
        system.log("x")
        system.settle()
        silent = system.told()
        system.stage.reset()
        system.log("y")
        system.settle()

        assert silent == []
        assert system.messages_told() == [["y"]]

    @pytest.mark.rule("10.3/refusals")
    def test_what_is_not_there(self, system, put, refused):
        """§10.3: group, function, stream and role; a function of another account."""
        other = "arn:aws:lambda:us-east-1:000000000000:function:f"
        stream = "arn:aws:kinesis:us-east-1:123456789012:stream/none"
        errors = [
            refused(put, logGroupName="/none"),
            refused(put, destinationArn=system.stage.arn("Alarm") + "-not"),
            refused(put, destinationArn=other),
            refused(put, destinationArn=stream),
            refused(put, destinationArn=stream, roleArn=system.ROLE),
        ]

        assert [error["Code"] for error in errors] == [
            "ResourceNotFoundException",
            "InvalidParameterException",
            "AccessDeniedException",
            "InvalidParameterException",
            "InvalidParameterException",
        ]
        assert errors[0]["Message"] == "The specified log group does not exist."
        assert errors[2]["Message"].startswith("Cross-account lambda invocation passing is not allowed.")
        assert errors[3]["Message"] == "destinationArn for vendor kinesis cannot be used without roleArn"

    @pytest.mark.rule("10.3/permission")
    @pytest.mark.parametrize("principal", ["logs.amazonaws.com", "logs.us-east-1.amazonaws.com"])
    def test_permission(self, system, principal):
        """§10.3: the function must let CloudWatch Logs in; in a template, before the subscription."""
        arn = "arn:aws:logs:us-east-1:123456789012:log-group:/app:*"
        system.up_subscribed(Allowed=system.permission(principal=principal, SourceArn=arn))
        system.close()
        with pytest.raises(TemplateError, match=r"Filter.*Make sure you have given CloudWatch Logs permission"):
            system.up_subscribed(Allowed=system.permission(principal="s3.amazonaws.com"))

    def test_a_log_group_that_is_not_in_the_template(self, system):
        """§10.3: the refusal says what to do: a function's own log group is made when it first runs."""
        with pytest.raises(TemplateError, match=r"Filter.*no log group '/aws/lambda/.*AWS::Logs::LogGroup"):
            system.up(
                Alarm=system.function(),
                Allowed=system.permission(),
                Filter=system.resource(
                    "Logs::SubscriptionFilter",
                    LogGroupName={"Fn::Sub": "/aws/lambda/${Alarm}"},
                    FilterPattern="",
                    DestinationArn=system.att("Alarm"),
                ),
            )

    def test_firehose_is_said_not_to_be_delivered_to(self, system):
        """§10.3: a subscription of Firehose is kept, with a warning."""
        arn = "arn:aws:firehose:us-east-1:123456789012:deliverystream/d"
        with pytest.warns(UserWarning, match="not to firehose"):
            system.up(
                Group=system.group(),
                Filter=system.subscription(destination=arn, RoleArn=system.ROLE, after=None),
            )
        system.log("x")
        system.settle()

        kept = system.client("logs").describe_subscription_filters(logGroupName="/app")["subscriptionFilters"]
        assert kept[0]["destinationArn"] == arn

    @pytest.mark.rule("10.3/pattern-refused")
    def test_bad_patterns(self, system, put, refused):
        """§10.3: refused wherever a pattern is given."""
        logs = system.client("logs")
        errors = [
            refused(put, filterPattern="foo.bar"),
            refused(put, filterPattern="x" * 1025),
            refused(logs.filter_log_events, logGroupName="/app", filterPattern="{ $.a }"),
            refused(logs.test_metric_filter, filterPattern="[a", logEventMessages=["x"]),
        ]

        assert {error["Code"] for error in errors} == {"InvalidParameterException"}
        assert errors[0]["Message"] == "Invalid character(s) in term 'foo.bar'"

    @pytest.mark.rule("10.3/filter-log-events")
    def test_filter_log_events(self, system, put):
        """§10.3: lines of tests and of functions are searched in the same language."""
        system.log('{"level": "ERROR", "n": 1}', '{"level": "INFO", "n": 2}', "ERROR 3")
        logs = system.client("logs")

        def found(pattern):
            events = logs.filter_log_events(logGroupName="/app", filterPattern=pattern)["events"]
            return [event["message"] for event in events]

        assert found('{ $.level = "ERROR" || $.n > 1 }') == ['{"level": "ERROR", "n": 1}', '{"level": "INFO", "n": 2}']
        assert found("[w1=ERROR, n=3]") == ["ERROR 3"]
        assert found("-ERROR") == ['{"level": "INFO", "n": 2}']

    @pytest.mark.rule("10.3/filter-log-events")
    def test_test_metric_filter(self, system, put):
        """§10.3: which messages match, and the values that the pattern names."""
        logs = system.client("logs")
        line = '127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'
        fields = logs.test_metric_filter(
            filterPattern="[..., request=*.html*, status_code=4*,]", logEventMessages=["no", line]
        )["matches"]
        of_json = logs.test_metric_filter(filterPattern="{ $.a.b = * }", logEventMessages=['{"a": {"b": 7}}'])[
            "matches"
        ]

        assert fields == [
            {
                "eventNumber": 2,
                "eventMessage": line,
                "extractedValues": {
                    "$1": "127.0.0.1",
                    "$2": "-",
                    "$3": "frank",
                    "$4": "10/Oct/2000:13:25:15 -0700",
                    "$request": "GET /index.html HTTP/1.0",
                    "$status_code": "404",
                    "$7": "1534",
                },
            }
        ]
        assert of_json[0]["extractedValues"] == {"$.a.b": "7"}
