"""SAM templates: translated offline, with local code kept local."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys

import pytest

from stagefright.errors import TemplateError

HEAD = "Transform: AWS::Serverless-2016-10-31\n"


def function(properties="", events=""):
    """A template with one function; `events` and `properties` are YAML flow mappings' insides."""
    return (
        f"{HEAD}Resources:\n  Topic: {{Type: AWS::SNS::Topic}}\n  Queue: {{Type: AWS::SQS::Queue}}\n"
        "  Stream: {Type: AWS::Kinesis::Stream, Properties: {ShardCount: 1}}\n"
        "  Table: {Type: AWS::Serverless::SimpleTable}\n"
        "  Bucket: {Type: AWS::S3::Bucket}\n  Logs: {Type: AWS::Logs::LogGroup}\n"
        "  F:\n    Type: AWS::Serverless::Function\n    Properties:\n"
        "      Handler: app.handler\n      Runtime: python3.12\n"
        f"{properties}"
        f"      Events: {{{events}}}\n"
    )


def of_type(template, type_name):
    """The resources of one type."""
    return [resource for resource in template.resources.values() if resource.type == type_name]


@pytest.mark.parametrize(
    ("event", "type_name", "expected"),
    [
        (
            "SNS, Properties: {Topic: !Ref Topic}",
            "AWS::SNS::Subscription",
            {"TopicArn": "Topic-id", "Protocol": "lambda"},
        ),
        (
            "SQS, Properties: {Queue: !GetAtt Queue.Arn, BatchSize: 5}",
            "AWS::Lambda::EventSourceMapping",
            {"EventSourceArn": "Queue.Arn", "BatchSize": 5, "FunctionName": "F-id"},
        ),
        (
            "Kinesis, Properties: {Stream: !GetAtt Stream.Arn, StartingPosition: LATEST, MaximumRetryAttempts: 2}",
            "AWS::Lambda::EventSourceMapping",
            {"EventSourceArn": "Stream.Arn", "StartingPosition": "LATEST", "MaximumRetryAttempts": 2},
        ),
        (
            "DynamoDB, Properties: {Stream: !GetAtt Table.StreamArn, StartingPosition: TRIM_HORIZON}",
            "AWS::Lambda::EventSourceMapping",
            {"EventSourceArn": "Table.StreamArn"},
        ),
        (
            "EventBridgeRule, Properties: {Pattern: {source: [x]}, EventBusName: b}",
            "AWS::Events::Rule",
            {"EventPattern": {"source": ["x"]}, "EventBusName": "b"},
        ),
        (
            "CloudWatchEvent, Properties: {Pattern: {source: [x]}}",
            "AWS::Events::Rule",
            {"EventPattern": {"source": ["x"]}},
        ),
        (
            "Schedule, Properties: {Schedule: rate(1 minute), Input: '{}'}",
            "AWS::Events::Rule",
            {"ScheduleExpression": "rate(1 minute)"},
        ),
        (
            "ScheduleV2, Properties: {ScheduleExpression: rate(1 minute)}",
            "AWS::Scheduler::Schedule",
            {"ScheduleExpression": "rate(1 minute)"},
        ),
        (
            "S3, Properties: {Bucket: !Ref Bucket, Events: 's3:ObjectCreated:*'}",
            "AWS::S3::Bucket",
            {
                "NotificationConfiguration": {
                    "LambdaConfigurations": [{"Event": "s3:ObjectCreated:*", "Function": "F.Arn"}]
                }
            },
        ),
        (
            "HttpApi, Properties: {Path: /x, Method: get}",
            "AWS::ApiGatewayV2::Stage",
            {"ApiId": "ServerlessHttpApi-id", "StageName": "$default"},
        ),
        (
            "Api, Properties: {Path: /x, Method: get}",
            "AWS::ApiGateway::Stage",
            {"RestApiId": "ServerlessRestApi-id", "StageName": "Prod"},
        ),
        (
            "CloudWatchLogs, Properties: {LogGroupName: !Ref Logs, FilterPattern: ERROR}",
            "AWS::Logs::SubscriptionFilter",
            {"LogGroupName": "Logs-id", "FilterPattern": "ERROR", "DestinationArn": "F.Arn"},
        ),
    ],
)
def test_every_event_kind_becomes_plain_resources(load, lookup, event, type_name, expected):
    """Each event of a function becomes the CloudFormation resource that AWS would make of it, with our references."""
    template = load(function(events=f"E: {{Type: {event}}}"))
    (resource,) = of_type(template, type_name)
    properties = template.resolve(resource.properties, lookup)
    assert {key: properties.get(key) for key in expected} == expected
    assert template.order.index("FRole") < template.order.index("F")


def test_http_api_routes_stay_in_the_body(load, lookup):
    """The OpenAPI body names the function's integration, resolved by us."""
    template = load(function(events="E: {Type: HttpApi, Properties: {Path: /x, Method: get}}"))
    body = template.resolve(template.resources["ServerlessHttpApi"].properties, lookup)["Body"]
    uri = body["paths"]["/x"]["get"]["x-amazon-apigateway-integration"]["uri"]
    assert uri == "arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/F.Arn/invocations"


@pytest.mark.parametrize(
    ("properties", "files", "local"),
    [
        ("      CodeUri: src\n", ["src/app.py"], "src"),
        ("      CodeUri: ./src/\n", ["src/app.py"], "src"),
        ("      CodeUri: build/app.zip\n", ["build/app.zip"], "build/app.zip"),
        ("      CodeUri: with space#1\n", ["with space#1/app.py"], "with space#1"),
        ("      CodeUri: !Sub '${AWS::Region}/src'\n", ["eu-west-1/src/app.py"], "eu-west-1/src"),
        ("", [], "."),
    ],
)
def test_local_code_stays_local(load, tmp_path, properties, files, local):
    """A directory, a zip file or nothing at all (the template's directory) become an absolute path."""
    template = load(function(properties), files=files)
    assert template.resources["F"].properties["Code"] == {"LocalPath": str((tmp_path / local).resolve())}


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        (
            "      CodeUri: s3://bucket/key?versionId=1\n",
            {"S3Bucket": "bucket", "S3Key": "key", "S3ObjectVersion": "1"},
        ),
        ("      CodeUri: {Bucket: !Ref Bucket, Key: k}\n", {"S3Bucket": "Bucket-id", "S3Key": "k"}),
        ("      InlineCode: pass\n", {"ZipFile": "pass"}),
    ],
)
def test_other_code_is_what_cloudformation_has(load, lookup, properties, code):
    """Code in S3 and inline code are as in a plain template."""
    template = load(function(properties))
    assert template.resolve(template.resources["F"].properties["Code"], lookup) == code


def test_container_images_are_kept(load):
    """A function of PackageType Image has its image and no local code."""
    template = load(
        f"{HEAD}Resources:\n  F: {{Type: AWS::Serverless::Function, Metadata: {{Dockerfile: D}}, "
        "Properties: {PackageType: Image, ImageUri: '1.dkr.ecr.eu-west-1.amazonaws.com/x:1'}}\n"
    )
    assert template.resources["F"].properties["Code"] == {"ImageUri": "1.dkr.ecr.eu-west-1.amazonaws.com/x:1"}
    assert template.resources["F"].attributes["Metadata"]["Dockerfile"] == "D"


def test_an_absolute_path_is_taken_as_it_is(load, tmp_path):
    """A CodeUri from the root of the file system need not lie beside the template."""
    template = load(function(f"      CodeUri: {tmp_path}/elsewhere\n"), files=["elsewhere/app.py"])
    assert template.resources["F"].properties["Code"] == {"LocalPath": str(tmp_path / "elsewhere")}


def test_globals_work(load, tmp_path):
    """Runtime, environment and CodeUri from Globals reach every function that does not say otherwise."""
    template = load(
        f"{HEAD}"
        """
Globals: {Function: {Runtime: python3.12, CodeUri: src, Timeout: 9, Environment: {Variables: {A: 1}}}}
Resources:
  One: {Type: AWS::Serverless::Function, Properties: {Handler: a.b}}
  Two: {Type: AWS::Serverless::Function, Properties: {Handler: a.b, CodeUri: other, Environment: {Variables: {B: 2}}}}
""",
        files=["src/a.py", "other/a.py"],
    )
    one, two = (template.resources[name].properties for name in ("One", "Two"))
    assert (one["Timeout"], one["Code"]) == (9, {"LocalPath": str(tmp_path / "src")})
    assert two["Code"] == {"LocalPath": str(tmp_path / "other")}
    assert two["Environment"] == {"Variables": {"A": 1, "B": 2}}


def test_a_global_path_that_nobody_uses_may_lead_nowhere(load, tmp_path):
    """`sam build` gives each function its own directory, and leaves `Globals` as they stood beside the sources."""
    template = load(
        f"{HEAD}"
        """
Globals: {Function: {Runtime: python3.12, Handler: a.b, CodeUri: src}}
Resources:
  One: {Type: AWS::Serverless::Function, Properties: {CodeUri: One}}
  Two: {Type: AWS::Serverless::Function, Properties: {InlineCode: "def b(event, context): return 1"}}
""",
        files=["One/a.py"],
    )
    assert template.resources["One"].properties["Code"] == {"LocalPath": str(tmp_path / "One")}


def test_a_global_path_that_somebody_uses_must_be_there(load):
    """One function without a path of its own is enough."""
    with pytest.raises(TemplateError, match=r"Globals\.Function\]: CodeUri names src, which does not exist"):
        load(
            f"{HEAD}"
            """
Globals: {Function: {Runtime: python3.12, Handler: a.b, CodeUri: src}}
Resources:
  One: {Type: AWS::Serverless::Function, Properties: {CodeUri: One}}
  Two: {Type: AWS::Serverless::Function}
""",
            files=["One/a.py"],
        )


def test_missing_code_is_named_for_all_functions_at_once(load):
    """The error has each logical id and path; a function whose condition does not hold may lack its code."""
    with pytest.raises(TemplateError) as raised:
        load(
            f"{HEAD}"
            """
Conditions: {Never: !Equals [a, b]}
Resources:
  One: {Type: AWS::Serverless::Function, Properties: {Handler: a.b, Runtime: python3.12, CodeUri: src1}}
  Two: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: layer2}}
  Off: {Type: AWS::Serverless::Function, Condition: Never, Properties: {Handler: a.b, Runtime: x, CodeUri: src3}}
"""
        )
    text = str(raised.value)
    assert "[One]: CodeUri names src1, which does not exist" in text
    assert "[Two]: ContentUri names layer2, which does not exist" in text
    assert "template.yaml" in text
    assert "src3" not in text


def test_layers_are_local_and_references_to_them_follow(load, tmp_path, lookup):
    """SAM gives a layer a hashed id; a function's Ref to it means the new id."""
    template = load(
        function("      CodeUri: src\n      Layers: [!Ref Common]\n")
        + "  Common: {Type: AWS::Serverless::LayerVersion, Properties: {ContentUri: layer}}\n",
        files=["src/app.py", "layer/x.py"],
    )
    (layer,) = of_type(template, "AWS::Lambda::LayerVersion")
    assert layer.properties["Content"] == {"LocalPath": str(tmp_path / "layer")}
    assert template.resolve(template.resources["F"].properties["Layers"], lookup) == [f"{layer.logical_id}-id"]
    assert template.order.index(layer.logical_id) < template.order.index("F")


def test_definitions_in_files_are_local(load, tmp_path):
    """DefinitionUri of state machines and APIs becomes a path too."""
    template = load(
        f"{HEAD}"
        """
Resources:
  Machine: {Type: AWS::Serverless::StateMachine, Properties: {DefinitionUri: m.asl.json, Role: 'arn:aws:iam::1:role/x'}}
  Api: {Type: AWS::Serverless::Api, Properties: {StageName: v1, DefinitionUri: api.yaml}}
  Http: {Type: AWS::Serverless::HttpApi, Properties: {DefinitionUri: api.yaml}}
""",
        files=["m.asl.json", "api.yaml"],
    )
    properties = {name: template.resources[name].properties for name in ("Machine", "Api", "Http")}
    assert properties["Machine"]["DefinitionS3Location"] == {"LocalPath": str(tmp_path / "m.asl.json")}
    assert properties["Api"]["BodyS3Location"] == {"LocalPath": str(tmp_path / "api.yaml")}
    assert properties["Http"]["BodyS3Location"] == {"LocalPath": str(tmp_path / "api.yaml")}


def test_function_extras_become_their_resources(load, lookup):
    """AutoPublishAlias, EventInvokeConfig and DeadLetterQueue give version, alias, invoke and dead-letter config."""
    template = load(
        function(
            "      AutoPublishAlias: live\n"
            "      DeadLetterQueue: {Type: SQS, TargetArn: !GetAtt Queue.Arn}\n"
            "      EventInvokeConfig:\n"
            "        MaximumRetryAttempts: 1\n"
            "        DestinationConfig: {OnFailure: {Type: SNS, Destination: !Ref Topic}}\n"
        )
    )
    (version,) = of_type(template, "AWS::Lambda::Version")
    (alias,) = of_type(template, "AWS::Lambda::Alias")
    (config,) = of_type(template, "AWS::Lambda::EventInvokeConfig")
    assert template.resolve(alias.properties["FunctionVersion"], lookup) == f"{version.logical_id}.Version"
    resolved = template.resolve(config.properties, lookup)
    assert (resolved["MaximumRetryAttempts"], resolved["Qualifier"]) == (1, "live")
    assert resolved["DestinationConfig"] == {"OnFailure": {"Destination": "Topic-id"}}
    assert template.resolve(template.resources["F"].properties["DeadLetterConfig"], lookup) == {
        "TargetArn": "Queue.Arn"
    }


def test_policies_by_template_and_by_name(load, lookup):
    """Policy templates are filled in, and names of AWS's own policies become their ARNs without asking IAM."""
    policies = "[AmazonSQSFullAccess, {DynamoDBReadPolicy: {TableName: !Ref Table}}, {Statement: [{Effect: Allow}]}]"
    template = load(function(f"      Policies: {policies}\n"))
    role = template.resolve(template.resources["FRole"].properties, lookup)
    assert "arn:aws:iam::aws:policy/AmazonSQSFullAccess" in role["ManagedPolicyArns"]
    assert "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole" in role["ManagedPolicyArns"]
    statement = role["Policies"][0]["PolicyDocument"]["Statement"][0]
    assert "arn:aws:dynamodb:eu-west-1:111122223333:table/Table-id" in statement["Resource"]
    assert role["Policies"][1]["PolicyDocument"] == {"Statement": [{"Effect": "Allow"}]}


def test_simple_tables_and_connectors(load):
    """A SimpleTable is a DynamoDB table, and a connector becomes the policy that it stands for."""
    template = load(
        function() + "  Link:\n    Type: AWS::Serverless::Connector\n"
        "    Properties: {Source: {Id: F}, Destination: {Id: Table}, Permissions: [Read]}\n"
    )
    assert template.resources["Table"].type == "AWS::DynamoDB::Table"
    assert [policy.logical_id for policy in of_type(template, "AWS::IAM::ManagedPolicy")] == ["LinkPolicy"]


def test_loops_come_before_sam(load, tmp_path):
    """A loop may write SAM functions, and extensions may be used inside them."""
    template = load(
        """
Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]
Resources:
  Fn::ForEach::Functions:
    - Name
    - [Feed, Post]
    - ${Name}Function:
        Type: AWS::Serverless::Function
        Properties:
          Handler: app.handler
          Runtime: python3.12
          CodeUri: ./${Name}
          Description: !ToJsonString {a: !Ref Name}
""",
        files=["Feed/app.py", "Post/app.py"],
    )
    assert template.order == ["FeedFunctionRole", "FeedFunction", "PostFunctionRole", "PostFunction"]
    assert template.resources["PostFunction"].properties["Code"] == {"LocalPath": str(tmp_path / "Post")}


def test_conditions_on_sam_resources_hold_for_what_they_become(load):
    """With its condition a function takes its role and its subscriptions away."""
    text = function(events="E: {Type: SNS, Properties: {Topic: !Ref Topic}}") + "    Condition: IsProd\n"
    head = "Parameters: {Env: {Type: String, Default: dev}}\nConditions: {IsProd: !Equals [!Ref Env, prod]}\n"
    assert not of_type(load(head + text), "AWS::IAM::Role")
    assert len(of_type(load(head + text, Env="prod"), "AWS::IAM::Role")) == 1


def test_sam_errors_come_all_at_once_with_their_resources(load):
    """What SAM refuses is a TemplateError that names every resource and cause."""
    with pytest.raises(TemplateError) as raised:
        load(
            f"{HEAD}"
            """
Resources:
  One: {Type: AWS::Serverless::Function, Properties: {Runtime: python3.12, CodeUri: x}}
  Two: {Type: AWS::Serverless::Function, Properties: {Handler: a.b, Runtime: python3.12, Evnts: {}}}
""",
            files=["x/a.py"],
        )
    text = str(raised.value)
    assert "[One]: SAM refuses it" in text
    assert "[Two]: SAM refuses it" in text
    assert "Handler" in text
    assert "Evnts" in text


def test_one_sam_error_names_its_resource(load):
    """A single cause is an error of that resource."""
    with pytest.raises(TemplateError) as raised:
        load(function(events="E: {Type: Nope}"))
    assert raised.value.logical_id == "F"


def test_what_the_translator_chokes_on_is_an_error_without_noise(load, monkeypatch, capfd, caplog):
    """A crash inside the translator names the template, and its own log stays out of the user's."""
    from samtranslator.translator.translator import Translator

    def crash(*_args, **_kwargs):
        logging.getLogger("samtranslator.plugins").error("a traceback of its own")
        raise KeyError("Properties")

    monkeypatch.setattr(Translator, "translate", crash)
    with pytest.raises(TemplateError, match="cannot make sense of the template: KeyError"):
        load(function())
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger("samtranslator").level == logging.NOTSET


def test_applications_from_the_repository_are_refused(load):
    """A nested application that only the network has is refused; a local one stays a path."""
    location = "{ApplicationId: 'arn:aws:serverlessrepo:x', SemanticVersion: 1.0.0}"
    text = f"{HEAD}Resources: {{App: {{Type: AWS::Serverless::Application, Properties: {{Location: %s}}}}}}"
    with pytest.raises(TemplateError, match=r"\[App\]: the application arn.* Serverless Application Repository"):
        load(text % location)
    template = load(text % "nested.yaml", files=["nested.yaml"])
    assert template.resources["App"].properties["TemplateURL"]["LocalPath"].endswith("/nested.yaml")


def test_ids_do_not_depend_on_the_hour_or_the_place(load, tmp_path):
    """Even AlwaysDeploy, which on AWS puts the time into an id, gives the same ids in every run and directory."""
    text = f"{HEAD}Globals: {{Api: {{AlwaysDeploy: true}}}}\n" + function(
        "      CodeUri: src\n      AutoPublishAlias: live\n",
        "E: {Type: Api, Properties: {Path: /x, Method: get}}",
    ).removeprefix(HEAD)
    here = load(text, files=["src/app.py"])
    code = (
        "import pathlib, sys\nfrom stagefright.templates import load_template\n"
        "known = dict(parameters={}, account='111122223333', region='eu-west-1', stack_name='dev')\n"
        "t = load_template(pathlib.Path(sys.argv[1]), **known)\n"
        "print(*t.order)\n"
    )
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "src").mkdir(parents=True)
    (elsewhere / "template.yaml").write_text(text)
    other = subprocess.run(
        [sys.executable, "-c", code, str(elsewhere / "template.yaml")],
        env={**os.environ, "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert other.stdout.split() == here.order
    assert other.stderr == ""


def test_translation_needs_no_network_no_environment_and_makes_no_noise(load, monkeypatch, capfd, caplog):
    """No socket is opened, no variable is read for the region or written, and nothing is printed or logged."""

    def refuse(*_args, **_kwargs):
        raise AssertionError("the translation went to the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    for name in ("AWS_DEFAULT_REGION", "AWS_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    before = dict(os.environ)
    with caplog.at_level(logging.INFO):
        load(
            function(
                "      Policies: [MyUnknownPolicy, AWSLambdaExecute]\n",
                "E: {Type: Api, Properties: {Path: /x, Method: get}}",
            )
        )
    assert dict(os.environ) == before
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []


def test_a_plain_template_does_not_pay_for_sam():
    """The translator is not imported unless a template asks for it."""
    code = "import sys, stagefright.templates\nprint('samtranslator' in sys.modules, 'boto3' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
