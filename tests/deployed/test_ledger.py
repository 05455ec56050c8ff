"""What dead runs left, and the sweep that brings it back: against a moto server, over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from stagefright.data import Data
from stagefright.errors import HarnessError, UsageError
from stagefright.fixtures import cli
from stagefright.ledger import files
from stagefright.ledger.findings import Finding, Lease, listing
from stagefright.ledger.kinds import Fate, State, kind_named, register
from stagefright.ledger.leaks import LeakWatch
from stagefright.ledger.ledger import Ledger
from stagefright.ledger.sweep import Sweep, Wish
from stagefright.ledger.tagged import sweep_tagged
from stagefright.ledger.undo.stacks import Stacks
from stagefright.ledger.values import INLINE_BYTES_MAX, fingerprint
from stagefright.targets.account import Account
from stagefright.targets.pulse import prolong
from stagefright.targets.run import Run, iso, tag_list
from tests.deployed.kill_runs import differences, snapshot

DAY_S = 86400
PARTS = {
    "Items": ("AWS::DynamoDB::Table", "items"),
    "Plain": ("AWS::S3::Bucket", "plain"),
    "Versioned": ("AWS::S3::Bucket", "versioned"),
    "Rate": ("AWS::SSM::Parameter", "rate"),
}


@pytest.fixture
def way(account):
    """The account as a run reaches it, with a system in it."""
    found = Account(region="us-east-1", endpoint_url=account.endpoint_url)
    dynamodb, s3, ssm = found.client("dynamodb"), found.client("s3"), found.client("ssm")
    dynamodb.create_table(
        TableName="items",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    dynamodb.put_item(TableName="items", Item={"id": {"S": "old"}, "price": {"N": "1.50"}, "raw": {"B": b"\0\xff"}})
    for bucket in ("plain", "versioned"):
        s3.create_bucket(Bucket=bucket)
        if bucket != "plain":
            s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        s3.put_object(
            Bucket=bucket,
            Key="old",
            Body=b"old\0\xff",
            ContentType="image/png",
            Metadata={"by": "amy"},
            Tagging="a=1&b=2",
        )
        s3.put_object(Bucket=bucket, Key="big", Body=b"x" * (INLINE_BYTES_MAX + 1))
    ssm.put_parameter(Name="rate", Value="1.00", Type="String")
    ssm.put_parameter(Name="/shop/key", Value="hunter2", Type="SecureString")
    found.client("secretsmanager").create_secret(Name="password", SecretString="old")
    found.client("secretsmanager").create_secret(Name="binary", SecretBinary=b"\0old")
    return found


@pytest.fixture
def pool(way):
    """A user pool with a group and a user."""
    cognito = way.client("cognito-idp")
    pool = cognito.create_user_pool(PoolName="pool")["UserPool"]["Id"]
    cognito.create_group(UserPoolId=pool, GroupName="admins")
    attributes = [{"Name": "email", "Value": "old@example.test"}]
    cognito.admin_create_user(UserPoolId=pool, Username="old", UserAttributes=attributes, MessageAction="SUPPRESS")
    return pool


class Stage:
    """As much of a deployed stage as test data needs."""

    is_here = True
    target = "aws"

    def __init__(self, project, way, run, name="my-feature"):
        self.name, self.run, self.client = name, run, way.client
        self.ledger = Ledger(project, run=run, stage=name, account=way)
        self.resources = {
            logical: SimpleNamespace(type=kind, physical_id=name) for logical, (kind, name) in PARTS.items()
        }
        self.settings = SimpleNamespace(leak_scan=True)
        self.left = {}

    def name_of(self, spelling):
        return spelling

    def ref(self, logical_id):
        return self.resources[logical_id].physical_id if logical_id in self.resources else logical_id

    def die(self):
        """End as a process that is killed does: its file is let go, and nothing is taken away."""
        self.ledger.close()


@pytest.fixture
def run():
    return Run.begin("run1", lease="1h")


@pytest.fixture
def stage(new_stage, run):
    return new_stage(run)


@pytest.fixture
def new_stage(tmp_path, way):
    """Makes the stage of a run; each has a ledger of its own."""
    made = []

    def new_stage(run):
        made.append(Stage(tmp_path, way, run))
        return made[-1]

    yield new_stage
    for one in made:
        one.ledger.close()


@pytest.fixture
def sweep(tmp_path, way):
    """Sweep the ledgers, a day later and for real unless told otherwise; gives what became of each thing."""

    def sweep(*, is_for_real=True, now=None, **wish):
        wish = Wish(now=time.time() + DAY_S if now is None else now, is_for_real=is_for_real, **wish)
        sweep.last = Sweep(tmp_path, wish, lambda head: way)
        return {finding.what: finding.fate for finding in sweep.last.run()}

    return sweep


def put_everything(stage, pool):
    """All that data can do, on things that are new and on things that are there."""
    data = Data(stage)
    data.item("Items", {"id": "new", "n": 1.5, "tags": {"b", "a"}, "raw": b"\1"})
    data.item("Items", {"id": "old", "price": 2})
    for bucket in ("Plain", "Versioned"):
        data.object(bucket, "new", "new")
        data.object(bucket, "old", "first")
        data.object(bucket, "old", "second")
        data.object(bucket, "big", b"small")
    data.parameter("/shop/new", "1")
    data.parameter("/shop/hidden", "1", secure=True)
    data.parameter("Rate", 0.93)
    data.parameter("/shop/key", "other")
    data.secret("new", {"user": "amy"})
    data.secret("password", "new")
    data.secret("binary", "new")
    data.user(pool, "amy", password="Secret-2026!", attributes={"email": "amy@example.test"}, groups=["admins"])
    data.user(pool, "old", attributes={"email": "new@example.test", "nickname": "o"}, groups=["admins"])
    return data


def details(way):
    """What a snapshot does not have: headers and tags of objects."""
    s3 = way.client("s3")
    head, tags = s3.head_object(Bucket="plain", Key="old"), s3.get_object_tagging(Bucket="plain", Key="old")["TagSet"]
    return head["ContentType"], head["Metadata"], sorted((tag["Key"], tag["Value"]) for tag in tags)


class TestData:
    """Test data on a stage that others may see."""

    def test_is_taken_away_by_the_test(self, way, stage, pool, tmp_path):
        """Everything is as it was, headers and versions included, and the ledger is gone."""
        before = snapshot(way), details(way)
        data = put_everything(stage, pool)
        assert len(stage.ledger.open_entries()) == 19
        changed = {told.split()[1] for told in differences(before[0], snapshot(way))}
        assert changed == {"table", "bucket", "parameter", "secret", "user"}

        data.clean_up()
        stage.ledger.close()

        assert differences(before[0], snapshot(way)) == []
        assert details(way) == before[1]
        assert files.ledgers_of(tmp_path) == []

    def test_is_taken_away_by_a_sweep_if_the_run_dies(self, way, stage, pool, sweep, tmp_path):
        """The same, by the ledger alone; and a second sweep has nothing to do."""
        before = snapshot(way), details(way)
        put_everything(stage, pool)
        stage.die()

        fates = sweep()

        assert set(fates.values()) == {"deleted", "restored"}
        assert differences(before[0], snapshot(way)) == []
        assert details(way) == before[1]
        assert files.ledgers_of(tmp_path) == []
        assert sweep() == {}

    def test_a_kill_before_the_act(self, way, stage, sweep):
        """The line is there and the thing is not: nothing is touched, and what is there is not taken for the run's."""
        before = snapshot(way)
        stage.ledger.note("item", "items", wrote="x", key={"id": {"S": "new"}})
        stage.ledger.note(
            "item",
            "items",
            before={"id": {"S": "old"}, "price": {"N": "1.5"}, "raw": {"B": b"\0\xff"}},
            wrote="x",
            key={"id": {"S": "old"}},
        )
        stage.ledger.note("object", "plain", wrote="x", key="new")
        stage.ledger.note("parameter", "new", wrote="x")
        stage.ledger.note("secret", "new", wrote="x")
        stage.ledger.note("queue", "stagefright-my-feature-run1-1")
        stage.ledger.note("rule", "stagefright-my-feature-run1-1", bus="default")
        stage.ledger.note("stack", "shop-my-feature")
        stage.ledger.note("code_object", "plain", key="code")
        stage.ledger.note(
            "subscription", "arn:aws:sns:us-east-1:123456789012:t", endpoint="arn:aws:sqs:us-east-1:123456789012:q"
        )
        stage.die()

        fates = sweep()

        assert set(fates.values()) == {"gone already", "as it was already"}
        assert differences(before, snapshot(way)) == []

    def test_is_tagged(self, way, stage):
        """What is new carries the run's tags, so that a sweep on another machine finds it too."""
        data = Data(stage)
        data.secret("new", "x")
        data.parameter("/new", "x")
        tags = stage.run.tags("my-feature")

        described = way.client("secretsmanager").describe_secret(SecretId="new")["Tags"]
        listed = way.client("ssm").list_tags_for_resource(ResourceType="Parameter", ResourceId="/new")["TagList"]

        assert {tag["Key"]: tag["Value"] for tag in described} == tags
        assert {tag["Key"]: tag["Value"] for tag in listed} == tags

    def test_a_refused_call_leaves_no_line(self, way, stage):
        """AWS said no, so there is nothing to undo."""
        with pytest.raises(Exception, match="NoSuchBucket"):
            Data(stage).object("nowhere", "k", "x")
        with pytest.raises(Exception, match="ValidationException"):
            Data(stage).parameter("aws-reserved", "x")

        assert stage.ledger.open_entries() == []

    def test_a_half_made_user_is_taken_away(self, way, stage, pool):
        """The user was made, and the password refused."""
        data = Data(stage)
        with pytest.raises(Exception, match="Password"):
            data.user(pool, "amy", password="x")
        data.clean_up()

        assert [user["Username"] for user in way.client("cognito-idp").list_users(UserPoolId=pool)["Users"]] == ["old"]

    def test_what_cannot_be_brought_back_is_not_begun(self, way, stage, pool):
        """A password that cannot be read, a type that cannot be changed, a group that is not there."""
        data = Data(stage)
        with pytest.raises(UsageError, match="has a user 'old' already"):
            data.user(pool, "old", password="Secret-2026!")
        with pytest.raises(UsageError, match="no group 'admin'"):
            data.user(pool, "amy", groups=["admin"])
        with pytest.raises(UsageError, match="nobody change a parameter's type"):
            data.parameter("Rate", "1", secure=True)

        assert stage.ledger.open_entries() == []


class TestSweep:
    """What is undone, and what is not."""

    def left(self, stage):
        Data(stage).item("Items", {"id": "old", "price": 2})
        stage.die()

    def test_looks_only_unless_it_is_for_real(self, way, stage, pool, sweep):
        """It says of each thing what it would do, of one that was overwritten twice too."""
        put_everything(stage, pool)
        stage.die()
        before = snapshot(way)

        fates = sweep(is_for_real=False)

        assert set(fates.values()) == {"would be deleted", "would be restored"}
        assert differences(before, snapshot(way)) == []
        assert set(sweep().values()) == {"deleted", "restored"}

    def test_a_run_that_lives_is_left_alone(self, way, stage, sweep):
        """Long past its lease, or named: it holds its ledger."""
        Data(stage).item("Items", {"id": "old", "price": 2})
        before = snapshot(way)

        assert sweep() == {}
        assert sweep(run="run1") == {}

        assert sweep.last.living == {"run1"}
        assert differences(before, snapshot(way)) == []

    def test_one_process_of_a_run_that_lives_keeps_the_others(self, stage, sweep, new_stage, run):
        """A worker of pytest-xdist that crashed is not swept while its run goes on."""
        self.left(stage)
        living = new_stage(run)
        living.ledger.note("queue", "q")

        assert sweep() == {}

    def test_a_lease_that_is_not_over(self, way, stage, sweep, run):
        """It is told until when; who names the run need not wait."""
        self.left(stage)
        now = time.time()

        assert sweep(now=now) == {}
        assert sweep.last.held_back == {"run1": run.expires}
        assert sweep(now=now, run="run2") == {}
        assert sweep(now=now, run="run1") == {"item items id=old": "restored"}

    def test_of_one_stage(self, way, stage, sweep, tmp_path):
        """The others' things stay."""
        self.left(stage)

        assert sweep(stage="other") == {}
        assert sweep(stage="my-feature") == {"item items id=old": "restored"}

    @pytest.mark.parametrize("pattern", ["my-*", "my-feature"])
    def test_a_protected_stage(self, way, stage, sweep, pattern):
        """Never."""
        self.left(stage)
        before = snapshot(way)

        assert sweep(protected=(pattern,)) == {"item items id=old": "protected: left alone"}
        assert differences(before, snapshot(way)) == []

    def test_what_somebody_changed_since(self, way, stage, sweep):
        """It is told and left alone, again and again; --changed brings it back."""
        before = snapshot(way)
        self.left(stage)
        item = {"id": {"S": "old"}, "price": {"N": "3"}}
        way.client("dynamodb").put_item(TableName="items", Item=item)

        for _ in range(2):
            [fate] = sweep().values()
            assert "changed by somebody since: left alone" in fate
            assert any(finding.is_trouble for finding in sweep.last.findings)
        assert way.client("dynamodb").get_item(TableName="items", Key={"id": {"S": "old"}})["Item"] == item

        assert sweep(is_forceful=True) == {"item items id=old": "restored"}
        assert differences(before, snapshot(way)) == []

    def test_what_somebody_deleted_since(self, way, stage, sweep):
        """It is not made again."""
        self.left(stage)
        way.client("dynamodb").delete_item(TableName="items", Key={"id": {"S": "old"}})

        assert "changed by somebody since (it was deleted)" in sweep()["item items id=old"]

    def test_a_version_that_somebody_put_on_top(self, way, stage, sweep):
        """In a bucket with versions only what the run put goes."""
        s3 = way.client("s3")
        Data(stage).object("Versioned", "old", "run's")
        s3.put_object(Bucket="versioned", Key="old", Body=b"somebody's")
        stage.die()

        sweep()

        bodies = [
            s3.get_object(Bucket="versioned", Key="old", VersionId=one["VersionId"])["Body"].read()
            for one in s3.list_object_versions(Bucket="versioned", Prefix="old")["Versions"]
        ]
        assert bodies == [b"somebody's", b"old\0\xff"]

    def test_two_dead_runs_that_overwrote_the_same(self, way, new_stage, sweep, tmp_path):
        """The later one's comes back first, whatever the names of their ledgers."""
        before = snapshot(way)
        for name, price in (("zzz", 2), ("aaa", 3), ("mmm", 4)):
            dead = new_stage(Run.begin(name, lease="1h"))
            Data(dead).item("Items", {"id": "old", "price": price})
            dead.die()

        assert set(sweep(is_for_real=False).values()) <= {"would be restored"}
        sweep()

        assert differences(before, snapshot(way)) == []
        assert files.ledgers_of(tmp_path) == []

    def test_a_table_that_is_gone(self, way, stage, sweep):
        """With everything in it, so there is nothing to undo."""
        self.left(stage)
        way.client("dynamodb").delete_table(TableName="items")

        assert sweep() == {"item items id=old": "as it was already"}

    def test_a_queue_of_somebody_else(self, way, stage, sweep):
        """It has the name, and the tags of another run."""
        way.client("sqs").create_queue(QueueName="q", tags=Run.begin("run2").tags("other"))
        stage.ledger.note("queue", "q")
        stage.die()

        assert sweep() == {"queue q": "not this run's (it is of run run2): left alone"}
        assert way.client("sqs").list_queues()["QueueUrls"]

    def test_one_that_fails_does_not_keep_the_others(self, way, stage, sweep):
        """It is told, and tried again by the next sweep."""

        class Stubborn:
            def look(self, entry, account):
                return State(Fate.DELETE)

            def undo(self, entry, account):
                raise OSError("not today")

        register("stubborn", Stubborn)
        stage.ledger.note("queue", "q")
        stage.ledger.note("stubborn", "mule")
        stage.ledger.note("unheard-of", "thing")
        stage.die()

        fates = sweep()

        assert fates["queue q"] == "gone already"
        assert fates["stubborn mule"] == "failed: not today"
        assert fates["unheard-of thing"].startswith(
            "failed: Nothing here can undo a 'unheard-of'. Known kinds: claim, code_bucket"
        )
        assert set(sweep()) == {"stubborn mule", "unheard-of thing"}

    def test_forgotten(self, way, stage, sweep, tmp_path):
        """Everything stays as it is, and the ledger goes."""
        self.left(stage)
        before = snapshot(way)

        assert sweep(run="run1", is_forgetful=True) == {"item items id=old": "forgotten"}

        assert differences(before, snapshot(way)) == []
        assert files.ledgers_of(tmp_path) == []

    def test_for_a_container_no_account_is_asked(self, stage, tmp_path):
        """Its emulator may never have been up, and the setting `accounts` is about accounts of AWS."""
        seen = []
        probe = SimpleNamespace(look=lambda entry, account: seen.append(account) or State(Fate.AS_BEFORE), undo=None)
        real = kind_named("container")
        register("container", lambda: probe)

        def refuse(head):
            raise UsageError("this account is not allowed")

        try:
            stage.ledger.note("container", "stagefright-my-feature-run1")
            stage.die()
            [finding] = Sweep(tmp_path, Wish(now=time.time() + DAY_S, is_for_real=True), refuse).run()
        finally:
            register("container", lambda: real)
        assert finding.fate == "gone already"
        with pytest.raises(HarnessError, match="is in no account"):
            seen[0].client("s3")

    def test_what_was_in_a_container_goes_with_it(self, way, stage, sweep):
        """The emulator that it was in is not asked."""

        class Containers:
            removed = False

            def look(self, entry, account):
                return State(Fate.AS_BEFORE if self.removed else Fate.DELETE)

            def undo(self, entry, account):
                Containers.removed = True

        real, made = kind_named("container"), Containers()
        register("container", lambda: made)
        try:
            stage.ledger.note("container", "stagefright-my-feature-run1")
            stage.ledger.note("item", "items", wrote="x", key={"id": {"S": "old"}})
            stage.die()

            fates = sweep()
        finally:
            register("container", lambda: real)

        assert fates == {
            "container stagefright-my-feature-run1": "deleted",
            "item items id=old": "gone with its container",
        }

    def test_a_user_that_was_there_before(self, stage, pool, sweep, tmp_path):
        """A run that died before it made a user does not take away one who has the name since long."""
        stage.ledger.note("user", "old", pool=pool, attributes={}, groups=[])
        stage.die()
        [path] = files.ledgers_of(tmp_path)
        lines = path.read_text().splitlines()
        row = json.loads(lines[1])
        path.write_text("\n".join([lines[0], json.dumps({**row, "at": row["at"] + DAY_S})]) + "\n")

        assert sweep() == {"user old": "not this run's (it was there before the run): left alone"}


class TestTags:
    """What runs on other machines left."""

    def leave(self, way, tags):
        """A queue, a rule, a secret and a parameter, tagged."""
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        way.client("sqs").create_queue(QueueName="stagefright-q", tags=tags)
        events = way.client("events")
        events.put_rule(Name="stagefright-r", EventPattern='{"source": ["x"]}', Tags=listed)
        events.put_targets(
            Rule="stagefright-r", Targets=[{"Id": "1", "Arn": "arn:aws:sqs:us-east-1:123456789012:stagefright-q"}]
        )
        way.client("secretsmanager").create_secret(Name="new", SecretString="x", Tags=listed)
        way.client("ssm").put_parameter(Name="/new", Value="x", Type="String", Tags=listed)

    def swept(self, way, *, living=(), known=(), **wish):
        wish = Wish(**{"now": time.time(), "is_for_real": True, **wish})
        findings, troubles = sweep_tagged(way, wish, living=living, known=known)
        assert troubles == []
        return {finding.what: finding.fate for finding in findings}

    @pytest.fixture
    def old_tags(self):
        return replace(Run.begin("far-away"), created=1e9, expires=1e9 + 3600).tags("my-feature")

    def test_past_expiry_with_all_tags(self, way, old_tags):
        """They are deleted, a rule with its targets."""
        before = snapshot(way)
        self.leave(way, old_tags)

        expected = {"queue stagefright-q", "rule stagefright-r", "secret new", "parameter /new"}
        assert self.swept(way, is_for_real=False) == dict.fromkeys(expected, "would be deleted")
        assert self.swept(way) == dict.fromkeys(expected, "deleted")
        assert differences(before, snapshot(way)) == []

    @pytest.mark.parametrize("missing", ["stage", "run", "owner", "created", "expires"])
    def test_a_tag_that_is_missing(self, way, old_tags, missing):
        """Then it may be anybody's."""
        self.leave(way, {key: value for key, value in old_tags.items() if not key.endswith(missing)})

        assert self.swept(way) == {}

    def test_before_expiry(self, way):
        """The run may live; naming it does not change that, since its lock cannot be seen from here."""
        self.leave(way, Run.begin("run2").tags("my-feature"))

        assert self.swept(way) == {}
        assert self.swept(way, run="run2") == {}

    def test_a_run_that_is_known_to_live_or_whose_ledger_is_here(self, way, old_tags):
        """The lock, and the ledger, know better than a tag."""
        self.leave(way, old_tags)
        known = [("queue", "stagefright-q"), ("rule", "stagefright-r"), ("secret", "new"), ("flag", "/new")]

        assert self.swept(way, living=["far-away"]) == {}
        assert self.swept(way, known=known) == {}

    def test_other_stages_and_protected_ones(self, way, old_tags):
        """As with ledgers."""
        self.leave(way, old_tags)

        assert self.swept(way, stage="other") == {}
        assert set(self.swept(way, protected=("my-*",)).values()) == {"protected: left alone"}

    def test_a_stack_and_what_is_in_it(self, way, old_tags):
        """A stack goes as a whole; what is in one that stays is left alone, although it carries the stack's tags."""
        listed = [{"Key": key, "Value": value} for key, value in old_tags.items()]
        young = [{"Key": key, "Value": value} for key, value in Run.begin("run2").tags("other").items()]
        queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "stagefright-part", "Tags": listed}}
        for name, tags, resources in (
            ("old", listed, {"Topic": {"Type": "AWS::SNS::Topic"}}),
            ("young", young, {"Queue": queue}),
        ):
            way.client("cloudformation").create_stack(
                StackName=name, Tags=tags, TemplateBody=json.dumps({"Resources": resources})
            )

        assert self.swept(way) == {"stack old": "deleted"}
        assert [one["StackName"] for one in way.client("cloudformation").describe_stacks()["Stacks"]] == ["young"]
        assert way.client("sqs").get_queue_url(QueueName="stagefright-part")

    @pytest.mark.parametrize(
        ("tags", "fate"),
        [("anew", "not this run's (it is of run run2): left alone"), ("prolonged", "in use by now: left alone")],
    )
    def test_a_stack_that_somebody_has_taken_up_meanwhile(self, way, old_tags, monkeypatch, tags, fate):
        """The one before it took minutes to go, and stacks go by their names."""
        cloudformation, native, old = way.client("cloudformation"), Stacks.undo, Run("far-away", "amy@x", 1e9, 1e9 + 60)
        text = json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}})
        for name in ("a", "b"):
            cloudformation.create_stack(StackName=name, Tags=tag_list(old_tags), TemplateBody=text)

        def undo(kind, entry, account):
            native(kind, entry, account)
            if tags == "anew":
                cloudformation.delete_stack(StackName="b")
                young = tag_list(Run.begin("run2").tags("my-feature"))
                cloudformation.create_stack(StackName="b", Tags=young, TemplateBody=text)
            else:
                prolong(way, stage="my-feature", run=old, by=Run.begin("run2"))

        monkeypatch.setattr(Stacks, "undo", undo)

        assert self.swept(way) == {"stack a": "deleted", "stack b": fate}
        assert [one["StackName"] for one in cloudformation.describe_stacks()["Stacks"]] == ["b"]

    def test_what_is_in_a_nested_stack(self, ministack, old_tags):
        """It is a part as well, and so is the nested stack, of which an emulator does not say that it is one."""
        way, tags = ministack.way, tag_list(Run.begin("run3").tags("other"))
        s3, cloudformation = way.client("s3"), way.client("cloudformation")
        queue = {
            "Type": "AWS::SQS::Queue",
            "Properties": {"QueueName": "stagefright-inner", "Tags": tag_list(old_tags)},
        }
        s3.create_bucket(Bucket="nests")
        s3.put_object(Bucket="nests", Key="inner.json", Body=json.dumps({"Resources": {"Queue": queue}}).encode())
        nested = {
            "Type": "AWS::CloudFormation::Stack",
            "Properties": {
                "TemplateURL": "https://s3.us-east-1.amazonaws.com/nests/inner.json",
                "Tags": tag_list(old_tags),
            },
        }
        cloudformation.create_stack(
            StackName="outer", Tags=tags, TemplateBody=json.dumps({"Resources": {"Inner": nested}})
        )
        cloudformation.get_waiter("stack_create_complete").wait(StackName="outer", WaiterConfig={"Delay": 0.1})

        assert self.swept(way) == {}
        assert way.client("sqs").get_queue_url(QueueName="stagefright-inner")
        cloudformation.delete_stack(StackName="outer")

    def test_a_parameter_goes_by_its_own_name(self, way, old_tags, monkeypatch):
        """The ARNs of `a` and `/a` are the same, so SSM is asked which of them there is; a longer path needs no asking."""
        ssm, mine = way.client("ssm"), tag_list(old_tags)
        for name in ("a", "/b", "/c/d"):
            ssm.put_parameter(Name=name, Value="1", Type="String", Tags=mine)
        ssm.put_parameter(Name="e", Value="1", Type="String")
        arn = "arn:aws:ssm:us-east-1:123456789012:parameter/"
        page = {
            "ResourceTagMappingList": [{"ResourceARN": arn + name, "Tags": mine} for name in ("a", "b", "c/d", "e")]
        }
        tagging = SimpleNamespace(get_paginator=lambda _: SimpleNamespace(paginate=lambda **_: [page]))
        client = way.client
        monkeypatch.setattr(way, "client", lambda name: tagging if name == "resourcegroupstaggingapi" else client(name))
        monkeypatch.setattr(Account, "is_emulator", False)

        assert self.swept(way) == dict.fromkeys(("parameter a", "parameter /b", "parameter /c/d"), "deleted")
        assert ssm.get_parameter(Name="e")["Parameter"]["Value"] == "1"

    def test_lines_are_no_longer_than_a_terminal(self):
        """What is long stands by itself, so that the rest is in columns; only a name may be longer."""
        whose = Lease(run="4f1c09d2a7be", owner="somebody.of.the.team@build-machine-7", created=1e9, expires=1e9 + 3600)
        changed = (
            "changed by somebody since (the ledger does not say what was written): left alone; --changed brings it back"
        )
        found = [
            Finding("item shop-Orders-1A id=7", fate="would be restored", stage="my-feature", head=whose),
            Finding("parameter /shop/rate", fate=changed, stage="my-feature", head=whose, is_trouble=True),
            Finding("queue stagefright-my-feature-4f1c", fate="would be deleted", stage="my-feature", head=whose),
            Finding("ledger x.jsonl", fate="cannot be read: its first line is not JSON", is_trouble=True),
        ]
        lines = listing(found)
        assert lines == [
            "  stage my-feature, run 4f1c09d2a7be of somebody.of.the.team@build-machine-7, since",
            "  2001-09-09T01:46:40Z, lease until 2001-09-09T02:46:40Z:",
            "    would be restored  item shop-Orders-1A id=7",
            "    parameter /shop/rate",
            "        changed by somebody since (the ledger does not say what was written): left alone; --changed",
            "        brings it back",
            "    would be deleted   queue stagefright-my-feature-4f1c",
            "    ledger x.jsonl",
            "        cannot be read: its first line is not JSON",
        ]


class TestLeaks:
    """What one test left is told at its end."""

    def test_lines_and_counts(self, way, stage):
        """What is announced and stands, and what queues, tables and buckets have more than before."""
        queue = way.client("sqs").create_queue(QueueName="orders")["QueueUrl"]
        stage.resources["Orders"] = SimpleNamespace(type="AWS::SQS::Queue", physical_id=queue)
        stage.ledger.note("stack", "of the whole run")
        watch = LeakWatch(stage)
        assert watch.told() == []

        Data(stage).item("Items", {"id": "new"})
        way.client("sqs").send_message(QueueUrl=queue, MessageBody="x")
        for key in ("a", "b"):
            way.client("s3").put_object(Bucket="plain", Key=key, Body=b"")

        assert watch.told() == [
            "item items id=new: still there",
            "Items: 1 item more than before",
            "Orders: 1 message more than before",
            "Plain: 2 objects more than before",
        ]

    def test_only_queues_are_looked_at_unless_asked(self, way, stage):
        """Counting tables and buckets costs calls."""
        stage.settings = SimpleNamespace(leak_scan=False)
        watch = LeakWatch(stage)
        way.client("s3").put_object(Bucket="plain", Key="a", Body=b"")

        assert watch.told() == []

    def test_an_account_that_does_not_let_us_look(self, way, stage):
        """Is no reason for a test to fail."""
        stage.resources["Gone"] = SimpleNamespace(type="AWS::SQS::Queue", physical_id="http://127.0.0.1:9/q")

        assert LeakWatch(stage).told() == []


class TestCommand:
    """The verb, in a process of its own."""

    @pytest.fixture
    def verb(self, account, tmp_path, nursery):
        def verb(*arguments, code=0):
            command = [
                sys.executable,
                "-m",
                "stagefright.fixtures.cli",
                "sweep",
                "--endpoint-url",
                account.endpoint_url,
                *arguments,
            ]
            variables = {name: value for name, value in account.variables.items() if not name.startswith("AWS_")}
            done = nursery.run(command, cwd=tmp_path, env=variables)
            assert "Traceback" not in done.stderr
            assert done.returncode == code, done.stdout + done.stderr
            return done.stdout + done.stderr

        return verb

    @pytest.fixture
    def dead(self, new_stage):
        """A run whose lease is over, and that overwrote an item."""
        stage = new_stage(Run.begin("dead1", lease=0))
        Data(stage).item("Items", {"id": "old", "price": 2})
        stage.die()
        return stage

    def test_a_list_of_what_whose_since_when_and_its_fate(self, verb, way, dead):
        """Then, with --yes, it is done."""
        told = verb()
        assert "1 thing left by dead runs:" in told
        lines = told.splitlines()
        [at] = [n for n, line in enumerate(lines) if "item items id=old" in line]
        assert lines[at] == "    would be restored  item items id=old"
        heading = " ".join(lines[lines.index("1 thing left by dead runs:") + 1 : at])
        assert " ".join(heading.split()) == (
            f"stage my-feature, run dead1 of {dead.run.owner}, since {iso(dead.run.created)}, lease until {iso(dead.run.expires)}:"
        )
        assert "Nothing was changed. `stagefright sweep --yes` does it." in told

        assert "  restored" in verb("--yes")
        assert "0 things left by dead runs." in verb("--yes")

    def test_an_account_that_is_not_allowed(self, account, way, tmp_path, monkeypatch, nursery):
        """Nor is anything in it undone that a ledger has."""
        (tmp_path / "pyproject.toml").write_text('[tool.stagefright]\naccounts = ["999999999999"]\n')
        # Where the SDK's own settings lead to the server, it is taken for AWS.
        for name, value in account.variables.items():
            monkeypatch.setenv(name, value)
        ledger = Ledger(
            tmp_path, run=Run.begin("dead1", lease=0), stage="my-feature", account=Account(region="us-east-1")
        )
        ledger.note("parameter", "/shop/new", wrote=fingerprint("1"))
        way.client("ssm").put_parameter(Name="/shop/new", Value="1", Type="String")
        ledger.close()
        command = [sys.executable, "-m", "stagefright.fixtures.cli", "sweep", "--yes"]
        done = nursery.run(command, cwd=tmp_path, env=os.environ)

        assert done.returncode == 2
        assert "failed: These credentials are for account" in done.stdout
        assert "the setting `accounts` allows 999999999999" in done.stderr
        assert way.client("ssm").get_parameter(Name="/shop/new")["Parameter"]["Value"] == "1"

    def test_the_account_of_an_emulator_needs_no_leave(self, verb, way, dead, tmp_path):
        """It is made up, so no run asked for it to be on the list; then neither does the sweep."""
        (tmp_path / "pyproject.toml").write_text('[tool.stagefright]\naccounts = ["999999999999"]\n')

        assert "  restored" in verb("--yes")

    def test_something_changed_since_ends_with_a_code(self, verb, way, dead):
        """So that a nightly job notices."""
        way.client("dynamodb").put_item(TableName="items", Item={"id": {"S": "old"}, "price": {"N": "3"}})

        assert "changed by somebody since" in verb("--yes", code=1)
        assert "  restored" in verb("--yes", "--changed")

    def test_a_part_of_the_account_that_may_not_be_searched(self, account, way, dead, tmp_path, monkeypatch, capsys):
        """The permission is named, the rest is done, and the code says that it was not all."""
        client_error = way.client("sqs").exceptions.ClientError
        denial = "User: amy is not authorized to perform: cloudformation:DescribeStacks on resource: *"

        def refuse(_):
            raise client_error({"Error": {"Code": "AccessDenied", "Message": denial}}, "DescribeStacks")

        monkeypatch.setattr("stagefright.ledger.tagged._stacks", refuse)
        monkeypatch.chdir(tmp_path)
        assert cli.main(["sweep", "--yes", "--endpoint-url", account.endpoint_url]) == 1
        told = capsys.readouterr().out
        assert "Could not search the stacks: " in told
        assert "What is missing is the permission cloudformation:DescribeStacks on *" in told
        assert "  restored  item items id=old" in told

    def test_forget(self, verb, way, dead):
        """Only what one names."""
        assert "name it with --run" in verb("--yes", "--forget", code=2)
        assert "  forgotten" in verb("--yes", "--forget", "--run", "dead1")

    def test_an_emulator_that_is_gone(self, verb, way, tmp_path):
        """It is told, the rest is done, and the run can be forgotten."""
        gone = Account(region="us-east-1", endpoint_url="http://127.0.0.1:9")
        ledger = Ledger(tmp_path, run=Run.begin("dead2", lease=0), stage="my-feature", account=gone)
        ledger.note("queue", "q")
        ledger.close()

        assert "failed: " in verb("--yes", code=1)
        assert "  forgotten" in verb("--yes", "--forget", "--run", "dead2")


LEAKY = """
def test_leaky(stage, data):
    data.item("Items", {"id": "taken away"})
    stage.ledger.note("item", stage.ref("Items"), wrote="x", key={"id": {"S": "left"}})
    stage.client("dynamodb").put_item(TableName=stage.ref("Items"), Item={"id": {"S": "left"}})

def test_tidy(stage, data):
    data.item("Items", {"id": "taken away"})
"""
SYSTEM = """
Resources:
  Items:
    Type: AWS::DynamoDB::Table
    Properties:
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
"""


def test_a_run_tells_what_tests_left_and_what_dead_runs_left(pytester, account, way, monkeypatch):
    """The first in the header, the other at the end; of its own ledgers nothing is left when it is over."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "STAGEFRIGHT_"))]:
        monkeypatch.delenv(name)
    settings = f'[tool.stagefright]\nendpoint_url = "{account.endpoint_url}"\nleak_scan = true\nservice = "shop"\n'
    (pytester.path / "pyproject.toml").write_text(settings)
    (pytester.path / "template.yaml").write_text(SYSTEM)
    pytester.makepyfile(LEAKY)
    dead = Ledger(pytester.path, run=Run.begin("dead1"), stage="other", account=way)
    dead.note("queue", "stagefright-other-dead1-1")
    dead.close()

    done = pytester.runpytest_subprocess("--stage=my-feature", "--stage-target=aws", "-p", "no:cacheprovider")

    done.assert_outcomes(passed=2)
    done.stdout.fnmatch_lines(["stagefright: 1 thing left by run dead1 of *: stagefright sweep*"])
    told = done.stdout.str().partition("Stagefright: left in the account")[2]
    assert "test_leaky" in told
    assert "id=left: still there" in told
    assert "Items: 1 item more than before" in told
    assert "test_tidy" not in told
    assert [path.name.partition("-")[0] for path in files.ledgers_of(pytester.path)] == ["dead1"]
    assert way.client("cloudformation").describe_stacks()["Stacks"] == []


def test_kills_at_random_moments_and_one_sweep():
    """A short form of `kill_runs.py`, on MiniStack: nothing is left, and what was overwritten is back."""
    script = Path(__file__).with_name("kill_runs.py")
    command = [sys.executable, str(script), "--runs", "8", "--seed", "4"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)

    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["left"] == []
    assert found["ledgers_left"] == []
    assert found["differences_before_sweep"] > 0, "the kills left nothing, so the sweep had nothing to prove"
