"""A world that runs for long stays light: what was consumed is not kept, and what is not used is not loaded."""

import subprocess
import sys
import textwrap

import pytest

from stagefright.functions import log

TABLE = {
    "Type": "AWS::DynamoDB::Table",
    "Properties": {
        "TableName": "things",
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    },
}


@pytest.fixture
def little_memory(monkeypatch):
    """Log lines move to disk after three."""
    monkeypatch.setattr(log, "IN_MEMORY_MAX", 3)


class TestLogs:
    def test_lines_that_waited_on_disk_come_in_order(self, systems, little_memory):
        """CloudWatch Logs has every line once, in the order in which it was written, wherever it waited."""
        stage = systems.open({"Fn": "def handler(event, context):\n    print('line', event, '\u00e9\u2028')\n"})
        for n in range(5):
            stage.invoke("Fn", n)

        logs = stage.client("logs")
        events = logs.filter_log_events(logGroupName="/aws/lambda/Fn")["events"]

        assert [f"line {n} \u00e9\u2028" for n in range(5)] == [e["message"] for e in events if "line" in e["message"]]

        stage.invoke("Fn", 5)
        again = logs.filter_log_events(logGroupName="/aws/lambda/Fn")["events"]

        lines_each = (len(events) - len(["INIT_START"])) // 5
        assert len(events) + lines_each == len(again)

    def test_a_reset_forgets_lines_on_disk(self, systems, little_memory):
        """A test does not see the lines of the one before."""
        stage = systems.open({"Fn": "def handler(event, context):\n    print('old')\n"})
        for _ in range(5):
            stage.invoke("Fn")
        stage.reset()

        assert [] == stage.client("logs").describe_log_groups()["logGroups"]


class TestState:
    def test_overwritten_items_are_not_kept(self, systems):
        """moto lists every model that it ever made; in a world the list stays empty."""
        stage = systems.open(resources={"Things": TABLE})
        for n in range(3):
            stage.client("dynamodb").put_item(TableName="things", Item={"id": {"S": "one"}, "n": {"N": str(n)}})

        from moto.dynamodb.models.dynamo_type import Item

        assert [] == Item.instances_tracked

    def test_a_stack_with_a_parameter_goes_back_to_it(self, systems):
        """The emulated SSM is copied like all else, also when the deployment was the first to use it."""
        switch = {"Type": "AWS::SSM::Parameter", "Properties": {"Name": "/switch", "Type": "String", "Value": "on"}}
        stage = systems.open(resources={"Switch": switch})
        stage.client("ssm").put_parameter(Name="/switch", Value="off", Overwrite=True)
        stage.reset()

        assert "on" == stage.client("ssm").get_parameter(Name="/switch")["Parameter"]["Value"]

    def test_a_policy_without_a_version_is_accepted(self, systems):
        """SAM's policy templates name none, and AWS takes them."""
        policy = {"Statement": [{"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}]}
        role = {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "RoleName": "worker",
                "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": []},
                "Policies": [{"PolicyName": "own", "PolicyDocument": policy}],
            },
        }
        stage = systems.open(resources={"Role": role})

        assert ["own"] == stage.client("iam").list_role_policies(RoleName="worker")["PolicyNames"]


class TestLoading:
    def test_parameters_do_not_load_instances(self, systems):
        """moto's SSM imports its EC2, which takes a third of a second; a world puts that off until it is needed."""
        systems.write(".", {"use.py": self.PROGRAM})

        done = subprocess.run(
            [sys.executable, systems.directory / "use.py"], capture_output=True, text=True, check=False
        )

        assert "False\nTrue\n" == done.stdout, done.stderr

    def test_apis_are_loaded_for_those_who_have_one(self, systems):
        """moto's REST APIs and what validates their requests take a quarter of a second."""
        systems.write(".", {"use.py": self.NO_API})

        done = subprocess.run(
            [sys.executable, systems.directory / "use.py"], capture_output=True, text=True, check=False
        )

        assert "404\n[]\n" == done.stdout, done.stderr

    def test_what_validates_documents_is_loaded_when_one_is_validated(self, systems):
        """moto's APIs import a validator that takes a third of a second; `mock_aws` outside of worlds has it all the same."""
        systems.write(".", {"use.py": self.VALIDATED})

        done = subprocess.run(
            [sys.executable, systems.directory / "use.py"], capture_output=True, text=True, check=False
        )

        assert "[]\nBadRequestException\n" == done.stdout, done.stderr

    NO_API = textwrap.dedent("""
        import sys
        from urllib.error import HTTPError
        from urllib.request import urlopen
        import stagefright.deployment.deployer
        from stagefright.world import World

        world = World()
        world.open()
        try:
            urlopen("https://nobody.execute-api.us-east-1.amazonaws.com/x")
        except HTTPError as error:
            print(error.code)
        print([name for name in ("moto.apigateway.models", "jsonschema") if name in sys.modules])
        world.close()
        """)

    VALIDATED = textwrap.dedent("""
        import sys
        import boto3
        from botocore.exceptions import ClientError
        from stagefright.world import World

        world = World()
        world.open()
        world.internal_client("apigatewayv2").create_api(Name="api", ProtocolType="HTTP")
        world.internal_client("apigateway").create_rest_api(name="api")
        print([name for name in sys.modules if name.startswith("openapi_spec_validator")])
        world.close()

        from moto import mock_aws
        with mock_aws():
            try:
                boto3.client("apigateway", "us-east-1").import_rest_api(body=b'{"openapi": "3.0.0", "info": 7}', failOnWarnings=True)
            except ClientError as error:
                print(error.response["Error"]["Code"])
        """)

    PROGRAM = textwrap.dedent("""
        import sys
        from stagefright.world import World

        world = World()
        world.open()
        ssm = world.internal_client("ssm")
        ssm.put_parameter(Name="/switch", Value="on", Type="String")
        print("moto.ec2" in sys.modules)
        target = {"Key": "tag:role", "Values": ["none"]}
        ssm.send_command(DocumentName="AWS-RunShellScript", Targets=[target])
        print("moto.ec2" in sys.modules)
        world.close()
        """)
