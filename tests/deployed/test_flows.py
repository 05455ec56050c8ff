"""Flows of a deployed stage, hop after hop, from what functions log: on MiniStack, which runs them in processes of its own."""

from __future__ import annotations

import json
import warnings

import pytest

from stagefright.errors import UsageError
from stagefright.listeners import Listen

APP = """
import base64
import json
import os

import boto3

KEY = os.environ.get("KEY", "x-correlation-id")


def log(message, thread):
    print(json.dumps({"level": "INFO", "message": message, "ids": {KEY: thread}}), flush=True)


def front(event, context):
    thread = json.loads(event["body"])["thread"]
    log("accepted", thread)
    detail = json.dumps({"n": 1, "__context__": {KEY: thread}})
    entry = {"Source": "shop", "DetailType": "Placed", "Detail": detail, "EventBusName": os.environ["BUS"]}
    boto3.client("events").put_events(Entries=[entry])
    return {"statusCode": 202, "body": "{}"}


def work(event, context):
    for record in event["Records"]:
        detail = json.loads(record["body"])["detail"]
        thread = detail["__context__"][KEY]
        log("working", thread)
        attributes = {KEY: {"DataType": "String", "StringValue": thread}}
        boto3.client("sns").publish(TopicArn=os.environ["TOPIC"], Message="placed", MessageAttributes=attributes)


def store(event, context):
    for record in event["Records"]:
        thread = record["Sns"]["MessageAttributes"][KEY]["Value"]
        log("storing", thread)
        boto3.client("dynamodb").put_item(TableName=os.environ["TABLE"], Item={"id": {"S": thread}, KEY: {"S": thread}})


def watch(event, context):
    for record in event["Records"]:
        thread = record["dynamodb"]["NewImage"][KEY]["S"]
        log("watching", thread)
        payload = json.dumps({KEY: thread}).encode()
        boto3.client("lambda").invoke(FunctionName=os.environ["HELPER"], InvocationType="Event", Payload=payload)


def help(event, context):
    log("helping", event[KEY])


def read(event, context):
    for record in event["Records"]:
        print("got", json.dumps(record))
        if "fail" in base64.b64decode(record["kinesis"]["data"]).decode():
            raise ValueError("unreadable")


def take(event, context):
    print("nothing that could be known")
"""


def function(handler, timeout=20, **variables):
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Runtime": "python3.12", "Handler": f"app.{handler}", "Code": "code", "Timeout": timeout,
            "Role": {"Fn::GetAtt": ["Role", "Arn"]}, "Environment": {"Variables": variables},
        },
    }  # fmt: skip


def mapping(source, to):
    properties = {"EventSourceArn": source, "FunctionName": {"Ref": to}, "StartingPosition": "TRIM_HORIZON"}
    if "Queue" in json.dumps(source):
        del properties["StartingPosition"]
    return {"Type": "AWS::Lambda::EventSourceMapping", "Properties": properties}


def arn(name, attribute="Arn"):
    return {"Fn::GetAtt": [name, attribute]}


def template(key):
    more = {"KEY": key}
    return {
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {
            "Role": {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []}}},
            "Api": {"Type": "AWS::Serverless::HttpApi"},
            "Front": {
                "Type": "AWS::Serverless::Function",
                "Properties": {
                    "Runtime": "python3.12", "Handler": "app.front", "CodeUri": "code", "Timeout": 20,
                    "Environment": {"Variables": {"BUS": {"Ref": "Bus"}, **more}},
                    "Events": {"Orders": {"Type": "HttpApi", "Properties": {"ApiId": {"Ref": "Api"}, "Method": "POST", "Path": "/orders"}}},
                },
            },
            "Bus": {"Type": "AWS::Events::EventBus", "Properties": {"Name": {"Fn::Sub": "${AWS::StackName}-bus"}}},
            "WorkQueue": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 60}},
            "Rule": {"Type": "AWS::Events::Rule", "Properties": {
                "EventBusName": {"Ref": "Bus"}, "EventPattern": {"source": ["shop"]},
                "Targets": [{"Id": "queue", "Arn": arn("WorkQueue")}],
            }},
            "QueuePolicy": {"Type": "AWS::SQS::QueuePolicy", "Properties": {"Queues": [{"Ref": "WorkQueue"}], "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn("WorkQueue")}],
            }}},
            "Worker": function("work", TOPIC={"Ref": "Topic"}, **more),
            "WorkMapping": mapping(arn("WorkQueue"), "Worker"),
            "Topic": {"Type": "AWS::SNS::Topic"},
            "Storer": function("store", TABLE={"Ref": "Table"}, **more),
            "Subscription": {"Type": "AWS::SNS::Subscription", "Properties": {
                "TopicArn": {"Ref": "Topic"}, "Protocol": "lambda", "Endpoint": arn("Storer"),
            }},
            "Permission": {"Type": "AWS::Lambda::Permission", "Properties": {
                "FunctionName": {"Ref": "Storer"}, "Action": "lambda:InvokeFunction", "Principal": "sns.amazonaws.com", "SourceArn": {"Ref": "Topic"},
            }},
            "Table": {"Type": "AWS::DynamoDB::Table", "Properties": {
                "BillingMode": "PAY_PER_REQUEST", "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}], "StreamSpecification": {"StreamViewType": "NEW_IMAGE"},
            }},
            "Watcher": function("watch", HELPER={"Ref": "Helper"}, **more),
            "TableMapping": mapping(arn("Table", "StreamArn"), "Watcher"),
            "Helper": function("help", **more),
            "Posts": {"Type": "AWS::Kinesis::Stream", "Properties": {"ShardCount": 1}},
            "Reader": function("read"),
            "PostMapping": mapping(arn("Posts"), "Reader"),
            "TakeQueue": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": 60}},
            "Taker": function("take"),
            "TakeMapping": mapping(arn("TakeQueue"), "Taker"),
        },
    }  # fmt: skip


WHOLE_WAY = ["Api", "Front", "Bus", "WorkQueue", "Worker", "Topic", "Storer", "Table", "Watcher", "Helper"]


@pytest.fixture
def opened(ministack_system):
    """Opens the stage, whose functions hand on ids by the name `key`."""

    def opened(key="x-correlation-id", **settings):
        ministack_system.write("template.json", json.dumps(template(key)))
        ministack_system.write("code/app.py", APP)
        stage = ministack_system.open(quiet="2s", **settings)
        stage.reset()
        return stage

    return opened


@pytest.mark.parametrize(
    ("key", "settings"), [("x-correlation-id", {}), ("order_id", {"correlation_keys": ["orderId"]})]
)
def test_the_whole_way(opened, key, settings):
    """From the request to the last function, by one id in structured logs; most of what it passes nobody has watched."""
    stage = opened(key, **settings)
    sent = Listen(stage).sns("Topic")

    answer = stage.http.post("/orders", json={"thread": "o-1"}, headers={"x-correlation-id": "o-1"})
    assert answer.status_code == 202
    message = sent.expect(attributes={key: "o-1"}, within="60s")
    stage.wait_until(lambda: stage.flow(message).reached("Helper"), within="60s")

    flow = stage.flow(message)
    assert flow.path == WHOLE_WAY, flow
    assert flow.unproved == [], flow
    assert [flow.attempts(name).count for name in ("Front", "Worker", "Storer", "Watcher", "Helper")] == [1] * 5
    assert str(flow).splitlines()[0].endswith("test called http.POST /orders")


def test_a_way_that_cannot_be_known(opened):
    """Two messages, two runs, and no id in any log: the answer says what it may lack, and the tree too."""
    stage = opened()
    for _ in range(2):
        stage.client("sqs").send_message(QueueUrl=stage.ref("TakeQueue"), MessageBody="same")
    stage.tail()
    stage.wait_until(lambda: stage.journal.of_kind("outcome", resource="Taker"), within="60s")
    flow = stage.settle()

    assert "any of 2 events of TakeQueue may have led to it: no correlation id in the logs" in str(flow)
    with pytest.raises(UsageError, match=r"flow\(99\): the journal of this test has the records 0 to"):
        stage.flow(99)


def test_an_envelope_in_the_log_proves_what_nobody_watched(opened):
    """The records of a stream, of which one makes the function fail."""
    stage = opened()
    stage.client("kinesis").put_records(
        StreamName=stage.ref("Posts"),
        Records=[{"PartitionKey": "amy", "Data": text.encode()} for text in ("fine", "fail")],
    )
    stage.tail()
    stage.wait_until(lambda: any("error_type" in r.detail for r in stage.journal.of_kind("outcome")), within="60s")
    failed = next(record for record in stage.journal.of_kind("outcome") if "error_type" in record.detail)

    flow = stage.flow(failed.n)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert flow.path == ["Posts", "Reader"], flow
    assert flow.stopped_at == "Reader"
    assert flow.unproved == [], flow
