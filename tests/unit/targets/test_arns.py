"""ARNs that follow from a resource's type and physical id."""

from __future__ import annotations

import pytest

from stagefright.targets.arns import Place, arn_of

STACK = "arn:aws-cn:cloudformation:cn-north-1:123456789012:stack/shop-pr-7/0a"


@pytest.mark.parametrize(
    ("kind", "physical_id", "arn"),
    [
        ("AWS::ApiGateway::RestApi", "abc", "arn:aws-cn:apigateway:cn-north-1::/restapis/abc"),
        ("AWS::ApiGatewayV2::Api", "abc", "arn:aws-cn:apigateway:cn-north-1::/apis/abc"),
        ("AWS::CloudWatch::Alarm", "a", "arn:aws-cn:cloudwatch:cn-north-1:123456789012:alarm:a"),
        ("AWS::DynamoDB::Table", "t", "arn:aws-cn:dynamodb:cn-north-1:123456789012:table/t"),
        ("AWS::Events::EventBus", "b", "arn:aws-cn:events:cn-north-1:123456789012:event-bus/b"),
        ("AWS::Events::Rule", "r", "arn:aws-cn:events:cn-north-1:123456789012:rule/r"),
        ("AWS::Events::Rule", "bus|r", "arn:aws-cn:events:cn-north-1:123456789012:rule/bus/r"),
        ("AWS::Kinesis::Stream", "s", "arn:aws-cn:kinesis:cn-north-1:123456789012:stream/s"),
        ("AWS::Lambda::Alias", "arn:aws:lambda:x:1:function:f:live", "arn:aws:lambda:x:1:function:f:live"),
        ("AWS::Lambda::Function", "f", "arn:aws-cn:lambda:cn-north-1:123456789012:function:f"),
        ("AWS::Logs::LogGroup", "/a/b", "arn:aws-cn:logs:cn-north-1:123456789012:log-group:/a/b:*"),
        ("AWS::S3::Bucket", "b", "arn:aws-cn:s3:::b"),
        ("AWS::SQS::Queue", "https://sqs.x/1/q.fifo", "arn:aws-cn:sqs:cn-north-1:123456789012:q.fifo"),
        ("AWS::SSM::Parameter", "/a/b", "arn:aws-cn:ssm:cn-north-1:123456789012:parameter/a/b"),
        ("AWS::SSM::Parameter", "a", "arn:aws-cn:ssm:cn-north-1:123456789012:parameter/a"),
        ("AWS::IAM::Role", "r", None),
        ("AWS::Some::Thing", "x", None),
    ],
)
def test_the_arn_of_a_resource(kind, physical_id, arn):
    """The partition, region and account are those of the stack."""
    assert arn_of(kind, physical_id, Place.of_stack(STACK)) == arn
