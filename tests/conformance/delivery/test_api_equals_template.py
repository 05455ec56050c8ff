"""A system made by API calls behaves as the same system made by a template: the same deliveries, at the same times."""

from __future__ import annotations

import json

import pytest

WORKER = """
    def handler(event, context):
        if "poison" in str(event): raise ValueError("no")
"""

KINDS = ("event", "delivery", "invocation", "outcome", "retry", "dead_letter", "dropped")


def story(system, names):
    """
    What was delivered: time, kind, logical resource and attempt of each record.

    Physical names, which differ, are replaced by the logical ones of `names`.
    """
    told = []
    for record in system.stage.journal:
        if record.kind in KINDS:
            detail = {key: record.detail[key] for key in ("attempt", "reason", "condition") if key in record.detail}
            told.append((record.at - system.began, record.kind, names.get(record.resource, record.resource), detail))
    return told


def play(system, topic_arn, bus, queue_url, api):
    """One message each through topic, bus, queue and API: good ones, and poison that is retried and kept."""
    for text in ("good", "poison"):
        system.client("sns").publish(TopicArn=topic_arn, Message=text)
        entry = {"Source": "shop", "DetailType": text, "Detail": "{}", "EventBusName": bus}
        system.client("events").put_events(Entries=[entry])
        system.client("sqs").send_message(QueueUrl=queue_url, MessageBody=text)
        system.stage.http.get(f"https://{api}.execute-api.us-east-1.amazonaws.com/{text}")
    system.settle()


def template(system):
    """The system as resources."""
    return {
        "Dead": system.queue(QueueName="dead"),
        "Worker": system.function(WORKER, FunctionName="worker", DeadLetterConfig={"TargetArn": system.att("Dead")}),
        "Jobs": system.redriving("Dead", 2, QueueName="jobs"),
        "Map": system.mapping("Jobs", BatchSize=5),
        "Feed": system.topic(TopicName="feed"),
        "Sub": system.resource(
            "SNS::Subscription",
            TopicArn=system.ref("Feed"),
            Protocol="lambda",
            Endpoint=system.att("Worker"),
            FilterPolicyScope="MessageBody",
        ),
        "Bus": system.resource("Events::EventBus", Name="orders"),
        "Rule": system.resource(
            "Events::Rule",
            Name="rule",
            EventBusName=system.ref("Bus"),
            EventPattern={"source": ["shop"]},
            Targets=[{"Id": "worker", "Arn": system.att("Worker")}],
        ),
        "Api": system.resource("ApiGatewayV2::Api", Name="api", ProtocolType="HTTP", Target=system.att("Worker")),
    }


def by_calls(system, package):
    """The same system through boto3; returns topic ARN, queue URL and API id."""
    sqs, sns, events = (system.client(name) for name in ("sqs", "sns", "events"))
    dead_url = sqs.create_queue(QueueName="dead")["QueueUrl"]
    dead = sqs.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    worker = system.client("lambda").create_function(
        FunctionName="worker",
        Runtime="python3.12",
        Handler="index.handler",
        Role=system.ROLE,
        Code={"ZipFile": package(WORKER)},
        DeadLetterConfig={"TargetArn": dead},
    )["FunctionArn"]
    redrive = json.dumps({"deadLetterTargetArn": dead, "maxReceiveCount": 2})
    queue_url = sqs.create_queue(QueueName="jobs", Attributes={"RedrivePolicy": redrive})["QueueUrl"]
    jobs = dead.replace(":dead", ":jobs")
    system.client("lambda").create_event_source_mapping(EventSourceArn=jobs, FunctionName="worker", BatchSize=5)
    topic_arn = sns.create_topic(Name="feed")["TopicArn"]
    sns.subscribe(
        TopicArn=topic_arn, Protocol="lambda", Endpoint=worker, Attributes={"FilterPolicyScope": "MessageBody"}
    )
    events.create_event_bus(Name="orders")
    events.put_rule(Name="rule", EventBusName="orders", EventPattern=json.dumps({"source": ["shop"]}))
    events.put_targets(Rule="rule", EventBusName="orders", Targets=[{"Id": "worker", "Arn": worker}])
    api = system.client("apigatewayv2").create_api(Name="api", ProtocolType="HTTP", Target=worker)["ApiId"]
    return topic_arn, queue_url, api


def test_the_same_deliveries(system, package):
    """Records of every kind agree in time, resource, attempt and condition."""
    stage = system.up(**template(system))
    play(system, stage.ref("Feed"), "orders", stage.ref("Jobs"), stage.ref("Api"))
    expected = story(system, {})
    system.close()

    system.up(Nothing=system.topic())
    topic_arn, queue_url, api = by_calls(system, package)
    play(system, topic_arn, "orders", queue_url, api)
    names = {"dead": "Dead", "worker": "Worker", "jobs": "Jobs", "feed": "Feed", "orders": "Bus", api: "Api"}

    assert story(system, names) == expected
    assert len({kind for _, kind, _, _ in expected}) == len(KINDS)


def test_streams_too(system, package):
    """A Kinesis stream and a table's stream, mapped by API."""

    def stimulate(stream, table):
        system.client("kinesis").put_record(StreamName=stream, PartitionKey="k", Data=b"poison")
        system.client("dynamodb").put_item(TableName=table, Item={"id": {"S": "poison"}})
        system.settle()

    key = {
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    }
    settings = {"StartingPosition": "LATEST", "MaximumRetryAttempts": 2}
    system.up(
        Worker=system.function(WORKER),
        Feed=system.resource("Kinesis::Stream", ShardCount=1),
        Table=system.resource("DynamoDB::Table", StreamSpecification={"StreamViewType": "NEW_IMAGE"}, **key),
        FeedMap=system.mapping("Feed", **settings),
        TableMap=system.mapping(system.att("Table", "StreamArn"), **settings),
    )
    stimulate(system.stage.ref("Feed"), system.stage.ref("Table"))
    expected = story(system, {})
    system.close()

    system.up(Nothing=system.topic())
    api, kinesis = system.client("lambda"), system.client("kinesis")
    api.create_function(
        FunctionName="worker",
        Runtime="python3.12",
        Handler="index.handler",
        Role=system.ROLE,
        Code={"ZipFile": package(WORKER)},
    )
    kinesis.create_stream(StreamName="feed", ShardCount=1)
    stream_arn = kinesis.describe_stream(StreamName="feed")["StreamDescription"]["StreamARN"]
    table = system.client("dynamodb").create_table(
        TableName="table",
        BillingMode="PAY_PER_REQUEST",
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        **key,
    )["TableDescription"]
    for arn in (stream_arn, table["LatestStreamArn"]):
        api.create_event_source_mapping(EventSourceArn=arn, FunctionName="worker", **settings)
    stimulate("feed", "table")

    assert story(system, {"worker": "Worker", "feed": "Feed", "table": "Table"}) == expected


@pytest.mark.parametrize("made_by", ["template", "calls"])
def test_two_runs_with_one_seed_are_the_same(system, package, made_by):
    """Same seed, same journal, byte for byte, before and after a reset."""
    if made_by == "template":
        stage = system.up(**template(system))

        def run():
            play(system, stage.ref("Feed"), "orders", stage.ref("Jobs"), stage.ref("Api"))
            return stage.journal.text()
    else:
        stage = system.up(Nothing=system.topic())

        def run():
            topic_arn, queue_url, api = by_calls(system, package)
            play(system, topic_arn, "orders", queue_url, api)
            return stage.journal.text()

    first = run()
    stage.reset()

    assert run() == first
