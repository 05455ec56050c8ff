"""The stage that a test holds on a deployed system: what it consists of, how it acts, and what it has not."""

from __future__ import annotations

import pytest

import stagefright
from stagefright.errors import (
    OnlyLocal,
    UnknownOutput,
    UnknownResource,
    UnsupportedOperation,
    UsageError,
)
from stagefright.targets.api_endpoints import Apis
from tests.deployed.conftest import System

TEMPLATE = """
    Transform: AWS::Serverless-2016-10-31
    Globals:
      Function: {Runtime: python3.12, CodeUri: src}
    Resources:
      Greet:
        Type: AWS::Serverless::Function
        Properties:
          Handler: app.greet
          AutoPublishAlias: live
          Policies: [AWSLambdaBasicExecutionRole]
          FunctionUrlConfig: {AuthType: NONE}
          Events:
            Http: {Type: HttpApi, Properties: {Path: /greet, Method: get}}
            Rest: {Type: Api, Properties: {Path: /greet, Method: get}}
      Fail: {Type: AWS::Serverless::Function, Properties: {Handler: app.fail}}
      Orders: {Type: AWS::SQS::Queue}
      News: {Type: AWS::SNS::Topic}
      Posts: {Type: AWS::Kinesis::Stream, Properties: {ShardCount: 1}}
      Items: {Type: AWS::Serverless::SimpleTable}
      Bus: {Type: AWS::Events::EventBus, Properties: {Name: !Sub "${AWS::StackName}-bus"}}
      OnBus:
        Type: AWS::Events::Rule
        Properties: {EventBusName: !Ref Bus, EventPattern: {source: [shop]}}
      Nightly: {Type: AWS::Events::Rule, Properties: {ScheduleExpression: rate(1 day)}}
      Pictures: {Type: AWS::S3::Bucket}
      Price: {Type: AWS::SSM::Parameter, Properties: {Name: !Sub "/${AWS::StackName}/price", Type: String, Value: "1"}}
      Key: {Type: AWS::SecretsManager::Secret}
      Audit: {Type: AWS::Logs::LogGroup}
      Flow:
        Type: AWS::StepFunctions::StateMachine
        Properties: {RoleArn: !GetAtt GreetRole.Arn, DefinitionString: '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}'}
    Outputs:
      OrdersUrl: {Value: !Ref Orders}
      GreetArn: {Value: !GetAtt Greet.Arn}
      OrdersArn: {Value: !GetAtt Orders.Arn}
      PostsArn: {Value: !GetAtt Posts.Arn}
      ItemsArn: {Value: !GetAtt Items.Arn}
      BusArn: {Value: !GetAtt Bus.Arn}
      NightlyArn: {Value: !GetAtt Nightly.Arn}
      PicturesArn: {Value: !GetAtt Pictures.Arn}
      AuditArn: {Value: !GetAtt Audit.Arn}
      FlowArn: {Value: !GetAtt Flow.Arn}
      GreetRoleArn: {Value: !GetAtt GreetRole.Arn}
"""
HANDLERS = """
    import json

    def greet(event, context):
        print("somebody is here")
        if "rawPath" in event or "path" in event:
            name = (event.get("queryStringParameters") or {}).get("name", "nobody")
            return {"statusCode": 200, "body": json.dumps({"hello": name})}
        return f"hello {event['name']}"

    def fail(event, context):
        raise ValueError("table is down")
"""


@pytest.fixture(scope="module")
def deployed(ministack, tmp_path_factory):
    """A stage of many kinds of resources, for all tests here; none of them changes it."""
    system = System(tmp_path_factory.mktemp("shop"), ministack)
    system.write("template.yaml", TEMPLATE)
    system.write("src/app.py", HANDLERS)
    yield system.open()
    system.close()


class TestResources:
    """What the stage consists of."""

    @pytest.mark.parametrize(
        "name",
        ["Greet", "Orders", "Posts", "Items", "Bus", "Nightly", "Pictures", "Audit", "Flow", "GreetRole"],
    )
    def test_a_resource_has_the_arn_that_get_att_gives(self, deployed, name):
        """Told by type and physical id; a role's, whose path nobody knows, by IAM."""
        assert deployed.arn(name) == deployed.outputs[f"{name}Arn"]

    @pytest.mark.parametrize("name", ["News", "GreetAliaslive"])
    def test_what_is_known_by_its_arn_has_it_twice(self, deployed, name):
        """Topics and aliases."""
        assert deployed.arn(name) == deployed.ref(name)
        assert deployed.arn(name).startswith("arn:aws:")

    def test_a_secret_s_arn(self, deployed):
        """It ends in letters that AWS draws, so a name is not enough."""
        assert (
            deployed.arn("Key")
            == deployed.client("secretsmanager").describe_secret(SecretId=deployed.ref("Key"))["ARN"]
        )

    def test_a_parameter_s_arn(self, deployed):
        """Its name begins with a slash, which the ARN has once."""
        assert deployed.arn("Price").endswith(f":parameter/{deployed.stack.name}/price")

    def test_an_unknown_resource_is_answered_with_the_nearest(self, deployed):
        """As on a local stage."""
        with pytest.raises(UnknownResource, match=r"no resource 'Order'. Did you mean Orders"):
            deployed.ref("Order")

    def test_what_has_no_arn_says_so(self, deployed):
        """And what it has instead."""
        with pytest.raises(
            UsageError, match=r"ServerlessHttpApiApiGatewayDefaultStage .* has no ARN; its physical id is"
        ):
            deployed.arn("ServerlessHttpApiApiGatewayDefaultStage")

    def test_an_unknown_output_is_answered_with_the_nearest(self, deployed):
        """It is a KeyError too, since outputs are a mapping."""
        with pytest.raises(UnknownOutput, match=r"no output 'OrderUrl'. Did you mean OrdersUrl") as refused:
            deployed.outputs["OrderUrl"]
        assert isinstance(refused.value, KeyError)
        assert deployed.outputs.get("OrderUrl") is None

    def test_an_unknown_service_is_answered_with_the_nearest(self, deployed):
        """As on a local stage."""
        with pytest.raises(UsageError, match=r"no service 'dynamo'. Did you mean dynamodb"):
            deployed.client("dynamo")


class TestActing:
    """Functions and APIs."""

    def test_a_function_answers(self, deployed):
        """By logical id, name or ARN."""
        for name in ("Greet", deployed.ref("Greet"), deployed.arn("Greet")):
            assert deployed.invoke(name, {"name": "amy"}).payload == "hello amy"

    def test_a_version_answers(self, deployed):
        """By the alias, or with a qualifier."""
        assert deployed.invoke("GreetAliaslive", {"name": "amy"}).payload == "hello amy"
        assert deployed.invoke("Greet", {"name": "amy"}, qualifier="live").payload == "hello amy"

    def test_an_error_of_the_function_is_in_the_answer(self, deployed):
        """As on a local stage."""
        answer = deployed.invoke("Fail", {})
        assert answer.error is not None  # MiniStack has a type of its own in place of the exception's
        assert answer.error_message == "table is down"

    def test_only_functions_are_invoked(self, deployed):
        """The message lists them."""
        with pytest.raises(
            UsageError, match=r"Orders is an AWS::SQS::Queue; only functions can be invoked. Functions: Fail, Greet"
        ):
            deployed.invoke("Orders", {})

    @pytest.mark.parametrize("api", ["ServerlessHttpApi", "ServerlessRestApi"])
    def test_an_api_is_asked_by_its_logical_id(self, deployed, api):
        """By a way that needs no name server."""
        answer = deployed.http.to(api).get("/greet", params={"name": "amy"})
        assert answer.json() == {"hello": "amy"}

    def test_a_function_url_is_asked(self, deployed):
        """It is an API like others."""
        assert deployed.http.to("GreetUrl").get("/", params={"name": "amy"}).json() == {"hello": "amy"}

    def test_the_urls_that_templates_put_together_lead_to_the_emulator(self, deployed):
        """`https://${Api}.execute-api...` in an output; of an API that is not the stage's, nothing is changed."""
        for api, path in (("ServerlessHttpApi", "greet"), ("ServerlessRestApi", "Prod/greet")):
            url = f"https://{deployed.ref(api)}.execute-api.us-east-1.amazonaws.com/{path}?name=amy"
            assert deployed.http.get(url).json() == {"hello": "amy"}
        other = "https://abcdef.execute-api.us-east-1.amazonaws.com/x"
        assert Apis(deployed.account, deployed.resources).reroute(other) == other

    def test_a_relative_url_goes_to_the_implicit_api(self, deployed):
        """As on a local stage."""
        assert deployed.http.get("greet").json() == {"hello": "nobody"}


class TestWhatItHasNot:
    """A deployed stage says what to do in place of what only a local one can do."""

    @pytest.mark.parametrize(
        "name", ["world", "interference", "module", "serve", "template", "on_arrival", "instrument"]
    )
    def test_what_only_a_local_stage_has(self, deployed, name):
        """With the mark that keeps such a test off other targets."""
        assert not hasattr(deployed, name)
        with pytest.raises(OnlyLocal, match=rf"stage\.{name} is there on the target local only.*only_on\(\"local\"\)"):
            getattr(deployed, name)

    def test_time_cannot_be_hurried(self, deployed):
        """Waiting is the way."""
        with pytest.raises(UnsupportedOperation, match=r"clock\.advance\('1h'\) is there on the target local only"):
            deployed.clock.advance("1h")

    def test_the_flow_of_nothing(self, deployed):
        """As on a local stage: what it takes, and what else there is."""
        with pytest.raises(UsageError, match=r"flow\(\) takes an event.*not None.*stage\.settle\(\)"):
            deployed.flow(None)

    def test_a_misspelling_is_an_ordinary_error(self, deployed):
        """Not one about targets."""
        with pytest.raises(AttributeError, match=r"A stage has no 'invok'"):
            deployed.invok("Greet")

    def test_an_emulator_has_an_endpoint(self, deployed, ministack):
        """On AWS itself there is none."""
        assert deployed.endpoint_url == ministack.endpoint_url


def test_the_public_way_to_open_a_stage(ministack, tmp_path):
    """`open_stage` with the target as a setting, and the stage as a context manager."""
    (tmp_path / "template.yaml").write_text("Resources: {Queue: {Type: AWS::SQS::Queue}}")
    with stagefright.open_stage(
        "public", directory=tmp_path, target="aws", service="shop", endpoint_url=ministack.endpoint_url
    ) as stage:
        assert (stage.name, stage.target, stage.is_kept, stage.is_here) == ("public", "aws", False, True)
        url = stage.ref("Queue")
        stage.client("sqs").send_message(QueueUrl=url, MessageBody="x")
    assert not stage.is_here
    assert url not in stage.client("sqs").list_queues(QueueNamePrefix="shop-public").get("QueueUrls", ())
