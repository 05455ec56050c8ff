"""A small system, and other processes that reach it: Python with boto3, and the AWS CLI."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from stagefright import open_stage

ROOT = Path(__file__).parents[3]
ROLE = "arn:aws:iam::123456789012:role/worker"

HANDLER = """
    import json, os, time
    import boto3

    def handler(event, context):
        if "sleep" in event:
            time.sleep(event["sleep"])
        if "fail" in event:
            raise ValueError(event["fail"])
        if "rawPath" in event:
            return {"statusCode": 201, "headers": {"x-path": event["rawPath"]}, "body": json.dumps(event.get("body"))}
        for record in event.get("Records", []):
            body = record["body"] if "body" in record else record["kinesis"]["data"]
            print("storing", body)
            boto3.client("dynamodb").put_item(TableName=os.environ["TABLE"], Item={"id": {"S": body}})
        return {"echo": event}
"""


def template():
    """A queue and a stream that a function reads, a table that it writes, and what else the tests ask for."""
    function = {
        "FunctionName": "worker", "Runtime": "python3.12", "Handler": "app.handler", "Role": ROLE, "Timeout": 60, "Code": "worker",
        "Environment": {"Variables": {"TABLE": "items"}},
    }  # fmt: skip
    key = {"AttributeName": "id"}
    table = {
        "TableName": "items", "BillingMode": "PAY_PER_REQUEST", "KeySchema": [key | {"KeyType": "HASH"}],
        "AttributeDefinitions": [key | {"AttributeType": "S"}],
    }  # fmt: skip
    source = {"FunctionName": {"Ref": "Worker"}}
    return {
        "Worker": ("AWS::Lambda::Function", function),
        "Blocked": ("AWS::Lambda::Function", function | {"FunctionName": "blocked", "ReservedConcurrentExecutions": 0}),
        "Items": ("AWS::DynamoDB::Table", table),
        "Jobs": ("AWS::SQS::Queue", {"QueueName": "jobs", "VisibilityTimeout": 60}),
        "Idle": ("AWS::SQS::Queue", {"QueueName": "idle"}),
        "Clicks": ("AWS::Kinesis::Stream", {"Name": "clicks", "ShardCount": 1}),
        "Files": ("AWS::S3::Bucket", {"BucketName": "files"}),
        "Feed": ("AWS::SNS::Topic", {"TopicName": "feed"}),
        "Bus": ("AWS::Events::EventBus", {"Name": "orders"}),
        "Api": (
            "AWS::ApiGatewayV2::Api",
            {"Name": "api", "ProtocolType": "HTTP", "Target": {"Fn::GetAtt": ["Worker", "Arn"]}},
        ),
        "FromJobs": (
            "AWS::Lambda::EventSourceMapping",
            source | {"EventSourceArn": {"Fn::GetAtt": ["Jobs", "Arn"]}},
        ),
        "FromClicks": (
            "AWS::Lambda::EventSourceMapping",
            source | {"EventSourceArn": {"Fn::GetAtt": ["Clicks", "Arn"]}, "StartingPosition": "TRIM_HORIZON"},
        ),
        "ToIdle": (
            "AWS::SNS::Subscription",
            {"TopicArn": {"Ref": "Feed"}, "Protocol": "sqs", "Endpoint": {"Fn::GetAtt": ["Idle", "Arn"]}, "RawMessageDelivery": True},
        ),
        "Orders": (
            "AWS::Events::Rule",
            {"EventBusName": {"Ref": "Bus"}, "EventPattern": {"source": ["shop"]}, "Targets": [{"Id": "idle", "Arn": {"Fn::GetAtt": ["Idle", "Arn"]}}]},
        ),
    }  # fmt: skip


@pytest.fixture
def stage(tmp_path):
    """A stage of that system, open to nobody yet."""
    (tmp_path / "worker").mkdir()
    (tmp_path / "worker/app.py").write_text(textwrap.dedent(HANDLER))
    resources = {name: {"Type": kind, "Properties": properties} for name, (kind, properties) in template().items()}
    (tmp_path / "template.json").write_text(json.dumps({"Resources": resources}))
    with open_stage("endpoint", template=tmp_path / "template.json") as stage:
        yield stage


def environment(stage):
    """The variables of a process that is to take the stage for AWS."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {
        **kept,
        "AWS_ENDPOINT_URL": stage.endpoint_url,
        "AWS_ACCESS_KEY_ID": "anything",
        "AWS_SECRET_ACCESS_KEY": "at-all",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


@pytest.fixture(name="environment_of")
def environment_of_a_process():
    """The variables of a process that is to take a stage for AWS."""
    return environment


@pytest.fixture
def start(stage):
    """Starts Python in another process: `start(code, argument...)`; whatever still runs at the end is killed."""
    processes = []

    def popen(code, *arguments, **settings):
        command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        processes.append(subprocess.Popen(command, env=environment(stage), **pipes, **settings))
        return processes[-1]

    yield popen
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def python(start):
    """Runs Python in another process to its end; what it prints is JSON, and is the result."""

    def run(code, *arguments):
        process = start(code, *arguments)
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        return json.loads(out)

    return run


@pytest.fixture(scope="session")
def aws_cli():
    """The path of the AWS CLI; it lives in an environment of its own, since it wants a botocore of its own."""
    path = ROOT / "build/awscli/bin/aws"
    (ROOT / "build").mkdir(exist_ok=True)
    with (ROOT / "build/awscli.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            subprocess.run(["make", "--silent", str(path.relative_to(ROOT))], cwd=ROOT, check=True, capture_output=True)
    return path


@pytest.fixture
def aws(stage, aws_cli, tmp_path):
    """Runs the AWS CLI; its JSON is the result, or its text where it writes none."""

    def run(*arguments, ok=True):
        done = subprocess.run(
            [aws_cli, "--endpoint-url", stage.endpoint_url, *arguments],
            env=environment(stage), cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert (done.returncode == 0) == ok, done.stderr
        if not ok:
            return done.stderr
        try:
            return json.loads(done.stdout)
        except ValueError:
            return done.stdout

    return run
