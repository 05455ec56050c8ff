"""What AWS does with a template and an emulator does not: loops, SAM, and the documents of HTTP APIs."""

from __future__ import annotations

import pytest

from stagefright.targets.deploying.bootstrap import without_bootstrap
from stagefright.targets.deploying.expansion import Expansion, StaticScope
from stagefright.targets.deploying.http_api_bodies import written_out
from stagefright.templates import read_project


def expanded(tmp_path, text, **parameters):
    file = tmp_path / "template.yaml"
    file.write_text(text)
    (tmp_path / "src").mkdir(exist_ok=True)
    stack = read_project(file).stacks[0]
    document = {**stack.template}
    for resource in document["Resources"].values():
        if isinstance(resource, dict) and resource["Type"].startswith("AWS::Serverless::"):
            resource.setdefault("Properties", {})["CodeUri"] = "s3://bucket/key.zip"
    scope = StaticScope("123456789012", "eu-west-1", "shop-t", parameters)
    return Expansion(scope, "http://127.0.0.1:4566")(document, file)


def test_plain_cloudformation_stays_as_it_is(tmp_path):
    """Macros of others, and loops without SAM, are the emulator's to judge."""
    document = expanded(tmp_path, "Transform: Theirs\nResources: {Queue: {Type: AWS::SQS::Queue}}")
    assert document == {"Transform": "Theirs", "Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}


def test_sam_becomes_cloudformation_and_references_stay(tmp_path):
    """The code lies where it was put."""
    document = expanded(
        tmp_path,
        """
        Transform: AWS::Serverless-2016-10-31
        Parameters: {Size: {Type: Number, Default: 128}}
        Resources:
          Greet:
            Type: AWS::Serverless::Function
            Properties: {Runtime: python3.12, Handler: app.greet, MemorySize: !Ref Size}
        """,
    )
    assert "Transform" not in document
    properties = document["Resources"]["Greet"]["Properties"]
    assert properties["Code"] == {"S3Bucket": "bucket", "S3Key": "key.zip"}
    assert properties["MemorySize"] == {"Ref": "Size"}


def test_loops_are_written_out_before_sam(tmp_path):
    """SAM's translator knows none."""
    document = expanded(
        tmp_path,
        """
        Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]
        Parameters: {Kinds: {Type: CommaDelimitedList, Default: "Red,Blue"}}
        Resources:
          Fn::ForEach::Queues:
            - Kind
            - !Ref Kinds
            - Queue${Kind}: {Type: AWS::SQS::Queue}
          Greet: {Type: AWS::Serverless::Function, Properties: {Runtime: python3.12, Handler: app.greet}}
        """,
        Kinds="Green,Red",
    )
    assert document["Transform"] == ["AWS::LanguageExtensions"]
    assert {"QueueGreen", "QueueRed", "Greet"} <= document["Resources"].keys()


INTEGRATION = {"type": "aws_proxy", "httpMethod": "POST", "uri": {"Ref": "Uri"}, "payloadFormatVersion": "2.0"}


def api(**body):
    return {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Body": {"info": {"title": "shop"}, **body}}}


def test_the_document_of_an_http_api_becomes_routes(tmp_path):
    """One for each method, and what takes all the rest."""
    paths = {
        "/posts": {"get": {"x-amazon-apigateway-integration": INTEGRATION}},
        "/any": {"x-amazon-apigateway-any-method": {"x-amazon-apigateway-integration": INTEGRATION}},
        "/$default": {"x-amazon-apigateway-any-method": {"x-amazon-apigateway-integration": INTEGRATION}},
    }
    cors = {"allowOrigins": ["*"]}
    made = written_out({"Resources": {"Api": api(paths=paths, **{"x-amazon-apigateway-cors": cors})}})["Resources"]

    assert made["Api"]["Properties"] == {
        "Name": "shop",
        "ProtocolType": "HTTP",
        "CorsConfiguration": {"AllowOrigins": ["*"]},
    }
    keys = [one["Properties"]["RouteKey"] for name, one in made.items() if name.startswith("ApiRoute")]
    assert keys == ["GET /posts", "ANY /any", "$default"]
    assert made["ApiIntegration0"]["Properties"] == {
        "ApiId": {"Ref": "Api"},
        "IntegrationType": "AWS_PROXY",
        "IntegrationMethod": "POST",
        "IntegrationUri": {"Ref": "Uri"},
        "PayloadFormatVersion": "2.0",
    }
    assert made["ApiRoute0"]["Properties"]["Target"] == {
        "Fn::Join": ["/", ["integrations", {"Ref": "ApiIntegration0"}]]
    }


@pytest.mark.parametrize(
    "body",
    [
        {"paths": {"/x": {}}, "components": {"securitySchemes": {"Jwt": {"type": "oauth2"}}}},
        {"paths": {"/x": {"Fn::If": ["Open", {}, {}]}}},
        {},
    ],
)
def test_an_api_that_is_not_plain_stays_as_it_is(body):
    """Above all one with authorizers: it must not become open to all."""
    document = {"Resources": {"Api": api(**body)}}
    assert written_out(document) == document


def test_a_template_of_cdk_does_without_its_bootstrap():
    """Other parameters and rules stay."""
    version = {"Type": "AWS::SSM::Parameter::Value<String>", "Default": "/cdk-bootstrap/hnb659fds/version"}
    rules = {"CheckBootstrapVersion": {}}
    assert without_bootstrap({"Parameters": {"BootstrapVersion": version}, "Rules": rules, "Resources": {}}) == {
        "Resources": {}
    }
    both = {"Parameters": {"BootstrapVersion": version, "Size": {"Type": "Number"}}, "Rules": {**rules, "Mine": {}}}
    assert without_bootstrap(both) == {"Parameters": {"Size": {"Type": "Number"}}, "Rules": {"Mine": {}}}
