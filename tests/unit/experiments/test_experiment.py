"""Experiments on a real stage: what they do, in which order, and what they say when they fail."""

from __future__ import annotations

import json

import pytest

from stagefright.chaos import Chaos, Experiment, Failure, Latency, Noop
from stagefright.chaos.checks import conserved, dead_lettered, retried
from stagefright.chaos.experiments import (
    Call,
    Expected,
    GetItem,
    Inject,
    Invoke,
    Publish,
    PutItem,
    PutParameter,
    SendMessage,
    Settle,
    Wait,
)
from stagefright.errors import ChaosRefused, ExperimentError, ExperimentFailed, UnknownResource, UsageError

DOWN = Inject({"Worker": Failure("down")}, [Publish("Feed", "1"), Settle()])


def flags(stage):
    """The flags that are left in SSM."""
    found = stage.client("ssm").describe_parameters()["Parameters"]
    return [one["Name"] for one in found if one["Name"].startswith("/stagefright/")]


class TestRunning:
    def test_a_method_with_its_verdicts(self, stage):
        """AWS's ladder, a dead letter and nothing lost, in one experiment; the report has all of it."""
        report = Experiment(
            title="kept",
            steady_state=[Invoke("Worker", event={"say": "hi"}, answers={"payload": {"said": "hi"}, "error": None})],
            method=[DOWN],
            expect=[retried("Worker", at=[0, 60, 180]), dead_lettered("Worker", "Dead"), conserved("Feed", "Worker")],
        ).run(stage)

        assert report
        assert [verdict.holds for _, verdict in report.verdicts] == [True] * 3
        phases = [line.strip() for line in report.lines if line.startswith("  ") and line[2] != " "]
        assert phases == ["steady state before", "method", "expected verdicts", "steady state after"]
        assert flags(stage) == []

    def test_another_verdict_than_expected_fails_with_the_evidence(self, stage):
        """The message has the check, both verdicts, the evidence, and what was done."""
        experiment = Experiment(title="wrong", method=[DOWN], expect=[retried("Worker", at=[0, 1])])

        with pytest.raises(ExperimentFailed) as failure:
            experiment.run(stage)

        text = str(failure.value)
        assert "expected holds, and found" in text
        assert "its attempts came at [0, 60, 180] s, not at [0, 1] s" in text
        assert "1.1. publish" in text

    @pytest.mark.parametrize("verdict", ["holds", "unknown"])
    def test_a_verdict_can_be_expected_to_be_other_than_holds(self, stage, verdict):
        """A check that has nothing to judge is unknown, which an experiment may expect."""
        experiment = Experiment(title="x", method=[Publish("Feed", "1")], expect=[Expected(retried("Worker"), verdict)])

        if verdict == "unknown":
            assert experiment.run(stage)
        else:
            with pytest.raises(ExperimentFailed, match="Worker never failed"):
                experiment.run(stage)

    def test_expected_broken(self, stage):
        """A known hole can be pinned: the day that it is mended the experiment says so."""
        check = Expected(retried("Worker", times=5), "broken")

        assert Experiment(title="x", method=[DOWN], expect=[check]).run(stage)

    def test_an_unwell_system_is_not_hurt(self, stage):
        """When the steady state does not hold before, the method is not begun."""
        experiment = Experiment(
            title="x", steady_state=[Invoke("Worker", answers={"payload": {"said": "hi"}})], method=[DOWN]
        )

        with pytest.raises(ExperimentFailed, match="Nothing was hurt") as failure:
            experiment.run(stage)

        assert 'answer.payload.said: wanted "hi", found "nothing"' in str(failure.value)
        assert stage.journal.of_kind("fault") == []

    def test_a_steady_state_that_is_lost_fails(self, stage):
        """It is asked again after the method."""
        experiment = Experiment(
            title="x",
            steady_state=[GetItem("Table", {"id": "1"}, answers={"item": None})],
            method=[Publish("Feed", "1")],
        )

        with pytest.raises(ExperimentFailed, match="steady state after, step 1"):
            experiment.run(stage)

    def test_a_fault_that_never_fired_fails(self, stage):
        """The effect gate holds for experiments too."""
        experiment = Experiment(title="x", method=[Inject({"Other": Noop()}, [Settle()])], expect=[conserved("Feed")])

        with pytest.raises(ExperimentFailed, match=r"Other=Noop\(\) was planned and never struck"):
            experiment.run(stage)

    @pytest.mark.parametrize(
        "breaking",
        [
            Invoke("Worker", answers={"payload": "never"}),
            Call("sqs", "GetQueueUrl", parameters={"QueueName": "nowhere"}),
        ],
    )
    def test_rollbacks_always_run(self, stage, breaking):
        """A method that breaks off is healed, rolled back, and says where it broke."""
        experiment = Experiment(
            title="x",
            method=[Inject({"Worker": Noop()}, [breaking, Publish("Feed", "never")])],
            rollbacks=[SendMessage("Dead", "rolled back")],
            expect=[conserved("Feed")],
        )

        with pytest.raises(ExperimentFailed, match=r"step 1\.1") as failure:
            experiment.run(stage)

        assert "failed here" in str(failure.value)
        assert "rollbacks" in str(failure.value)
        assert "were not judged" in str(failure.value)
        assert flags(stage) == []
        queue = stage.client("sqs").receive_message(QueueUrl=stage.ref("Dead"))
        assert [message["Body"] for message in queue["Messages"]] == ["rolled back"]

    def test_test_data_is_taken_back(self, stage):
        """Items and parameters are as they were, whatever the method did."""
        Experiment(
            title="x",
            setup=[PutItem("Table", {"id": "a"}), PutParameter("Text", "changed")],
            method=[
                Call(
                    "ssm",
                    "GetParameter",
                    parameters={"Name": {"Ref": "Text"}},
                    answers={"Parameter": {"Value": "changed"}},
                )
            ],
        ).run(stage)

        assert stage.client("dynamodb").scan(TableName=stage.ref("Table"))["Items"] == []
        assert stage.client("ssm").get_parameter(Name=stage.ref("Text"))["Parameter"]["Value"] == "hello"

    def test_references(self, stage):
        """Ref, GetAtt and Output stand for what the stage has."""
        said = {"ref": {"Ref": "Feed"}, "arn": {"GetAtt": "Dead.Arn"}, "output": {"Output": "FeedArn"}}
        payload = {"ref": stage.ref("Feed"), "arn": stage.arn("Dead"), "output": stage.ref("Feed")}

        assert Experiment(title="x", method=[Invoke("Other", event=said, answers={"payload": payload})]).run(stage)

    def test_a_refusal_can_be_the_answer(self, stage):
        """AWS's error code is part of the answer where one is expected."""
        call = Call(
            "sqs",
            "GetQueueUrl",
            parameters={"QueueName": "x"},
            answers={"error": "AWS.SimpleQueueService.NonExistentQueue"},
        )

        assert Experiment(title="x", method=[call]).run(stage)

    def test_the_same_seed_gives_the_same_journal(self, stage):
        """An experiment is as repeatable as a test."""
        experiment = Experiment(
            title="x",
            method=[
                Inject({"Worker": Latency(min_delay_ms=1, max_delay_ms=500)}, [Publish("Feed", "1"), Settle()]),
                Wait("1m"),
            ],
            expect=[conserved("Feed", "Worker")],
        )
        journals = []
        for _ in range(2):
            stage.reset(seed=3)
            experiment.run(stage, seed=3)
            journals.append([record.to_json() for record in stage.journal])

        assert journals[0] == journals[1]


class TestRefusals:
    def test_everything_that_the_stage_does_not_have_at_once(self, stage):
        """Names in steps, checks and references, each with the nearest."""
        experiment = Experiment(
            title="x",
            method=[Publish("Fed", {"to": {"Ref": "Tabel"}}), Call("sqs", "SendMesage"), Call("sqqs", "SendMessage")],
            expect=[retried("Wroker") | dead_lettered("Worker", "Daed")],
        )

        with pytest.raises(UnknownResource) as refusal:
            experiment.run(stage)

        text = str(refusal.value)
        for name in ("Feed", "Table", "SendMessage", "Worker", "Dead", "sqs"):
            assert f"Did you mean {name}?" in text, text

    def test_a_plan_for_what_is_not_there(self, stage):
        """Plans are checked before the first step is taken."""
        experiment = Experiment(
            title="x", method=[Publish("Feed", "1"), Inject({"Wroker": Noop()}, [Settle()])], expect=[conserved("Feed")]
        )

        with pytest.raises(UnknownResource, match="Wroker"):
            experiment.run(stage)
        assert stage.journal.of_kind("event") == []

    @pytest.mark.parametrize(
        ("given", "told"),
        [
            ({"title": " ", "method": [DOWN], "expect": [retried("A")]}, "needs a title"),
            ({"title": "x", "method": [], "expect": [retried("A")]}, "no steps"),
            ({"title": "x", "method": [DOWN]}, "proves nothing"),
            ({"title": "x", "method": [DOWN], "expect": [Settle()]}, "expect holds checks"),
            ({"title": "x", "method": ["settle"], "expect": [retried("A")]}, "'settle' is not a step"),
            ({"title": "x", "method": [Settle()], "expect": [retried("A")], "setup": [DOWN]}, "outside of the method"),
        ],
    )
    def test_an_experiment_that_makes_no_sense(self, given, told):
        """It is refused where it is written."""
        with pytest.raises(ExperimentError, match=told):
            Experiment(**given)

    @pytest.mark.parametrize(
        ("make", "told"),
        [
            (lambda: Wait("soon"), "span is a span of time"),
            (lambda: Wait("3000d"), "a year at most"),
            (lambda: Publish("", "x"), "topic is a logical id"),
            (lambda: PutItem("Table", {"id": float("nan")}), "item is a mapping"),
            (lambda: Expected("retried"), "expects checks"),
            (lambda: Expected(retried("A"), "brokn"), "Did you mean broken"),
        ],
    )
    def test_a_step_or_check_that_makes_no_sense(self, make, told):
        """So are its parts."""
        with pytest.raises(UsageError, match=told):
            make()

    def test_a_protected_stage(self, stage, monkeypatch):
        """An experiment cannot get around the limits."""
        monkeypatch.setattr(stage, "name", "prod-eu")

        with pytest.raises(ChaosRefused, match="'prod-eu' is protected by the pattern 'prod-\\*'"):
            Experiment(title="x", method=[DOWN], expect=[retried("Worker")]).run(stage, Chaos(stage))
        assert json.dumps(flags(stage)) == "[]"
