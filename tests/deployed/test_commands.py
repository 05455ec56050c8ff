"""The settings `deploy` and `remove`: the commands of other tools, with what they say, and what becomes of a failure."""

from __future__ import annotations

import json
import shlex
import sys
import time
from datetime import UTC, datetime

import pytest

from stagefright.errors import DeploymentFailed, SettingsError, TargetError
from stagefright.ledger import files
from stagefright.ledger.kinds import Fate
from stagefright.ledger.reading import Entry, read
from stagefright.ledger.sweep import Wish
from stagefright.ledger.tagged import sweep_tagged
from stagefright.ledger.undo.stacks import BEGUN_WITHIN_S, made_by_command
from stagefright.settings import load_settings
from stagefright.targets import opening
from stagefright.targets.account import Account
from stagefright.targets.deploying import by_command
from stagefright.targets.deploying.commands import run_command
from stagefright.targets.run import Run, tag_list
from stagefright.targets.stack import tags_of

TOOL = """
import json, os, sys
import boto3

verb, stack = sys.argv[1:3]
cloudformation = boto3.client("cloudformation")
print(verb, stack, "in", os.environ["AWS_REGION"], "at", os.getcwd(), flush=True)
if verb == "deploy":
    if "STAGEFRIGHT_TAGS" in os.environ:
        print("variables", json.loads(os.environ["STAGEFRIGHT_TAGS"])["stagefright:run"], os.environ["STAGEFRIGHT_TAG_STAGE"])
    given = [word.split("=", 1) for word in sys.argv[3:] if word != "--tags"]
    tags = [{"Key": key, "Value": value} for key, value in given]
    template = open("plain.yaml").read()
    try:
        cloudformation.create_stack(StackName=stack, TemplateBody=template, Tags=tags)
        waiter = cloudformation.get_waiter("stack_create_complete")
    except cloudformation.exceptions.AlreadyExistsException:
        cloudformation.update_stack(StackName=stack, TemplateBody=template, Tags=[{"Key": "STAGE", "Value": "x"}, *tags])
        waiter = cloudformation.get_waiter("stack_update_complete")
    waiter.wait(StackName=stack, WaiterConfig={"Delay": 0.1})
elif verb == "pretend":
    pass
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


MANIFEST = {
    "version": "36.0.0",
    "artifacts": {
        name: {
            "type": "aws:cloudformation:stack",
            "environment": "aws://unknown-account/unknown-region",
            "properties": {"templateFile": f"{name}.template.json"},
        }
        for name in ("One", "Two")
    },
}


def described(shop):
    return opening.described(shop.way, shop.stack)


def ledgers(shop):
    return files.ledgers_of(shop.directory)


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


class TestTags:
    """Whose a stack is that a command made."""

    @pytest.mark.parametrize("placeholder", ["", " {tags}", " {tag_options}"])
    def test_the_command_passes_them_or_they_are_put_on_afterwards(self, shop, placeholder):
        """Either way the stack has all of them, and those that the tool gave it."""
        stage = shop.open(deploy=command("deploy") + placeholder)
        assert stage.stack.status == ("CREATE_COMPLETE" if placeholder else "UPDATE_COMPLETE")
        assert tags_of(described(shop)) == shop.run.tags(shop.name)
        assert (f"tagging the stack {shop.stack}" in shop.lines) is (placeholder == "")
        assert f"variables {shop.run.id} {shop.name}" in shop.lines
        stage.close()
        assert described(shop) is None
        assert ledgers(shop) == []

    def test_a_command_that_does_not_wait(self, shop, monkeypatch):
        """CloudFormation is still at work when it ends."""
        native, looked = by_command.described, []

        def at_work(account, name):
            looked.append(name)
            found = native(account, name)
            return found if len(looked) != 2 else {**found, "StackStatus": "CREATE_IN_PROGRESS"}

        monkeypatch.setattr(by_command, "described", at_work)
        shop.open(deploy=command("deploy")).close()
        assert looked[-1].startswith("arn:")
        assert f"tagging the stack {shop.stack}" in shop.lines

    def test_parameters_and_other_tags_stay(self, shop):
        """Only our tags are new; the resources have them too."""
        shop.write(
            "plain.yaml", "Parameters: {Name: {Type: String, Default: x}}\nResources: {Queue: {Type: AWS::SQS::Queue}}"
        )
        deploy = f"{command('deploy')} team=orders cost=7"
        shop.open(deploy=deploy, keep=True).close()
        assert tags_of(described(shop)) == {"team": "orders", "cost": "7", **shop.run.tags(shop.name)}
        assert [one["ParameterValue"] for one in described(shop)["Parameters"]] == ["x"]
        shop.remove()

    def test_a_sweep_on_another_machine_finds_it(self, shop):
        """It has no ledger of the run, and no command."""
        shop.run = Run("gone", "amy@laptop", 1e9, 1e9 + 60)
        shop.open(deploy=command("deploy"), keep=True).close()
        wish = Wish(now=time.time(), is_for_real=True, stage=shop.name)
        findings, troubles = sweep_tagged(shop.way, wish, living=(), known=())
        assert ([(one.what, one.fate) for one in findings], troubles) == ([(f"stack {shop.stack}", "deleted")], [])

    def test_without_the_permission_the_ledger_alone_knows(self, shop, monkeypatch):
        """The reason is told, with the way out; the run goes on, and removes the stack at its end."""
        cloudformation = shop.way.client("cloudformation")
        denial = "User: amy is not authorized to perform: cloudformation:UpdateStack on resource: x"

        def refuse(**_):
            raise cloudformation.exceptions.ClientError(
                {"Error": {"Code": "AccessDenied", "Message": denial}}, "UpdateStack"
            )

        monkeypatch.setattr(cloudformation, "update_stack", refuse)
        stage = shop.open(deploy=command("deploy"), keep=True)
        assert "the permission cloudformation:UpdateStack on x" in shop.progress
        assert "So the ledger on this machine alone knows whose the stack is" in shop.progress
        assert tags_of(described(shop)) == {}
        stage.close()
        assert shop.remove(run=Run.begin()) is False
        assert shop.remove(run=shop.run) is True
        assert described(shop) is None

    def test_a_tagging_that_fails_leaves_the_stack_as_it_was(self, shop, monkeypatch):
        """CloudFormation rolls it back; the resource and its reason are told."""
        monkeypatch.setattr(
            "stagefright.targets.deploying.tagging.follow", lambda *_: ("UPDATE_ROLLBACK_COMPLETE", "no leave to tag")
        )
        shop.open(deploy=command("deploy"), keep=True).close()
        assert (
            f"The stack {shop.stack} could not be tagged: it is UPDATE_ROLLBACK_COMPLETE.\n  no leave to tag"
            in shop.progress
        )
        shop.remove()

    def test_one_that_is_deployed_again_stays_whose_it_is(self, shop):
        """`up` runs the command again; a tool that writes its own tags over ours does not take the stage from its run."""
        settings = shop.settings(deploy=command("deploy"))
        first = Run.begin("first")
        stage, outcome = opening.bring_up(shop.name, settings, run=first, account=shop.way)
        stage.close()
        assert outcome == "created"
        shop.write("plain.yaml", "Resources: {Queue: {Type: AWS::SQS::Queue}, More: {Type: AWS::SQS::Queue}}")
        stage, outcome = opening.bring_up(
            shop.name, settings, run=shop.run, account=shop.way, progress=shop.lines.append
        )
        assert (outcome, sorted(stage.resources)) == ("updated", ["More", "Queue"])
        stage.close()
        assert "variables first" in shop.progress
        assert tags_of(described(shop)) == {"STAGE": "x", **first.tags(shop.name)}
        shop.remove()

    def test_what_somebody_else_deployed_is_not_deployed_over(self, shop):
        """Nor tagged, whatever the command would do."""
        shop.way.client("cloudformation").create_stack(StackName=shop.stack, TemplateBody=PLAIN)
        with pytest.raises(TargetError, match=r"was not deployed by Stagefright.*It was left as it is"):
            opening.bring_up(shop.name, shop.settings(deploy=command("fail")), run=shop.run, account=shop.way)
        shop.open(deploy=command("fail")).close()
        assert tags_of(described(shop)) == {}
        shop.way.client("cloudformation").delete_stack(StackName=shop.stack)


class TestMeanwhile:
    """Somebody else makes the stack after this run has looked and found none."""

    @pytest.fixture
    def faster(self, shop, monkeypatch):
        """They make it at that moment; with the tags of their run, or without."""

        def faster(tags, moment):
            native, made = getattr(by_command, moment), []

            def meanwhile(*given):
                if not made:
                    made.append(
                        shop.way.client("cloudformation").create_stack(
                            StackName=shop.stack, TemplateBody=PLAIN, Tags=tag_list(tags)
                        )
                    )
                return native(*given)

            monkeypatch.setattr(by_command, moment, meanwhile)

        yield faster
        shop.way.client("cloudformation").delete_stack(StackName=shop.stack)

    def test_just_before_the_command_is_asked_for(self, shop, faster):
        """The command would update it; it stays theirs at the end."""
        faster({}, "described")
        stage = shop.open(deploy=command("pretend"))
        assert stage.is_kept
        stage.close()
        assert tags_of(described(shop)) == {}
        assert shop.remove(run=shop.run) is False
        assert ledgers(shop) == []

    def test_just_before_the_command_begins(self, shop, faster):
        """Its tags say that it is another run's."""
        other = Run.begin("other")
        faster(other.tags(shop.name), "run_command")
        stage = shop.open(deploy=command("pretend"), remove=command("remove"))
        assert "somebody else has made the stack" in shop.progress
        assert "it is of run other" in shop.progress
        stage.close()
        assert tags_of(described(shop)) == other.tags(shop.name)
        assert shop.remove(run=shop.run) is False
        assert ledgers(shop) == []

    def test_one_of_that_name_that_came_later(self, shop):
        """The stack that the command made was removed, and somebody has made another: its id tells."""
        stage = shop.open(deploy=f"{command('deploy')} {{tags}}", keep=True)
        stage.close()
        [entry] = [one for one in read(ledgers(shop)[0]).open_entries if one.kind == "stack"]
        cloudformation = shop.way.client("cloudformation")
        cloudformation.delete_stack(StackName=shop.stack)
        cloudformation.create_stack(StackName=shop.stack, TemplateBody=PLAIN)
        assert made_by_command(entry, described(shop)).fate is Fate.FOREIGN
        assert shop.remove(run=shop.run) is False
        cloudformation.delete_stack(StackName=shop.stack)


def test_a_command_that_does_not_remove(shop):
    """The stack still stands, so its line in the ledger does too."""
    stage = shop.open(deploy=command("deploy"), remove=command("pretend"))
    with pytest.raises(
        DeploymentFailed, match=rf"`remove` has run, but the stack {shop.stack} .* is still there, and is "
    ):
        stage.close()
    assert ledgers(shop) != []
    assert shop.remove() is True
    assert described(shop) is None


def test_of_several_stacks_one_command_removes_all(shop):
    """It is run once, by the run that made them and by `down`."""
    shop.write("cdk.out/manifest.json", json.dumps(MANIFEST))
    for name in ("One", "Two"):
        shop.write(
            f"cdk.out/{name}.template.json", json.dumps({"Resources": {f"{name}Q": {"Type": "AWS::SQS::Queue"}}})
        )
    shop.write(
        "tool.py",
        TOOL.replace(
            "cloudformation.delete_stack(StackName=stack)",
            "cloudformation.delete_stack(StackName=stack + '-One'); cloudformation.delete_stack(StackName=stack + '-Two')",
        ),
    )
    for end in ("the run", "down"):
        stage = shop.open(stack="*", remove=command("remove"), keep=end == "down")
        assert len(stage.resources) == 2
        stage.close()
        if end == "down":
            settings = shop.settings(stack="*", remove=command("remove"))
            opening.remove(shop.name, settings, account=shop.way, progress=shop.lines.append)
        assert [line for line in shop.lines if line.startswith("remove ")] == [
            f"remove {shop.stack} in us-east-1 at {shop.directory}"
        ]
        assert opening.described(shop.way, f"{shop.stack}-Two") is None
        shop.lines.clear()


def test_the_last_lines_of_a_failing_command_are_shown(shop):
    """They have the reason; the first ones have been told already."""
    with pytest.raises(DeploymentFailed) as refused:
        shop.open(deploy=command("fail"))
    said = str(refused.value).splitlines()
    assert "The command of the setting `deploy` ended with exit code 3:" in said[0]
    assert said[-20:] == [f"  line {n}" for n in range(10, 30)]


@pytest.mark.parametrize("verb", ["fail", "pretend"])
def test_a_command_that_made_nothing_has_no_claim_on_what_comes_later(shop, verb):
    """Whoever deploys by hand afterwards, without tags, keeps that: from a sweep as from `down`."""
    with pytest.raises(TargetError):
        shop.open(deploy=command(verb))
    shop.way.client("cloudformation").create_stack(StackName=shop.stack, TemplateBody=PLAIN)
    assert ledgers(shop) == []
    assert shop.remove(run=shop.run) is False
    assert described(shop) is not None
    shop.way.client("cloudformation").delete_stack(StackName=shop.stack)


def test_a_command_that_fails_at_the_end_leaves_a_stack_that_is_known_by_its_id(shop):
    """A sweep takes it away, and no other of that name."""
    with pytest.raises(DeploymentFailed):
        shop.open(deploy=f"{command('deploy')} && exit 3")
    [entry] = [one for one in read(ledgers(shop)[0]).open_entries if one.kind == "stack"]
    assert entry.detail["stack_id"] == described(shop)["StackId"]
    assert shop.remove(run=shop.run) is True


def test_a_stack_that_came_long_after_a_command_that_was_killed_is_not_its_own():
    """Only its age can tell, since the run died before it knew the id; tags of the run tell more."""
    entry = Entry(1, "stack", "shop", "dev", 1e9, detail={"untagged": True, "began": 1e9}, run="run1")

    def fate(after_s, tags=()):
        stack = {"StackId": "x", "CreationTime": datetime.fromtimestamp(1e9 + after_s, UTC), "Tags": list(tags)}
        return made_by_command(entry, stack).fate

    assert fate(BEGUN_WITHIN_S - 1) is Fate.DELETE
    assert fate(BEGUN_WITHIN_S + 1) is Fate.FOREIGN
    assert fate(BEGUN_WITHIN_S + 1, tag_list({"stagefright:run": "run1"})) is Fate.DELETE


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
