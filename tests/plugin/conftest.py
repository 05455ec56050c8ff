"""A small project for the plugin to run: a topic whose function always fails, and the queue of its dead letters."""

from __future__ import annotations

import os

import pytest

TEMPLATE = """
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: "sts:AssumeRole"}]
  Feed:
    Type: AWS::SNS::Topic
  Dead:
    Type: AWS::SQS::Queue
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
  Bucket:
    Type: AWS::S3::Bucket
  Worker:
    Type: AWS::Lambda::Function
    Properties:
      Runtime: python3.12
      Handler: index.handler
      Role: !GetAtt Role.Arn
      DeadLetterConfig: {TargetArn: !GetAtt Dead.Arn}
      Code:
        ZipFile: |
          def handler(event, context):
              print("working on", event["Records"][0]["Sns"]["Message"])
              raise ValueError("table is down")
  Permission:
    Type: AWS::Lambda::Permission
    Properties:
      Action: lambda:InvokeFunction
      FunctionName: !Ref Worker
      Principal: sns.amazonaws.com
      SourceArn: !Ref Feed
  Subscription:
    Type: AWS::SNS::Subscription
    Properties: {TopicArn: !Ref Feed, Protocol: lambda, Endpoint: !GetAtt Worker.Arn}
"""


@pytest.fixture
def project(pytester, monkeypatch):
    """A directory with a template and no tests yet; the environment of whoever runs this is not its own."""
    monkeypatch.delenv("STAGEFRIGHT_STAGE", raising=False)
    for variable in [name for name in os.environ if name.startswith("AWS_") and name != "AWS_CA_BUNDLE"]:
        monkeypatch.delenv(variable)
    for file in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(file, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    pytester.makefile(".yaml", template=TEMPLATE)
    return pytester
