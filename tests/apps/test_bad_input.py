"""
Bad input gets a clear message: what is wrong, where, what there is instead, what to do.

Each test builds the smallest project that has one mistake, and reads the message. None of them may end in a traceback of
ours: an error that is not one of Stagefright's fails the test.
"""

from __future__ import annotations

import datetime as dt
import json
import math

import pytest
from botocore.exceptions import ClientError

import stagefright
from stagefright.errors import (
    SettingsError,
    StagefrightWarning,
    TemplateError,
    UnknownExport,
    UnknownResource,
    UnsupportedOperation,
    UsageError,
)

SAM = "Transform: AWS::Serverless-2016-10-31\n"
ECHO = {"src/app.py": "def handler(event, context):\n    return event\n"}
RETRIES = [0, 60, 180]


@pytest.fixture
def project(tmp_path):
    """Write a project: `project(template, {"src/app.py": ...})` gives a function that opens a stage on it."""
    stages = []

    def project(text, files=(), *, name="template.yaml"):
        template = {} if text is None else {name: text}
        for file, content in {**template, **dict(files)}.items():
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).write_text(content)

        def open_stage(stage_name="apps", **settings):
            stages.append(stagefright.open_stage(stage_name, directory=tmp_path, **settings))
            return stages[-1]

        return open_stage

    yield project
    for stage in stages:
        stage.close()


@pytest.fixture
def refusal(project):
    """What is said when a stage is opened on a template: `refusal("Resources: ...")`."""

    def refusal(text, files=(), *, error=TemplateError, name="template.yaml", **settings):
        with pytest.raises(error) as caught:
            project(text, files, name=name)(**settings)
        return str(caught.value)

    return refusal


def function(properties="", *, handler="app.handler", runtime="python3.12", code="CodeUri: src"):
    """A SAM template with one function, `Worker`; `properties` end with a comma."""
    return (
        f"{SAM}Resources:\n  Worker:\n    Type: AWS::Serverless::Function\n"
        f"    Properties: {{{properties} {code}, Handler: {handler}, Runtime: {runtime}}}\n"
    )


def resource(type_name, properties="{}"):
    """A plain template with one resource, `Thing`."""
    return f"Resources:\n  Thing:\n    Type: {type_name}\n    Properties: {properties}\n"


class TestTheTemplate:
    """What is wrong with the file is said with its place in it."""

    def test_there_is_none(self, refusal):
        """The message says what was looked for, where, what is there, and which setting names another file."""
        message = refusal(None, {"serverless.txt": ""})

        assert (
            "no template found: looked for template.yaml, template.yml, template.json, .serverless/, cdk.out/ in"
            in message
        )
        assert "which holds: serverless.txt" in message
        assert "[tool.stagefright] template" in message

    def test_the_one_that_is_named_is_not_there(self, refusal):
        """The message has the whole path, and what its directory holds."""
        message = refusal(None, {"infra/main.yaml": ""}, template="infra/template.yaml")

        assert "infra/template.yaml: the template cannot be read: there is no such file." in message
        assert message.endswith("holds: main.yaml.")

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("Resources:\n  A:\n    Type: [unclosed\n  B: }\n", "malformed YAML at line 4, column 4"),
            ("Resources:\n\tA: 1\n", "malformed YAML at line 2, column 1"),
            ("Resources:\n\tA: 1\n", "The line contains a tab"),
            ("Resources:\n  A: {Type: AWS::SNS::Topic}\n  A: {Type: AWS::SQS::Queue}\n", "line 3, column 3: the key A"),
            ("Resources:\n  A: {Type: AWS::SNS::Topic, Properties: {TopicName: !Reff B}}\n", "Did you mean !Ref?"),
            ("", "this one is empty"),
            ("Description: nothing\n", "needs a section Resources"),
        ],
    )
    def test_it_is_malformed(self, refusal, text, said):
        """The message has file, line and column."""
        message = refusal(text)

        assert said in message
        assert "template.yaml: " in message

    def test_it_is_malformed_json(self, refusal):
        """JSON is held to the same standard."""
        assert "malformed JSON at line 1, column 16" in refusal('{"Resources": {', name="template.json")

    def test_a_reference_to_nothing(self, refusal):
        """The message says who asks, for what, and what is nearest."""
        text = resource("AWS::SNS::Topic", "{TopicName: !Ref Thingg}")

        assert "[Thing]: Ref Thingg: the template has nothing of that name. Did you mean Thing?" in refusal(text)

    def test_an_attribute_that_a_resource_does_not_have(self, refusal):
        """The message blames the one who asks, and lists the attributes that there are."""
        text = "Resources:\n  A: {Type: AWS::SQS::Queue}\n  B: {Type: AWS::SQS::Queue, Properties: {QueueName: !GetAtt A.Nme}}\n"

        message = refusal(text)

        assert "template.yaml [B]: Fn::GetAtt A.Nme: AWS::SQS::Queue has no attribute 'Nme'." in message
        assert "Known: Arn, QueueName, QueueUrl." in message

    def test_an_attribute_in_an_output(self, refusal):
        """Outputs are checked when the stage is stood up, not when somebody reads them."""
        text = resource("AWS::SQS::Queue") + "Outputs: {Url: {Value: !GetAtt Thing.Url}}\n"

        assert "[Url]: Fn::GetAtt Thing.Url: AWS::SQS::Queue has no attribute 'Url'. " in refusal(text)

    def test_an_unknown_export(self, refusal, project):
        """The message names the export and the setting that answers for it; the setting does."""
        text = resource("AWS::SQS::Queue", "{QueueName: !ImportValue network-queue}")

        message = refusal(text, error=UnknownExport)

        assert "[Thing]: Fn::ImportValue network-queue: no export of that name is known. There are none." in message
        assert '[tool.stagefright.exports] "network-queue" = "..."' in message
        assert project(text)(exports={"network-queue": "jobs"}).ref("Thing").endswith("/jobs")

    def test_an_ssm_parameter_that_nobody_made(self, refusal, project):
        """The message names the parameter and the setting that makes it; the setting does."""
        text = resource("AWS::SNS::Topic", "{DisplayName: '{{resolve:ssm:/app/name}}'}")

        message = refusal(text)

        assert "[Thing]: The SSM parameter /app/name is asked for, and the account does not hold it" in message
        assert '[tool.stagefright.ssm_parameters] "/app/name" = "..."' in message
        project(text)(ssm_parameters={"/app/name": "app"})

    def test_a_secret_or_its_key_that_nobody_made(self, refusal):
        """A missing secret and a missing key in it are told apart."""
        text = resource("AWS::SNS::Topic", "{DisplayName: '{{resolve:secretsmanager:db:SecretString:user}}'}")

        assert '[tool.stagefright.secrets] "db" = "..."' in refusal(text)
        assert "has no key 'user'. Did you mean users?" in refusal(text, secrets={"db": '{"users": "a"}'})
        assert "is not a JSON object" in refusal(text, secrets={"db": "plain"})

    @pytest.mark.parametrize("type_name", ["AWS::SQS::Queue", "AWS::SNS::Topic"])
    def test_two_resources_of_one_name(self, refusal, type_name):
        """SQS and SNS give back what is there already; a stack with two of a name fails on AWS, and here."""
        name = "QueueName" if type_name == "AWS::SQS::Queue" else "TopicName"
        text = "Resources:\n" + "".join(
            f"  {one}: {{Type: {type_name}, Properties: {{{name}: jobs}}}}\n" for one in "AB"
        )

        assert f"[B]: {type_name} 'jobs' exists already: it is A." in refusal(text)

    def test_a_misspelt_type(self, refusal):
        """A slip in a type is named where it is, and does not show as a puzzling error of what refers to it."""
        said = refusal(
            "Resources:\n  Topic: {Type: AWS::SNS::Topc}\n  Sub: {Type: AWS::SNS::Subscription, Properties: {TopicArn: !Ref Topic}}\n"
        )

        assert "[Topic]: there is no type AWS::SNS::Topc. Did you mean AWS::SNS::Topic?" in said

    def test_a_misspelt_property(self, refusal):
        """CloudFormation refuses a property that it does not know; losing it without a word would hide the mistake."""
        said = refusal(resource("AWS::SQS::Queue", "{VisibilityTimout: 30}"))

        assert "[Thing]: AWS::SQS::Queue has no property 'VisibilityTimout'. Did you mean VisibilityTimeout?" in said

    @pytest.mark.parametrize(
        ("type_name", "properties", "said"),
        [
            ("AWS::SQS::Queue", "{VisibilityTimeout: soon}", "Invalid value for the parameter VisibilityTimeout."),
            ("AWS::SQS::Queue", "{RedrivePolicy: often}", "Invalid value for the parameter RedrivePolicy."),
            ("AWS::SNS::Topic", "{Subscription: [me]}", 'Subscription must be a list of mappings; it is ["me"].'),
            ("AWS::DynamoDB::Table", "{KeySchema: id}", 'KeySchema must be a list; it is "id".'),
            ("AWS::DynamoDB::Table", "{}", "AWS::DynamoDB::Table needs the property 'KeySchema'. Given: none."),
            ("AWS::Kinesis::Stream", "{ShardCount: many}", 'ShardCount must be a whole number; it is "many".'),
            ("AWS::Events::Rule", "{EventPattern: {source: [a]}, Targets: x}", 'Targets must be a list; it is "x".'),
            ("AWS::Events::Rule", "{EventPattern: {source: a}}", '"source" must be an object or an array'),
            ("AWS::S3::Bucket", "{BucketName: Upper_Case}", "The bucket name 'Upper_Case' is not valid"),
            ("AWS::SSM::Parameter", "{Type: String}", "AWS::SSM::Parameter needs the property 'Value'. Given: Type."),
            (
                "AWS::Lambda::EventSourceMapping",
                "{FunctionName: gone, EventSourceArn: 'arn:aws:sqs:us-east-1:123456789012:q'}",
                "Function does not exist",
            ),
            ("AWS::Lambda::Permission", "{FunctionName: gone, Action: 'lambda:*', Principal: x}", "Function not found"),
            (
                "AWS::Lambda::Function",
                "{Code: {S3Bucket: none, S3Key: k}, Role: 'arn:aws:iam::123456789012:role/r', Handler: a.b, Runtime: python3.12}",
                "The specified bucket does not exist",
            ),
        ],
    )
    def test_a_property_that_cannot_be(self, refusal, type_name, properties, said):
        """The message has the file, the logical id, the property, and what it should be or what AWS says of it."""
        message = refusal(resource(type_name, properties))

        assert "template.yaml [Thing]: " in message
        assert said in message

    @pytest.mark.parametrize(
        ("properties", "said"),
        [
            ("Timeout: soon,", 'Timeout must be a whole number; it is "soon".'),
            ("Timeout: 1000,", "Member must have value less than or equal to 900"),
            ("MemorySize: 64,", "Member must have value greater than or equal to 128"),
            ("Environment: {Variables: [A]},", 'Environment.Variables must be a mapping; it is ["A"].'),
            ("Environment: {Variables: {NESTED: {a: 1}}},", "Environment.Variables.NESTED must be text"),
            ("Environment: {TABLE: t},", "Environment takes Variables, a mapping; it has: TABLE."),
            ("Environment: {Variables: {AWS_REGION: x}},", "Reserved keys used in this request: AWS_REGION"),
            (f"Environment: {{Variables: {{LARGE: {'x' * 4096}}}}},", "exceeded the 4KB limit"),
        ],
    )
    def test_a_function_that_cannot_be(self, refusal, properties, said):
        """The message has the logical id, the property, and what it should be or what AWS says of it."""
        message = refusal(function(properties), ECHO)

        assert "template.yaml [Worker]: " in message
        assert said in message
        assert len(message) < 1000

    def test_code_that_is_not_there(self, refusal):
        """The message says where it was looked for, and what is there."""
        message = refusal(function(code="CodeUri: srcc/"), ECHO)

        assert "[Worker]: CodeUri names srcc/, which does not exist (looked at " in message
        assert message.endswith("holds: src, template.yaml.")

    def test_code_that_is_no_zip(self, refusal):
        """A file that is not a zip gets Lambda's own words."""
        message = refusal(function(code="CodeUri: build.zip"), {"build.zip": "<html>not found</html>"})

        assert "[Worker]: AWS::Lambda::Function was refused: Could not unzip uploaded file." in message

    def test_a_runtime_that_lambda_does_not_have(self, refusal):
        """The message lists the runtimes that there are."""
        message = refusal(function(runtime="python2.7"), ECHO)

        assert "Value python2.7 at 'runtime'" in message
        assert "python3.13" in message


class TestTheSettings:
    """A setting that cannot be used is refused before anything is stood up."""

    @pytest.mark.parametrize(("name", "better"), [("My_Feature", "my-feature"), ("-x", "x"), ("", "local")])
    def test_a_stage_name(self, refusal, name, better):
        """The message says what a name is made of, and suggests one."""
        message = refusal(function(), ECHO, error=SettingsError, stage_name=name)

        assert f"A stage cannot be called {name!r}" in message
        assert message.endswith(f"Try {better!r}.")

    def test_an_unknown_setting(self, refusal):
        """The nearest known one is suggested."""
        message = refusal(function(), ECHO, error=SettingsError, paramters={})

        assert "there is no setting 'paramters'. Did you mean parameters?" in message

    def test_parameters_of_the_template(self, refusal):
        """Everything that is wrong with them is said at once."""
        text = "Parameters: {Table: {Type: String}, Size: {Type: Number}}\n" + resource("AWS::SNS::Topic")

        message = refusal(text, parameters={"Size": "big", "Tabel": "t"})

        assert "the parameters have 3 problems" in message
        assert "Tabel was given, but the template does not declare it. Did you mean Table?" in message
        assert "Table (String) has no value and no default. Give it in the settings" in message
        assert "Size: 'big' is not a number." in message


class TestTheTestItself:
    """What a test asks of a stage is checked before it is asked of the world."""

    @pytest.mark.parametrize("ask", ["ref", "arn", "invoke"])
    def test_an_unknown_logical_id(self, project, ask):
        """The message lists the known ones and suggests the nearest."""
        stage = project(function(), ECHO)()

        with pytest.raises(UnknownResource) as caught:
            getattr(stage, ask)("Workr")
        assert str(caught.value) == ("The stage has no resource 'Workr'. Did you mean Worker? Known: Worker.")

    def test_invoking_what_is_no_function(self, project):
        """The message says what it is, and which functions there are."""
        stage = project(function() + "  Jobs: {Type: AWS::SQS::Queue}\n", ECHO)()

        with pytest.raises(
            UsageError, match=r"Jobs is an AWS::SQS::Queue; only functions can be invoked\. Functions: Worker\."
        ):
            stage.invoke("Jobs")

    def test_the_arn_of_what_has_none(self, project):
        """The message gives the physical id instead."""
        stage = project(
            function(properties="AutoPublishAlias: live,") + "  Api: {Type: AWS::Serverless::HttpApi}\n", ECHO
        )()

        with pytest.raises(UsageError, match=r"Api \(AWS::ApiGatewayV2::Api\) has no ARN; its physical id is"):
            stage.arn("Api")

    @pytest.mark.parametrize(
        ("event", "said"),
        [
            ({1, 2}, "Object of type set is not JSON serializable"),
            ({"at": dt.datetime(2026, 1, 1)}, "Object of type datetime is not JSON serializable"),  # noqa: DTZ001
            ({"ratio": math.nan}, "not JSON compliant"),
            (b"{broken", "Expecting property name enclosed in double quotes"),
        ],
        ids=["set", "datetime", "nan", "bytes"],
    )
    def test_an_event_that_is_not_json(self, project, event, said):
        """The message names the function, shows the event, and says what would do."""
        stage = project(function(), ECHO)()

        with pytest.raises(UsageError) as caught:
            stage.invoke("Worker", event)
        message = str(caught.value)
        assert message.startswith("The event for Worker is not JSON: ")
        assert said in message
        assert f"Received: {event!r}" in message
        assert "convert dates and decimals first" in message

    def test_a_request_without_an_api(self, project):
        """A relative URL needs an API; the message says that there is none."""
        stage = project(function(), ECHO)()

        with pytest.raises(UsageError, match="no single API to which a relative URL could go. Its APIs: none"):
            stage.http.get("/posts")


class TestTheCode:
    """A handler that cannot run fails as on Lambda, in Lambda's words, and the stage goes on."""

    @pytest.mark.parametrize(
        ("file", "text", "handler", "error", "said"),
        [
            ("app.py", "import requestz\n", "app.handler", "Runtime.ImportModuleError", "No module named 'requestz'"),
            ("other.py", "", "app.handler", "Runtime.ImportModuleError", "Unable to import module 'app'"),
            ("app.py", "def main(e, c): ...\n", "app.handler", "Runtime.HandlerNotFound", "Handler 'handler' missing"),
            ("app.py", "", "app", "Runtime.MalformedHandlerName", "Bad handler 'app'"),
            ("app.py", "def handler(e, c)\n", "app.handler", "Runtime.UserCodeSyntaxError", "(app.py, line 1)"),
            ("app.py", "import os\nos.environ['TABEL']\n", "app.handler", "KeyError", "'TABEL'"),
            (
                "app.py",
                "def handler(e, c):\n    return {1}\n",
                "app.handler",
                "Runtime.MarshalError",
                "set is not JSON",
            ),
            ("app.py", "def handler(e, c):\n    exit(1)\n", "app.handler", "Runtime.ExitError", "Runtime exited"),
        ],
    )
    def test_a_handler_that_cannot_run(self, project, file, text, handler, error, said):
        """The answer of a synchronous invocation has Lambda's error type and message; none of our frames are in its trace."""
        stage = project(function(handler=handler), {f"src/{file}": text})()

        answer = stage.invoke("Worker")

        assert answer.error == error
        assert said in answer.error_message
        assert "stagefright" not in json.dumps(answer.payload)
        assert "/harness/" not in json.dumps(answer.payload)

    def test_a_handler_that_cannot_be_imported_in_a_flow(self, project):
        """Asynchronously it is retried as any other error, and the flow says at each attempt what is missing."""
        stage = project(function(), {"src/app.py": "import requestz\n"})()

        stage.client("lambda").invoke(FunctionName=stage.ref("Worker"), InvocationType="Event")
        flow = stage.settle()

        assert flow.attempts("Worker").at == RETRIES
        assert flow.stopped_at == "Worker"
        assert str(flow).count("Unable to import module 'app': No module named 'requestz'") == 3

    def test_an_event_that_lambda_refuses(self, project):
        """Who calls the API directly gets the API's own refusal."""
        stage = project(function(), ECHO)()

        with pytest.raises(ClientError, match="Could not parse request body into json"):
            stage.client("lambda").invoke(FunctionName=stage.ref("Worker"), Payload=b"{broken")


class TestAnotherRuntime:
    """A function that this version cannot run is stood up; running it is an error of the test, never a made-up answer."""

    NODE = (
        f"{SAM}Resources:\n  Jobs: {{Type: AWS::SQS::Queue}}\n  Render:\n    Type: AWS::Serverless::Function\n"
        "    Properties:\n      InlineCode: exports.handler = async () => 1\n      Handler: index.handler\n"
        "      Runtime: nodejs22.x\n      Events:\n        Jobs: {Type: SQS, Properties: {Queue: !GetAtt Jobs.Arn}}\n"
        "        Get: {Type: HttpApi, Properties: {Path: /render, Method: get}}\n"
        "  Echo:\n    Type: AWS::Serverless::Function\n"
        "    Properties: {CodeUri: src, Handler: app.handler, Runtime: python3.12}\n"
    )
    SAID = r"Render has the runtime 'nodejs22\.x', and this version runs Python functions only"

    def test_invoked_by_the_test(self, project):
        """The error comes at the call, and names the function; the other functions go on."""
        stage = project(self.NODE, ECHO)()

        with pytest.raises(UnsupportedOperation, match=self.SAID):
            stage.invoke("Render")
        assert stage.invoke("Echo", "hi").payload == "hi"

    def test_invoked_asynchronously(self, project):
        """Nothing is retried: the error comes as soon as the world runs."""
        stage = project(self.NODE, ECHO)()

        def invoke():
            stage.client("lambda").invoke(FunctionName=stage.ref("Render"), InvocationType="Event")
            stage.settle()

        with pytest.raises(UnsupportedOperation, match=self.SAID):
            invoke()

    def test_invoked_by_a_queue(self, project):
        """What leads to it can be played; the error comes where the world would run it."""
        stage = project(self.NODE, ECHO)()

        def send():
            stage.client("sqs").send_message(QueueUrl=stage.ref("Jobs"), MessageBody="x")
            stage.settle()

        with pytest.raises(UnsupportedOperation, match=self.SAID):
            send()

    def test_invoked_by_a_handler_that_catches_everything(self, project):
        """The handler cannot swallow it: the test learns of it all the same."""
        catching = (
            "import os, boto3\ndef handler(event, context):\n    try:\n"
            "        boto3.client('lambda').invoke(FunctionName=event['name'])\n    except Exception:\n        return 'fine'\n"
        )
        stage = project(self.NODE, {"src/app.py": catching})()

        with pytest.raises(UnsupportedOperation, match=self.SAID):
            stage.invoke("Echo", {"name": stage.ref("Render")})

    def test_invoked_through_an_api(self, project):
        """It does not come as a status 500, which a test could take for the system's own."""
        stage = project(self.NODE, ECHO)()

        with pytest.raises(UnsupportedOperation, match=self.SAID):
            stage.http.get("/render")


class TestTypesThatAreNotHere:
    """A typo in a type is refused; what refers to a placeholder says so."""

    @pytest.mark.parametrize(
        ("written", "meant"),
        [
            ("AWS::SNS::Topc", "AWS::SNS::Topic"),
            ("AWS::SQS::Queues", "AWS::SQS::Queue"),
            ("AWS::Dynamodb::Table", "AWS::DynamoDB::Table"),
            ("AWS::Lamda::Function", "AWS::Lambda::Function"),
        ],
    )
    def test_a_typo_in_a_type(self, refusal, written, meant):
        """The message has the logical id, the type, and the one that was meant; nothing was deployed."""
        message = refusal(resource(written) + "  Bad: {Type: AWS::SQS::Queue, Properties: {VisibilityTimeout: x}}\n")

        assert f"[Thing]: there is no type {written}. Did you mean {meant}?" in message

    def test_a_typo_in_a_sam_type(self, refusal):
        """SAM's own types count as known."""
        message = refusal(f"{SAM}{resource('AWS::Serverless::Functon')}")

        assert "Did you mean AWS::Serverless::Function?" in message

    @pytest.mark.parametrize(
        "real", ["AWS::ApiGateway::DocumentationPart", "AWS::ApiGateway::VpcLink", "AWS::SQS::QueueInlinePolicy"]
    )
    def test_a_real_type_that_looks_like_a_known_one(self, project, real):
        """It is a placeholder, and no typo."""
        with pytest.warns(StagefrightWarning, match=real):
            project(resource(real))()

    def test_placeholders_are_named_before_a_later_resource_fails(self, refusal):
        """The warnings come first, so that they explain the error."""
        text = resource("AWS::ElastiCache::CacheCluster") + (
            "  Alert: {Type: AWS::SNS::Subscription, Properties: {TopicArn: !Ref Thing, Protocol: sqs, Endpoint: x}}\n"
        )
        with pytest.warns(StagefrightWarning, match=r"Thing is of type AWS::ElastiCache::CacheCluster"):
            message = refusal(text)

        assert "[Alert]" in message
        assert "It refers to Thing, which is a placeholder" in message
        assert "fault of Stagefright" not in message

    def test_a_policy_that_is_no_json(self, project):
        """All that is asked of a policy is that it is JSON."""
        stage = project(resource("AWS::IAM::Role"))()

        with pytest.raises(ClientError, match="MalformedPolicyDocument"):
            stage.client("iam").create_policy(PolicyName="x", PolicyDocument="{nope")


class TestSecuritySchemes:
    """An API's document names how its routes are guarded."""

    def test_a_scheme_that_no_authorizer_stands_behind(self, project):
        """API Gateway lets everybody in, and so does the stage, with a warning."""
        body = {
            "openapi": "3.0.1",
            "info": {"title": "api", "version": "1"},
            "paths": {
                "/x": {
                    "get": {
                        "security": [{"Basic": []}],
                        "x-amazon-apigateway-integration": {"type": "aws_proxy", "uri": "arn:x"},
                    }
                }
            },
            "components": {"securitySchemes": {"Basic": {"type": "http", "scheme": "basic"}}},
        }
        with pytest.warns(StagefrightWarning, match="GET /x .* Basic"):
            project(resource("AWS::ApiGatewayV2::Api", json.dumps({"Body": body})))()
