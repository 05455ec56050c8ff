"""CloudFormation stands a stack up, or brings it up to date, by way of a change set."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from stagefright.errors import DeploymentFailed
from stagefright.targets.account import Account
from stagefright.targets.deploying.stack_events import Progress, StackEvents, follow, in_words, pauses, silent
from stagefright.targets.run import RUN_TAG, tag_list
from stagefright.targets.stack import REVIEWED, tags_of

CAPABILITIES = ("CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND")

NO_CHANGE = ("didn't contain changes", "No updates are to be performed", "no changes")
"""How CloudFormation says that there is nothing to do."""

NAME_PREFIX = "stagefright"
"""How the names of our change sets begin."""

_REFUSALS = ("ValidationError", "InsufficientCapabilitiesException", "LimitExceededException", "AlreadyExistsException")
_ROLLED_BACK = "UPDATE_ROLLBACK_COMPLETE"
_DONE = ("CREATE_COMPLETE", "UPDATE_COMPLETE")


@dataclass(frozen=True)
class Order:
    """What CloudFormation is asked for."""

    stack: str
    is_new: bool
    template: Mapping[str, str]
    """`TemplateBody` or `TemplateURL`."""
    parameters: list[dict[str, Any]]
    tags: Mapping[str, str]
    outputs: frozenset[str]
    """The outputs that the stack is going to have for sure."""
    token: str
    """Names the change set; it tells this run's apart."""


def new_token(run: str) -> str:
    """
    A name for a change set of a run.

    It has the run in it, because a stack that is no more than a change set has no tags yet.
    """
    return f"{NAME_PREFIX}-{run}-{time.time_ns():x}"


def run_behind(account: Account, description: Mapping[str, Any]) -> str | None:
    """
    The run that made a stack; None if none did, or nobody can tell.

    Its tags say so; while it is no more than a change set, its name does.
    """
    tagged = tags_of(description).get(RUN_TAG)
    if tagged is not None or description["StackStatus"] != REVIEWED:
        return tagged
    names = change_sets_of(account, description)
    runs = {_run_in(name) for name in names}
    return runs.pop() if len(runs) == 1 else None


def _run_in(name: str) -> str | None:
    prefix, _, rest = name.partition("-")
    return rest.rpartition("-")[0] if prefix == NAME_PREFIX else None


def change_sets_of(account: Account, description: Mapping[str, Any]) -> list[str]:
    """The names of a stack's change sets."""
    with account.explained(f"list the change sets of the stack {description['StackName']}"):
        pages = account.client("cloudformation").get_paginator("list_change_sets")
        found = [one for page in pages.paginate(StackName=description["StackName"]) for one in page["Summaries"]]
    return [one["ChangeSetName"] for one in found if one["StackId"] == description["StackId"]]


class ChangeSet:
    """One order, from asking to its end."""

    def __init__(self, account: Account, order: Order, progress: Progress) -> None:
        self._account = account
        self._order = order
        self._progress = progress
        self._cloudformation = account.client("cloudformation")
        self.stack_id: str | None = None
        """The stack's ARN, once CloudFormation has made the change set."""

    def carry_out(self) -> bool:
        """Have it made; whether anything changed. Raises `DeploymentFailed` with the resources that failed and the reasons."""
        change_set_id = self._ask()
        if not self._is_worth_it(change_set_id):
            return False
        assert self.stack_id is not None
        if not self._order.is_new:
            self._progress(f"updating the stack {self._order.stack}")
        events = StackEvents(self._account, self.stack_id)
        self._cloudformation.execute_change_set(ChangeSetName=change_set_id)
        status, reason = follow(self._account, self.stack_id, events, self._progress)
        if status not in _DONE:
            said = in_words(events.failures(), reason)
            back = "\nIt is as it was before." if status == _ROLLED_BACK else ""
            raise DeploymentFailed(
                f"The stack {self._order.stack} could not be {self._verb}: it is {status}.\n{said}{back}"
            )
        if self._account.is_emulator:
            self._have_outputs_written()
        return True

    def _have_outputs_written(self) -> None:
        """
        moto's change sets forget a stack's outputs, its plain updates do not.

        It wants a reason for one, and takes other spaces in the template for that. Elsewhere there is nothing to update.
        """
        from botocore.exceptions import ClientError

        said = self._cloudformation.describe_stacks(StackName=self.stack_id)["Stacks"][0]
        if self._order.outputs <= {one["OutputKey"] for one in said.get("Outputs", ())}:
            return
        template = self._cloudformation.get_template(StackName=self.stack_id)["TemplateBody"]
        with suppress(ClientError):
            self._cloudformation.update_stack(
                StackName=self._order.stack,
                TemplateBody=json.dumps(template, indent=1),
                Parameters=[one for one in self._order.parameters if "ParameterValue" in one],
                Capabilities=list(CAPABILITIES),
                Tags=tag_list(self._order.tags),
            )
            follow(self._account, said["StackId"], StackEvents(self._account, said["StackId"]), silent)

    @property
    def _verb(self) -> str:
        return "created" if self._order.is_new else "updated"

    def _ask(self) -> str:
        from botocore.exceptions import ClientError

        try:
            answer = self._cloudformation.create_change_set(
                StackName=self._order.stack,
                ChangeSetName=self._order.token,
                ChangeSetType="CREATE" if self._order.is_new else "UPDATE",
                Parameters=self._order.parameters,
                Capabilities=list(CAPABILITIES),
                Tags=tag_list(self._order.tags),
                Description="Made by Stagefright",
                **self._order.template,
            )
        except ClientError as error:
            said = error.response["Error"]
            if said["Code"] in _REFUSALS:
                raise DeploymentFailed(
                    f"CloudFormation refuses the template or parameters of {self._order.stack} ({said['Code']}): {said['Message']}"
                ) from None
            raise
        self.stack_id = answer["StackId"]
        return str(answer["Id"])

    def _is_worth_it(self, change_set_id: str) -> bool:
        for pause_s in pauses(self._account):
            said = self._cloudformation.describe_change_set(ChangeSetName=change_set_id)
            if said["Status"] == "CREATE_COMPLETE":
                return True
            if said["Status"] == "FAILED":
                break
            time.sleep(pause_s)
        reason = said.get("StatusReason", "")
        self._cloudformation.delete_change_set(ChangeSetName=change_set_id)
        if not self._order.is_new and any(words in reason for words in NO_CHANGE):
            return False
        raise DeploymentFailed(
            f"The stack {self._order.stack} could not be {self._verb}: CloudFormation cannot make the change set: {reason}"
        )
