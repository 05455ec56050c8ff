"""Whether a stack can be tested in its state; if not, why it is in it, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stagefright.errors import StackNotReady
from stagefright.targets.account import Account
from stagefright.targets.deploying.stack_events import StackEvents, in_words

HEALTHY = frozenset(
    {
        "CREATE_COMPLETE",
        "IMPORT_COMPLETE",
        "IMPORT_ROLLBACK_COMPLETE",
        "UPDATE_COMPLETE",
        # The new resources are there; only old ones are still being cleared away.
        "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
        "UPDATE_ROLLBACK_COMPLETE",
        "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
    }
)
"""The states in which all of a stack's resources are there."""


def check_state(account: Account, description: Mapping[str, Any], use: str = "tested") -> None:
    """Raise `StackNotReady` for a stack that cannot be tested (or what else is its `use`) as it is."""
    status, name = description["StackStatus"], description["StackName"]
    if status in HEALTHY:
        return
    reason = description.get("StackStatusReason", "")
    raise StackNotReady(
        f"The stack {name} ({account.region}) is {status}, so it cannot be {use}."
        f"{_causes(account, description['StackId'], status, reason)}\n{next_step(name, status, option=_options(account))}",
        status=status,
    )


def _causes(account: Account, stack_id: str, status: str, reason: str) -> str:
    if status == "REVIEW_IN_PROGRESS" or ("FAILED" not in status and "ROLLBACK" not in status):
        return ""
    with account.explained(f"read the events of the stack {stack_id}"):
        events = StackEvents(account, stack_id, from_the_beginning=True)
        events.look()
        return f" What failed:\n{in_words(_latest(events), reason)}"


def _latest(events: StackEvents) -> list[Any]:
    """The failures of the last operation: those after the stack itself last began something."""
    failures = events.failures()
    begun = ("CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS")
    starts = [
        place
        for place, event in enumerate(events.all)
        if event.type == "AWS::CloudFormation::Stack" and event.status in begun and event.physical_id == events.stack_id
    ]
    older = {event.id for event in events.all[: starts[-1]]} if starts else set()
    return [event for event in failures if event.id not in older] or failures


def next_step(name: str, status: str, *, option: str) -> str:
    """What to do about a stack that is in no good state."""
    if status == "ROLLBACK_COMPLETE" or status in ("CREATE_FAILED", "ROLLBACK_FAILED"):
        return (
            "It was never stood up, and CloudFormation lets it only be deleted: "
            f"aws cloudformation delete-stack --stack-name {name}{option}"
        )
    if status == "REVIEW_IN_PROGRESS":
        return (
            "It is no more than a change set that nobody has executed: execute it, or delete the stack "
            f"(aws cloudformation delete-stack --stack-name {name}{option})."
        )
    if status == "DELETE_FAILED":
        return (
            "Remove what is in the way (empty the bucket, say), then delete it again: "
            f"aws cloudformation delete-stack --stack-name {name}{option}"
        )
    if status == "UPDATE_ROLLBACK_FAILED":
        return (
            "Mend what kept it from going back, then: "
            f"aws cloudformation continue-update-rollback --stack-name {name}{option}"
        )
    if status == "UPDATE_FAILED":
        return f"Go back to what it was: aws cloudformation rollback-stack --stack-name {name}{option}"
    if status.endswith("_IN_PROGRESS"):
        return "Somebody else is at work on it: wait until they are done, or choose another stage (--stage=NAME)."
    return f"Look at it in the console, or: aws cloudformation describe-stack-events --stack-name {name}{option}"


def _options(account: Account) -> str:
    profile = f" --profile {account.profile}" if account.profile else ""
    endpoint = f" --endpoint-url {account.endpoint_url}" if account.endpoint_url else ""
    return f" --region {account.region}{profile}{endpoint}"
