"""What stands in for AWS may keep functions and run none; a stage there says so."""

from __future__ import annotations

import pytest

import stagefright
from stagefright.errors import EmulatorError
from stagefright.targets.function_probe import runs_functions

TEMPLATE = """
    Transform: AWS::Serverless-2016-10-31
    Resources:
      Greet:
        Type: AWS::Serverless::Function
        Properties:
          Runtime: python3.12
          Handler: index.handler
          InlineCode: "def handler(event, context): return 'hello'"
"""


def names(stage):
    """The functions of the account; others may have theirs in it."""
    return {one["FunctionName"] for one in stage.client("lambda").list_functions()["Functions"]}


def probes(stage):
    return {name for name in names(stage) if name.startswith("stagefright-probe")}


def test_a_moto_server_without_docker_keeps_functions_only(moto_system):
    """Asking leaves nothing behind, and an invocation is refused with what the server said and where functions run."""
    moto_system.write("template.yaml", TEMPLATE)
    stage = moto_system.open()

    assert not stage.runs_functions
    assert stage.ref("Greet") in names(stage)
    assert not probes(stage)
    with pytest.raises(
        EmulatorError,
        match=r"keeps Greet, and did not run it. It answered: error running docker(.|\n)*local, or docker",
    ):
        stage.invoke("Greet")


def test_an_emulator_that_runs_functions(ministack_system):
    """The same question, with the other answer."""
    ministack_system.write("template.yaml", TEMPLATE)
    stage = ministack_system.open()

    assert stage.runs_functions
    assert stage.ref("Greet") in names(stage)
    assert not probes(stage)


def test_workers_that_ask_at_once_do_not_get_in_each_others_way(ministack_system):
    """Each asks with a function of its own; one that is there already, another's, is no sign that none runs."""
    ministack_system.write("template.yaml", TEMPLATE)
    stage = ministack_system.open()
    role = stage.client("lambda").get_function(FunctionName=stage.ref("Greet"))["Configuration"]["Role"]

    assert runs_functions(stage.account, name=stage.ref("Greet"), role=role)
    assert stage.ref("Greet") in names(stage)


def test_a_stage_without_functions_lacks_nothing(moto_system):
    """There is none whose work could be missed, so nobody is asked."""
    moto_system.write("template.yaml", "Resources: {Orders: {Type: AWS::SQS::Queue}}")
    stage = moto_system.open()
    asked = []
    stage.account.client("lambda").meta.events.register(
        "before-call.lambda", lambda model, **_: asked.append(model.name)
    )

    assert stage.runs_functions
    assert asked == []


def test_a_local_stage_runs_functions(tmp_path):
    """As AWS does; so a test may ask any stage."""
    (tmp_path / "template.yaml").write_text("Resources: {Orders: {Type: AWS::SQS::Queue}}")
    with stagefright.open_stage("one", directory=tmp_path) as stage:
        assert stage.runs_functions
