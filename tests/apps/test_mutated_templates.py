"""Templates with one slip in schedules, pipes, REST APIs, notifications and log subscriptions: refused, by name, without a fault of ours."""

from __future__ import annotations

import json

import pytest

import stagefright
from stagefright.errors import TemplateError, UnknownOutput

ROLE = "arn:aws:iam::123456789012:role/r"
ARN = {"Fn::GetAtt": ["F", "Arn"]}
PERMISSION = {"FunctionName": {"Ref": "F"}, "Action": "lambda:InvokeFunction"}


def resource(kind, after=(), **properties):
    return {"Type": f"AWS::{kind}", "DependsOn": list(after), "Properties": properties}


def s3(**configuration):
    allowed = resource("Lambda::Permission", **PERMISSION, Principal="s3.amazonaws.com")
    return {"P": allowed, "B": resource("S3::Bucket", ["P"], NotificationConfiguration=configuration)}


def told(**changes):
    return s3(LambdaConfigurations=[{"Event": "s3:ObjectCreated:*", "Function": ARN, **changes}])


def pipe(**changes):
    given = {"RoleArn": ROLE, "Source": {"Fn::GetAtt": ["Q", "Arn"]}, "Target": ARN, **changes}
    return {"Q": resource("SQS::Queue"), "S": resource("Pipes::Pipe", **given)}


def schedule(**target):
    given = {"Arn": ARN, "RoleArn": ROLE, **target}
    window = {"Mode": "OFF"}
    return {
        "S": resource("Scheduler::Schedule", ScheduleExpression="rate(1 hour)", FlexibleTimeWindow=window, Target=given)
    }


def rest(**changes):
    api, root = {"Ref": "A"}, {"Fn::GetAtt": ["A", "RootResourceId"]}
    given = {"RestApiId": api, "ResourceId": root, "HttpMethod": "GET", "AuthorizationType": "NONE", **changes}
    return {"A": resource("ApiGateway::RestApi", Name="a"), "M": resource("ApiGateway::Method", **given)}


def logs(destination, **changes):
    group = resource("Logs::LogGroup", LogGroupName="/app")
    given = {"LogGroupName": {"Ref": "G"}, "FilterPattern": "", "DestinationArn": destination, **changes}
    return {"G": group, "S": resource("Logs::SubscriptionFilter", **given)}


def rest_stage(name):
    integration = {"Type": "MOCK"}
    deployment = resource("ApiGateway::Deployment", ["M"], RestApiId={"Ref": "A"})
    stage = resource("ApiGateway::Stage", RestApiId={"Ref": "A"}, DeploymentId={"Ref": "D"}, StageName=name)
    return {**rest(Integration=integration), "D": deployment, "St": stage}


def http_stage(name):
    api = resource("ApiGatewayV2::Api", Name="a", ProtocolType="HTTP")
    return {"A": api, "St": resource("ApiGatewayV2::Stage", ApiId={"Ref": "A"}, StageName=name)}


def stream(**properties):
    return {"K": resource("Kinesis::Stream", **properties)}


def mapping(**properties):
    given = {"FunctionName": {"Ref": "F"}, "EventSourceArn": {"Fn::GetAtt": ["Q", "Arn"]}, **properties}
    return {"Q": resource("SQS::Queue"), "M": resource("Lambda::EventSourceMapping", **given)}


def subscription(**properties):
    given = {"TopicArn": {"Ref": "T"}, "Protocol": "lambda", "Endpoint": ARN, **properties}
    return {"T": resource("SNS::Topic"), "S": resource("SNS::Subscription", **given)}


class TestSlips:
    @pytest.mark.parametrize(
        ("resources", "text"),
        [
            (told(Events=["s3:ObjectCreated:*"]), "has no property 'Events'. Did you mean Event?"),
            (told(Filter={"Key": {}}), "Filter has no property 'Key'"),
            (told(Filter={"S3Key": {"Rules": "x"}}), "Rules must be a list of mappings"),
            (s3(LambdaConfiguration=[]), "'LambdaConfiguration'. Did you mean LambdaConfigurations?"),
            (s3(EventBridgeConfiguration="yes"), 'EventBridgeConfiguration must be a mapping; it is "yes"'),
            (schedule(Inputt="x"), "Target has no property 'Inputt'. Did you mean Input?"),
            (pipe(Source="nope"), "Source must be an ARN; nope was given"),
            (pipe(Target="nope"), "Target must be an ARN; nope was given"),
            (pipe(DesiredState="ON"), "DesiredState must be one of RUNNING, STOPPED; ON was given"),
            (rest(HttpMethod="GETT"), "Invalid HttpMethod specified"),
            (rest(AuthorizationType="CUSTOM"), "there is no AuthorizerId"),
            (rest(Integration="x"), 'Integration must be a mapping; it is "x"'),
            (rest_stage("a b"), "Stage name only allows a-zA-Z0-9_"),
            (http_stage("a b"), 'letters, digits, hyphens and underscores; it is "a b"'),
            (logs(ARN, Distribution="random"), "Member must satisfy enum value set: [Random, ByLogStream]"),
            (stream(StreamModeDetails={"StreamMode": "DEMAND"}), 'StreamMode is "DEMAND". Did you mean ON_DEMAND?'),
            (stream(StreamModeDetails={"Mode": "ON_DEMAND"}), "StreamModeDetails has no property 'Mode'"),
            (stream(ShardCount=1.5), "ShardCount must be a whole number; it is 1.5"),
            (stream(ShardCount=True), "ShardCount must be a whole number; it is true"),
            (mapping(BatchSize=1.5), "BatchSize must be a whole number; it is 1.5"),
            ({"Q": resource("SQS::Queue", FifoQueue="maybe")}, 'FifoQueue must be true or false; it is "maybe"'),
            (subscription(RawMessageDelivery="maybe"), 'RawMessageDelivery must be true or false; it is "maybe"'),
            (logs("nope"), "destinationArn must be an ARN; 'nope' was given"),
        ],
    )
    def test_what_is_wrong_is_named(self, tmp_path, resources, text):
        """One sentence names the resource and the slip; nothing is dropped silently, and nothing is called our fault."""
        function = resource(
            "Lambda::Function",
            Runtime="python3.12",
            Handler="index.handler",
            Role=ROLE,
            Code={"ZipFile": "def handler(event, context): pass"},
        )
        path = tmp_path / "template.json"
        path.write_text(json.dumps({"Resources": {"F": function, **resources}}), "utf-8")
        with pytest.raises(TemplateError) as refused, stagefright.open_stage("dev", template=str(path)):
            pass
        assert text in str(refused.value)
        assert "fault of Stagefright" not in str(refused.value)


def test_an_output_that_is_not_there_is_named(tmp_path):
    """With the nearest; and a dictionary's other ways to ask are as they were."""
    path = tmp_path / "template.json"
    outputs = {"Url": {"Value": "https://x"}, "Other": {"Value": 1}}
    path.write_text(json.dumps({"Resources": {"Q": resource("SQS::Queue")}, "Outputs": outputs}), "utf-8")
    with stagefright.open_stage("dev", template=str(path)) as stage:
        assert (stage.outputs["Url"], stage.outputs.get("Ulr"), "Ulr" in stage.outputs) == ("https://x", None, False)
        assert dict(stage.outputs) == {"Url": "https://x", "Other": "1"}
        with pytest.raises(UnknownOutput, match=r"The stack has no output 'Ulr'\. Did you mean Url\?") as unknown:
            stage.outputs["Ulr"]
        assert isinstance(unknown.value, KeyError)
