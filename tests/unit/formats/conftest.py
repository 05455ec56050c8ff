"""A small stage: a topic whose function writes to a table, with a dead-letter queue, a stream and an API-less role."""

from __future__ import annotations

import pytest

import stagefright

TEMPLATE = """
AWSTemplateFormatVersion: "2010-09-09"
Transform: AWS::Serverless-2016-10-31
Resources:
  Feed: {Type: AWS::SNS::Topic}
  Dead: {Type: AWS::SQS::Queue}
  Table:
    Type: AWS::Serverless::SimpleTable
    Properties: {PrimaryKey: {Name: id, Type: String}}
  Text:
    Type: AWS::SSM::Parameter
    Properties: {Type: String, Value: hello}
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt Dead.Arn}
      Environment: {Variables: {TABLE: !Ref Table}}
      InlineCode: |
        import os, boto3
        table = boto3.resource("dynamodb").Table(os.environ["TABLE"])
        def handler(event, context):
            for record in event.get("Records", []):
                table.put_item(Item={"id": record["Sns"]["Message"]})
            return {"said": event.get("say", "nothing")}
      Events:
        Feed: {Type: SNS, Properties: {Topic: !Ref Feed}}
  Posts:
    Type: AWS::Kinesis::Stream
    Properties: {ShardCount: 1}
  Producer:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      Environment: {Variables: {STREAM: !Ref Posts}}
      InlineCode: |
        import os, boto3
        def handler(event, context):
            boto3.client("kinesis").put_record(StreamName=os.environ["STREAM"], Data=b"1", PartitionKey="1")
  Other:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      Tags: {team: blue}
      InlineCode: |
        def handler(event, context):
            return event
Outputs:
  FeedArn: {Value: !Ref Feed}
"""


@pytest.fixture(scope="module")
def _deployed(tmp_path_factory):
    directory = tmp_path_factory.mktemp("experiments")
    (directory / "template.yaml").write_text(TEMPLATE)
    with stagefright.open_stage("my-feature", directory=directory) as stage:
        stage.step_aside()
        yield stage


@pytest.fixture
def stage(_deployed):
    """The stage, as it was deployed."""
    _deployed.reset()
    yield _deployed
    _deployed.step_aside()
