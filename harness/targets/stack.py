"""A CloudFormation stack that is up: its resources with those of its nested stacks, outputs and tags."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from stagefright.outputs import Outputs
from stagefright.targets.account import Account
from stagefright.targets.arns import Place, arn_of
from stagefright.templates.short_ids import short_ids

NESTED_TYPE = "AWS::CloudFormation::Stack"
BUS_TYPE = "AWS::Events::EventBus"
PIPE_TYPE = "AWS::Pipes::Pipe"

GONE = "DELETE_COMPLETE"

REVIEWED = "REVIEW_IN_PROGRESS"
"""The state of a stack that has a change set and nothing else: no resources, not even a template."""

HASHED = re.compile(r".+[0-9A-F]{8}(?:[0-9a-f]{32})?")
"""What CDK's logical ids look like."""


@dataclass(frozen=True, slots=True)
class StackResource:
    """A resource of a deployed stack."""

    logical_id: str
    """What the stage calls it: one of a nested stack `Nested.Inner`, one of CDK without the hash."""
    type: str
    physical_id: str
    arn: str | None
    written_as: str = ""
    """Its logical id as the template has it: CDK's have a hash at the end."""


@dataclass(frozen=True, slots=True)
class Stack:
    """What is deployed."""

    name: str
    id: str
    status: str
    resources: Mapping[str, StackResource]
    outputs: Mapping[str, str]
    tags: Mapping[str, str] = field(default_factory=dict)
    created: float = 0.0
    """Epoch seconds."""


def described(account: Account, name: str) -> dict[str, Any] | None:
    """What CloudFormation says of a stack, by name or id; None if there is no such stack (any more)."""
    from botocore.exceptions import ClientError

    with account.explained(f"look at the stack {name}"):
        try:
            found: dict[str, Any] = account.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        except ClientError as error:
            if _is_unknown(error):
                return None
            raise
    return None if found["StackStatus"] == GONE else found


def _is_unknown(error: Any) -> bool:
    return error.response["Error"]["Code"] == "ValidationError" and "does not exist" in str(error)


def read_stack(
    account: Account,
    name: str,
    description: Mapping[str, Any] | None = None,
    *,
    names: Mapping[str, str] | None = None,
) -> Stack:
    """The stack of that name, as the account describes it; `names` is what its resources are to be called, by logical id."""
    said = description or described(account, name)
    assert said is not None, f"the stack {name} is looked for before it is read"
    with account.explained(f"list the resources of the stack {name}"):
        place = Place.of_stack(said["StackId"])
        resources = {one.logical_id: one for one in _resources(account, said["StackId"], place, "", names)}
    return Stack(
        name=said["StackName"],
        id=said["StackId"],
        status=said["StackStatus"],
        resources=resources,
        outputs=Outputs({output["OutputKey"]: output["OutputValue"] for output in said.get("Outputs", ())}),
        tags=tags_of(said),
        created=said["CreationTime"].timestamp(),
    )


def as_one(stacks: Sequence[Stack]) -> Stack:
    """The stacks of a stage as one: the last, with all resources and outputs; an output that several have is called `stack.Output`."""
    names = Counter(name for stack in stacks for name in stack.outputs)
    outputs = {
        name if names[name] == 1 else f"{stack.name}.{name}": value
        for stack in stacks
        for name, value in stack.outputs.items()
    }
    resources = {name: resource for stack in stacks for name, resource in stack.resources.items()}
    return replace(stacks[-1], resources=resources, outputs=Outputs(outputs))


def tags_of(description: Mapping[str, Any]) -> dict[str, str]:
    """A stack's tags."""
    return {tag["Key"]: tag["Value"] for tag in description.get("Tags", ())}


def _resources(
    account: Account, stack_id: str, place: Place, prefix: str, names: Mapping[str, str] | None = None
) -> Iterator[StackResource]:
    pages = account.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack_id)
    summaries = [summary for page in pages for summary in page["StackResourceSummaries"]]
    written = [one["LogicalResourceId"] for one in summaries if "LogicalResourceId" in one]
    shown = _shown(account, stack_id, written) if names is None else names
    for one in summaries:
        physical_id, kind = one.get("PhysicalResourceId"), one.get("ResourceType", "")
        # What was skipped, failed or is gone has no physical id, or a status that says so.
        if not physical_id or one.get("ResourceStatus", "") in (GONE, "CREATE_FAILED"):
            continue
        own = one["LogicalResourceId"]
        logical_id = prefix + shown.get(own, own)
        yield StackResource(logical_id, kind, physical_id, arn_of(kind, physical_id, place), prefix + own)
        if kind == NESTED_TYPE:
            yield from _resources(account, physical_id, place, f"{logical_id}.")


def _shown(account: Account, stack_id: str, logical_ids: list[str]) -> dict[str, str]:
    """CDK's ids without their hash; whether they are CDK's, the template says, and it is asked for only if they look so."""
    if not any(HASHED.fullmatch(one) for one in logical_ids):
        return {}
    template = account.client("cloudformation").get_template(StackName=stack_id)["TemplateBody"]
    resources = template.get("Resources", {}) if isinstance(template, Mapping) else {}
    return {logical_id: short for short, logical_id in short_ids(resources).items()}
