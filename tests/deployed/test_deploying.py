"""Standing a stack up by CloudFormation, bringing it up to date, and taking it away: on moto and on MiniStack, over HTTP."""

from __future__ import annotations

import json
import textwrap
import time
from dataclasses import replace

import pytest

from stagefright.errors import DeploymentFailed, StackNotReady, TargetError, TemplateError, UnsupportedOperation
from stagefright.ledger.kinds import Fate, kind_named
from stagefright.ledger.reading import Entry
from stagefright.settings import load_settings
from stagefright.targets import opening
from stagefright.targets.deploying import code_bucket
from stagefright.targets.deploying.change_sets import ChangeSet, new_token
from stagefright.targets.deploying.code_bucket import bucket_name
from stagefright.targets.deploying.deployer import Deployer
from stagefright.targets.run import Run
from stagefright.targets.stack import tags_of
from stagefright.targets.stack_states import HEALTHY

TEMPLATE = """
    Parameters:
      Depth: {Type: String, Default: shallow}
    Resources:
      Orders: {Type: AWS::SQS::Queue}
      News: {Type: AWS::SNS::Topic, Properties: {DisplayName: !Ref Depth}}
    Outputs:
      OrdersUrl: {Value: !Ref Orders}
      Depth: {Value: !Ref Depth}
"""
SAM = """
    Transform: AWS::Serverless-2016-10-31
    Resources:
      Greet:
        Type: AWS::Serverless::Function
        Properties: {Runtime: python3.12, Handler: app.greet, CodeUri: src}
"""
HANDLER = """
    def greet(event, context):
        print("somebody is here")
        return f"hello {event['name']}"
"""


@pytest.fixture
def shop(system):
    system.write("template.yaml", TEMPLATE)
    return system


def stack_of(system):
    return opening.described(system.way, system.stack)


def keys_in_bucket(system):
    s3 = system.way.client("s3")
    return {one["Key"] for one in s3.list_objects_v2(Bucket=bucket_name(system.way)).get("Contents", ())}


class TestOpening:
    """`open_stage` attaches to a stack that is there, and deploys one that is not."""

    def test_a_stage_that_is_not_there_is_deployed_and_removed_at_the_end(self, shop):
        """It carries the run's tags, which tell a sweep whose it is and until when."""
        stage = shop.open()
        assert stage.stack.status in HEALTHY
        assert stage.stack.tags == shop.run.tags(shop.name)
        assert {"stage", "run", "owner", "created", "expires"} == {tag.partition(":")[2] for tag in stage.stack.tags}
        stage.close()
        assert stack_of(shop) is None

    def test_a_stage_that_is_there_is_attached_to_and_stays(self, shop):
        """What a run did not make, it does not take away."""
        first = shop.open()
        second = shop.open()
        assert second.stack.id == first.stack.id
        assert second.is_kept
        second.close()
        assert stack_of(shop) is not None

    def test_a_stage_can_be_kept(self, shop):
        """`--keep-stage`: it stays, and its line in the ledger says that this is meant so."""
        shop.open(keep=True).close()
        assert stack_of(shop) is not None
        assert any("kept" in json.loads(line) for line in ledger_lines(shop))
        assert shop.remove() is True
        assert stack_of(shop) is None

    def test_the_stack_stands_in_the_ledger_before_it_is_made(self, shop, monkeypatch):
        """Whatever kills the run then, the ledger knows of it."""
        stage_deployer = shop.deployer()
        (deployer,) = stage_deployer.deployers
        noted = []

        def create(order):
            noted.extend(entry.name for entry in deployer.ledger.open_entries())
            assert stack_of(shop) is None

        monkeypatch.setattr(deployer, "_create", create)
        stage_deployer.deploy()
        assert noted == [shop.stack]

    def test_a_closed_stage_leaves_no_ledger(self, shop):
        """Nothing of it is left, so there is nothing to undo."""
        shop.open().close()
        assert ledger_lines(shop) == []

    def test_the_stack_may_have_a_name_of_its_own(self, shop):
        """`stack_name`, with stage and service in it."""
        stage = shop.open(stack_name="{stage}-of-the-{service}")
        assert stage.stack.name == f"{shop.name}-of-the-shop"

    def test_attaching_to_nothing_says_what_was_looked_for(self, shop):
        """For those who only want to attach, such as the workers of pytest-xdist."""
        with pytest.raises(TargetError, match=rf"There is no stack {shop.stack} in us-east-1 \(account \d+\)"):
            opening.attach(shop.name, shop.settings(), run=shop.run, account=shop.way)


def ledger_lines(system):
    files = (system.directory / ".stagefright" / "ledger").glob("*.jsonl")
    return [line for file in files for line in file.read_text().splitlines()]


class TestDeploying:
    """`deploy` creates, updates, or finds nothing to do."""

    def test_what_is_deployed_can_be_brought_up_to_date(self, shop):
        """The stack stays whose it is, with the tags that it has: new ones would be a change to each of its resources."""
        assert shop.deploy() == "created"
        before = opening.tags_of(stack_of(shop))
        shop.write(
            "template.yaml", TEMPLATE.replace("Orders: {Type", "More: {Type: AWS::SQS::Queue}\n      Orders: {Type")
        )
        assert shop.deploy() == "updated"
        stage = shop.open()
        assert "More" in stage.resources
        assert stage.stack.tags == before
        assert stage.outputs["OrdersUrl"] == stage.ref("Orders")
        shop.remove()

    def test_no_change_is_fine(self, ministack_system):
        """CloudFormation calls it a failure of the change set. (moto sees a change where there is none.)"""
        shop = ministack_system
        shop.write("template.yaml", TEMPLATE)
        shop.deploy()
        assert shop.deploy() == "unchanged"
        assert stack_of(shop)["StackStatus"] in HEALTHY
        shop.remove()

    def test_parameters_come_from_the_settings_and_stay(self, shop):
        """One that is not given again keeps its value, as `aws cloudformation deploy` has it."""
        shop.deploy(parameters={"Depth": "deep"})
        assert shop.open().outputs["Depth"] == "deep"
        more = TEMPLATE.replace("Orders: {Type", "More: {Type: AWS::SQS::Queue}\n      Orders: {Type")
        shop.write("template.yaml", more + "      Again: {Value: !Ref Depth}\n")
        shop.deploy()
        assert shop.open().outputs["Again"] == "deep"
        shop.remove()

    def test_an_unknown_parameter_is_refused_before_anything_is_made(self, shop):
        """With the nearest name that the template has."""
        with pytest.raises(
            TemplateError, match=r"Dept was given, but the template does not declare it\. Did you mean Depth"
        ):
            shop.open(parameters={"Dept": "deep"})
        assert stack_of(shop) is None

    def test_a_template_that_is_too_large_for_a_request_goes_by_way_of_the_bucket(self, shop):
        """51,200 bytes are what a request takes."""
        shop.write("template.yaml", TEMPLATE + f"    Metadata: {{Poem: '{'x' * 60_000}'}}\n")
        assert shop.open().stack.status in HEALTHY

    def test_progress_is_told_line_by_line(self, shop):
        """Whoever waits for CloudFormation wants to know what for."""
        shop.open()
        assert shop.lines[0] == f"creating the stack {shop.stack} in us-east-1"
        assert f"CREATE_COMPLETE              {shop.stack} (AWS::CloudFormation::Stack)" in shop.progress


class TestFailures:
    """What goes wrong is said with the resource, the reason, and the next step."""

    FAILING = """
        Resources:
          Fine: {Type: AWS::SQS::Queue}
          Taken: {Type: AWS::Events::EventBus, Properties: {Name: taken}, DependsOn: Fine}
          Never: {Type: AWS::SQS::Queue, DependsOn: Taken}
    """

    @pytest.fixture
    def failing(self, ministack_system):
        events = ministack_system.way.client("events")
        events.create_event_bus(Name="taken")
        ministack_system.write("template.yaml", self.FAILING)
        yield ministack_system
        events.delete_event_bus(Name="taken")

    def test_a_failed_stack_is_taken_back_and_its_cause_shown(self, failing):
        """The resource whose fault it was, with CloudFormation's reason; the ledger has nothing left to undo."""
        with pytest.raises(DeploymentFailed) as refused:
            failing.open()
        assert str(refused.value).splitlines() == [
            f"The stack {failing.stack} could not be created: it is ROLLBACK_COMPLETE.",
            "  Taken (AWS::Events::EventBus) CREATE_FAILED: EventBus already exists: taken",
        ]
        assert stack_of(failing) is None
        assert ledger_lines(failing) == []

    def test_a_failed_update_leaves_the_stack_as_it_was(self, failing):
        """It rolls back; what was there before stays, and nothing in the ledger waits for a sweep."""
        failing.write("template.yaml", "Resources: {Fine: {Type: AWS::SQS::Queue}}")
        failing.deploy()
        failing.write("template.yaml", self.FAILING)
        with pytest.raises(DeploymentFailed, match=r"could not be updated: it is UPDATE_ROLLBACK_COMPLETE\.\n  Taken "):
            failing.deploy()
        assert [*failing.open().resources] == ["Fine"]
        failing.remove()

    def test_an_interrupted_update_is_called_off(self, ministack_system, monkeypatch):
        """Ctrl-C: CloudFormation is told to go back to what the stack was."""
        shop = ministack_system
        shop.write("template.yaml", TEMPLATE)
        shop.deploy()
        shop.write(
            "template.yaml", TEMPLATE.replace("Orders: {Type", "More: {Type: AWS::SQS::Queue}\n      Orders: {Type")
        )
        called_off = []
        cloudformation = shop.way.client("cloudformation")
        monkeypatch.setattr(
            cloudformation, "cancel_update_stack", lambda **given: called_off.append(given["StackName"])
        )

        def interrupt(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr("stagefright.targets.deploying.change_sets.follow", interrupt)
        with pytest.raises(KeyboardInterrupt):
            shop.deploy()
        assert called_off == [stack_of(shop)["StackId"]]
        shop.remove()

    def test_an_interrupted_deployment_is_called_off(self, ministack_system, monkeypatch):
        """Ctrl-C: CloudFormation is told to delete what it began, and nobody waits for it."""
        system = ministack_system
        system.write("template.yaml", TEMPLATE)

        def interrupt(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr("stagefright.targets.deploying.change_sets.follow", interrupt)
        with pytest.raises(KeyboardInterrupt):
            system.open()
        assert len(ledger_lines(system)) > 0
        system.remove()
        assert stack_of(system) is None

    @pytest.mark.parametrize("moment", ["before it asks", "before it executes"])
    def test_a_stack_that_another_run_makes_meanwhile_stays(self, ministack_system, monkeypatch, moment):
        """Two runs find no stack and both set out to make it: the second fails, and does not take the first's away."""
        shop = ministack_system
        shop.write("template.yaml", TEMPLATE)
        other = opening.deployer_of(shop.name, shop.settings(), run=Run.begin(), account=shop.way)
        native = {"before it asks": Deployer._create, "before it executes": ChangeSet._is_worth_it}[moment]

        def meanwhile(self, *given):
            if getattr(self, "run", shop.run) is shop.run and not made:
                made.append(True)
                monkeypatch.setattr(*place, native)
                other.deploy()
            return native(self, *given)

        made = []
        place = (Deployer, "_create") if moment == "before it asks" else (ChangeSet, "_is_worth_it")
        monkeypatch.setattr(*place, meanwhile)
        with pytest.raises(Exception, match=r"(?i)exist|status|state"):
            shop.open()
        there = stack_of(shop)
        assert there is not None
        assert tags_of(there)["stagefright:run"] == other.deployers[0].run.id
        assert there["StackStatus"] == "CREATE_COMPLETE"
        other.remove()
        other.close()

    def test_a_sweep_knows_whose_a_stack_without_tags_is(self, ministack_system):
        """On AWS a stack gets its tags when its change set is executed; a run that dies before leaves a stack that blocks the next."""
        system, cloudformation = ministack_system, ministack_system.way.client("cloudformation")
        given = {"StackName": system.stack, "ChangeSetName": new_token("dead"), "ChangeSetType": "CREATE"}
        cloudformation.create_change_set(
            TemplateBody=json.dumps({"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}}), **given
        )
        kind, entry = kind_named("stack"), Entry(1, "stack", system.stack, system.name, time.time(), run="dead")
        assert kind.look(replace(entry, run="another"), system.way).fate is Fate.FOREIGN
        assert kind.look(entry, system.way).fate is Fate.DELETE
        kind.undo(entry, system.way)
        assert kind.look(entry, system.way).fate is Fate.AS_BEFORE

    def test_a_template_that_cloudformation_refuses(self, ministack_system):
        """Its own words, and no stack is left in review."""
        system = ministack_system
        system.write("template.yaml", "Resources: {Thing: {Type: AWS::No::Thing}}")
        with pytest.raises(
            DeploymentFailed, match=r"refuses the template .* Unrecognized resource types: \[AWS::No::Thing"
        ):
            system.open()
        assert stack_of(system) is None

    def test_a_project_without_a_template(self, ministack_system):
        """It can be attached to, not deployed."""
        system = ministack_system
        with pytest.raises(TemplateError, match=r"no template found"):
            system.open()

    def test_a_stack_that_is_no_more_than_a_change_set(self, ministack_system):
        """Attaching says what it is; it can be removed, and deploying begins anew."""
        system = ministack_system
        system.write("template.yaml", TEMPLATE)
        cloudformation = system.way.client("cloudformation")
        template = json.dumps({"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}})
        tags = [{"Key": key, "Value": value} for key, value in system.run.tags(system.name).items()]
        given = {"StackName": system.stack, "ChangeSetName": "idea", "ChangeSetType": "CREATE", "Tags": tags}
        cloudformation.create_change_set(TemplateBody=template, **given)
        with pytest.raises(StackNotReady, match="a change set that nobody has executed"):
            system.open()
        assert system.deploy() == "created"
        assert system.remove() is True


class TestOnAwsItself:
    """The way to AWS: credentials of the environment, and CloudFormation's own transforms."""

    @pytest.fixture
    def aws(self, ministack, tmp_path, monkeypatch):
        """MiniStack, taken for AWS: it is where the SDK's own settings lead."""
        monkeypatch.setenv("AWS_ENDPOINT_URL", ministack.endpoint_url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "123412341234")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.delenv("AWS_PROFILE", raising=False)
        return tmp_path

    def test_a_stage_is_deployed_with_the_user_s_own_credentials(self, aws):
        """MiniStack has an account for each key of twelve digits, so it shows whose they were."""
        (aws / "template.yaml").write_text("Resources: {Queue: {Type: AWS::SQS::Queue}}")
        lines = []
        settings = load_settings(aws, "real", {"target": "aws", "service": "shop"}, {})
        with opening.open_deployed("real", settings, progress=lines.append) as stage:
            assert stage.account.id == "123412341234"
            assert not stage.account.is_emulator
            assert ":123412341234:" in stage.stack.id
            with pytest.raises(UnsupportedOperation, match="is on AWS itself"):
                _ = stage.endpoint_url
        assert lines[-1].startswith("DELETE_COMPLETE")

    def test_transforms_are_left_to_cloudformation(self, aws):
        """It knows macros that nobody else does; here MiniStack says that it has none of them."""
        (aws / "src").mkdir()
        (aws / "src" / "app.py").write_text("")
        (aws / "template.yaml").write_text(textwrap.dedent(SAM))
        settings = load_settings(aws, "macro", {"target": "aws", "service": "shop"}, {})
        with pytest.raises(DeploymentFailed, match="AWS::Serverless-2016-10-31"):
            opening.open_deployed("macro", settings)


class TestCode:
    """Functions' code goes into a bucket of ours, by content."""

    @pytest.fixture
    def greeter(self, system):
        system.write("template.yaml", SAM)
        system.write("src/app.py", HANDLER)
        return system

    def test_sam_is_expanded_for_an_emulator(self, greeter):
        """AWS runs transforms itself; neither moto nor MiniStack has to."""
        stage = greeter.open()
        assert stage.resources["Greet"].type == "AWS::Lambda::Function"
        assert stage.resources["GreetRole"].type == "AWS::IAM::Role"

    def test_a_function_is_invoked(self, ministack_system):
        """By logical id, with its answer and the end of its log."""
        ministack_system.write("template.yaml", SAM)
        ministack_system.write("src/app.py", HANDLER)
        stage = ministack_system.open()
        answer = stage.invoke("Greet", {"name": "amy"})
        assert answer.payload == "hello amy"
        assert "somebody is here" in answer.log

    def test_the_same_code_is_sent_once(self, greeter):
        """Its name is its content."""
        deployer = greeter.deployer()
        deployer.deploy()
        assert len(deployer.deployers[0]._bucket.sent) == 1
        again = greeter.deployer()
        again.deploy()
        assert again.deployers[0]._bucket.sent == []
        greeter.remove()

    def test_the_bucket_is_closed_to_the_world_and_stays(self, greeter):
        """It is the account's; what was in it for this stage is gone with the stage."""
        before = greeter.open()
        s3, bucket = greeter.way.client("s3"), bucket_name(greeter.way)
        assert s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"] == {
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        }
        rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        assert rules[0]["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
        tags = {tag["Key"] for tag in s3.get_bucket_tagging(Bucket=bucket)["TagSet"]}
        assert tags == {"stagefright:owner", "stagefright:created"}
        mine = keys_in_bucket(greeter)
        assert len(mine) == 1
        key = mine.pop()
        found = s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
        assert {tag["Key"]: tag["Value"] for tag in found} == greeter.run.tags(greeter.name)
        before.close()
        assert key not in keys_in_bucket(greeter)

    def test_code_goes_with_the_stack_whoever_removes_it(self, greeter):
        """A worker deployed, the controller removes: the stack's own template says what was its."""
        greeter.write("template.yaml", SAM + f"    Metadata: {{Poem: '{'x' * 60_000}'}}\n")
        greeter.open(keep=True).close()
        assert {key.partition("/")[0] for key in keys_in_bucket(greeter)} == {"code", "templates"}
        greeter.remove()
        assert keys_in_bucket(greeter) == set()

    def test_code_that_goes_while_it_is_made_ours_is_sent_again(self, greeter, monkeypatch):
        """The stage that used it before is removed at that moment."""
        greeter.open(keep=True).close()
        [key] = [one for one in keys_in_bucket(greeter) if one.startswith("code/")]
        s3, native, bucket = greeter.way.client("s3"), code_bucket._users_of, bucket_name(greeter.way)

        def goes(client, *asked):
            users = native(client, *asked)
            s3.delete_object(Bucket=bucket, Key=key)
            return users

        monkeypatch.setattr(code_bucket, "_users_of", goes)
        greeter.name, greeter.stack = f"{greeter.name}-two", f"{greeter.stack}-two"
        greeter.deploy()
        monkeypatch.undo()
        assert key in keys_in_bucket(greeter)
        greeter.remove()

    def test_code_that_another_stage_makes_its_own_while_it_is_taken_away_stays(self, greeter, monkeypatch):
        """Between the question who uses it and the answer that deletes it, another stage of the same commit comes."""
        first = greeter.deployer()
        first.deploy()
        [key] = keys_in_bucket(greeter)
        s3, bucket, native = greeter.way.client("s3"), bucket_name(greeter.way), code_bucket._users_of

        def comes(client, *asked):
            users = native(client, *asked)
            s3.copy_object(
                Bucket=bucket,
                Key=key,
                CopySource={"Bucket": bucket, "Key": key},
                MetadataDirective="REPLACE",
                Metadata={code_bucket.STACK_METADATA: "shop-other"},
            )
            return users

        monkeypatch.setattr(code_bucket, "_users_of", comes)
        first.remove()
        monkeypatch.undo()
        assert keys_in_bucket(greeter) == {key}
        assert code_bucket.take_away_object(greeter.way, bucket, key, greeter.stack) is False
        assert code_bucket.take_away_object(greeter.way, bucket, key, "shop-other") is True
        assert keys_in_bucket(greeter) == set()
        assert "Versions" not in s3.list_object_versions(Bucket=bucket, Prefix=key)

    def test_a_bucket_without_versions(self, greeter):
        """One of another make: there is one version of each object, and it goes."""
        s3, bucket = greeter.way.client("s3"), f"plain-{greeter.name}"
        s3.create_bucket(Bucket=bucket)
        s3.put_object(Bucket=bucket, Key="code/x", Body=b"", Metadata={code_bucket.STACK_METADATA: "shop-a"})
        assert code_bucket.take_away_object(greeter.way, bucket, "code/x", "shop-b") is False
        assert code_bucket.take_away_object(greeter.way, bucket, "code/x", "shop-a") is True
        assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
        assert code_bucket.take_away_object(greeter.way, bucket, "code/x", "shop-a") is False
        s3.delete_bucket(Bucket=bucket)
        assert code_bucket.take_away_object(greeter.way, bucket, "code/x", "shop-a") is False

    def test_code_that_another_stage_uses_by_now_stays(self, greeter, emulator, tmp_path):
        """Two stages of the same commit share it."""
        first, second = greeter.deployer(), None
        first.deploy()
        key = keys_in_bucket(greeter).pop()
        other = type(greeter)(tmp_path, emulator)
        second = other.deployer()
        second.deploy()
        first.remove()
        assert key in keys_in_bucket(greeter)
        second.remove()
        assert key not in keys_in_bucket(greeter)
        other.close()


class TestNested:
    """Nested stacks come along, with the code that they name."""

    def test_resources_of_a_nested_stack_have_its_name_before_theirs(self, system):
        """`Inner.Waiting`."""
        system.write("inner.yaml", "Resources: {Waiting: {Type: AWS::SQS::Queue}}")
        system.write(
            "template.yaml",
            "Resources: {Inner: {Type: AWS::CloudFormation::Stack, Properties: {TemplateURL: inner.yaml}}}",
        )
        stage = system.open()
        assert "Waiting" in stage.ref("Inner.Waiting")
        assert stage.arn("Inner.Waiting").startswith("arn:aws:sqs:us-east-1:")


class TestRemoval:
    """What is removed, and what is left alone."""

    def test_the_content_of_buckets_and_the_logs_of_functions_go_too(self, ministack_system):
        """CloudFormation deletes neither."""
        system = ministack_system
        system.write("template.yaml", SAM + "      Pictures: {Type: AWS::S3::Bucket}\n")
        system.write("src/app.py", HANDLER)
        stage = system.open()
        bucket, group = stage.ref("Pictures"), f"/aws/lambda/{stage.ref('Greet')}"
        stage.client("s3").put_object(Bucket=bucket, Key="a", Body=b"a")
        stage.invoke("Greet", {"name": "amy"})
        logs = stage.client("logs")
        assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"] != []
        stage.close()
        assert stack_of(system) is None
        assert bucket not in [one["Name"] for one in stage.client("s3").list_buckets()["Buckets"]]
        assert logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"] == []

    def test_a_stack_that_others_made_is_left_alone(self, shop):
        """It lacks our tags; the message says how it can be removed all the same."""
        shop.way.client("cloudformation").create_stack(
            StackName=shop.stack, TemplateBody=json.dumps({"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}})
        )
        with pytest.raises(TargetError, match=r"was not deployed by Stagefright"):
            shop.remove()
        assert shop.remove(run=shop.run) is False
        assert stack_of(shop) is not None
        shop.way.client("cloudformation").delete_stack(StackName=shop.stack)

    def test_a_run_removes_what_it_made_itself(self, shop):
        """The controller of a distributed run removes what a worker deployed, and nothing that was there before."""
        shop.deploy()
        assert shop.remove(run=type(shop.run).begin()) is False
        assert shop.remove(run=shop.run) is True
        assert shop.remove(run=shop.run) is False
