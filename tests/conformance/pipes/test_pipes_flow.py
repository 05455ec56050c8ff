"""aws-semantics §6.7: what flows through a pipe, and in which shape."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import pytest

from stagefright.errors import EndlessLoop


def stream_settings(**settings):
    return {"KinesisStreamParameters": {"StartingPosition": "TRIM_HORIZON", **settings}}


def assume(system, **values):
    """Change assumptions of the running world."""
    system.stage.world.assumptions = replace(system.stage.world.assumptions, **values)


class TestSources:
    """§6.7: what a pipe reads."""

    @pytest.mark.rule("6.7/bare-list", "6.7/sources", "6.7/request-response")
    def test_messages_reach_a_function_as_a_bare_list(self, system):
        """§6.7: no `Records` around them; the messages are deleted."""
        system.up(In=system.queue(), Worker=system.function(), Flow=system.pipe("In", "Worker"))
        identifier = system.send("hello", queue="In")[0]
        system.settle()

        event = system.events()[0]
        assert isinstance(event, list)
        assert (event[0]["messageId"], event[0]["body"], event[0]["eventSource"]) == (identifier, "hello", "aws:sqs")
        assert system.depth("In") == (0, 0, 0)

    @pytest.mark.rule("6.7/kinesis-shape", "6.7/sources")
    def test_kinesis_records_lie_flat(self, system):
        """§6.7: what mappings wrap as `kinesis` lies beside the rest; the pipe's role has read it."""
        system.up(
            Feed=system.stream(),
            Worker=system.function(),
            Flow=system.pipe("Feed", "Worker", SourceParameters=stream_settings()),
        )
        number = system.put({"a": 1})[0]
        system.settle()

        assert system.events() == [
            [
                {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "k",
                    "sequenceNumber": number,
                    "data": base64.b64encode(b'{"a": 1}').decode(),
                    "approximateArrivalTimestamp": system.began,
                    "eventSource": "aws:kinesis",
                    "eventVersion": "1.0",
                    "eventID": f"shardId-000000000000:{number}",
                    "eventName": "aws:kinesis:record",
                    "invokeIdentityArn": system.ROLE,
                    "awsRegion": "us-east-1",
                    "eventSourceARN": system.stage.arn("Feed"),
                }
            ]
        ]

    @pytest.mark.rule("6.7/sources")
    def test_changes_of_a_table(self, system):
        """§6.7: a table's stream is a source too."""
        system.up(
            Table=system.table(),
            Worker=system.function(),
            Flow=system.pipe(
                system.att("Table", "StreamArn"),
                "Worker",
                SourceParameters={"DynamoDBStreamParameters": {"StartingPosition": "LATEST"}},
            ),
        )
        system.client("dynamodb").put_item(TableName=system.stage.ref("Table"), Item={"id": {"S": "a"}})
        system.settle()

        assert system.events()[0][0]["dynamodb"]["NewImage"] == {"id": {"S": "a"}}

    @pytest.mark.rule("6.7/starting-position")
    @pytest.mark.parametrize(
        ("start", "seen"),
        [
            ({"StartingPosition": "TRIM_HORIZON"}, [0, 1, 2, 3]),
            ({"StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": "2026-01-01T00:00:15Z"}, [2, 3]),
            ({"StartingPosition": "LATEST"}, [3]),
        ],
    )
    def test_where_reading_starts(self, system, start, seen):
        """§6.7: like a mapping; here the pipe is made when three records are there."""
        system.up(Feed=system.stream(), Worker=system.function())
        for n in range(3):
            system.put(n)
            system.advance(10)
        system.client("pipes").create_pipe(
            Name="p",
            RoleArn=system.ROLE,
            Source=system.stage.arn("Feed"),
            Target=system.stage.arn("Worker"),
            SourceParameters={"KinesisStreamParameters": start},
        )
        system.put(3)
        system.settle()

        assert [json.loads(base64.b64decode(event[0]["data"])) for event in system.events()] == seen

    @pytest.mark.rule("6.7/stream-batch-default")
    def test_records_of_a_stream_come_one_by_one_unless_told(self, system):
        """§6.7: the default is not documented; one is assumed, as AWS's own construct library has it."""
        system.up(
            Feed=system.stream(),
            Worker=system.function(),
            Flow=system.pipe("Feed", "Worker", SourceParameters=stream_settings()),
        )
        system.put(1, 2, 3)
        system.settle()

        assert [len(event) for event in system.events()] == [1, 1, 1]

    @pytest.mark.rule("6.7/stream-batch-default")
    def test_how_many_come_at_once_is_assumed(self, system):
        """§6.7: the default that is set counts for pipes that are made from then on."""
        system.up(Feed=system.stream(), Worker=system.function())
        assume(system, pipe_stream_batch_size=2)
        source, target = system.stage.arn("Feed"), system.stage.arn("Worker")
        system.put(1, 2, 3)
        system.client("pipes").create_pipe(
            Name="p", RoleArn=system.ROLE, Source=source, Target=target, SourceParameters=stream_settings()
        )
        system.settle()

        assert [len(event) for event in system.events()] == [2, 1]

    @pytest.mark.rule("6.7/queue-batch", "6.7/stream-batch")
    @pytest.mark.parametrize("source", ["In", "Feed"])
    def test_batches_and_windows(self, system, source):
        """§6.7: up to 10,000 at once, gathered for up to five minutes."""
        batch = {"BatchSize": 50, "MaximumBatchingWindowInSeconds": 300}
        settings = {"SqsQueueParameters": batch} if source == "In" else stream_settings(**batch)
        system.up(
            In=system.queue(),
            Feed=system.stream(),
            Worker=system.function(),
            Flow=system.pipe(source, "Worker", SourceParameters=settings),
        )
        if source == "In":
            system.send(*map(str, range(20)), queue="In")
        else:
            system.put(*range(20))
        system.settle()

        assert [len(event) for event in system.events()] == [20]
        assert system.attempts() == [300]

    @pytest.mark.rule("6.7/parallelization")
    def test_lanes_of_a_stream(self, system):
        """§6.7: 1 to 10 batches of a shard at once, in order for each key."""
        system.up(
            Feed=system.stream(),
            Worker=system.function("import time\ndef handler(event, context): time.sleep(1)"),
            Flow=system.pipe("Feed", "Worker", SourceParameters=stream_settings(ParallelizationFactor=10)),
        )
        for n in range(3):
            for key in "abcdefgh":
                system.put([key, n], key=key)
        system.settle()

        seen = [json.loads(base64.b64decode(event[0]["data"])) for event in system.events()]
        assert all([n for k, n in seen if k == key] == [0, 1, 2] for key in "abcdefgh")
        assert sum(at == 0 for at in system.attempts()) > 1

    @pytest.mark.rule("6.7/window-visibility")
    def test_a_batching_window_prolongs_the_visibility_timeout(self, system):
        """§6.7: seven minutes are counted for the pipe, plus the window and 30 seconds."""
        settings = {"SqsQueueParameters": {"MaximumBatchingWindowInSeconds": 10}}
        system.up(
            In=system.redriving("Dead", 2, VisibilityTimeout=30),
            Dead=system.queue(),
            Worker=system.function(system.FAILS),
            Flow=system.pipe("In", "Worker", SourceParameters=settings),
        )
        system.send("x", queue="In")
        system.settle()

        assert system.attempts() == [10, 470]


class TestFilters:
    """§6.7: what passes."""

    @pytest.mark.rule("6.7/filtered-out")
    def test_what_does_not_match_is_removed(self, system):
        """§6.7: from the queue, without a word; several filters are alternatives."""
        patterns = [{"body": {"kind": ["a"]}}, {"body": {"n": [{"numeric": [">", 5]}]}}]
        criteria = {"Filters": [{"Pattern": json.dumps(pattern)} for pattern in patterns]}
        system.up(
            In=system.queue(),
            Out=system.queue(),
            Flow=system.pipe("In", "Out", SourceParameters={"FilterCriteria": criteria}),
        )
        system.send({"kind": "a"}, {"kind": "b"}, {"n": 6}, "plain", queue="In")
        system.settle()

        assert [json.loads(json.loads(text)["body"]) for text in system.texts()] == [{"kind": "a"}, {"n": 6}]
        assert system.depth("In") == (0, 0, 0)
        assert system.dropped() == ["filtered out"] * 2

    @pytest.mark.rule("6.7/filtered-out")
    def test_a_stream_moves_on(self, system):
        """§6.7: past what does not match, or is no JSON."""
        criteria = {"Filters": [{"Pattern": json.dumps({"data": {"n": [1]}, "partitionKey": ["k"]})}]}
        system.up(
            Feed=system.stream(),
            Worker=system.function(),
            Flow=system.pipe("Feed", "Worker", SourceParameters={**stream_settings(), "FilterCriteria": criteria}),
        )
        system.put({"n": 2}, "text", {"n": 1})
        system.settle()

        assert [base64.b64decode(event[0]["data"]) for event in system.events()] == [b'{"n": 1}']


class TestEnrichment:
    """§6.7: a function between source and target."""

    def up(self, system, code, **pipe):
        system.up(
            In=system.redriving("Dead", 2, VisibilityTimeout=30),
            Out=system.queue(),
            Dead=system.queue(),
            Enrich=system.function(code),
            Flow=system.pipe("In", "Out", Enrichment="Enrich", **pipe),
        )

    @pytest.mark.rule("6.7/enrichment", "6.7/one-by-one")
    def test_its_answer_is_what_the_target_gets(self, system):
        """§6.7: it is invoked with the batch as a list and waited for; each item of its answer goes on by itself."""
        self.up(system, "def handler(event, context): return [{'was': r['body']} for r in event] + [{'more': 1}]")
        system.send("a", queue="In")
        system.settle()

        assert isinstance(system.events("Enrich")[0], list)
        assert [json.loads(text) for text in system.texts()] == [{"was": "a"}, {"more": 1}]

    @pytest.mark.rule("6.7/enrichment")
    def test_an_answer_that_is_no_list_is_one_event(self, system):
        """§6.7: whatever it returns goes on."""
        self.up(system, "def handler(event, context): return {'n': len(event)}")
        system.send("a", queue="In")
        system.settle()

        assert system.texts() == ['{"n":1}']

    @pytest.mark.rule("6.7/empty-enrichment")
    @pytest.mark.parametrize("answer", ["[]", "{}", "''", "None"])
    def test_an_empty_answer_ends_it(self, system, answer):
        """§6.7: the target is not invoked, and the batch is done with."""
        self.up(system, f"def handler(event, context): return {answer}")
        system.send("a", queue="In")
        system.settle()

        assert (system.texts(), system.depth("In"), system.attempts("Enrich")) == ([], (0, 0, 0), [0])

    @pytest.mark.rule("6.7/empty-enrichment")
    def test_an_empty_event_in_a_list_does_not(self, system):
        """§6.7: `[{}]` invokes the target with an empty payload."""
        self.up(system, "def handler(event, context): return [{}]")
        system.send("a", queue="In")
        system.settle()

        assert system.texts() == ["{}"]

    @pytest.mark.rule("6.7/enrichment-failure", "6.7/queue-dead-letters")
    def test_its_failure_fails_the_batch(self, system):
        """§6.7: the messages come back after the visibility timeout, until the queue's own redrive policy ends it."""
        self.up(system, system.FAILS)
        system.send("a", queue="In")
        system.settle()

        assert system.attempts("Enrich") == [0, 30]
        assert len(system.messages("Dead")) == 1
        assert {r.detail["reason"] for r in system.records("retry", "Flow")} == {"EnrichmentError"}

    @pytest.mark.rule("6.7/partial-enrichment")
    def test_it_cannot_report_failed_items(self, system):
        """§6.7: partial failures are for targets; such an answer is an event like any other."""
        self.up(system, "def handler(event, context): return {'batchItemFailures': [{'itemIdentifier': 'x'}]}")
        system.send("a", queue="In")
        system.settle()

        assert system.texts() == ['{"batchItemFailures":[{"itemIdentifier":"x"}]}']
        assert system.depth("In") == (0, 0, 0)

    @pytest.mark.rule("6.7/enrichment-too-many")
    def test_more_than_the_target_takes_is_a_failure(self, system):
        """§6.7: the target is not invoked."""
        self.up(system, "def handler(event, context): return [{'n': n} for n in range(11)]")
        system.send("a", queue="In")
        system.settle()

        assert system.texts() == []
        assert len(system.messages("Dead")) == 1

    @pytest.mark.rule("6.7/internal-errors")
    def test_a_throttle_counts_for_nothing(self, system):
        """§6.7: an enrichment without concurrency is tried again; nothing has run."""
        system.up(
            Feed=system.stream(),
            Out=system.queue(),
            Enrich=system.function("def handler(event, context): return [1]", ReservedConcurrentExecutions=0),
            Flow=system.pipe(
                "Feed", "Out", Enrichment="Enrich", SourceParameters=stream_settings(MaximumRetryAttempts=0)
            ),
        )
        system.put(1)
        system.advance(100)
        system.client("lambda").delete_function_concurrency(FunctionName=system.stage.ref("Enrich"))
        system.settle()

        assert (system.texts(), len(system.attempts("Enrich"))) == (["1"], 1)


class TestTargets:
    """§6.7: where it leads."""

    def bus_with_rule(self, system):
        return {
            "Bus": system.resource("Events::EventBus", Name="orders"),
            "Rule": system.resource(
                "Events::Rule",
                EventBusName=system.ref("Bus"),
                EventPattern={"account": [{"exists": True}]},
                Targets=[{"Id": "t", "Arn": system.att("Out")}],
            ),
            "Out": system.queue(),
            "In": system.queue(),
        }

    @pytest.mark.rule("6.7/fire-and-forget")
    def test_a_function_that_is_not_waited_for(self, system):
        """§6.7: its failure is its own business; Lambda tries again by itself."""
        system.up(
            In=system.queue(),
            Worker=system.function(system.FAILS),
            Flow=system.pipe(
                "In",
                "Worker",
                TargetParameters={"LambdaFunctionParameters": {"InvocationType": "FIRE_AND_FORGET"}},
            ),
        )
        system.send("a", queue="In")
        system.advance(1)
        assert system.depth("In") == (0, 0, 0)
        system.settle()

        assert system.attempts() == [0, 60, 180]
        assert isinstance(system.events()[0], list)

    @pytest.mark.rule("6.7/bus", "6.7/target-kinds")
    def test_a_bus(self, system):
        """§6.7: the payload is the detail; source and detail-type have defaults, which are not documented."""
        system.up(**self.bus_with_rule(system), Flow=system.pipe("In", "Bus"))
        system.send("a", queue="In")
        system.settle()

        event = json.loads(system.texts()[0])
        assert (event["source"], event["detail-type"]) == (f"Pipe {system.stage.ref('Flow')}", "Event from aws:sqs")
        assert event["detail"]["body"] == "a"

    @pytest.mark.rule("6.7/bus")
    def test_the_defaults_of_a_bus_are_assumed(self, system):
        """§6.7: source and detail-type are what is set."""
        system.up(**self.bus_with_rule(system), Flow=system.pipe("In", "Bus"))
        assume(system, pipe_bus_source="pipes.{name}", pipe_bus_detail_type="{source} came")
        system.send("a", queue="In")
        system.settle()

        event = json.loads(system.texts()[0])
        assert (event["source"], event["detail-type"]) == (f"pipes.{system.stage.ref('Flow')}", "aws:sqs came")

    @pytest.mark.rule("6.7/bus", "6.7/dynamic-parameters")
    def test_a_bus_with_parameters(self, system):
        """§6.7: static values, and paths that look into the body."""
        given = {"Source": "shop", "DetailType": "$.body.type", "Resources": ["$.eventSourceARN"]}
        parameters = {"EventBridgeEventBusParameters": given, "InputTemplate": '{"id": <$.body.id>}'}
        system.up(**self.bus_with_rule(system), Flow=system.pipe("In", "Bus", TargetParameters=parameters))
        system.send({"type": "placed", "id": 5}, queue="In")
        system.settle()

        event = json.loads(system.texts()[0])
        assert (event["source"], event["detail-type"], event["detail"]) == ("shop", "placed", {"id": 5})
        assert event["resources"] == [system.stage.arn("In")]

    @pytest.mark.rule("6.7/bus")
    def test_a_detail_that_is_no_object_is_refused(self, system):
        """§6.7: PutEvents takes objects only; the message is tried again."""
        resources = self.bus_with_rule(system)
        resources["In"] = system.redriving("Dead", 1, VisibilityTimeout=30)
        system.up(
            **resources,
            Dead=system.queue(),
            Flow=system.pipe("In", "Bus", TargetParameters={"InputTemplate": "plain text"}),
        )
        system.send("a", queue="In")
        system.settle()

        assert system.texts() == []
        assert len(system.messages("Dead")) == 1

    @pytest.mark.rule("6.7/fifo-target", "6.7/dynamic-parameters")
    def test_a_fifo_queue(self, system):
        """§6.7: group and deduplication id are parameters, static or paths."""
        given = {"MessageGroupId": "$.body.user", "MessageDeduplicationId": "$.messageId"}
        system.up(
            In=system.queue(),
            Out=system.queue(FifoQueue=True, QueueName="out.fifo"),
            Flow=system.pipe("In", "Out", TargetParameters={"SqsQueueParameters": given}),
        )
        identifier = system.send({"user": "amy"}, queue="In")[0]
        system.settle()

        attributes = system.messages("Out")[0]["Attributes"]
        assert (attributes["MessageGroupId"], attributes["MessageDeduplicationId"]) == ("amy", identifier)

    @pytest.mark.rule("6.7/target-kinds", "6.7/dynamic-parameters")
    def test_a_stream(self, system):
        """§6.7: with a partition key."""
        system.up(
            In=system.queue(),
            Feed=system.stream(),
            Worker=system.function(),
            Map=system.mapping("Feed", StartingPosition="LATEST"),
            Flow=system.pipe(
                "In",
                "Feed",
                TargetParameters={
                    "KinesisStreamParameters": {"PartitionKey": "$.body.user"},
                    "InputTemplate": '{"user": <$.body.user>}',
                },
            ),
        )
        system.send({"user": "amy"}, queue="In")
        system.settle()

        assert system.batches() == [[{"user": "amy"}]]
        assert system.events()[0]["Records"][0]["kinesis"]["partitionKey"] == "amy"

    @pytest.mark.rule("6.7/target-kinds")
    def test_a_topic(self, system):
        """§6.7: each event is a message."""
        system.up(
            In=system.queue(),
            Out=system.queue(),
            Topic=system.topic(),
            Subscription=system.resource(
                "SNS::Subscription",
                TopicArn=system.ref("Topic"),
                Protocol="sqs",
                Endpoint=system.att("Out"),
                RawMessageDelivery=True,
            ),
            Flow=system.pipe("In", system.ref("Topic"), TargetParameters={"InputTemplate": "got <$.body>"}),
        )
        system.send("a", "b", queue="In")
        system.settle()

        assert system.texts() == ["got a", "got b"]

    @pytest.mark.rule("6.7/target-kinds")
    def test_a_log_group(self, system):
        """§6.7: the event is the log message, in the stream that the parameters name."""
        system.up(
            In=system.queue(),
            Group=system.resource("Logs::LogGroup", LogGroupName="/pipes/orders"),
            Flow=system.pipe(
                "In",
                "Group",
                TargetParameters={
                    "CloudWatchLogsParameters": {"LogStreamName": "all"},
                    "InputTemplate": '"<$.body>"',
                },
            ),
        )
        system.send("a", queue="In")
        system.settle()

        events = system.client("logs").get_log_events(logGroupName="/pipes/orders", logStreamName="all")["events"]
        assert [event["message"] for event in events] == ['"a"']


class TestTemplates:
    """§6.7: input templates of enrichment and target."""

    def fill(self, system, template, body, **pipe):
        system.up(
            In=system.queue(),
            Out=system.queue(),
            Flow=system.pipe("In", "Out", Name="flow", TargetParameters={"InputTemplate": template}, **pipe),
        )
        system.send(body, queue="In")
        system.settle()
        return system.texts()[0]

    @pytest.mark.rule("6.7/input-template", "6.7/implicit-parsing")
    @pytest.mark.parametrize(
        ("template", "text"),
        [
            ("Hello, sender", "Hello, sender"),
            ("Hello, <$.body.name>", "Hello, amy"),
            ("<$.body.name>", "amy"),
            ('{"name": <$.body.name>, "n": <$.body.list[1]>}', '{"name": "amy", "n": 2}'),
            ('{"name": "<$.body.name>!"}', '{"name": "amy!"}'),
            ('{"body": <$.body>}', '{"body": {"name":"amy","list":[1,2]}}'),
            ("Body is <$.body>", "Body is {name:amy,list:[1,2]}"),
            ('{"all": <$.body.list[*]>}', '{"all": [1,2]}'),
            ('{"gone": <$.body.nothing>}', '{"gone": ""}'),
        ],
    )
    def test_forms(self, system, template, text):
        """§6.7: free text, a path, or JSON with paths; a body that is JSON is looked into."""
        assert self.fill(system, template, {"name": "amy", "list": [1, 2]}) == text

    @pytest.mark.rule("6.7/implicit-parsing")
    def test_a_plain_body_stays_text(self, system):
        """§6.7: only JSON is parsed."""
        assert self.fill(system, '{"body": <$.body>}', "plain") == '{"body": "plain"}'

    @pytest.mark.rule("6.7/implicit-parsing")
    def test_data_of_kinesis_is_decoded(self, system):
        """§6.7: base64 and JSON; what is no JSON stays base64."""
        system.up(
            Feed=system.stream(),
            Out=system.queue(),
            Flow=system.pipe(
                "Feed",
                "Out",
                SourceParameters=stream_settings(),
                TargetParameters={"InputTemplate": '{"d": <$.data>}'},
            ),
        )
        system.put({"a": 1})
        system.client("kinesis").put_record(StreamName=system.stage.ref("Feed"), PartitionKey="k", Data=b"plain!")
        system.settle()

        assert system.texts() == ['{"d": {"a":1}}', '{"d": "' + base64.b64encode(b"plain!").decode() + '"}']

    @pytest.mark.rule("6.7/reserved-variables")
    def test_reserved_variables(self, system):
        """§6.7: the pipe, its ends, the moment, and the event."""
        names = ("pipe-arn", "pipe-name", "source-arn", "enrichment-arn", "target-arn", "event.ingestion-time")
        template = "{" + ", ".join(f'"{name}": <aws.pipes.{name}>' for name in names)
        template += ', "json": <aws.pipes.event.json>, "event": <aws.pipes.event>}'
        got = json.loads(self.fill(system, template, {"n": 1}))

        assert got["pipe-arn"] == system.stage.arn("Flow")
        assert (got["pipe-name"], got["enrichment-arn"]) == ("flow", "")
        assert (got["source-arn"], got["target-arn"]) == (system.stage.arn("In"), system.stage.arn("Out"))
        assert got["event.ingestion-time"].startswith("2026-01-01T00:00:00")
        assert got["json"]["body"] == {"n": 1}
        assert got["event"]["body"] == '{"n": 1}'

    @pytest.mark.rule("6.7/template-per-record")
    def test_each_record_has_its_own(self, system):
        """§6.7: templates of enrichment and target see one record at a time; a function still gets a list."""
        system.up(
            In=system.queue(),
            Enrich=system.function(),
            Worker=system.function(),
            Flow=system.pipe(
                "In",
                "Worker",
                Enrichment="Enrich",
                EnrichmentParameters={"InputTemplate": '{"n": <$.body.n>}'},
                TargetParameters={"InputTemplate": '{"m": <$.n>}'},
            ),
        )
        system.send({"n": 1}, {"n": 2}, queue="In")
        system.settle()

        assert system.events("Enrich") == [[{"n": 1}, {"n": 2}]]
        assert system.events() == [[{"m": 1}, {"m": 2}]]


class TestFlow:
    """A pipe is a place on the way."""

    def test_a_flow_goes_through_it(self, system):
        """By its logical id; enrichment and target come after it."""
        stage = system.up(
            In=system.queue(),
            Enrich=system.function(),
            Worker=system.function(),
            Flow=system.pipe("In", "Worker", Enrichment="Enrich"),
        )
        system.send("a", queue="In")
        flow = stage.settle()

        assert flow.path == ["In", "Flow", "Enrich", "Worker"]
        assert "Flow took 1 event from In" in str(flow)
        assert flow.reached("Flow")

    def test_without_an_enrichment(self, system):
        """What the target accepts comes after the pipe."""
        stage = system.up(In=system.queue(), Out=system.queue(), Flow=system.pipe("In", "Out"))
        system.send("a", queue="In")

        assert stage.settle().path == ["In", "Flow", "Out"]

    def test_two_runs_are_the_same(self, system):
        """Byte for byte: nothing of a pipe depends on anything but the seed."""

        def journal():
            system.up(
                Feed=system.stream(2),
                Out=system.queue(),
                Enrich=system.function("def handler(event, context): return [{'n': len(event)}]"),
                Flow=system.pipe(
                    "Feed", "Out", Enrichment="Enrich", SourceParameters=stream_settings(ParallelizationFactor=3)
                ),
            )
            for key in "abcdef":
                system.put(1, key=key)
            system.settle()
            records = [repr(record) for record in system.stage.journal]
            system.close()
            return records

        assert journal() == journal()

    def test_a_pipe_that_feeds_itself_stops_the_world(self, system):
        """Nothing would ever end that, so the error draws the cycle."""
        system.up(
            In=system.queue(),
            Out=system.queue(),
            Flow=system.pipe("In", "Out", TargetParameters={"InputTemplate": "x"}),
            Back=system.pipe("Out", "In", TargetParameters={"InputTemplate": "x"}),
        )
        system.send("a", queue="In")
        with pytest.raises(EndlessLoop, match="Flow -> Out -> In -> Flow"):
            system.settle()

    def test_a_reset_takes_a_stream_back(self, system):
        """How far a pipe has read is part of the state."""
        stage = system.up(
            Feed=system.stream(),
            Worker=system.function(),
            Flow=system.pipe("Feed", "Worker", SourceParameters=stream_settings()),
        )
        for _ in range(2):
            system.put(1)
            system.settle()
            assert len(system.events()) == 1
            stage.reset()
