"""A CloudFormation stack that is up: its resources with those of its nested stacks, outputs and tags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from stagefright.outputs import Outputs
from stagefright.targets.account import Account
from stagefright.targets.arns import Place, arn_of

NESTED_TYPE = "AWS::CloudFormation::Stack"

GONE = "DELETE_COMPLETE"


@dataclass(frozen=True, slots=True)
class StackResource:
    """A resource of a deployed stack."""

    logical_id: str
    """One of a nested stack has the nested stack's id before its own: `Nested.Inner`."""
    type: str
    physical_id: str
    arn: str | None


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


def read_stack(account: Account, name: str, description: Mapping[str, Any] | None = None) -> Stack:
    """The stack of that name, as the account describes it."""
    said = description or described(account, name)
    assert said is not None, f"the stack {name} is looked for before it is read"
    with account.explained(f"list the resources of the stack {name}"):
        resources = {resource.logical_id: resource for resource in _resources(account, said["StackId"], "")}
    return Stack(
        name=said["StackName"],
        id=said["StackId"],
        status=said["StackStatus"],
        resources=resources,
        outputs=Outputs({output["OutputKey"]: output["OutputValue"] for output in said.get("Outputs", ())}),
        tags=tags_of(said),
        created=said["CreationTime"].timestamp(),
    )


def tags_of(description: Mapping[str, Any]) -> dict[str, str]:
    """A stack's tags."""
    return {tag["Key"]: tag["Value"] for tag in description.get("Tags", ())}


def _resources(account: Account, stack_id: str, prefix: str) -> Iterator[StackResource]:
    place = Place.of_stack(stack_id)
    pages = account.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack_id)
    for one in [summary for page in pages for summary in page["StackResourceSummaries"]]:
        physical_id, kind = one.get("PhysicalResourceId"), one.get("ResourceType", "")
        # What was skipped, failed or is gone has no physical id, or a status that says so.
        if not physical_id or one.get("ResourceStatus", "") in (GONE, "CREATE_FAILED"):
            continue
        logical_id = prefix + one["LogicalResourceId"]
        yield StackResource(logical_id, kind, physical_id, arn_of(kind, physical_id, place))
        if kind == NESTED_TYPE:
            yield from _resources(account, physical_id, f"{logical_id}.")
