"""Puts our tags on a stack that a command of the user's has made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stagefright.errors import TargetError
from stagefright.targets.account import Account
from stagefright.targets.deploying.change_sets import CAPABILITIES, NO_CHANGE
from stagefright.targets.deploying.stack_events import Progress, StackEvents, follow, in_words
from stagefright.targets.run import tag_list
from stagefright.targets.stack import described, tags_of

_DONE = ("UPDATE_COMPLETE", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")


def tag_stack(account: Account, description: Mapping[str, Any], tags: Mapping[str, str], progress: Progress) -> bool:
    """
    Give a stack these tags besides its own; whether it has them now.

    It is an update with the template and the parameters that it has. If that is refused or fails, the stack is as it was, and the
    reason is told.
    """
    if tags.items() <= tags_of(description).items():
        return True
    name = description["StackName"]
    progress(f"tagging the stack {name}")
    try:
        with account.explained(f"tag the stack {name}"):
            trouble = _update(account, description, {**tags_of(description), **tags}, progress)
    except TargetError as refusal:
        trouble = str(refusal)
    if trouble:
        progress(
            f"{trouble}\nSo the ledger on this machine alone knows whose the stack is, and no sweep elsewhere finds it. Permit "
            "cloudformation:UpdateStack and the tagging of its resources, or let the command of the setting `deploy` pass {tags}."
        )
    return not trouble


def _update(account: Account, description: Mapping[str, Any], tags: Mapping[str, str], progress: Progress) -> str:
    """Have the tags changed, and wait for it; what went wrong, or nothing."""
    from botocore.exceptions import ClientError

    cloudformation, stack_id = account.client("cloudformation"), description["StackId"]
    parameters = [one["ParameterKey"] for one in description.get("Parameters", ())]
    events = StackEvents(account, stack_id)
    try:
        cloudformation.update_stack(
            StackName=description["StackName"],
            UsePreviousTemplate=True,
            Parameters=[{"ParameterKey": key, "UsePreviousValue": True} for key in parameters],
            Capabilities=list(CAPABILITIES),
            Tags=tag_list(tags),
        )
    except ClientError as error:
        if any(words in str(error) for words in NO_CHANGE) and _has(account, stack_id, tags):
            return ""
        raise
    status, reason = follow(account, stack_id, events, progress)
    if status in _DONE:
        return ""
    return f"The stack {description['StackName']} could not be tagged: it is {status}.\n{in_words(events.failures(), reason)}"


def _has(account: Account, stack_id: str, tags: Mapping[str, str]) -> bool:
    return tags.items() <= tags_of(described(account, stack_id) or {}).items()
