"""Projects of other tools, deployed: the Serverless Framework's output, CDK's, and what `sam build` left."""

from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path

import pytest

from stagefright.errors import SettingsError, StagefrightWarning

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


def test_several_stacks_are_left_to_their_own_tool(ministack_system):
    """The message says how."""
    with pytest.raises(SettingsError, match=r"is one stack; asked for were 2.*: Foundation, Shop\..*cdk deploy --all"):
        copy("cdk_shop", ministack_system).open(stack="Shop")


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

    def test_without_a_build_the_sources_are_deployed_with_a_warning(self, built):
        """Only for packages that neither the runtime nor the directory has."""
        shutil.rmtree(built.directory / ".aws-sam")
        with pytest.warns(StagefrightWarning, match=r"names PyJWT\. Run `sam build`"):
            stage = built.open()
        assert stage.invoke("Greet").payload == "source"
