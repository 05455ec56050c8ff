"""What the tests of the loop guard share: events as Lambda hands them over, and the first push of each loop."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

EVENTS = Path(__file__).parent / "events"
DOCUMENT = json.dumps({"text": "hello"})


@pytest.fixture
def event():
    """An event as Lambda hands it over; in each of them there is a document that ten calls have led to."""

    def event(name):
        return json.loads((EVENTS / f"{name}.json").read_text())

    return event


@pytest.fixture
def start(stage):
    """Send a document without a history into a loop: `start("Queue", "QueueByEvent")`."""

    def start(kind, target):
        ways[kind](stage.ref(target))

    def put_event(bus):
        entry = {"Source": "com.example.test", "DetailType": "DocumentRevised", "Detail": DOCUMENT, "EventBusName": bus}
        stage.client("events").put_events(Entries=[entry])

    def put_item(table):
        stage.client("dynamodb").put_item(TableName=table, Item={"id": {"S": "document"}, "text": {"S": "hello"}})

    ways = {
        "Invoke": lambda name: stage.client("lambda").invoke(
            FunctionName=name, InvocationType="Event", Payload=DOCUMENT
        ),
        "Topic": lambda arn: stage.client("sns").publish(TopicArn=arn, Message=DOCUMENT),
        "Bus": put_event,
        "Queue": lambda url: stage.client("sqs").send_message(QueueUrl=url, MessageBody=DOCUMENT),
        "Stream": lambda name: stage.client("kinesis").put_record(
            StreamName=name, PartitionKey="documents", Data=DOCUMENT.encode()
        ),
        "Table": put_item,
    }
    return start
