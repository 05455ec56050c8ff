"""The settings `deploy` and `remove`: the commands of other tools, with what they say, and what becomes of a failure."""

from __future__ import annotations

import shlex
import sys

import pytest

from stagefright.errors import DeploymentFailed, SettingsError, TargetError
from stagefright.settings import load_settings
from stagefright.targets import opening
from stagefright.targets.account import Account
from stagefright.targets.deploying.commands import run_command

TOOL = """
import os, sys
import boto3

verb, stack = sys.argv[1:3]
cloudformation = boto3.client("cloudformation")
print(verb, stack, "in", os.environ["AWS_REGION"], "at", os.getcwd(), flush=True)
if verb == "deploy":
    cloudformation.create_stack(StackName=stack, TemplateBody=open("plain.yaml").read())
    cloudformation.get_waiter("stack_create_complete").wait(StackName=stack, WaiterConfig={"Delay": 0.1})
elif verb == "remove":
    cloudformation.delete_stack(StackName=stack)
    cloudformation.get_waiter("stack_delete_complete").wait(StackName=stack, WaiterConfig={"Delay": 0.1})
else:
    for n in range(30):
        print("line", n)
    sys.exit(3)
"""
PLAIN = "Resources: {Queue: {Type: AWS::SQS::Queue}}"


@pytest.fixture
def shop(ministack_system):
    """A project whose template only its own tool understands."""
    ministack_system.write("tool.py", TOOL)
    ministack_system.write("plain.yaml", PLAIN)
    return ministack_system


def command(verb, stack="shop-{stage}"):
    return f"{shlex.quote(sys.executable)} tool.py {verb} {stack}"


def test_a_command_deploys_and_a_command_removes(shop):
    """In the project's directory, on the way to the emulator; what it says is passed on."""
    stage = shop.open(deploy=command("deploy"), remove=command("remove"))
    assert [*stage.resources] == ["Queue"]
    assert f"deploy {shop.stack} in us-east-1 at {shop.directory}" in shop.lines
    assert not stage.is_kept
    stage.close()
    assert f"remove {shop.stack} in us-east-1 at {shop.directory}" in shop.lines
    assert opening.described(shop.way, shop.stack) is None


def test_a_command_goes_where_the_stage_is_and_nowhere_else(tmp_path, monkeypatch):
    """Keys, roles and endpoints of the shell would lead it to another account than the one that was checked."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIASOMEBODYELSES")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    monkeypatch.setenv("AWS_ENDPOINT_URL_CLOUDFORMATION", "https://cloudformation.us-east-1.amazonaws.com")
    settings = load_settings(tmp_path, "dev", {"target": "aws"}, {})

    def seen(account):
        lines = []
        run_command("deploy", "env", settings, account, lines.append)
        return dict(line.split("=", 1) for line in lines if line.startswith("AWS_"))

    with_profile = seen(Account(region="eu-west-1", profile="sandbox"))
    assert with_profile["AWS_PROFILE"] == "sandbox"
    assert not {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} & set(with_profile)
    in_emulator = seen(Account(region="eu-west-1", endpoint_url="http://127.0.0.1:4566"))
    assert in_emulator["AWS_ACCESS_KEY_ID"] == "test"
    assert in_emulator["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    assert "AWS_ENDPOINT_URL_CLOUDFORMATION" not in in_emulator
    assert "AWS_SESSION_TOKEN" not in in_emulator


def test_without_a_command_to_remove_cloudformation_removes(shop):
    """What a run made, it takes away."""
    shop.open(deploy=command("deploy")).close()
    assert opening.described(shop.way, shop.stack) is None


def test_a_stack_that_is_there_is_attached_to(shop):
    """No command runs, and nothing is removed."""
    shop.open(deploy=command("deploy"), remove=command("remove"), keep=True).close()
    shop.lines.clear()
    shop.open(deploy=command("fail"), remove=command("fail")).close()
    assert shop.lines == []
    shop.way.client("cloudformation").delete_stack(StackName=shop.stack)


def test_the_last_lines_of_a_failing_command_are_shown(shop):
    """They have the reason; the first ones have been told already."""
    with pytest.raises(DeploymentFailed) as refused:
        shop.open(deploy=command("fail"))
    said = str(refused.value).splitlines()
    assert "The command of the setting `deploy` ended with exit code 3:" in said[0]
    assert said[-20:] == [f"  line {n}" for n in range(10, 30)]


def test_a_command_that_made_another_stack(shop):
    """The setting that says what it calls it."""
    with pytest.raises(TargetError, match=rf"has run, but there is no stack {shop.stack} .*\n.*stack_name"):
        shop.open(deploy=command("deploy", "elsewhere-{stage}"), remove=command("remove", "elsewhere-{stage}"))
    opening.described(shop.way, f"elsewhere-{shop.name}")
    shop.way.client("cloudformation").delete_stack(StackName=f"elsewhere-{shop.name}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "sls deploy -s {stag}",
            "deploy: 'sls deploy -s {stag}' has the unknown placeholder {stag}. Did you mean stage",
        ),
        ("sls deploy --aws-profile {profile}", "asks for {profile}, but no profile is set"),
    ],
)
def test_placeholders_are_checked(shop, text, message):
    """Before anything runs."""
    with pytest.raises(SettingsError, match=message):
        shop.open(deploy=text)


def test_placeholders_are_words_and_the_shell_s_own_braces_stay(shop):
    """`${HOME}` is the shell's; a service with a space is one word."""
    shop.open(deploy=f"echo {{stage}}-{{region}}-{{service}} ${{AWS_REGION}} && {command('deploy')}")
    assert f"{shop.name}-us-east-1-shop us-east-1" in shop.lines
