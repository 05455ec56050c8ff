"""What is made of CloudFormation's events: which of them are the cause, and how a stack's state is explained."""

from __future__ import annotations

import pytest

from stagefright.errors import StackNotReady
from stagefright.targets.account import Account
from stagefright.targets.deploying.stack_events import StackEvents, in_words
from stagefright.targets.stack_states import HEALTHY, check_state

OUTER = "arn:aws:cloudformation:us-east-1:123456789012:stack/shop/1"
INNER = "arn:aws:cloudformation:us-east-1:123456789012:stack/shop-Inner/2"
STACK = "AWS::CloudFormation::Stack"


def event(number, logical_id, kind, status, reason="", physical_id=""):
    return {
        "EventId": str(number),
        "LogicalResourceId": logical_id,
        "ResourceType": kind,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
        "PhysicalResourceId": physical_id,
    }


class CloudFormation:
    """Says what it is given, as pages of one event each, the newest first."""

    def __init__(self, stacks):
        self.stacks = stacks

    def get_paginator(self, name):
        assert name == "describe_stack_events"
        return self

    def paginate(self, StackName):
        return [{"StackEvents": [one]} for one in reversed(self.stacks[StackName])]


@pytest.fixture
def account():
    way = Account(region="us-east-1", endpoint_url="http://127.0.0.1:9")
    way._clients["cloudformation"] = CloudFormation(
        {
            OUTER: [
                event(1, "shop", STACK, "CREATE_IN_PROGRESS", "User Initiated", OUTER),
                event(
                    2, "Inner", STACK, "CREATE_FAILED", f"Embedded stack {INNER} was not successfully created", INNER
                ),
                event(3, "Other", "AWS::SQS::Queue", "CREATE_FAILED", "Resource creation cancelled"),
                event(4, "shop", STACK, "CREATE_FAILED", "The following resource(s) failed: [Inner, Other].", OUTER),
            ],
            INNER: [
                event(5, "Queue", "AWS::SQS::Queue", "CREATE_FAILED", "The name is taken"),
                event(6, "Late", "AWS::SQS::Queue", "CREATE_FAILED", "Resource creation cancelled"),
                event(7, "shop-Inner", STACK, "CREATE_FAILED", "The following resource(s) failed: [Queue].", INNER),
            ],
        }
    )
    return way


def test_the_cause_inside_a_nested_stack_is_shown(account):
    """Neither that an embedded stack was not created, nor what was cancelled because of it."""
    events = StackEvents(account, OUTER, from_the_beginning=True)
    events.look()
    assert in_words(events.failures(), "") == "  Queue (AWS::SQS::Queue) CREATE_FAILED: The name is taken"


def test_only_what_is_new_is_told(account):
    """A look gives what happened since the last one, in the order in which it happened."""
    events = StackEvents(account, INNER)
    assert events.look() == []
    account.client("cloudformation").stacks[INNER] += [
        event(8, "shop-Inner", STACK, "ROLLBACK_IN_PROGRESS"),
        event(9, "shop-Inner", STACK, "ROLLBACK_COMPLETE"),
    ]
    assert [one.status for one in events.look()] == ["ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE"]
    assert events.look() == []


def description(status):
    return {"StackName": "shop", "StackId": OUTER, "StackStatus": status}


@pytest.mark.parametrize("status", sorted(HEALTHY))
def test_a_healthy_stack_can_be_tested(account, status):
    """Also one that only clears old things away."""
    check_state(account, description(status))


@pytest.mark.parametrize(
    ("status", "parts"),
    [
        (
            "ROLLBACK_COMPLETE",
            ["Queue (AWS::SQS::Queue) CREATE_FAILED: The name is taken", "delete-stack --stack-name shop"],
        ),
        ("ROLLBACK_FAILED", ["The name is taken", "delete-stack --stack-name shop"]),
        ("CREATE_FAILED", ["The name is taken", "delete-stack --stack-name shop"]),
        ("DELETE_FAILED", ["The name is taken", "Remove what is in the way", "delete-stack"]),
        ("UPDATE_ROLLBACK_FAILED", ["The name is taken", "continue-update-rollback --stack-name shop"]),
        ("UPDATE_FAILED", ["The name is taken", "rollback-stack --stack-name shop"]),
        ("REVIEW_IN_PROGRESS", ["a change set that nobody has executed", "delete-stack"]),
        ("CREATE_IN_PROGRESS", ["wait until they are done"]),
        ("UPDATE_ROLLBACK_IN_PROGRESS", ["wait until they are done"]),
        ("SOMETHING_NEW", ["describe-stack-events --stack-name shop"]),
    ],
)
def test_an_unhealthy_stack_is_refused_with_reason_and_next_step(account, status, parts):
    """What failed, why, and the command that goes on from there."""
    with pytest.raises(StackNotReady) as refused:
        check_state(account, description(status))
    assert refused.value.status == status
    for part in [f"The stack shop (us-east-1) is {status}", *parts]:
        assert part in str(refused.value)
