"""Strangers' templates: everything that people write into them, and what the local stage says of what it does not have."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import warnings
import zipfile
from pathlib import Path

import pytest

import stagefright
from stagefright.errors import StagefrightWarning, TemplateError


def test_a_bookshop(up):
    """Globals, a layer, SAM's policy templates, two modules of one name, and an explicit HTTP API with three functions."""
    stage = up("bookshop", parameters={"Stage": "staging"})
    url = stage.outputs["BooksApiUrl"]

    created = stage.http.post(url + "books", json={"isbn": "978-1", "title": "Dune"})
    stage.http.post("/books", json={"isbn": "978-2", "title": "Dune Messiah", "currency": "USD"})

    assert (created.status_code, created.json()["currency"]) == (201, "EUR")
    assert stage.http.get("/books/978-2").json() == {"isbn": "978-2", "title": "Dune Messiah", "currency": "USD"}
    assert stage.http.get("/books/abc").json() == {"message": "not found: abc is no ISBN"}
    assert stage.http.post("/books", json={"isbn": "978-3"}).json() == {"problems": ["title is missing"]}
    assert stage.http.get("/search/Dune", params={"limit": 1}).json() == {
        "count": 2,
        "isbns": ["978-1"],
        "method": "GET",
    }
    assert stage.http.get("/nowhere").status_code == 404


def test_globals_reach_the_functions_configuration(up):
    """What Globals say is what the API says of each function, with its own settings on top."""
    stage = up("bookshop")
    describe = stage.client("lambda").get_function_configuration

    create, get = (describe(FunctionName=stage.ref(name)) for name in ("CreateBookFunction", "GetBookFunction"))

    assert (create["Timeout"], get["Timeout"], get["MemorySize"]) == (15, 7, 256)
    assert create["Environment"]["Variables"]["LOG_LEVEL"] == "DEBUG"
    assert get["Environment"]["Variables"] == {
        "LOG_LEVEL": "INFO",
        "STAGE": "dev",
        "BOOKS_TABLE": stage.ref("BooksTable"),
    }
    assert [layer["Arn"] for layer in get["Layers"]] == [stage.ref("SharedLayer")]


def test_a_loop_over_tenants(up, rows):
    """`Fn::ForEach` makes queues, mappings and outputs; a map with a default sizes their batches."""
    stage = up("tenants", parameters={"Tenants": "acme, globex, initech"})

    for tenant in ("acme", "globex"):
        for number in range(4):
            stage.client("sqs").send_message(QueueUrl=stage.outputs[f"{tenant}QueueUrl"], MessageBody=str(number))
    stage.settle()

    seen = rows(stage, "Ledger", "tenant")
    assert {tenant: row["seen"] for tenant, row in seen.items()} == {"acme": 4, "globex": 4}
    assert seen["acme"]["largest"] <= 2
    mapping = stage.client("lambda").get_event_source_mapping(UUID=stage.ref("initechMapping"))
    assert mapping["BatchSize"] == 10
    assert (
        stage.client("lambda").get_function_configuration(FunctionName=stage.ref("Worker"))["Environment"]["Variables"][
            "HOW_MANY"
        ]
        == "3"
    )


PLATFORM = {
    "/platform/api/host": "api.internal",
    "/platform/network/subnets": "subnet-1,subnet-2",
    "/platform/network/security-group": "sg-1",
    "/platform/tier": "staging",
    "/platform/log/level": "WARN",
}
SECRETS = {"platform/token": "t0ken", "platform/db": '{"username": "reader"}'}


def test_what_the_account_holds_already(up):
    """SSM parameters and secrets that another stack made are given in the settings; conditions can depend on them."""
    stage = up("references", ssm_parameters=PLATFORM | {"/platform/tier": "production"}, secrets=SECRETS)

    names = ["API_HOST", "LEVEL", "TOKEN", "DB_USER", "FIRST_SUBNET"]

    assert stage.invoke("ReaderFunction", {"names": names}).payload == {
        "API_HOST": "api.internal",
        "LEVEL": "WARN",
        "TOKEN": "t0ken",
        "DB_USER": "reader",
        "FIRST_SUBNET": "subnet-1",
        "memory": "1024",
    }


def test_a_parameter_may_name_another_ssm_parameter(up):
    """As on AWS, the value given for such a parameter is the name of the SSM parameter, not its value."""
    held = PLATFORM | {"/blue/api/host": "blue.internal"}
    stage = up("references", parameters={"ApiHost": "/blue/api/host"}, ssm_parameters=held, secrets=SECRETS)

    assert stage.invoke("ReaderFunction", {"names": ["API_HOST"]}).payload["API_HOST"] == "blue.internal"


@pytest.mark.parametrize("packed", [False, True], ids=["directory", "zip"])
def test_a_built_artefact(up, tmp_path, packed):
    """What `sam build` leaves behind works: vendored packages beside the code, bundled copies of the SDK passed over."""
    app = tmp_path / "build"
    source = importlib.metadata.distribution("requests").locate_file("")
    build = app / "PingFunction"
    shutil.copytree(_app("ping") / "src", build)
    for package in ("requests", f"requests-{importlib.metadata.version('requests')}.dist-info"):
        shutil.copytree(f"{source}/{package}", build / package)
    (build / "tinylib").mkdir()
    (build / "tinylib" / "__init__.py").write_text("VERSION = '1.0'\n")
    (build / "tinylib-1.0.dist-info").mkdir()
    (build / "tinylib-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: tinylib\nVersion: 1.0\n")
    (build / "boto3").mkdir()
    (build / "boto3" / "__init__.py").write_text("raise ImportError('an SDK of 2019')\n")
    (build / "boto3-1.9.0.dist-info").mkdir()
    (build / "boto3-1.9.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: boto3\nVersion: 1.9.0\n")
    code = "PingFunction"
    if packed:
        code = "ping.zip"
        with zipfile.ZipFile(app / code, "w") as bundle:
            for file in build.rglob("*"):
                bundle.write(file, file.relative_to(build))
        shutil.rmtree(build)
    template = (_app("ping") / "template.yaml").read_text().replace("CodeUri: src/", f"CodeUri: {code}")
    (app / "template.yaml").write_text(template)

    answer = up(app).invoke("PingFunction")

    assert answer.error is None, answer
    assert answer.payload["answer"]["pong"].startswith("python-requests/")
    assert (answer.payload["region"], answer.payload["tinylib"]) == ("us-east-1", "1.0")


def test_a_rest_api_beside_types_to_come(up):
    """`sam init`'s template stands up, with one warning for each service that is missing; the rest of it works."""
    with pytest.warns(StagefrightWarning) as caught:
        stage = up("legacy")

    texts = [str(warning.message) for warning in caught]
    (alarm,) = (text for text in texts if "Errors" in text)
    assert alarm == (
        "Errors is of type AWS::CloudWatch::Alarm, which the local stage does not have; "
        "it stands there as a placeholder that does nothing."
    )
    assert len(texts) == 2
    assert {warning.filename for warning in caught} == {str(_app("legacy") / "template.yaml")}
    assert stage.http.get("/hello").json() == {"message": "hello world"}
    stage.settle()
    stage.client("sqs").send_message(QueueUrl=stage.ref("Jobs"), MessageBody="{}")
    assert stage.settle().path == ["Jobs", "HelloWorldFunction"]
    stage.client("s3").put_object(Bucket=stage.ref("Uploads"), Key="a", Body=b"")
    assert stage.settle().path == ["Uploads", "HelloWorldFunction"]
    assert stage.outputs["HelloWorldApi"].startswith("https://")
    assert stage.outputs["HelloWorldFunctionIamRole"] == stage.arn("HelloWorldFunctionRole")


def test_an_unknown_type_is_a_placeholder_that_is_named(up):
    """`Ref` and `Fn::GetAtt` of what the world does not have still give something, and one warning names each."""
    with pytest.warns(StagefrightWarning) as caught:
        stage = up("stateful")

    assert [(str(w.message).split()[0], w.lineno) for w in caught] == [("Cache", 3), ("Notify", 13)]
    cache_id, cache_host = stage.invoke("Reader").payload
    assert cache_id == stage.ref("Cache")
    assert cache_host.startswith(cache_id)


def test_an_unknown_type_is_an_error_if_the_settings_say_so(up):
    """With `strict_template` the first type that is missing stops the deployment, before anything runs."""
    with pytest.raises(
        TemplateError, match=r"template\.yaml \[Cache\]: type AWS::ElastiCache::CacheCluster is not one"
    ):
        up("stateful", strict_template=True)


def test_a_template_without_anything_unknown_gives_no_warning(up):
    """A warning means something: an app that is wholly supported is stood up in silence."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        up("bookshop")


def test_a_state_machine_and_who_may_start_it(project):
    """`Ref` of a type whose Ref is an ARN on AWS gives one; policies may name anything, as IAM refuses nothing here."""
    with pytest.warns(StagefrightWarning) as caught:
        stage = project(
            """
Transform: AWS::Serverless-2016-10-31
Resources:
  Bus: {Type: AWS::Events::EventBus, Properties: {Name: orders}}
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      InlineCode: "def handler(event, context): return event"
      Handler: index.handler
      Runtime: python3.12
      Environment: {Variables: {FLOW: !Ref Flow}}
      Policies:
        - StepFunctionsExecutionPolicy: {StateMachineName: !GetAtt Flow.Name}
        - Statement: [{Effect: Allow, Action: states:StartExecution, Resource: !Ref Flow}]
        - Statement: [{Effect: Allow, Action: "x:*", Resource: !Ref Cluster}]
  Cluster: {Type: AWS::ECS::Cluster}
  Flow:
    Type: AWS::Serverless::StateMachine
    Properties:
      Definition: {StartAt: A, States: {A: {Type: Pass, End: true}}}
      Events:
        Placed: {Type: EventBridgeRule, Properties: {EventBusName: !Ref Bus, Pattern: {source: [shop]}}}
"""
        )
    assert ["Cluster" in str(w.message) or "Flow" in str(w.message) for w in caught] == [True, True]
    flow = stage.ref("Flow")
    assert flow.startswith("arn:aws:states:us-east-1:123456789012:stateMachine:")
    assert stage.arn("Flow") == flow
    names = stage.client("lambda").get_function_configuration(FunctionName=stage.ref("Worker"))["Environment"]
    assert names["Variables"]["FLOW"] == flow
    assert not stage.ref("Cluster").startswith("arn:")


def test_a_public_layer_is_named_once(project):
    """Two functions with one layer of another account: one warning."""
    layer = "arn:aws:lambda:us-east-1:017000801446:layer:AWSLambdaPowertoolsPythonV3-python312-arm64:7"
    function = (
        '{{Type: AWS::Lambda::Function, Properties: {{Code: {{ZipFile: "def handler(e, c): pass"}}, Handler: index.handler, '
        "Runtime: python3.12, Role: 'arn:aws:iam::123456789012:role/x', Layers: ['{}']}}}}\n"
    ).format(layer)
    with pytest.warns(StagefrightWarning) as caught:
        project(f"Resources:\n  One: {function}  Two: {function}  Three: {function.replace(':7', ':8')}")

    assert [str(w.message).split(" belongs")[0] for w in caught] == [
        f"One: The layer {layer}",
        f"Three: The layer {layer[:-1]}8",
    ]


@pytest.mark.parametrize("settings", ["", ", DefaultAuthorizer: Guard"])
def test_sams_authorizers(project, settings):
    """What SAM's `Auth` says is applied: a token, a function, or nobody asked."""
    stage = project(
        f"""
Transform: AWS::Serverless-2016-10-31
Globals: {{Function: {{Runtime: python3.12, Handler: index.handler}}}}
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      Auth:
        EnableIamAuthorizer: true
        Authorizers:
          Guard:
            FunctionArn: !GetAtt Judge.Arn
            AuthorizerPayloadFormatVersion: "2.0"
            EnableSimpleResponses: true
            EnableFunctionDefaultPermissions: true
            Identity: {{Headers: [Authorization]}}
          Token:
            IdentitySource: $request.header.Authorization
            JwtConfiguration: {{issuer: "https://x.auth0.com/", audience: [shop]}}
        {settings[2:]}
  Judge:
    Type: AWS::Serverless::Function
    Properties:
      InlineCode: |
        def handler(event, context): return {{"isAuthorized": event["identitySource"] == ["ok"]}}
  Worker:
    Type: AWS::Serverless::Function
    Properties:
      InlineCode: "def handler(event, context): return event['routeKey']"
      Events:
        Plain: {{Type: HttpApi, Properties: {{ApiId: !Ref Api, Path: /plain, Method: GET}}}}
        Open: {{Type: HttpApi, Properties: {{ApiId: !Ref Api, Path: /open, Method: GET, Auth: {{Authorizer: NONE}}}}}}
        Jwt: {{Type: HttpApi, Properties: {{ApiId: !Ref Api, Path: /jwt, Method: GET, Auth: {{Authorizer: Token}}}}}}
        Iam: {{Type: HttpApi, Properties: {{ApiId: !Ref Api, Path: /iam, Method: GET, Auth: {{Authorizer: AWS_IAM}}}}}}
""".replace("Authorizer: NONE}", "Authorizer: NONE}" if settings else "Authorizer: Guard}")
    )
    codes = {path: stage.http.get(path).status_code for path in ("/plain", "/open", "/jwt", "/iam")}

    assert codes == {"/plain": 401, "/open": 200, "/jwt": 401, "/iam": 403} if settings else codes["/open"] == 401
    answers = [
        stage.http.get("/plain" if settings else "/open", headers={"Authorization": who}) for who in ("ok", "bad")
    ]
    assert [answer.status_code for answer in answers] == [200, 403]


def test_two_stages_at_a_time(up):
    """A second stage does not see the first one's resources, and the first goes on when the second is closed."""
    first = up("same_module_name")
    second = up("relative_imports")

    assert second.invoke("Invoices").payload["ok"]
    assert "Hello" not in second.resources
    second.close()
    assert first.invoke("Hello", {"name": "amy"}).payload["text"] == "Hello, amy"


@pytest.fixture
def project(tmp_path):
    """Stand a template up that is written into the test."""
    stages = []

    def project(text, **settings):
        (tmp_path / "template.yaml").write_text(text)
        stages.append(stagefright.open_stage("apps", directory=tmp_path, **settings))
        return stages[-1]

    yield project
    for stage in stages:
        stage.close()


def _app(name):
    """The directory of an app."""
    return Path(__file__).parent / name


STATE_MACHINE = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Flow:
    Type: AWS::Serverless::StateMachine
    Properties:
      Definition: {StartAt: A, States: {A: {Type: Pass, End: true}}}
      Events: {Placed: {Type: EventBridgeRule, Properties: {Pattern: {source: [shop]}}}}
  Starter:
    Type: AWS::Serverless::Function
    Properties:
      Handler: index.handler
      Runtime: python3.12
      InlineCode: "def handler(event, context): return 1"
      Policies: [{Statement: [{Effect: Allow, Action: "states:StartExecution", Resource: !Ref Flow}]}]
"""

PROTECTED_API = """
Transform: AWS::Serverless-2016-10-31
Resources:
  Api:
    Type: AWS::Serverless::HttpApi
    Properties:
      Auth:
        DefaultAuthorizer: Visitors
        Authorizers:
          Visitors:
            IdentitySource: $request.header.Authorization
            JwtConfiguration: {issuer: "https://issuer.example.com", audience: [shop]}
  Shop:
    Type: AWS::Serverless::Function
    Properties:
      Handler: index.handler
      Runtime: python3.12
      InlineCode: "def handler(event, context): return 1"
      Events: {Any: {Type: HttpApi, Properties: {ApiId: !Ref Api, Path: /, Method: get}}}
"""


def test_a_state_machine_is_a_placeholder_that_others_may_refer_to(tmp_path):
    """Its Ref is an ARN, as on AWS, and policies and rules that name it deploy."""
    (tmp_path / "template.yaml").write_text(STATE_MACHINE)

    with pytest.warns(StagefrightWarning, match="Flow"):
        opened = stagefright.open_stage("apps", directory=tmp_path)

    with opened as stage:
        assert stage.ref("Flow").startswith("arn:aws:states:")
        assert stage.invoke("Starter").payload == 1


def test_an_authorizer_is_asked(tmp_path):
    """A request that AWS would refuse is refused here."""
    (tmp_path / "template.yaml").write_text(PROTECTED_API)

    with stagefright.open_stage("apps", directory=tmp_path) as stage:
        assert stage.http.get("/").status_code == 401
