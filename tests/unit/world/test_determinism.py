"""The same seed gives the same journal, byte for byte: again in this process, and in another one with another hash seed."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from stagefright.journal import first_difference

ROLE = "arn:aws:iam::123456789012:role/worker"

FAN_OUT = """
import boto3, json, os, random, secrets, threading, time, uuid
from concurrent.futures import ThreadPoolExecutor
sns, table = boto3.client("sns"), boto3.client("dynamodb")
def announce(n):
    time.sleep(random.random())
    sns.publish(TopicArn=os.environ["TOPIC"], Message=json.dumps({"n": n, "id": str(uuid.uuid4())}))
def handler(event, context):
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(announce, range(3)))
    table.put_item(TableName=os.environ["TABLE"], Item={"id": {"S": secrets.token_hex(4)}})
    print({"a", "b", "c"} == set("abc"), os.urandom(4).hex())
"""

FRAGILE = """
import random
def handler(event, context):
    if random.random() < 0.5:
        raise RuntimeError("bad luck")
    return len(event)
"""


def function(code, **environment):
    return {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "Runtime": "python3.12", "Handler": "index.handler", "Role": ROLE, "Timeout": 10, "Code": {"ZipFile": code},
            "Environment": {"Variables": environment or {"NONE": "1"}},
        },
    }  # fmt: skip


TEMPLATE = {
    "Resources": {
        "Topic": {"Type": "AWS::SNS::Topic"},
        "Queue": {"Type": "AWS::SQS::Queue"},
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                "StreamSpecification": {"StreamViewType": "NEW_AND_OLD_IMAGES"},
            },
        },
        "FanOut": function(FAN_OUT, TOPIC={"Ref": "Topic"}, TABLE={"Ref": "Table"}),
        "Fragile": function(FRAGILE),
        "FromQueue": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {"FunctionName": {"Ref": "FanOut"}, "EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]}},
        },
        "FromTable": {
            "Type": "AWS::Lambda::EventSourceMapping",
            "Properties": {
                "FunctionName": {"Ref": "Fragile"}, "EventSourceArn": {"Fn::GetAtt": ["Table", "StreamArn"]},
                "StartingPosition": "TRIM_HORIZON", "MaximumRetryAttempts": 3,
            },
        },
        "FromTopic": {
            "Type": "AWS::SNS::Subscription",
            "Properties": {
                "TopicArn": {"Ref": "Topic"}, "Protocol": "lambda", "Endpoint": {"Fn::GetAtt": ["Fragile", "Arn"]},
            },
        },
        "May": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "FunctionName": {"Ref": "Fragile"}, "Action": "lambda:InvokeFunction", "Principal": "sns.amazonaws.com",
            },
        },
    }
}  # fmt: skip
"""A queue feeds a function that writes to a topic and a table; both feed a function that fails by chance, and is retried."""


def play(stage):
    """The same story every time."""
    for n in range(3):
        stage.client("sqs").send_message(QueueUrl=stage.ref("Queue"), MessageBody=f"message {n}")
    stage.settle()


@pytest.fixture
def stage(systems):
    systems.open_stages.append(stage := _open(systems.directory))
    return stage


def _open(directory):
    from stagefright import open_stage

    (directory / "template.json").write_text(json.dumps(TEMPLATE))
    return open_stage("same", template=directory / "template.json", seed=1)


def assert_same(one, other):
    """Compare two journals (or their lines), and name the first record that differs."""
    differs = first_difference(one, other)

    assert differs is None, (
        f"first difference:\n  {differs[0] and differs[0].to_json()}\n  {differs[1] and differs[1].to_json()}"
    )


def test_the_same_story_twice(stage):
    """After a reset, with the same seed, every byte of the journal is the same."""
    play(stage)
    first, text = list(stage.journal), stage.journal.text()
    assert {"retry", "log", "outcome", "event"} <= {record.kind for record in first}

    stage.reset()
    play(stage)

    assert_same(first, stage.journal)
    assert text == stage.journal.text()


def test_the_same_story_in_another_stage(stage, tmp_path):
    """A freshly opened stage plays it the same way."""
    play(stage)
    first, text = list(stage.journal), stage.journal.text()
    stage.close()

    again = _open(tmp_path)
    play(again)
    assert_same(first, again.journal)
    assert text == again.journal.text()
    again.close()


def test_what_a_test_did_before_does_not_matter(stage):
    """Draws, timeouts and open connections of an earlier test leave no trace."""
    play(stage)
    first = list(stage.journal)
    stage.reset(seed=99)
    play(stage)
    stage.invoke("FanOut")

    stage.reset()
    play(stage)
    assert_same(first, stage.journal)


def test_another_seed_gives_other_ids_and_another_course(stage):
    """Chance is really used: ids differ, and so does what fails."""
    play(stage)
    one = list(stage.journal)
    stage.reset(seed=2)
    play(stage)

    assert first_difference(one, stage.journal) is not None
    ids = [
        {r.detail["id"] for r in journal if r.kind == "event" and "id" in r.detail} for journal in (one, stage.journal)
    ]
    assert ids[0].isdisjoint(ids[1])


def test_another_seed_changes_nothing_but_ids_where_nothing_is_random(systems):
    """Same kinds, resources, instants and causes."""
    stage = systems.open(
        {"Fn": "def handler(event, context): return len(event['Records'])"},
        resources={
            "Queue": {"Type": "AWS::SQS::Queue"},
            "Mapping": {
                "Type": "AWS::Lambda::EventSourceMapping",
                "Properties": {"FunctionName": {"Ref": "Fn"}, "EventSourceArn": {"Fn::GetAtt": ["Queue", "Arn"]}},
            },
        },
    )
    courses = []
    for seed in (1, 2):
        stage.reset(seed=seed)
        play(stage)
        courses.append([(r.n, r.at, r.kind, r.resource, r.cause, sorted(r.detail)) for r in stage.journal])

    assert courses[0] == courses[1]


SCRIPT = """
import pathlib, sys
sys.path.insert(0, sys.argv[1])
import test_determinism as story
stage = story._open(pathlib.Path(sys.argv[2]))
story.play(stage)
sys.stdout.buffer.write(stage.journal.text().encode())
stage.close()
"""


def test_processes_with_different_hash_seeds_agree(tmp_path):
    """Nothing depends on the order of a set, the address of an object or the moment of the run."""
    texts = []
    for hash_seed in ("0", "1", "4242"):
        # The folder's name is the service's, and so part of every physical name.
        folder = tmp_path / hash_seed / "app"
        folder.mkdir(parents=True)
        result = subprocess.run(
            [sys.executable, "-c", SCRIPT, os.path.dirname(__file__), str(folder)],  # noqa: PTH120
            env={**os.environ, "PYTHONHASHSEED": hash_seed}, capture_output=True, timeout=60, check=True,
        )  # fmt: skip
        texts.append(result.stdout.decode())

    for text in texts[1:]:
        for ours, theirs in zip(texts[0].splitlines(), text.splitlines(), strict=True):
            assert ours == theirs
    assert texts[0]
