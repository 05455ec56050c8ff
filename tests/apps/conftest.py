"""What the tests of strangers' apps share: standing one up, and looking at what it keeps."""

from __future__ import annotations

from pathlib import Path

import pytest
from boto3.dynamodb.types import TypeDeserializer

import stagefright

APPS = Path(__file__).parent


@pytest.fixture
def up():
    """Stand an app up: `up("nested_src", parameters={...})`. It is dropped when the test ends."""
    stages = []

    def up(app, file="template.yaml", **settings):
        stage = stagefright.open_stage("apps", template=APPS / app / file, directory=APPS, **settings)
        stages.append(stage)
        return stage

    yield up
    for stage in reversed(stages):
        stage.close()


@pytest.fixture
def items():
    """What is in a table, as DynamoDB writes it, by its key: `items(stage, "Ledger")`."""

    def items(stage, table, key="id"):
        found = stage.client("dynamodb").scan(TableName=stage.ref(table))["Items"]
        return {item[key]["S"]: item for item in found}

    return items


@pytest.fixture
def rows(items):
    """What is in a table, as plain values, by its key: `rows(stage, "Ledger")`."""
    deserialize = TypeDeserializer().deserialize

    def rows(stage, table, key="id"):
        found = items(stage, table, key)
        return {name: {k: deserialize(v) for k, v in item.items() if k != key} for name, item in found.items()}

    return rows


@pytest.fixture
def bodies():
    """The bodies of the messages that wait in a queue: `bodies(stage, "Results")`."""

    def bodies(stage, queue):
        reply = stage.client("sqs").receive_message(QueueUrl=stage.ref(queue), MaxNumberOfMessages=10)
        return [message["Body"] for message in reply.get("Messages", [])]

    return bodies
