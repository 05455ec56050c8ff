"""Rules of LocalStack's Chaos API, read as plans or refused by name."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from stagefright.chaos import Chaos, Plan, ServiceError
from stagefright.chaos.formats import from_localstack
from stagefright.errors import ExperimentError, UsageError


def refusal(rules, stage, **given):
    with pytest.raises(ExperimentError) as error:
        from_localstack(rules, stage, **given)
    return str(error.value)


def test_everything_that_cannot_be_expressed_is_named_at_once(stage):
    """Each rule by its number."""
    text = refusal(
        [
            {},
            {"service": "dynamodb", "operation": "PutItem", "region": "eu-west-9"},
            {"service": "sqs", "probability": 2},
            {"service": "sns", "error": {"status": 500}},
            {"service": "sns", "operation": "Publish", "propability": 1},
            "s3",
        ],
        stage,
    )

    for told in (
        "rule 0: it has no service",
        "rule 1: it is for 'eu-west-9', and the stage is in us-east-1",
        "rule 2: probability is a number above 0, up to 1; received 2.",
        "rule 3: error has statusCode and code",
        "rule 4: it has no 'propability'. Did you mean probability?",
        'rule 5: it is a mapping; received "s3".',
        "rules 3 and 4: both match the same calls",
    ):
        assert told in text, text


def test_rules(stage):
    """The code, the status and the probability; a rule without an operation is for all of the service."""
    plan = from_localstack(
        [
            {"region": "us-east-1", "service": "dynamodb", "operation": "PutItem", "probability": 0.5},
            {"service": "kinesis", "error": {"statusCode": 400, "code": "ProvisionedThroughputExceededException"}},
        ],
        stage,
        functions=["Worker"],
    )

    assert plan == Plan.of(
        Worker=[
            ServiceError("dynamodb", "PutItem", code="ServiceUnavailable", status=503).with_probability(0.5),
            ServiceError("kinesis", code="ProvisionedThroughputExceededException", status=400),
        ]
    )


def test_a_rule_strikes(stage):
    """The call fails in the function as LocalStack would fail it."""
    plan = from_localstack('[{"service": "kinesis", "operation": "PutRecord"}]', stage, functions=["Producer"])
    with Chaos(stage).inject(plan):
        answer = stage.invoke("Producer")

    assert "ServiceUnavailable" in answer.error_message


def test_an_error_that_the_operation_cannot_give(stage):
    """LocalStack would inject it; AWS could not."""
    text = refusal([{"service": "dynamodb", "operation": "PutItem", "error": {"code": "QueueDoesNotExist"}}], stage)

    assert "rule 0:" in text
    assert "QueueDoesNotExist" in text


@pytest.mark.parametrize(
    ("rules", "told"), [("[]", "switch chaos off"), ("{}", "are a list"), ("[", "malformed JSON"), (3, "are a list")]
)
def test_what_are_no_rules(stage, rules, told):
    """What was received is told apart: nothing, one rule without its list, or no JSON."""
    assert told in refusal(rules, stage)


def test_a_function_that_is_not_there(stage):
    """The nearest name is suggested."""
    assert "Did you mean Worker?" in refusal([{"service": "sqs"}], stage, functions=["Wroker"])


def test_malformed_rules(stage):
    """Never another error than ours."""
    junk = (None, True, -1, "", "x", [], {}, [1], {"a": 1})
    for seed in range(300):
        chance = random.Random(seed)
        rule = {
            "service": "dynamodb",
            "operation": "PutItem",
            "probability": 0.5,
            "error": {"statusCode": 503, "code": "ServiceUnavailable"},
        }
        rule[chance.choice(list(rule))] = chance.choice(junk)
        with suppress(UsageError):
            from_localstack([rule], stage)
