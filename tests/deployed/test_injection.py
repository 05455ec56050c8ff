"""
The runtime in functions that a stage deploys: with no change to their code, they obey their flags in an emulator.

Which functions get it, and what is written, is shown in tests/unit/targets/test_injection.py; here real functions run.
"""

from __future__ import annotations

import zipfile
from textwrap import dedent

import pytest

from stagefright.chaos import Chaos, Failure, HttpStatus, Latency, Throttle
from stagefright.chaos.sweep import leases, put_to_rest
from stagefright.errors import UsageError
from tests.deployed.conftest import System

TEMPLATE = """
    Transform: AWS::Serverless-2016-10-31
    Globals:
      Function:
        Runtime: python3.12
        Timeout: 30
        Environment:
          Variables:
            GREETING: hello
    Resources:
      Orders:
        Type: AWS::Serverless::SimpleTable
      Role:
        Type: AWS::IAM::Role
        Properties:
          AssumeRolePolicyDocument:
            Statement: [{Effect: Allow, Action: sts:AssumeRole, Principal: {Service: lambda.amazonaws.com}}]
      Packaged:
        Type: AWS::Serverless::Function
        Properties:
          Handler: pkg/app.handler
          CodeUri: src/
      Zipped:
        Type: AWS::Serverless::Function
        Properties:
          Handler: app.handler
          CodeUri: code.zip
      Inline:
        Type: AWS::Lambda::Function
        Properties:
          Runtime: python3.12
          Handler: index.handler
          Timeout: 30
          Role: !GetAtt Role.Arn
          Code:
            ZipFile: |
              def handler(event, context):
                  return "inline"
      Library:
        Type: AWS::Serverless::LayerVersion
        Properties:
          ContentUri: layer/
      Layered:
        Type: AWS::Serverless::Function
        Properties:
          Handler: layered.handler
          CodeUri: src/
          Layers: [!Ref Library]
      Calling:
        Type: AWS::Serverless::Function
        Properties:
          Handler: calling.handler
          CodeUri: src/
          Environment:
            Variables:
              TABLE: !Ref Orders
      Misspelt:
        Type: AWS::Serverless::Function
        Properties:
          Handler: pkg.app.handlr
          CodeUri: src/
      Node:
        Type: AWS::Serverless::Function
        Properties:
          Runtime: nodejs22.x
          Handler: index.handler
          CodeUri: src/
"""

APP = """
    import os
    from .words import greeting

    def handler(event, context):
        return {"greeting": greeting(), "event": event, "handler": os.environ["_HANDLER"]}
"""

WORDS = """
    import os

    def greeting():
        return os.environ["GREETING"]
"""

CALLING = """
    import os
    import boto3
    import urllib.error
    import urllib.request

    table = boto3.resource("dynamodb").Table(os.environ["TABLE"])

    def handler(event, context):
        if event == "http":
            try:
                return urllib.request.urlopen("http://partner.example/", timeout=5).status
            except urllib.error.HTTPError as refusal:
                return refusal.code
        reply = table.put_item(Item={"id": "o-1"})
        return reply["ResponseMetadata"]["RetryAttempts"]
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """The code of all functions."""
    directory = tmp_path_factory.mktemp("injection")
    for name, text in {
        "template.yaml": TEMPLATE,
        "src/pkg/__init__.py": "",
        "src/pkg/app.py": APP,
        "src/pkg/words.py": WORDS,
        "src/calling.py": CALLING,
        "src/layered.py": "from library import ANSWER\n\ndef handler(event, context):\n    return ANSWER\n",
        "src/index.js": "exports.handler = async () => 1;\n",
        "layer/python/library.py": "ANSWER = 42\n",
    }.items():
        file = directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text))
    with zipfile.ZipFile(directory / "code.zip", "w") as archive:
        archive.writestr("app.py", "def handler(event, context):\n    return 'zipped'\n")
    return directory


@pytest.fixture(scope="module")
def deployed(ministack, project):
    """The stage, deployed once for all tests here."""
    system = System(project, ministack)
    system.stage = system.open()
    yield system
    system.close()


@pytest.fixture
def stage(deployed):
    deployed.stage.reset()
    yield deployed.stage
    deployed.stage.step_aside()
    names = [one["Name"] for one in deployed.stage.client("ssm").describe_parameters()["Parameters"]]
    assert [name for name in names if name.startswith(f"/stagefright/{deployed.name}/")] == [], "everything is healed"


@pytest.mark.parametrize(
    ("function", "answer"),
    [
        ("Packaged", {"greeting": "hello", "event": {"n": 1}, "handler": "pkg/app.handler"}),
        ("Zipped", "zipped"),
        ("Inline", "inline"),
        ("Layered", 42),
    ],
)
def test_a_function_is_struck_proved_and_well_again(stage, function, answer):
    """Packages with relative imports, zip files, inline code, layers: what they do is what they did."""
    with Chaos(stage)(**{function: Failure("table is down")}):
        assert stage.invoke(function, {"n": 1}).error_message == "table is down"

    assert stage.invoke(function, {"n": 1}).payload == answer


def test_an_sdk_call(stage):
    """The fault is beneath botocore's retries, in the function's process as in ours."""
    with Chaos(stage)(Calling=Throttle("dynamodb", "PutItem", times=2)):
        assert stage.invoke("Calling").payload == 2

    assert stage.invoke("Calling").payload == 0


def test_an_http_request(stage):
    """What the function asks of others."""
    with Chaos(stage)(Calling=HttpStatus(503, host="partner.example")):
        assert stage.invoke("Calling", "http").payload == 503


def test_one_test_body_for_several_functions(stage):
    """Each has a flag of its own."""
    with Chaos(stage)(Zipped=Failure("down"), Inline=Latency(delay_ms=50)):
        assert stage.invoke("Zipped").error_message == "down"
        assert stage.invoke("Inline").payload == "inline"
        assert stage.invoke("Layered").payload == 42

    struck = {(record.resource, record.detail["fault"]) for record in stage.journal.of_kind("fault")}
    assert struck == {("Zipped", "failure"), ("Inline", "latency")}


def test_a_misspelt_handler_is_reported_as_ever(stage):
    """The words are those that the function had without us."""
    assert "module 'pkg.app' has no attribute 'handlr'" in stage.invoke("Misspelt").error_message


def test_what_is_not_python_is_left_alone(stage, deployed):
    """That is said when it is deployed, and a fault on it is refused with the way out."""
    assert "into 6 functions, and not into Node: its runtime is nodejs22.x, and not Python" in deployed.progress
    configuration = stage.client("lambda").get_function_configuration(FunctionName=stage.ref("Node"))
    assert configuration["Handler"] == "index.handler"
    with pytest.raises(UsageError, match=r"(?s)Node reads no flag.*nodejs22.x.*failure-lambda"):
        Chaos(stage)(Node=Failure("down")).__enter__()


def test_deployed_again_nothing_changes(deployed):
    """The packages are the same to the byte, so CloudFormation finds nothing to do."""
    assert deployed.deploy() == "unchanged"


def test_without_it(ministack_system):
    """With the setting `none` functions are deployed as they are, and a fault on one says what to do."""
    system = ministack_system
    system.write(
        "template.yaml",
        """
        Transform: AWS::Serverless-2016-10-31
        Resources:
          Worker:
            Type: AWS::Serverless::Function
            Properties: {Runtime: python3.12, Handler: app.handler, CodeUri: src/}
        """,
    )
    system.write("src/app.py", "def handler(event, context): return 1")
    stage = system.open(chaos_runtime="none")

    configuration = stage.client("lambda").get_function_configuration(FunctionName=stage.ref("Worker"))
    assert configuration["Handler"] == "app.handler"
    with pytest.raises(UsageError, match=r'(?s)Worker reads no flag.*chaos_runtime = "inject", which is "none" here'):
        Chaos(stage)(Worker=Failure("down")).__enter__()


def test_what_a_killed_run_left_is_swept(stage, deployed):
    """Its flag lies where the sweep looks, and is deleted when its lease is over."""
    chaos = Chaos(stage, lease_s=0.5)
    chaos(Zipped=Failure("down")).__enter__()
    [left] = leases(stage.client, deployed.name)
    stage.wait_until(lambda: stage.invoke("Zipped").payload == "zipped")  # a flag that has run out strikes nothing

    assert left.name == f"/stagefright/{deployed.name}/{deployed.stack}/Zipped"
    assert left.stage == deployed.name
    assert put_to_rest(stage.client, left)
    assert leases(stage.client, deployed.name) == []
    chaos.heal()
