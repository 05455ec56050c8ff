"""How REST APIs come to be: SAM, CloudFormation's own types, OpenAPI documents and API calls; and what is not served."""

from __future__ import annotations

import json
import re
import textwrap

import pytest
import requests

from stagefright import open_stage
from stagefright.errors import StagefrightWarning, TemplateError, UsageError

SAM = """
AWSTemplateFormatVersion: '2010-09-09'
Transform: AWS::Serverless-2016-10-31
Globals:
  Api:
    Cors: {AllowOrigin: "'https://shop.example'", AllowHeaders: "'x-token'", AllowMethods: "'GET,POST'", MaxAge: "'60'"}
Resources:
  Shop:
    Type: AWS::Serverless::Api
    Properties:
      StageName: live
      BinaryMediaTypes: [image~1png]
      Auth:
        DefaultAuthorizer: Guard
        AddDefaultAuthorizerToCorsPreflight: false
        Authorizers: {Guard: {FunctionArn: !GetAtt Judge.Arn}}
        UsagePlan: {CreateUsagePlan: PER_API, Quota: {Limit: 2, Period: DAY}}
        ResourcePolicy: {CustomStatements: [{Effect: Deny, Principal: '*', Action: 'execute-api:Invoke', Resource: '*'}]}
      GatewayResponses:
        DEFAULT_4XX: {ResponseParameters: {Headers: {Access-Control-Allow-Origin: "'*'"}}}
      Models: {Post: {type: object, required: [text], properties: {text: {type: string}}}}
  Judge: {Type: AWS::Serverless::Function, Properties: {Handler: app.judge, CodeUri: src, Runtime: python3.12}}
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      Handler: app.handler
      CodeUri: src
      Runtime: python3.12
      AutoPublishAlias: current
      Events:
        Get: {Type: Api, Properties: {Path: '/posts/{id}', Method: get, RestApiId: !Ref Shop}}
        Any: {Type: Api, Properties: {Path: '/{proxy+}', Method: any, RestApiId: !Ref Shop, Auth: {ApiKeyRequired: true, Authorizer: NONE}}}
        Put:
          Type: Api
          Properties:
            Path: /posts
            Method: post
            RestApiId: !Ref Shop
            Auth: {Authorizer: NONE}
            RequestModel: {Model: Post, ValidateBody: true, ValidateParameters: true}
            RequestParameters: [{method.request.header.X-User: {Required: true}}]
        Implicit: {Type: Api, Properties: {Path: /implicit, Method: get, TimeoutInMillis: 2000}}
Outputs:
  Url: {Value: !Sub 'https://${ServerlessRestApi}.execute-api.${AWS::Region}.amazonaws.com/Prod/implicit'}
"""
CODE = """
import json

def judge(event, context):
    effect = "Allow" if event["authorizationToken"] == "ok" else "Deny"
    statement = {"Effect": effect, "Action": "execute-api:Invoke", "Resource": event["methodArn"]}
    return {"principalId": "amy", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}

def handler(event, context):
    return {"statusCode": 200, "body": json.dumps(event)}
"""


@pytest.fixture
def sam(tmp_path):
    """A stage of a SAM template with events of type Api."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "app.py").write_text(CODE)
    (tmp_path / "template.yaml").write_text(SAM)
    with open_stage("sam", directory=tmp_path) as stage:
        yield stage


class TestSam:
    """AWS::Serverless::Api, and events of type Api."""

    def test_the_implicit_api_is_the_usual_one(self, sam):
        """A relative URL goes to it, the output names it."""
        assert sam.http.get("/implicit").json()["resource"] == "/implicit"
        assert requests.get(sam.outputs["Url"]).status_code == 200

    def test_an_api_of_its_own(self, sam):
        """By logical id; the stage that was asked for, not SAM's by-product."""
        event = sam.http.to("Shop").get("/posts/1", headers={"Authorization": "ok"}).json()

        assert (event["requestContext"]["stage"], event["pathParameters"]) == ("live", {"id": "1"})
        assert event["requestContext"]["authorizer"]["principalId"] == "amy"

    def test_its_authorizer_and_gateway_responses(self, sam):
        """Refusals have the headers that the API gives them."""
        http = sam.http.to("Shop")
        missing, denied = http.get("/posts/1"), http.get("/posts/1", headers={"Authorization": "no"})

        assert (missing.status_code, denied.status_code) == (401, 403)
        assert missing.headers["Access-Control-Allow-Origin"] == "*"

    def test_preflights(self, sam):
        """SAM's CORS is a MOCK integration; no function is invoked."""
        answer = sam.http.to("Shop").options("/posts/1", headers={"Origin": "https://shop.example"})

        assert (answer.status_code, answer.text) == (200, "{}\n")
        assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example"
        assert answer.headers["Access-Control-Allow-Headers"] == "x-token"
        assert answer.headers["Access-Control-Allow-Methods"] == "GET,POST"
        assert answer.headers["Access-Control-Max-Age"] == "60"
        assert sam.journal.of_kind("invocation") == []
        assert sam.journal.of_kind("event") == []

    def test_a_usage_plan(self, sam):
        """The key that SAM makes opens what needs one, as often as the quota says."""
        key = sam.client("apigateway").get_api_key(apiKey=sam.ref("ShopApiKey"), includeValue=True)["value"]
        http = sam.http.to("Shop")
        answers = [http.put("/x/y", headers={"x-api-key": key}).status_code for _ in range(3)]

        assert answers == [200, 200, 429]
        assert http.put("/x/y").status_code == 403

    @pytest.mark.parametrize(
        ("body", "headers", "status", "text"),
        [
            ('{"text": "hi"}', {"X-User": "amy"}, 200, None),
            ('{"text": 1}', {"X-User": "amy"}, 400, '{"message":"Invalid request body"}'),
            ("no json", {"X-User": "amy"}, 400, '{"message":"Invalid request body"}'),
            ('{"text": "hi"}', {}, 400, '{"message":"Missing required request parameters: [X-User]"}'),
        ],
    )
    def test_requests_are_validated(self, sam, body, headers, status, text):
        """RequestModel and RequestParameters."""
        answer = sam.http.to("Shop").post("/posts", data=body, headers=headers)

        assert answer.status_code == status
        assert text is None or answer.text == text

    def test_the_flow(self, sam):
        """From the API to the function, by their logical ids."""
        sam.http.get("/implicit")

        assert sam.settle().path == ["ServerlessRestApi", "Worker"]


PLAIN = """
import json
def handler(event, context):
    return {"statusCode": 200, "body": json.dumps(event)}
"""


@pytest.fixture
def plain(system):
    """Deploys an API of CloudFormation's own types; `more` are properties of its method `GET /things/{id}`."""

    def up(integration=None, *, resources=None, method=None, stage=None):
        api = system.ref("Api")
        uri = "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Worker.Arn}/invocations"
        proxy = {"Type": "AWS_PROXY", "IntegrationHttpMethod": "POST", "Uri": {"Fn::Sub": uri}}
        root = system.att("Api", "RootResourceId")
        system.up(
            Worker=system.function(PLAIN),
            Api=system.resource("ApiGateway::RestApi", Name="plain"),
            Things=system.resource("ApiGateway::Resource", RestApiId=api, ParentId=root, PathPart="things"),
            Thing=system.resource(
                "ApiGateway::Resource", RestApiId=api, ParentId=system.ref("Things"), PathPart="{id}"
            ),
            Get=system.resource(
                "ApiGateway::Method",
                RestApiId=api,
                ResourceId=system.ref("Thing"),
                HttpMethod="GET",
                Integration=integration or proxy,
                **{"AuthorizationType": "NONE", **(method or {})},
            ),
            Deployed=system.resource("ApiGateway::Deployment", RestApiId=api, **(stage or {"StageName": "prod"}))
            | {"DependsOn": ["Get", *(resources or {})]},
            **(resources or {}),
        )
        return system.stage.http

    return up


def mock(**answer):
    """A MOCK integration with one response."""
    return {
        "Type": "MOCK",
        "RequestTemplates": {"application/json": '{"statusCode": 200}'},
        "IntegrationResponses": [{"StatusCode": "200", **answer}],
    }


class TestCloudFormation:
    """AWS::ApiGateway::Resource, Method, Deployment and what belongs to them."""

    def test_a_stage_of_the_deployment(self, plain):
        """Deployment.StageName makes a stage."""
        event = plain().get("/things/7").json()

        assert (event["resource"], event["pathParameters"]) == ("/things/{id}", {"id": "7"})
        assert event["requestContext"]["stage"] == "prod"

    def test_its_description(self, plain):
        """StageDescription: variables and throttles of that stage."""
        described = {"Variables": {"color": "blue"}, "ThrottlingRateLimit": 1, "ThrottlingBurstLimit": 1}
        http = plain(stage={"StageName": "prod", "StageDescription": described})

        assert http.get("/things/7").json()["stageVariables"] == {"color": "blue"}
        assert http.get("/things/7").status_code == 429

    def test_an_authorizer(self, system, plain):
        """AWS::ApiGateway::Authorizer."""
        uri = "arn:aws:apigateway:${AWS::Region}:lambda:path/2015-03-31/functions/${Judge.Arn}/invocations"
        guard = {
            "Judge": system.function("def handler(event, context): raise Exception('Unauthorized')"),
            "Guard": system.resource(
                "ApiGateway::Authorizer",
                RestApiId=system.ref("Api"),
                Name="guard",
                Type="TOKEN",
                IdentitySource="method.request.header.X-Token",
                AuthorizerUri={"Fn::Sub": uri},
            ),
        }
        method = {"AuthorizationType": "CUSTOM", "AuthorizerId": system.ref("Guard")}
        http = plain(method=method, resources=guard)

        assert http.get("/things/7", headers={"X-Token": "x"}).status_code == 401
        assert len(system.invocations("Judge")) == 1

    def test_a_model_and_a_validator(self, system, plain):
        """AWS::ApiGateway::Model, whose references to other models are followed, and RequestValidator."""
        api = system.ref("Api")
        url = {"Fn::Sub": "https://apigateway.amazonaws.com/restapis/${Api}/models/${Name}"}
        name = system.resource("ApiGateway::Model", RestApiId=api, Name="Name", Schema={"type": "string"})
        person = {"type": "object", "properties": {"name": {"$ref": url}}}
        validator = {"RestApiId": api, "ValidateRequestBody": True}
        models = {
            "Name": name,
            "Person": system.resource("ApiGateway::Model", RestApiId=api, Name="Person", Schema=person),
            "Check": system.resource("ApiGateway::RequestValidator", **validator),
        }
        method = {"RequestValidatorId": system.ref("Check"), "RequestModels": {"application/json": "Person"}}
        http = plain(method=method, resources=models)

        assert http.get("/things/7", data='{"name": "amy"}').status_code == 200
        assert http.get("/things/7", data='{"name": 7}').status_code == 400

    def test_a_domain_name(self, system, plain):
        """A base path of a custom domain is a stage of the API."""
        http = plain()
        client = system.client("apigateway")
        client.create_domain_name(domainName="api.shop.example")
        client.create_base_path_mapping(
            domainName="api.shop.example", basePath="v1", restApiId=system.stage.ref("Api"), stage="prod"
        )
        answer = http.get("https://api.shop.example/v1/things/7")

        assert (answer.status_code, answer.json()["path"]) == (200, "/things/7")
        assert http.get("https://api.shop.example/v2/things/7").status_code == 403

    def test_a_domain_name_of_the_template(self, system, plain):
        """AWS::ApiGateway::DomainName and BasePathMapping."""
        domain = {
            "Domain": system.resource(
                "ApiGateway::DomainName",
                DomainName="api.shop.example",
                RegionalCertificateArn="arn:aws:acm:us-east-1:123456789012:certificate/1",
                EndpointConfiguration={"Types": ["REGIONAL"]},
            ),
        }
        http = plain(resources=domain)
        system.client("apigateway").create_base_path_mapping(
            domainName=system.stage.ref("Domain"), restApiId=system.stage.ref("Api"), stage="prod"
        )

        assert http.get("https://api.shop.example/things/7").status_code == 200

    def test_no_methods(self, system):
        """A deployment of nothing is refused, as on AWS."""
        with pytest.raises(TemplateError, match="The REST API doesn't contain any methods"):
            system.up(
                Api=system.resource("ApiGateway::RestApi", Name="empty"),
                Deployed=system.resource("ApiGateway::Deployment", RestApiId=system.ref("Api"), StageName="prod"),
            )

    def test_a_document_in_a_file(self, system, tmp_path):
        """BodyS3Location with a local path; Swagger 2.0 in YAML."""
        (tmp_path / "api.yaml").write_text(
            textwrap.dedent("""
                swagger: "2.0"
                info: {title: files, version: "1"}
                paths:
                  /ping:
                    get:
                      x-amazon-apigateway-integration:
                        type: mock
                        requestTemplates: {application/json: "{statusCode: 200}"}
                        responses: {default: {statusCode: "200", responseTemplates: {application/json: '{"pong": true}'}}}
            """)
        )
        system.up(
            Api=system.resource("ApiGateway::RestApi", BodyS3Location="api.yaml"),
            Deployed=system.resource("ApiGateway::Deployment", RestApiId=system.ref("Api"), StageName="prod"),
        )

        assert system.stage.http.get("/ping").json() == {"pong": True}

    def test_a_document_of_an_http_api_in_a_file(self, system, tmp_path):
        """AWS::ApiGatewayV2::Api reads BodyS3Location too; what looks like a date may stand for a version."""
        uri = "arn:aws:lambda:us-east-1:123456789012:function:worker"
        integration = {"type": "aws_proxy", "uri": uri, "payloadFormatVersion": "2.0"}
        paths = {"/ping": {"get": {"x-amazon-apigateway-integration": integration}}}
        (tmp_path / "api.yaml").write_text(
            f"openapi: 3.0.1\ninfo: {{title: x, version: 2024-01-01}}\npaths: {json.dumps(paths)}"
        )
        system.up(
            Worker=system.function("def handler(event, context): return 'pong'", FunctionName="worker"),
            Api=system.resource("ApiGatewayV2::Api", BodyS3Location="api.yaml"),
            Stage=system.resource("ApiGatewayV2::Stage", ApiId=system.ref("Api"), StageName="$default"),
            Rest=system.resource("ApiGateway::RestApi", BodyS3Location="api.yaml"),
        )

        assert system.stage.http.to("Api").get("/ping").text == "pong"

    def test_a_file_that_is_no_document(self, system, tmp_path):
        """The error names it."""
        (tmp_path / "api.yaml").write_text("- just\n- a list\n")
        with pytest.raises(TemplateError, match=r"api\.yaml, which is no OpenAPI document"):
            system.up(Api=system.resource("ApiGateway::RestApi", BodyS3Location="api.yaml"))

    @pytest.mark.parametrize(
        ("kind", "properties", "said"),
        [
            ("RestApi", {"Body": "text"}, "Body must be an OpenAPI document; it is "),
            (
                "RestApi",
                {"Body": {"openapi": "3.0.1", "paths": {"/a": {"get": {"security": ["x"]}}}}},
                "Unable to put method 'GET' on resource at path '/a'",
            ),
            (
                "Stage",
                {"RestApiId": {"Ref": "Api"}, "DeploymentId": "gone", "StageName": "prod"},
                "Invalid Deployment identifier specified",
            ),
            ("Stage", {"RestApiId": {"Ref": "Api"}, "DeploymentId": "gone"}, "StageName is missing"),
            (
                "GatewayResponse",
                {"RestApiId": {"Ref": "Api"}, "ResponseType": "NOPE"},
                "Value 'NOPE' at 'putGatewayResponseInput.responseType' failed to satisfy constraint",
            ),
            ("RestApi", {"BinaryMediaType": []}, "has no property 'BinaryMediaType'. Did you mean BinaryMediaTypes?"),
        ],
    )
    def test_what_is_wrong_is_named(self, system, kind, properties, said):
        """Bad input ends with a sentence."""
        with pytest.raises(TemplateError, match=re.escape(said)):
            system.up(
                Api=system.resource("ApiGateway::RestApi", Name="x"),
                Thing=system.resource(f"ApiGateway::{kind}", **properties),
            )


class TestPowertools:
    """A framework that reads the event finds what it looks for."""

    def test_the_rest_resolver(self, rest):
        """aws-lambda-powertools: routes, queries, headers, CORS, binary answers."""
        code = """
            from aws_lambda_powertools.event_handler import APIGatewayRestResolver, CORSConfig, Response
            app = APIGatewayRestResolver(cors=CORSConfig(allow_origin="https://shop.example"))

            @app.get("/posts/<post_id>")
            def post(post_id):
                event = app.current_event
                return {
                    "id": post_id,
                    "tags": event.multi_value_query_string_parameters["tag"],
                    "user": event.headers["x-user"],
                    "stage": event.request_context.stage,
                }

            @app.get("/image")
            def image():
                return Response(200, "image/png", b"\\x00\\xff")

            def handler(event, context):
                return app.resolve(event, context)
        """
        http = rest(code, BinaryMediaTypes=["image/png"])
        found = http.get("/posts/7?tag=a&tag=b", headers={"X-User": "amy", "Origin": "https://shop.example"})
        image = http.get("/image", headers={"Accept": "image/png"})

        assert found.json() == {"id": "7", "tags": ["a", "b"], "user": "amy", "stage": "prod"}
        assert found.headers["Access-Control-Allow-Origin"] == "https://shop.example"
        assert (image.content, image.headers["Content-Type"]) == (b"\x00\xff", "image/png")
        assert http.get("/nowhere").status_code == 404


class TestMocks:
    """MOCK integrations: a status from the request's template, the rest from the response's."""

    def test_templates_and_parameters(self, plain):
        """Static values, and what context and stage variables say."""
        answer = plain(
            mock(
                ResponseTemplates={
                    "application/json": '{"id": "$context.requestId", "color": "${stageVariables.color}"}'
                },
                ResponseParameters={
                    "method.response.header.X-Static": "'fixed'",
                    "method.response.header.X-Stage": "context.stage",
                    "method.response.header.X-Color": "stageVariables.color",
                    "method.response.header.X-Absent": "stageVariables.absent",
                },
            ),
            stage={"StageName": "prod", "StageDescription": {"Variables": {"color": "blue"}}},
        ).get("/things/7")

        assert answer.json() == {"id": answer.headers["x-amzn-RequestId"], "color": "blue"}
        assert [answer.headers.get(f"X-{name}") for name in ("Static", "Stage", "Color", "Absent")] == [
            "fixed",
            "prod",
            "blue",
            None,
        ]

    def test_the_response_of_its_status(self, plain):
        """SelectionPattern; without one it is for all other statuses."""
        given = mock()
        given["RequestTemplates"] = {"application/json": '{"statusCode": 404}'}
        given["IntegrationResponses"].append(
            {"StatusCode": "410", "SelectionPattern": "4\\d\\d", "ResponseTemplates": {"text/plain": "gone"}}
        )
        answer = plain(given).get("/things/7")

        assert (answer.status_code, answer.text, answer.headers["Content-Type"]) == (410, "gone", "text/plain")

    def test_no_status(self, system, plain):
        """500, and the journal says what is missing."""
        answer = plain({**mock(), "RequestTemplates": {}}).get("/things/7")

        assert answer.status_code == 500
        assert system.dropped() == ["the MOCK integration's request template gives no statusCode"]

    def test_another_content_type(self, plain):
        """PassthroughBehavior NEVER: 415 for a type that no template is for."""
        http = plain({**mock(), "PassthroughBehavior": "NEVER"})

        assert http.get("/things/7", headers={"Content-Type": "text/plain"}).status_code == 415


class TestNotServed:
    """What the local stage does not do is named, at the request and in the journal."""

    @pytest.mark.parametrize(
        ("integration", "what"),
        [
            (
                {"Type": "HTTP_PROXY", "IntegrationHttpMethod": "GET", "Uri": "https://example.com/"},
                "an integration of type HTTP_PROXY (https://example.com/)",
            ),
            (
                {
                    "Type": "AWS",
                    "IntegrationHttpMethod": "POST",
                    "Uri": "arn:aws:apigateway:us-east-1:sqs:path/123456789012/jobs",
                },
                "an integration of type AWS (arn:aws:apigateway:us-east-1:sqs:path/123456789012/jobs)",
            ),
            (mock(ResponseTemplates={"application/json": "$input.json('$')"}), "a template with $input"),
        ],
    )
    def test_it_is_named(self, system, plain, integration, what):
        """A warning at deployment; 500 to the client, and a warning in the journal."""
        with pytest.warns(
            StagefrightWarning, match=re.escape(f"GET /things/{{id}} has {what}: requests to them are answered 500")
        ):
            http = plain(integration)
        answer = http.get("/things/7")

        assert (answer.status_code, answer.text) == (500, '{"message": "Internal server error"}')
        (warning,) = system.records("warning", "Api")
        assert warning.detail["message"].startswith(f"GET /things/{{id}} has {what}; the local stage serves AWS_PROXY")


class TestApiCalls:
    """A test makes an API by calls, as a deployment tool would."""

    def test_step_by_step(self, system):
        """create_rest_api, create_resource, put_method, put_integration, create_deployment, create_stage."""
        system.up(Worker=system.function(PLAIN))
        client = system.client("apigateway")
        api = client.create_rest_api(name="made", binaryMediaTypes=["image/png"])
        assert client.get_rest_api(restApiId=api["id"])["binaryMediaTypes"] == ["image/png"]
        thing = client.create_resource(restApiId=api["id"], parentId=api["rootResourceId"], pathPart="thing")["id"]
        where = {"restApiId": api["id"], "resourceId": thing, "httpMethod": "ANY"}
        client.put_method(**where, authorizationType="NONE")
        arn = system.stage.arn("Worker")
        uri = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{arn}/invocations"
        client.put_integration(**where, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
        deployment = client.create_deployment(restApiId=api["id"])["id"]
        client.create_stage(restApiId=api["id"], stageName="dev", deploymentId=deployment)
        url = f"https://{api['id']}.execute-api.us-east-1.amazonaws.com/dev/thing"

        assert requests.delete(url).json()["httpMethod"] == "DELETE"

    def test_import(self, system):
        """import_rest_api, and put_rest_api over it."""
        system.up(Worker=system.function(PLAIN))
        client = system.client("apigateway")
        api = client.import_rest_api(body=json.dumps(document("/a")).encode())["id"]
        assert {one["path"] for one in client.get_resources(restApiId=api)["items"]} == {"/", "/a"}

        client.put_rest_api(restApiId=api, mode="merge", body=json.dumps(document("/b/c")).encode())
        assert {one["path"] for one in client.get_resources(restApiId=api)["items"]} == {"/", "/a", "/b", "/b/c"}
        client.put_rest_api(restApiId=api, mode="overwrite", body=json.dumps(document("/d")).encode())
        assert {one["path"] for one in client.get_resources(restApiId=api)["items"]} == {"/", "/d"}

        client.create_deployment(restApiId=api, stageName="dev")
        assert requests.get(f"https://{api}.execute-api.us-east-1.amazonaws.com/dev/d").status_code == 204

    def test_binary_media_types(self, system):
        """Patches name the type in their path."""
        system.up(Worker=system.function(PLAIN))
        client = system.client("apigateway")
        api = client.create_rest_api(name="made")["id"]
        operations = [{"op": "add", "path": f"/binaryMediaTypes/{kind}"} for kind in ("image~1png", "*~1*")]
        client.update_rest_api(restApiId=api, patchOperations=operations)
        assert client.get_rest_api(restApiId=api)["binaryMediaTypes"] == ["image/png", "*/*"]

        client.update_rest_api(restApiId=api, patchOperations=[{**operations[0], "op": "remove"}])
        assert client.get_rest_api(restApiId=api)["binaryMediaTypes"] == ["*/*"]


def document(path):
    """An OpenAPI document with one MOCK method."""
    integration = {
        "type": "mock",
        "requestTemplates": {"application/json": '{"statusCode": 204}'},
        "responses": {"default": {"statusCode": "204"}},
    }
    methods = {"get": {"responses": {}, "x-amazon-apigateway-integration": integration}}
    return {"openapi": "3.0.1", "info": {"title": "x", "version": "1"}, "paths": {path: methods}}


class TestSession:
    """Where a relative URL goes."""

    def test_several_apis(self, system, plain):
        """Without an implicit one, the error lists them with their stages."""
        http = plain(
            resources={"Other": system.resource("ApiGatewayV2::Api", Name="other", ProtocolType="HTTP")},
        )
        with pytest.raises(
            UsageError, match=r"Its APIs: .*Api \(https://\w+\.execute-api\.us-east-1\.amazonaws\.com/prod\)"
        ):
            http.get("/things/7")

        assert http.to("Api").get("/things/7").status_code == 200
