"""Stacks inside stacks, by CloudFormation and by SAM: one world, parameters in, outputs out."""

from __future__ import annotations

import json

import pytest

import stagefright
from stagefright.chaos import Failure
from stagefright.chaos.control import Chaos
from stagefright.errors import StagefrightWarning, TemplateError, UnknownExport, UnknownResource
from stagefright.listeners import Listen

QUEUE = {"Type": "AWS::SQS::Queue"}


def stack(url, **properties):
    return {"Type": "AWS::CloudFormation::Stack", "Properties": {"TemplateURL": url, **properties}}


@pytest.fixture
def deploy(tmp_path):
    """Deploy templates, given by file name; `main` is the one to begin with."""
    stages = []

    def deploy(main, **others):
        for name, template in {"main": main, **others}.items():
            file = tmp_path / f"{name}.json"
            file.write_text(json.dumps(template if "Resources" in template else {"Resources": template}))
        stages.append(stagefright.open_stage("nested", directory=tmp_path, template="main.json"))
        return stages[-1]

    yield deploy
    for stage in reversed(stages):
        stage.close()


class TestAStackOfStacks:
    def test_a_job_crosses_three_stacks(self, up, rows):
        """Started in the outer one, queued in a nested one, worked on in another, kept in a stack inside the first."""
        stage = up("nested_stacks")

        stage.invoke("Starter", {"job": "j-1"})
        flow = stage.settle()

        assert flow.path == ["Starter", "Storage.Jobs", "Worker.Work"]
        assert rows(stage, "Results") == {"j-1": {}}
        assert stage.outputs["WorkerName"] == stage.ref("Worker.Work")
        assert stage.outputs["Everything"] == f"{stage.ref('Storage.Keep.Results')} and {stage.ref('Work')}"

    def test_parameters_decide_inside(self, up):
        """A condition of the nested template depends on what the outer one hands it."""
        stage = up("nested_stacks", parameters={"Retries": "0"})

        assert "Storage.Dead" not in stage.resources
        assert stage.ref("Jobs").endswith("/nested-stacks-apps-jobs-queue")

    def test_faults_and_listeners_reach_nested_resources(self, up):
        """By the name that flows have for them, or by the inner one alone."""
        stage = up("nested_stacks")
        dead = Listen(stage).sqs("Storage.Dead")

        with Chaos(stage)(Work=Failure("closed")):
            stage.invoke("Starter", {"job": "j-1"})
            flow = stage.settle()

        dead.expect(body="j-1")
        assert flow.attempts("Worker.Work").outcomes == ["Exception"] * 2

    def test_what_a_reset_brings_back_includes_nested_stacks(self, up, rows):
        """As for everything else of the stage."""
        stage = up("nested_stacks")
        stage.invoke("Starter", {"job": "j-1"})
        stage.settle()

        stage.reset()

        assert rows(stage, "Results") == {}


class TestNames:
    def test_the_inner_id_alone_if_only_one_has_it(self, deploy):
        """What the outer template has goes first; what two nested ones have must be told apart."""
        inner = {"Jobs": QUEUE, "Mine": QUEUE, "Only": QUEUE}
        stage = deploy(
            {"A": stack("a.json"), "B": stack("b.json"), "Mine": QUEUE},
            a=inner,
            b=dict.fromkeys(("Jobs", "Mine"), QUEUE),
        )

        assert stage.ref("Only") == stage.ref("A.Only")
        assert stage.ref("Mine") not in (stage.ref("A.Mine"), stage.ref("B.Mine"))
        with pytest.raises(UnknownResource, match=r"'Jobs' may be any of A\.Jobs, B\.Jobs"):
            stage.ref("Jobs")
        with pytest.raises(UnknownResource, match=r"Did you mean A\.Only"):
            stage.ref("A.Onyl")

    def test_physical_names_differ(self, deploy):
        """The same template, twice."""
        stage = deploy({"A": stack("a.json"), "B": stack("a.json")}, a={"Jobs": QUEUE})

        assert stage.ref("A.Jobs") != stage.ref("B.Jobs")
        assert stage.ref("A").startswith("arn:aws:cloudformation:us-east-1:123456789012:stack/")

    def test_one_name_in_two_stacks_is_refused(self, deploy):
        """As on AWS: an account has each name once."""
        named = {"Jobs": {**QUEUE, "Properties": {"QueueName": "jobs"}}}

        with pytest.raises(TemplateError, match=r"'jobs' exists already: it is A\.Jobs"):
            deploy({"A": stack("a.json"), "B": stack("a.json")}, a=named)


class TestExports:
    def test_a_nested_stack_exports_to_those_that_come_later(self, deploy):
        """The order is that of DependsOn, as CloudFormation knows no other."""
        exporting = {
            "Resources": {"Jobs": QUEUE},
            "Outputs": {"Url": {"Value": {"Ref": "Jobs"}, "Export": {"Name": {"Fn::Sub": "shared-jobs"}}}},
        }
        parameter = {"Type": "String", "Value": {"Fn::ImportValue": "shared-jobs"}}
        importing = {"P": {"Type": "AWS::SSM::Parameter", "Properties": parameter, "DependsOn": "A"}}

        stage = deploy({"A": stack("a.json"), **importing}, a=exporting)

        held = stage.client("ssm").get_parameter(Name=stage.ref("P"))["Parameter"]["Value"]
        assert held == stage.ref("A.Jobs")

    def test_without_it_the_export_is_not_there_yet(self, deploy):
        """The error is the one for any unknown export."""
        parameter = {"Type": "String", "Value": {"Fn::ImportValue": "nobodys"}}

        with pytest.raises(UnknownExport, match="nobodys"):
            deploy(
                {"A": stack("a.json"), "P": {"Type": "AWS::SSM::Parameter", "Properties": parameter}}, a={"Q": QUEUE}
            )


class TestRefusals:
    def test_a_remote_template(self, deploy):
        """Its address is named, and what to do instead."""
        url = "https://s3.amazonaws.com/templates/vpc.yaml"

        with pytest.raises(TemplateError, match=r"\[Net\]: TemplateURL is 'https://s3.*vpc\.yaml'.*Put a copy"):
            deploy({"Net": stack(url)})

    def test_an_application_of_the_repository(self, tmp_path):
        """By its id."""
        application = {"ApplicationId": "arn:aws:serverlessrepo:us-east-1:1:applications/x", "SemanticVersion": "1.0.0"}
        template = {
            "Transform": "AWS::Serverless-2016-10-31",
            "Resources": {"App": {"Type": "AWS::Serverless::Application", "Properties": {"Location": application}}},
        }
        (tmp_path / "template.json").write_text(json.dumps(template))

        with pytest.raises(
            TemplateError, match=r"applications/x lives in the Serverless Application Repository.*Put its"
        ):
            stagefright.open_stage("nested", directory=tmp_path)

    def test_a_template_that_is_not_there(self, deploy):
        """With what lies where it was looked for."""
        with pytest.raises(TemplateError, match=r"TemplateURL names absent\.json, which does not exist.*main\.json"):
            deploy({"A": stack("absent.json")})

    def test_a_circle(self, deploy):
        """Drawn, also where an intrinsic function hides it from the first look."""
        with pytest.raises(TemplateError, match=r"circle: main\.json -> a\.json -> main\.json"):
            deploy({"A": stack("a.json")}, a={"B": stack("main.json")})
        with pytest.raises(TemplateError, match=r"circle: a\.json -> a\.json"):
            deploy({"A": stack("a.json")}, a={"B": stack({"Fn::Sub": "a.json"})})

    def test_parameters(self, deploy):
        """Of the nested template: missing, unknown, and no text."""
        inner = {"Parameters": {"Size": {"Type": "Number"}}, "Resources": {"Q": QUEUE}}

        with pytest.raises(TemplateError, match=r"(?s)a\.json.*Size \(Number\) has no value"):
            deploy({"A": stack("a.json")}, a=inner)
        with pytest.raises(TemplateError, match=r"Siez was given.*Did you mean Size"):
            deploy({"A": stack("a.json", Parameters={"Size": 1, "Siez": 2})}, a=inner)
        with pytest.raises(TemplateError, match=r"Parameters\.Size must be text.*Fn::Join"):
            deploy({"A": stack("a.json", Parameters={"Size": [1, 2]})}, a=inner)

    def test_an_output_that_the_nested_stack_does_not_have(self, deploy):
        """The nearest is named."""
        inner = {"Resources": {"Q": QUEUE}, "Outputs": {"Url": {"Value": {"Ref": "Q"}}}}
        reader = {"Type": "String", "Value": {"Fn::GetAtt": ["A", "Outputs.Ulr"]}}

        with pytest.raises(TemplateError, match=r"no attribute 'Outputs\.Ulr'\. Did you mean Outputs\.Url"):
            deploy({"A": stack("a.json"), "P": {"Type": "AWS::SSM::Parameter", "Properties": reader}}, a=inner)

    def test_a_mistake_inside_is_told_with_the_inner_file(self, deploy):
        """And the inner logical id."""
        wrong = {"Q": {**QUEUE, "Properties": {"DelaySeconds": 9999}}}

        with pytest.raises(TemplateError, match=r"a\.json \[Q\]"):
            deploy({"A": stack("a.json")}, a=wrong)

    def test_a_placeholder_inside_warns_with_the_inner_file(self, deploy):
        """As in the outer one."""
        with pytest.warns(StagefrightWarning, match="Net is of type AWS::EC2::VPC") as caught:
            deploy({"A": stack("a.json")}, a={"Net": {"Type": "AWS::EC2::VPC"}})

        assert caught[0].filename.endswith("a.json")
