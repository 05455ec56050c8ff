"""Projects of other tools, deployed: the Serverless Framework's output, CDK's, and what `sam build` left."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from pathlib import Path

import pytest

from stagefright.errors import (
    DeploymentFailed,
    SettingsError,
    StagefrightWarning,
    TargetError,
    TemplateError,
    UsageError,
)
from stagefright.targets import opening
from stagefright.targets.stack import described, read_stack

APPS = Path(__file__).parents[1] / "apps"
SAM = """
    Transform: AWS::Serverless-2016-10-31
    Resources:
      Greet: {Type: AWS::Serverless::Function, Properties: {Runtime: python3.12, Handler: app.greet, CodeUri: src}}
"""


def copy(app, system):
    shutil.copytree(APPS / app, system.directory, dirs_exist_ok=True)
    return system


def test_the_serverless_framework_s_output_is_deployed(ministack_system):
    """With the zip files that it packaged."""
    stage = copy("sls_orders", ministack_system).open()
    functions = [one for one in stage.resources.values() if one.type == "AWS::Lambda::Function"]
    code = stage.client("lambda").get_function(FunctionName=functions[0].physical_id)["Configuration"]
    assert code["CodeSize"] > 0


def test_a_stack_of_cdk_is_deployed_where_nobody_ran_cdk_bootstrap(ministack_system):
    """Its resources go by the names that people know, and by those of the template too."""
    stage = copy("cdk_shop", ministack_system).open(stack="Foundation")
    hashed = [one for one in stage.resources.values() if one.logical_id != one.written_as]
    assert hashed != []
    for one in hashed:
        assert one.written_as.startswith(one.logical_id)
        assert stage.ref(one.logical_id) == stage.ref(one.written_as) == one.physical_id


@pytest.fixture
def assembly(ministack_system):
    """A cloud assembly of two stacks, of which one imports what the other exports."""
    stacks = {
        "Foundation": {
            "Resources": {"Orders1A2B3C4D": resource("AWS::SQS::Queue", "Foundation/Orders/Resource")},
            "Outputs": {"Shared": {"Value": {"Ref": "Orders1A2B3C4D"}, "Export": {"Name": "Foundation:SharedOrders"}}},
        },
        "Shop": {
            "Resources": {
                "Where5E6F7A8B": resource(
                    "AWS::SSM::Parameter",
                    "Shop/Where/Resource",
                    Type="String",
                    Value={"Fn::ImportValue": "Foundation:SharedOrders"},
                )
            },
        },
    }
    artifacts = {
        name: {"type": "aws:cloudformation:stack", "properties": {"templateFile": f"{name}.template.json"}}
        for name in stacks
    }
    artifacts["Shop"]["dependencies"] = ["Foundation"]
    for name, template in stacks.items():
        ministack_system.write(f"cdk.out/{name}.template.json", json.dumps(template))
    ministack_system.write("cdk.out/manifest.json", json.dumps({"version": "48.0.0", "artifacts": artifacts}))
    return ministack_system


def resource(kind, path, **properties):
    return {"Type": kind, "Properties": properties, "Metadata": {"aws:cdk:path": path}}


def test_a_stack_that_others_made_is_not_overwritten_for_the_one_that_lacks(assembly):
    """Of the two one is there, from `cdk deploy`, and runs somebody's code."""
    cloudformation, theirs = assembly.way.client("cloudformation"), f"{assembly.stack}-Foundation"
    cloudformation.create_stack(
        StackName=theirs, TemplateBody=json.dumps({"Resources": {"Mine": {"Type": "AWS::SQS::Queue"}}})
    )
    try:
        with pytest.raises(TargetError, match=rf"(?s)stack {theirs} .*not deployed by Stagefright.*--stage=NAME"):
            assembly.open(stack="Shop")
        assert [*read_stack(assembly.way, theirs).resources] == ["Mine"]
        assert described(assembly.way, f"{assembly.stack}-Shop") is None
    finally:
        cloudformation.delete_stack(StackName=theirs)


def test_several_stacks_of_cdk_are_one_stage(assembly):
    """Deployed in order, with exports under names of the stage's own, and removed the other way round."""
    stage = assembly.open(stack="Shop")
    stacks = [f"{assembly.stack}-Foundation", f"{assembly.stack}-Shop"]
    assert begun(assembly, "creating") == [f"creating the stack {name} in us-east-1" for name in stacks]
    assert [*stage.resources] == ["Orders", "Where"]
    assert stage.outputs["Shared"] == stage.ref("Orders")
    held = stage.client("ssm").get_parameter(Name=stage.ref("Where"))["Parameter"]["Value"]
    assert held == stage.ref("Orders")
    exports = [one["Name"] for one in assembly.way.client("cloudformation").list_exports()["Exports"]]
    assert f"{stacks[0]}:SharedOrders" in exports
    assert "Foundation:SharedOrders" not in exports

    again = assembly.open(stack="Shop")
    assert again.is_kept
    assert again.resources.keys() == stage.resources.keys()
    stage.close()
    assert begun(assembly, "removing") == [f"removing the stack {name}" for name in reversed(stacks)]
    assert [described(assembly.way, name) for name in stacks] == [None, None]


def begun(system, verb):
    return [line for line in system.lines if line.startswith(verb)]


def test_several_stacks_can_be_removed_by_another_process(assembly):
    """By their tags, the last first."""
    assembly.open(stack="*", keep=True).close()
    settings = assembly.settings(stack="*")
    assert opening.remove(assembly.name, settings, account=assembly.way, run=assembly.run) is True
    assert opening.is_there(assembly.name, settings, assembly.way) is False


def test_if_the_second_of_several_stacks_fails_the_first_goes_too(ministack_system):
    """A stage is there as a whole, or not. (MiniStack has no SDK for the function behind CDK's log retention.)"""
    system = copy("cdk_shop", ministack_system)
    with pytest.raises(
        DeploymentFailed, match=f"The stack {system.stack}-Shop could not be created.*\n  BillLogRetention"
    ):
        system.open(stack="Shop")
    assert described(system.way, f"{system.stack}-Foundation") is None


def test_if_the_second_of_several_stacks_cannot_be_packaged_the_first_goes_too(assembly):
    """What is wrong is seen on this machine, and not by CloudFormation."""
    where = assembly.directory / "cdk.out" / "Shop.template.json"
    function = resource("AWS::Lambda::Function", "Shop/Greet/Resource", Code={"S3Bucket": "b", "S3Key": "k"})
    function["Metadata"] |= {"aws:asset:path": "asset.gone", "aws:asset:property": "Code"}
    where.write_text(json.dumps({"Resources": {"Greet": function}}))
    with pytest.raises(UsageError, match=r"asset\.gone"):
        assembly.open(stack="Shop")
    assert begun(assembly, "creating") == [f"creating the stack {assembly.stack}-Foundation in us-east-1"]
    assert described(assembly.way, f"{assembly.stack}-Foundation") is None


def test_a_parameter_that_none_of_several_stacks_declares(assembly):
    """Each stack gets its own; what is nobody's is a mistake."""
    with pytest.raises(SettingsError, match="none of the stacks Foundation, Shop declares Size"):
        assembly.open(stack="*", parameters={"Size": "3"})


def test_one_of_several_stacks_must_be_named(ministack_system):
    """As on the local target."""
    with pytest.raises(SettingsError, match="holds 2 stacks: Foundation, Shop"):
        copy("cdk_shop", ministack_system).open()


class TestSamBuild:
    """What `sam build` left is taken while it is fresh."""

    @pytest.fixture
    def built(self, ministack_system):
        system = ministack_system
        system.write("template.yaml", SAM)
        system.write("src/app.py", "def greet(event, context): return 'source'\n")
        system.write("src/requirements.txt", "# packages\nboto3\nPyJWT>=2\n")
        system.write(".aws-sam/build/template.yaml", SAM.replace("CodeUri: src", "CodeUri: Greet"))
        system.write(".aws-sam/build/Greet/app.py", "def greet(event, context): return 'build'\n")
        for file in (system.directory / "template.yaml", *(system.directory / "src").iterdir()):
            os.utime(file, (1_000_000_000, 1_000_000_000))
        return system

    def test_a_fresh_build_is_deployed(self, built):
        """It holds the packages that the code needs; so there is nothing to warn of."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert built.open().invoke("Greet").payload == "build"

    def test_a_stale_build_is_passed_over_with_a_warning(self, built):
        """Which file is newer, and which packages will be missing."""
        built.write("src/app.py", "def greet(event, context): return 'newer'\n")
        os.utime(built.directory / "src/app.py", (4_000_000_000, 4_000_000_000))
        with pytest.warns(StagefrightWarning, match=r"names PyJWT\..*app\.py is newer than it\. Run `sam build` again"):
            stage = built.open()
        assert stage.invoke("Greet").payload == "newer"

    def test_a_build_without_its_sources_is_deployed(self, built):
        """As `sam deploy` does; where there is no build either, that is told."""
        shutil.rmtree(built.directory / "src")
        assert built.open().invoke("Greet").payload == "build"
        shutil.rmtree(built.directory / ".aws-sam")
        with pytest.raises(TemplateError, match=r"Greet: CodeUri names .*src, which does not exist"):
            built.deploy()

    def test_a_directory_where_a_file_is_meant(self, ministack_system):
        """Before anything is sent."""
        system = ministack_system
        system.write(
            "template.yaml",
            "Resources: {Api: {Type: AWS::ApiGateway::RestApi, Properties: {Name: a, BodyS3Location: api}}}",
        )
        system.write("api/openapi.json", "{}")
        with pytest.raises(TemplateError, match=r"Api: BodyS3Location names .*api, which is a directory"):
            system.open()

    def test_without_a_build_the_sources_are_deployed_with_a_warning(self, built):
        """Only for packages that neither the runtime nor the directory has."""
        shutil.rmtree(built.directory / ".aws-sam")
        with pytest.warns(StagefrightWarning, match=r"names PyJWT\. Run `sam build`"):
            stage = built.open()
        assert stage.invoke("Greet").payload == "source"
