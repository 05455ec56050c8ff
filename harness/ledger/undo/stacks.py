"""Stacks that a run deployed, and the code that it put into a bucket for them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from stagefright.errors import StagefrightError
from stagefright.ledger.kinds import Clients, Fate, State
from stagefright.ledger.reading import Entry
from stagefright.ledger.undo.answers import found, owned, tag_mapping
from stagefright.ledger.undo.objects import GONE as OBJECT_GONE

BUCKET_TYPE = "AWS::S3::Bucket"

OBJECTS_PER_CALL_MAX = 1000
"""What DeleteObjects takes at once."""

DELETED = "DELETE_COMPLETE"

POLL_S, POLLS_MAX = 2, 900
"""How the deletion of a stack is watched: for half an hour at most."""


class Stacks:
    """The kind `stack`."""

    def look(self, entry: Entry, account: Clients) -> State:
        """Whether there is a stack of that name, and whose."""
        stack = described(account, entry.name)
        return State(Fate.AS_BEFORE) if stack is None else owned(entry, tag_mapping(stack.get("Tags", ())))

    def undo(self, entry: Entry, account: Clients) -> None:
        """Empty its buckets, which CloudFormation would not delete otherwise, delete it, and see it gone."""
        stack = described(account, entry.name)
        if stack is None:
            return
        for bucket in _buckets(account, entry.name):
            _empty(account.client("s3"), bucket)
        delete(account, stack)


def described(account: Clients, name: str) -> Mapping[str, Any] | None:
    """A stack as CloudFormation describes it; None if there is none."""
    from botocore.exceptions import ClientError

    try:
        stacks = account.client("cloudformation").describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        # CloudFormation has no code of its own for this.
        if re.search(r"does not exist", str(error)):
            return None
        raise
    return next((stack for stack in stacks if stack["StackStatus"] != DELETED), None)


def delete(account: Clients, stack: Mapping[str, Any]) -> None:
    """Delete a stack and wait until it is gone; by its id, so that a new one of the same name is safe."""
    from botocore.exceptions import WaiterError

    cloudformation, stack_id = account.client("cloudformation"), stack["StackId"]
    cloudformation.delete_stack(StackName=stack_id)
    try:
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=stack_id, WaiterConfig={"Delay": POLL_S, "MaxAttempts": POLLS_MAX}
        )
    except WaiterError:
        left = described(account, stack_id)
        if left is not None:
            raise StagefrightError(
                f"The stack {stack['StackName']} could not be deleted: {left['StackStatus']}: {left.get('StackStatusReason', 'no reason given')}. "
                "Look at its events, and sweep again."
            ) from None


def _buckets(account: Clients, stack: str) -> Iterator[str]:
    pages = account.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=stack)
    for resource in (one for page in pages for one in page["StackResourceSummaries"]):
        is_there = resource.get("PhysicalResourceId") and resource["ResourceStatus"] != DELETED
        if resource["ResourceType"] == BUCKET_TYPE and is_there:
            yield resource["PhysicalResourceId"]


def _empty(s3: Any, bucket: str) -> None:
    """Delete everything in a bucket, old versions and delete markers too."""
    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket)
    for page in found(lambda: list(pages), *OBJECT_GONE) or ():
        listed = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        doomed = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in listed]
        for start in range(0, len(doomed), OBJECTS_PER_CALL_MAX):
            s3.delete_objects(
                Bucket=bucket, Delete={"Objects": doomed[start : start + OBJECTS_PER_CALL_MAX], "Quiet": True}
            )


class CodeObjects:
    """The kind `code_object`."""

    def look(self, entry: Entry, account: Clients) -> State:
        """Whether it is there."""
        s3 = account.client("s3")
        now = found(lambda: s3.head_object(Bucket=entry.name, Key=entry.detail["key"]), *OBJECT_GONE)
        return State(Fate.AS_BEFORE if now is None else Fate.DELETE)

    def undo(self, entry: Entry, account: Clients) -> None:
        """Delete it."""
        s3 = account.client("s3")
        found(lambda: s3.delete_object(Bucket=entry.name, Key=entry.detail["key"]), *OBJECT_GONE)


class CodeBuckets:
    """The kind `code_bucket`, which stays: all stages of an account put their code into it."""

    def look(self, entry: Entry, account: Clients) -> State:
        """It stays, if it is there."""
        now = found(lambda: account.client("s3").head_bucket(Bucket=entry.name), *OBJECT_GONE)
        return State(Fate.AS_BEFORE) if now is None else State(Fate.KEEP, "all stages of the account share it")

    def undo(self, entry: Entry, account: Clients) -> None:
        """Nothing."""
