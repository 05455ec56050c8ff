"""aws-semantics §6.7: what the API of EventBridge Pipes takes, keeps and refuses."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError

from stagefright import open_stage
from stagefright.errors import TemplateError


@pytest.fixture
def create(api, system):
    """Make a pipe called `p` between two resources."""

    def make(source="In", target="Worker", *, settings=None, **params):
        stage = system.stage
        arns = {
            "In": stage.arn("In"),
            "Feed": stage.arn("Feed"),
            "Table": stage.deployed.get_att("Table", "StreamArn"),
            "Topic": stage.ref("Topic"),
            "Out": stage.arn("Out"),
            "Fifo": stage.arn("Fifo"),
            "Worker": stage.arn("Worker"),
        }
        member = {"In": "SqsQueueParameters", "Feed": "KinesisStreamParameters", "Table": "DynamoDBStreamParameters"}
        if settings is not None:
            params.setdefault("SourceParameters", {})[member[source]] = settings
        given = {"Name": "p", "RoleArn": system.ROLE} | params
        return api.create_pipe(Source=arns.get(source, source), Target=arns.get(target, target), **given)

    return make


def filters(*patterns):
    return {"FilterCriteria": {"Filters": [{"Pattern": json.dumps(pattern)} for pattern in patterns]}}


class TestCreating:
    """§6.7: settings and their bounds."""

    @pytest.mark.rule("6.7/states")
    def test_a_new_pipe_runs(self, create, api, system):
        """§6.7: the answer shows the passing state, a description what was given."""
        made = create("Feed", settings={"StartingPosition": "LATEST", "BatchSize": 5}, Tags={"a": "b"}, Description="d")
        shown = api.describe_pipe(Name="p")

        assert (made["CurrentState"], made["DesiredState"]) == ("CREATING", "RUNNING")
        assert made["Arn"] == "arn:aws:pipes:us-east-1:123456789012:pipe/p"
        assert shown["CurrentState"] == "RUNNING"
        assert shown["SourceParameters"] == {"KinesisStreamParameters": {"StartingPosition": "LATEST", "BatchSize": 5}}
        assert (shown["Tags"], shown["Description"], shown["RoleArn"]) == ({"a": "b"}, "d", system.ROLE)

    @pytest.mark.rule(
        "6.7/queue-batch",
        "6.7/stream-batch",
        "6.7/parallelization",
        "6.7/retry-attempts",
        "6.7/record-age",
        "6.7/bisect",
        "6.7/dead-letters",
        "6.7/starting-position",
    )
    @pytest.mark.parametrize(
        ("source", "settings", "text"),
        [
            ("In", {"BatchSize": 10_001, "MaximumBatchingWindowInSeconds": 1}, "BatchSize"),
            ("In", {"MaximumBatchingWindowInSeconds": 301}, "MaximumBatchingWindowInSeconds"),
            ("In", {"BatchSize": 11}, "must be greater than 0 if maximum batch size is greater than 10"),
            ("Feed", {"BatchSize": 10_001}, "BatchSize"),
            ("Feed", {"MaximumBatchingWindowInSeconds": 301}, "MaximumBatchingWindowInSeconds"),
            ("Feed", {"ParallelizationFactor": 11}, "ParallelizationFactor"),
            ("Feed", {"MaximumRetryAttempts": 10_001}, "MaximumRetryAttempts"),
            ("Feed", {"MaximumRecordAgeInSeconds": 59}, "MaximumRecordAgeInSeconds"),
            ("Feed", {"MaximumRecordAgeInSeconds": 604_801}, "MaximumRecordAgeInSeconds"),
            ("Feed", {"OnPartialBatchItemFailure": "HALVE"}, "AUTOMATIC_BISECT"),
            ("Feed", {"DeadLetterConfig": {"Arn": "arn:aws:sqs:us-east-1:123456789012:x.fifo"}}, "not a standard"),
            ("Feed", {"StartingPosition": "AT_TIMESTAMP"}, "StartingPositionTimestamp"),
            ("Table", {"StartingPosition": "AT_TIMESTAMP"}, "StartingPosition"),
        ],
    )
    def test_what_is_out_of_bounds_is_refused(self, create, source, settings, text):
        """§6.7: each number has its bounds."""
        if source != "In":
            settings = {"StartingPosition": "LATEST"} | settings
        with pytest.raises(ClientError, match=text) as refused:
            create(source, settings=settings)

        assert refused.value.response["Error"]["Code"] == "ValidationException"

    @pytest.mark.rule("6.7/target-batch-max")
    @pytest.mark.parametrize(("target", "most"), [("Out", 10), ("Topic", 10)])
    def test_a_batch_may_not_be_bigger_than_the_target_takes(self, create, target, most):
        """§6.7: ten for queues, topics and buses."""
        create("Feed", target, settings={"StartingPosition": "LATEST", "BatchSize": most})
        with pytest.raises(ClientError, match=f"at most {most}"):
            create("Feed", target, settings={"StartingPosition": "LATEST", "BatchSize": most + 1}, Name="q")

    @pytest.mark.rule("6.7/filters-max")
    def test_five_filters(self, create):
        """§6.7: not more."""
        create(SourceParameters=filters(*[{"body": ["a"]}] * 5))
        with pytest.raises(ClientError, match="at most 5 filters"):
            create(SourceParameters=filters(*[{"body": ["a"]}] * 6), Name="q")

    @pytest.mark.rule("6.7/filter-language")
    @pytest.mark.rule("6.2/pipe-operators")
    @pytest.mark.parametrize(
        "operator",
        [
            {"wildcard": "a*"},
            {"cidr": "10.0.0.0/8"},
            {"anything-but": {"prefix": "a"}},
            {"anything-but": {"suffix": "a"}},
            {"anything-but": {"equals-ignore-case": "a"}},
            {"anything-but": {"wildcard": "a*"}},
        ],
    )
    def test_operators_that_pipes_do_not_have(self, create, operator):
        """§6.2, §6.7: no wildcard, and nothing but values inside of anything-but."""
        with pytest.raises(ClientError, match="Invalid filter pattern"):
            create(SourceParameters=filters({"body": {"a": [operator]}}))

    @pytest.mark.rule("6.7/filter-language")
    @pytest.mark.parametrize(
        "operator",
        [{"prefix": "a"}, {"suffix": "a"}, {"equals-ignore-case": "a"}, {"anything-but": ["a"]}, {"exists": True}],
    )
    def test_operators_that_they_have(self, create, operator):
        """§6.7: those of mappings otherwise."""
        assert create(SourceParameters=filters({"body": {"a": [operator]}}))

    @pytest.mark.rule("6.7/filter-language")
    def test_a_pattern_that_is_no_json(self, create):
        """§6.7: refused when the pipe is made."""
        with pytest.raises(ClientError, match="Invalid filter pattern"):
            create(SourceParameters={"FilterCriteria": {"Filters": [{"Pattern": "{"}]}})

    @pytest.mark.rule("6.7/fifo-target", "6.7/no-fifo-topics")
    @pytest.mark.parametrize(
        ("target", "text"),
        [("Fifo", "MessageGroupId is required"), ("arn:aws:sns:us-east-1:123456789012:t.fifo", "FIFO topic")],
    )
    def test_fifo_targets(self, create, target, text):
        """§6.7: a queue needs a group, a topic is not supported."""
        with pytest.raises(ClientError, match=text):
            create(target=target)

    def test_a_stream_as_target_needs_a_key(self, create, system):
        """§6.7: PartitionKey is required."""
        with pytest.raises(ClientError, match="PartitionKey is required"):
            create(target=system.stage.arn("Feed"))

    @pytest.mark.parametrize(
        ("source", "text"),
        [
            ("arn:aws:sqs:us-east-1:123456789012:nobody", "does not exist"),
            ("arn:aws:kinesis:us-east-1:123456789012:stream/nobody", "Stream not found"),
        ],
    )
    def test_a_source_that_does_not_exist(self, create, source, text):
        """A pipe without a source can never run."""
        position = {"KinesisStreamParameters": {"StartingPosition": "LATEST"}}
        with pytest.raises(ClientError, match=text):
            create(source, SourceParameters=position)

    def test_names(self, create):
        """A name is used once, and has up to 64 letters, digits and .-_"""
        create()
        with pytest.raises(ClientError, match="already exists") as twice:
            create()
        with pytest.raises(ClientError, match="'name'"):
            create(Name="a b")
        with pytest.raises(ClientError, match="'name'"):
            create(Name="a" * 65)

        assert twice.value.response["Error"]["Code"] == "ConflictException"


class TestLiving:
    """§6.7: pipes that exist."""

    @pytest.mark.rule("6.7/states")
    def test_stopping_and_starting(self, create, api, system):
        """§6.7: a pipe that is stopped reads nothing, and goes on where it stopped."""
        create()
        assert api.stop_pipe(Name="p")["CurrentState"] == "STOPPING"
        system.send("a", queue="In")
        system.settle()
        assert system.events() == []

        assert api.start_pipe(Name="p")["CurrentState"] == "STARTING"
        system.settle()
        assert [event[0]["body"] for event in system.events()] == ["a"]

    @pytest.mark.rule("6.7/states")
    def test_a_pipe_that_is_made_stopped(self, create, api, system):
        """§6.7: DesiredState says so; starting and stopping twice is a conflict."""
        create(DesiredState="STOPPED")
        system.send("a", queue="In")
        system.settle()
        with pytest.raises(ClientError, match="stopped already"):
            api.stop_pipe(Name="p")

        assert (system.events(), api.describe_pipe(Name="p")["CurrentState"]) == ([], "STOPPED")

    @pytest.mark.rule("6.7/updates")
    def test_updates_change_what_they_mention(self, create, api, system):
        """§6.7: target, enrichment and settings, not the source or where reading starts."""
        create("Feed", settings={"StartingPosition": "TRIM_HORIZON", "BatchSize": 5})
        system.put(1)
        system.settle()
        answer = api.update_pipe(
            Name="p",
            RoleArn=system.ROLE,
            Target=system.stage.arn("Out"),
            TargetParameters={"InputTemplate": "<$.data>"},
            SourceParameters={"KinesisStreamParameters": {"BatchSize": 2}},
        )
        system.put(2)
        system.settle()

        assert answer["CurrentState"] == "UPDATING"
        shown = api.describe_pipe(Name="p")["SourceParameters"]["KinesisStreamParameters"]
        assert shown == {"StartingPosition": "TRIM_HORIZON", "BatchSize": 2}
        assert (len(system.events()), system.texts()) == (1, ["2"])

    def test_deleting(self, create, api, system):
        """A deleted pipe reads nothing, and is not found."""
        create()
        assert api.delete_pipe(Name="p")["CurrentState"] == "DELETING"
        system.send("a", queue="In")
        system.settle()
        with pytest.raises(ClientError, match="does not exist") as gone:
            api.describe_pipe(Name="p")

        assert system.events() == []
        assert gone.value.response["Error"]["Code"] == "NotFoundException"

    def test_listing(self, create, api, system):
        """By name, source, target and state, a page at a time."""
        for name in ("a1", "a2", "b1"):
            create(Name=name)
        api.stop_pipe(Name="a2")

        def names(**query):
            return [pipe["Name"] for pipe in api.list_pipes(**query)["Pipes"]]

        assert names() == ["a1", "a2", "b1"]
        assert names(NamePrefix="a") == ["a1", "a2"]
        assert names(CurrentState="STOPPED") == ["a2"]
        assert names(SourcePrefix=system.stage.arn("Feed")) == []
        page = api.list_pipes(Limit=2)
        assert [len(page["Pipes"]), *names(Limit=2, NextToken=page["NextToken"])] == [2, "b1"]

    def test_tags(self, create, api):
        """Tags come and go."""
        arn = create(Tags={"a": "1"})["Arn"]
        api.tag_resource(resourceArn=arn, tags={"b": "2"})
        api.untag_resource(resourceArn=arn, tagKeys=["a"])

        assert api.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2"}


class TestWhatIsNotServed:
    """What the local stage does not have is named, not faked."""

    @pytest.mark.parametrize(
        "change",
        [
            {"Target": "arn:aws:states:us-east-1:123456789012:stateMachine:m"},
            {"Enrichment": "arn:aws:events:us-east-1:123456789012:api-destination/d/1"},
            {"Target": "arn:aws:events:us-east-1:123456789012:api-destination/d/1"},
            {"Source": "arn:aws:kafka:us-east-1:123456789012:cluster/c/1"},
        ],
    )
    def test_such_a_pipe_is_kept_and_named(self, system, change):
        """The deployment goes on, with a warning that says what the pipe would need and what there is."""
        pipe = system.pipe("In", "Worker")
        pipe["Properties"] |= change
        with pytest.warns(UserWarning, match=next(iter(change.values()))):
            system.up(In=system.queue(), Worker=system.function(), Flow=pipe)
        system.send("a", queue="In")
        system.settle()

        assert system.depth("In") == (1, 0, 0)

    def test_a_misspelt_property(self, system, tmp_path):
        """The template is refused, as CloudFormation does."""
        pipe = system.pipe("In", "Worker", TargetParameter={"InputTemplate": "x"})
        path = tmp_path / "t.json"
        path.write_text(json.dumps({"Resources": {"In": system.queue(), "Worker": system.function(), "Flow": pipe}}))
        with pytest.raises(TemplateError, match="TargetParameter"):
            open_stage("x", directory=tmp_path, template=path)
