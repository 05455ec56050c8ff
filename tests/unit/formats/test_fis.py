"""Templates of AWS FIS: read as plans, written from plans, and refused by name where either cannot say it."""

from __future__ import annotations

import json
import random

import pytest

from stagefright.chaos import (
    Chaos,
    ErrorAfterCommit,
    Failure,
    Latency,
    Noop,
    Plan,
    ServiceError,
    StatusCode,
    Throttle,
    Timeout,
)
from stagefright.chaos.formats import format_duration, from_fis, parse_duration, to_fis
from stagefright.chaos.formats.fis_actions import ACTIONS, FIS_MESSAGE
from stagefright.errors import ExperimentError, UsageError

ROLE = "arn:aws:iam::111122223333:role/fis"


def template(arns, action="aws:lambda:invocation-add-delay", **parameters):
    """A template as the FIS user guide has it, with one action."""
    return {
        "description": "Add startup delay",
        "targets": {"Hit": {"resourceType": "aws:lambda:function", "resourceArns": arns, "selectionMode": "ALL"}},
        "actions": {
            "Hurt": {
                "actionId": action,
                "parameters": {"duration": "PT5M", **parameters},
                "targets": {"Functions": "Hit"},
            }
        },
        "stopConditions": [
            {"source": "aws:cloudwatch:alarm", "value": "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:a"}
        ],
        "roleArn": ROLE,
        "experimentOptions": {"accountTargeting": "single-account", "emptyTargetResolutionMode": "fail"},
    }


def refusal(what, stage, **given):
    with pytest.raises(ExperimentError) as error:
        from_fis(what, stage, **given)
    return str(error.value)


class TestReading:
    def test_a_delay(self, stage):
        """The plan, how long it takes, and what says nothing about harm."""
        found = from_fis(
            template([stage.arn("Worker")], startupDelayMilliseconds="400", invocationPercentage="100"), stage
        )

        assert found.plan == Plan.of(Worker=Latency(delay_ms=400))
        assert (found.duration_s, found.description) == (300, "Add startup delay")
        assert found.left_out == ("experimentOptions", "roleArn")
        assert found.stop_when == ("arn:aws:cloudwatch:eu-west-1:111122223333:alarm:a",)

    def test_a_stop_condition_that_is_none(self, stage):
        """FIS writes it so; any other source cannot be watched."""
        none = template([stage.arn("Worker")]) | {"stopConditions": [{"source": "none"}]}
        other = none | {"stopConditions": [{"source": "aws:events"}]}

        assert from_fis(none, stage).stop_when == ()
        assert "stopConditions[0]" in refusal(other, stage)

    def test_the_defaults_are_those_of_fis(self, stage):
        """A delay of a second, for every invocation."""
        assert from_fis(template([stage.arn("Worker")]), stage).plan == Plan.of(Worker=Latency(delay_ms=1000))

    def test_an_error_before_the_code_runs(self, stage):
        """preventExecution skips the code, as our failure does."""
        found = from_fis(template([stage.arn("Worker")], "aws:lambda:invocation-error", preventExecution="true"), stage)

        assert found.plan == Plan.of(Worker=Failure(FIS_MESSAGE))

    def test_an_error_after_the_code_ran(self, stage):
        """preventExecution=false is FIS's post-commit error."""
        found = from_fis(
            template([stage.arn("Worker")], "aws:lambda:invocation-error", preventExecution="false"), stage
        )

        assert found.plan == Plan.of(Worker=ErrorAfterCommit(FIS_MESSAGE))

    def test_an_http_response(self, stage):
        """The answer of an integration, without running the code."""
        given = {"statusCode": "503", "contentTypeHeader": "application/json", "preventExecution": "true"}
        found = from_fis(
            template([stage.arn("Worker")], "aws:lambda:invocation-http-integration-response", **given), stage
        )

        assert found.plan == Plan.of(Worker=StatusCode(503))

    def test_a_percentage(self, stage):
        """It is a probability, keyed by the call."""
        found = from_fis(template([stage.arn("Worker")], invocationPercentage="30"), stage)

        assert found.plan == Plan.of(Worker=Latency(delay_ms=1000).with_probability(0.3))

    def test_actions_one_after_the_other(self, stage):
        """Each holds for its own span."""
        two = template([stage.arn("Worker")])
        two["actions"] |= {
            "Pause": {"actionId": "aws:fis:wait", "parameters": {"duration": "PT2M"}, "startAfter": ["Hurt"]},
            "Fail": {
                **two["actions"]["Hurt"],
                "actionId": "aws:lambda:invocation-error",
                "parameters": {"duration": "PT1M", "preventExecution": "true"},
                "startAfter": ["Pause"],
            },
        }
        found = from_fis(two, stage)

        assert found.duration_s == 480
        assert found.plan == Plan.of(
            Worker=[Latency(delay_ms=1000).during(300), Failure(FIS_MESSAGE).during(60, after=420)]
        )

    @pytest.mark.parametrize(
        ("action", "fault"),
        [
            ("aws:kinesis:stream-provisioned-throughput-exception", Throttle("kinesis")),
            (
                "aws:kinesis:stream-expired-iterator-exception",
                ServiceError("kinesis", "GetRecords", code="ExpiredIteratorException"),
            ),
        ],
    )
    def test_a_stream_is_felt_by_those_who_use_it(self, stage, action, fault):
        """The functions whose environment names it."""
        found = from_fis(self.stream(stage, action, percentage="50"), stage)

        assert found.plan == Plan.of(Producer=fault.with_probability(0.5))

    def test_a_stream_that_throttles_really_does(self, stage):
        """The function's SDK gets AWS's own error."""
        found = from_fis(
            self.stream(stage, "aws:kinesis:stream-provisioned-throughput-exception", percentage="100"), stage
        )
        with Chaos(stage).inject(found.plan):
            answer = stage.invoke("Producer")

        assert "ProvisionedThroughputExceededException" in answer.error_message

    def stream(self, stage, action, **parameters):
        made = template([stage.arn("Posts")], action, **parameters)
        made["targets"]["Hit"]["resourceType"] = "aws:kinesis:stream"
        return made

    def test_api_errors_of_a_role(self, stage):
        """The functions that have the role, and the operations that the action lists."""
        role = stage.client("lambda").get_function_configuration(FunctionName=stage.ref("Producer"))["Role"]
        made = template(
            [role],
            "aws:fis:inject-api-internal-error",
            service="kinesis",
            percentage="100",
            operations="PutRecord, GetRecords",
        )
        made["targets"]["Hit"]["resourceType"] = "aws:iam:role"

        assert from_fis(made, stage).plan == Plan.of(
            Producer=[
                ServiceError("kinesis", "PutRecord", code="InternalFailure"),
                ServiceError("kinesis", "GetRecords", code="InternalFailure"),
            ]
        )

    def test_json_text_files_and_what_the_cli_prints(self, stage, tmp_path):
        """The template as it comes."""
        whole = {"experimentTemplate": {"id": "EXT1", "arn": "arn:x", **template([stage.arn("Worker")])}}
        file = tmp_path / "t.json"
        file.write_text(json.dumps(whole))

        assert from_fis(json.dumps(whole), stage).plan == from_fis(file, stage).plan == from_fis(whole, stage).plan

    @pytest.mark.parametrize("name", ["Worker", "physical", "mapped", "mapped arn"])
    def test_arns_of_another_account(self, stage, name):
        """A function is found by its name, its logical id, or what the caller says."""
        last = {"Worker": "Worker", "physical": stage.ref("Worker")}.get(name, "ship-prod")
        arn = f"arn:aws:lambda:eu-west-1:111122223333:function:{last}"
        names = {"mapped": {"ship-prod": "Worker"}, "mapped arn": {arn: "Worker"}}.get(name)

        assert list(from_fis(template([arn]), stage, names=names).plan.faults) == ["Worker"]

    def test_tags(self, stage):
        """Functions that have all of the tags."""
        by_tags = template([])
        by_tags["targets"]["Hit"] = {"resourceType": "aws:lambda:function", "resourceTags": {"team": "blue"}}

        assert list(from_fis(by_tags, stage).plan.faults) == ["Other"]

    def test_nothing_has_the_tags(self, stage):
        """An empty target fails, or is skipped if the template says so; then nothing is left."""
        by_tags = template([])
        by_tags["targets"]["Hit"] = {"resourceType": "aws:lambda:function", "resourceTags": {"team": "red"}}

        assert "targets.Hit: nothing on this stage fits it." in refusal(by_tags, stage)
        by_tags["experimentOptions"]["emptyTargetResolutionMode"] = "skip"
        assert "it hurts nothing on this stage" in refusal(by_tags, stage)

    def test_everything_that_cannot_be_expressed_is_named_at_once(self, stage):
        """Actions, parameters, targets, samples, order: one list."""
        bad = template(
            [stage.arn("Worker"), "arn:aws:lambda:eu-west-1:1:function:unknown"], duration="PT10S", percent="3"
        )
        bad["actions"] |= {
            "Stop": {"actionId": "aws:ec2:stop-instances", "targets": {"Instances": "Hit"}},
            "Late": {"actionId": "aws:fis:wait", "parameters": {"duration": "5 minutes"}, "startAfter": ["Nobody"]},
            "Round": {"actionId": "aws:fis:wait", "parameters": {"duration": "PT1M"}, "startAfter": ["Round"]},
        }
        bad["targets"]["Hit"]["selectionMode"] = "PERCENT(50)"
        bad["acitons"] = {}
        text = refusal(bad, stage)

        for told in (
            "a template has no 'acitons'. Did you mean actions?",
            "'duration' is 'PT10S': it should be from a minute",
            "it has no parameter 'percent'",
            "the action aws:ec2:stop-instances cannot be expressed",
            "'5 minutes' is not a duration of ISO 8601",
            "it starts after 'Nobody'",
            "these actions start after each other: Round",
            "function:unknown is no aws:lambda:function of stage my-feature. It has Worker",
        ):
            assert told in text, text

    @pytest.mark.parametrize(
        ("change", "told"),
        [
            ({"selectionMode": "COUNT(2)"}, "selectionMode 'COUNT(2)' is a draw by chance"),
            ({"filters": [{"path": "a", "values": ["b"]}]}, "filters cannot be expressed"),
            (
                {"resourceType": "aws:ec2:instance"},
                "its resourceType is 'aws:ec2:instance', and the action is for aws:lambda:function",
            ),
            ({"resourceTags": {"a": "b"}}, "it needs either resourceArns or resourceTags"),
            ({"resourceArns": "arn"}, "resourceArns is a list of ARNs"),
            ({"arns": []}, "a target has no arns"),
        ],
    )
    def test_targets_that_cannot_be_told(self, stage, change, told):
        """Each by name."""
        bad = template([stage.arn("Worker")])
        bad["targets"]["Hit"] |= change

        assert f"targets.Hit: {told}" in refusal(bad, stage)

    def test_two_equal_actions_on_one_function(self, stage):
        """FIS lets the earliest win, which a plan does not leave open."""
        twice = template([stage.arn("Worker")])
        twice["actions"]["Again"] = twice["actions"]["Hurt"]

        assert "actions.Hurt and Again: both do aws:lambda:invocation-add-delay to Worker at the same time" in refusal(
            twice, stage
        )

    def test_a_content_type_that_is_not_json(self, stage):
        """Our response is JSON."""
        given = {"statusCode": "503", "contentTypeHeader": "text/html", "preventExecution": "true"}

        assert "only application/json can be expressed" in refusal(
            template([stage.arn("Worker")], "aws:lambda:invocation-http-integration-response", **given), stage
        )

    def test_a_thousand_malformed_templates(self, stage):
        """Each is a plan still, or refused; never another error."""
        good, refused = template([stage.arn("Worker")]), 0
        junk = (None, True, -1, "", "x", [], {}, [1], {"a": 1}, "PT", 10**30)
        for seed in range(1000):
            chance = random.Random(seed)
            try:
                from_fis(_spoilt(good, chance, junk), stage)
            except UsageError:
                refused += 1

        assert refused > 400


def _spoilt(value, chance, junk):
    if isinstance(value, dict) and value and chance.random() < 0.8:
        key = chance.choice(list(value))
        return {**value, key: _spoilt(value[key], chance, junk)}
    if isinstance(value, list) and value and chance.random() < 0.5:
        return [_spoilt(value[0], chance, junk), *value[1:]]
    return chance.choice(junk)


class TestWriting:
    def test_there_and_back(self, stage):
        """What FIS can say comes back as it was."""
        plan = Plan.of(
            Worker=[Latency(delay_ms=400), Failure(FIS_MESSAGE).with_probability(0.3)],
            Other=[StatusCode(503), ErrorAfterCommit(FIS_MESSAGE).with_probability(0.01)],
        )

        assert from_fis(to_fis(plan, stage, role_arn=ROLE), stage).plan == plan

    def test_spans_there_and_back(self, stage):
        """A span that begins later is a wait before the action."""
        plan = Plan.of(Worker=[Latency(delay_ms=1).during(60), Failure(FIS_MESSAGE).during(90, after=120)])

        assert from_fis(to_fis(plan, stage, role_arn=ROLE), stage).plan == plan

    def test_it_is_what_the_fis_client_accepts(self, stage):
        """botocore validates the parameters against AWS's own model."""
        import boto3
        from botocore.validate import ParamValidator

        shape = (
            boto3.client("fis", region_name="us-east-1")
            .meta.service_model.operation_model("CreateExperimentTemplate")
            .input_shape
        )
        made = to_fis(Plan.of(Worker=Latency(delay_ms=400)), stage, role_arn=ROLE, duration="90s")

        assert not ParamValidator().validate({**made, "clientToken": "1"}, shape).has_errors()
        assert made["actions"]["Worker1"]["parameters"] == {"startupDelayMilliseconds": "400", "duration": "PT1M30S"}

    def test_a_timeout_is_a_delay_that_is_too_long(self, stage):
        """FIS has no timeout: a delay beyond the function's own limit gives a true one."""
        made = to_fis(Plan.of(Worker=Timeout()), stage, role_arn=ROLE)

        assert made["actions"]["Worker1"]["parameters"]["startupDelayMilliseconds"] == "4000"

    def test_everything_that_fis_cannot_say_is_named_at_once(self, stage):
        """Each fault with the reason."""
        plan = Plan.of(
            Worker=[
                Noop(),
                Latency(min_delay_ms=1, max_delay_ms=2),
                Timeout(buffer_ms=3),
                Failure("mine"),
                Failure(error_type="KeyError"),
            ]
        )

        with pytest.raises(ExperimentError) as error:
            to_fis(plan, stage, role_arn=ROLE)

        text = str(error.value)
        for told in ("FIS has no action for the fault noop", "one fixed delay", "some of its time", "near_enough=True"):
            assert told in text
        assert text.count("\n  - ") == 5

    def test_near_enough(self, stage):
        """An error is an error, if the caller says that the message does not matter."""
        made = to_fis(Plan.of(Worker=Failure("mine")), stage, role_arn=ROLE, near_enough=True)

        assert made["actions"]["Worker1"]["parameters"]["preventExecution"] == "true"

    @pytest.mark.parametrize("duration", ["30s", "13h"])
    def test_a_duration_that_fis_does_not_take(self, stage, duration):
        """A minute to twelve hours."""
        with pytest.raises(ExperimentError, match="twelve hours"):
            to_fis(Plan.of(Worker=Latency(delay_ms=1)), stage, role_arn=ROLE, duration=duration)


@pytest.mark.parametrize("text", ["", "P", "PT", "5M", "PT5", "P1Y", "PT1H30", "pt5m", "P1DT", None, 5])
def test_what_is_no_duration(text):
    """ISO 8601, as far as FIS takes it."""
    with pytest.raises(ExperimentError, match="not a duration"):
        parse_duration(text)


@pytest.mark.parametrize("seconds", [60, 61, 3600, 5401, 86399])
def test_durations_there_and_back(seconds):
    """What is exported is read again as the same span."""
    assert parse_duration(format_duration(seconds)) == seconds


def test_the_three_lambda_actions_and_those_of_kinesis_are_in_the_table():
    """Under AWS's exact names."""
    assert {
        "aws:lambda:invocation-add-delay",
        "aws:lambda:invocation-error",
        "aws:lambda:invocation-http-integration-response",
        "aws:kinesis:stream-provisioned-throughput-exception",
        "aws:kinesis:stream-expired-iterator-exception",
    } <= set(ACTIONS)
