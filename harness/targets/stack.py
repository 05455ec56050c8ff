"""A CloudFormation stack that is up: its resources, outputs and tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from stagefright.targets.account import Account


@dataclass(frozen=True, slots=True)
class StackResource:
    """A resource of a deployed stack."""

    logical_id: str
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


def read_stack(account: Account, name: str) -> Stack:
    """The stack of that name, as the account describes it."""
    cloudformation = account.client("cloudformation")
    described = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
    found = [summary for page in pages for summary in page["StackResourceSummaries"]]
    resources = [
        StackResource(one["LogicalResourceId"], one["ResourceType"], one["PhysicalResourceId"], None)
        for one in found
        if one.get("PhysicalResourceId")
    ]
    return Stack(
        name=name,
        id=described["StackId"],
        status=described["StackStatus"],
        resources={resource.logical_id: resource for resource in resources},
        outputs={output["OutputKey"]: output["OutputValue"] for output in described.get("Outputs", ())},
        tags={tag["Key"]: tag["Value"] for tag in described.get("Tags", ())},
    )
