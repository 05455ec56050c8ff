"""
Takes a stack away, with what its resources left: the content of its buckets, the log groups of its functions, and the code that was put
into the bucket for it.

A bucket is emptied only if CloudFormation tried to delete it and could not. So one that the template keeps (`DeletionPolicy: Retain`) keeps its
content too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stagefright.errors import DeploymentFailed
from stagefright.invoking import FUNCTION_TYPE
from stagefright.targets.account import Account
from stagefright.targets.deploying.code_bucket import KEY, bucket_name, take_away_object
from stagefright.targets.deploying.packaging import template_key, template_of
from stagefright.targets.deploying.stack_events import Progress, StackEvents, follow, in_words, silent
from stagefright.targets.stack import GONE, NESTED_TYPE, REVIEWED, described, read_stack

BUCKET = "AWS::S3::Bucket"
LOG_GROUP = "AWS::Logs::LogGroup"

_ATTEMPTS = 2


def remove_stack(account: Account, name: str, *, progress: Progress = silent) -> bool:
    """
    Delete a stack, by name or id, and wait until it is gone; False if there was none.

    Raises `DeploymentFailed`, which names the resources that would not go, and why.
    """
    description = described(account, name)
    if description is None:
        return False
    with account.explained(f"remove the stack {name}"):
        has_resources = description["StackStatus"] != REVIEWED
        log_groups = list(_left_log_groups(account, description)) if has_resources else []
        code = set(code_of(account, description["StackId"])) if has_resources else set()
        _delete(account, description, progress)
        for key in sorted(code):
            take_away_object(account, bucket_name(account), key, description["StackName"])
        for group in log_groups:
            _delete_log_group(account, group, not_before_ms=int(description["CreationTime"].timestamp() * 1000))
    return True


def abandon_stack(account: Account, name: str) -> None:
    """Have a stack deleted, and do not wait for it: the user is in a hurry."""
    with account.explained(f"remove the stack {name}"):
        account.client("cloudformation").delete_stack(StackName=name)


def call_off_update(account: Account, stack_id: str) -> None:
    """Have CloudFormation go back to what a stack was, and do not wait for it; one that is done, or not begun, stays as it is."""
    from botocore.exceptions import ClientError

    with account.explained(f"call off the update of the stack {stack_id}"):
        try:
            account.client("cloudformation").cancel_update_stack(StackName=stack_id)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationError":
                raise


def _delete(account: Account, description: Mapping[str, Any], progress: Progress) -> None:
    stack_id, cloudformation = description["StackId"], account.client("cloudformation")
    for attempt in range(_ATTEMPTS):
        events = StackEvents(account, stack_id)
        cloudformation.delete_stack(StackName=stack_id)
        status, reason = follow(account, stack_id, events, progress)
        if status == GONE:
            return
        failures = events.failures()
        buckets = [event.physical_id for event in failures if event.type == BUCKET]
        if attempt + 1 == _ATTEMPTS or not buckets:
            break
        for bucket in buckets:
            progress(f"emptying the bucket {bucket}")
            empty_bucket(account, bucket)
    raise DeploymentFailed(
        f"The stack {description['StackName']} could not be removed: it is {status}.\n{in_words(failures, reason)}\n"
        f"Remove what is in the way, then delete it again: aws cloudformation delete-stack --stack-name {description['StackName']} "
        f"--region {account.region}"
    )


# -- buckets -----------------------------------------------------------------------------------------------------------


def empty_bucket(account: Account, bucket: str) -> None:
    """Delete everything in a bucket: objects, their versions, delete markers, and uploads that were never finished."""
    s3 = account.client("s3")
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        found = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        if found:
            objects = [{"Key": one["Key"], "VersionId": one["VersionId"]} for one in found]
            s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for upload in page.get("Uploads", ()):
            s3.abort_multipart_upload(Bucket=bucket, Key=upload["Key"], UploadId=upload["UploadId"])


# -- code --------------------------------------------------------------------------------------------------------------


def code_of(account: Account, stack_id: str) -> Iterator[str]:
    """The keys of what a stack, and the stacks nested in it, have in the bucket: the templates name them."""
    cloudformation = account.client("cloudformation")
    text = template_of(account, stack_id)
    yield template_key(text)
    yield from KEY.findall(text)
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack_id)
    for one in (summary for page in pages for summary in page["StackResourceSummaries"]):
        if one["ResourceType"] == NESTED_TYPE and str(one.get("PhysicalResourceId", "")).startswith("arn:"):
            yield from code_of(account, one["PhysicalResourceId"])


# -- log groups --------------------------------------------------------------------------------------------------------


def _left_log_groups(account: Account, description: Mapping[str, Any]) -> Iterator[str]:
    """Those that Lambda makes when a function first logs; one that is in the stack is CloudFormation's to delete, or to keep."""
    resources = read_stack(account, description["StackId"], description).resources.values()
    own = {resource.physical_id for resource in resources if resource.type == LOG_GROUP}
    for resource in resources:
        group = f"/aws/lambda/{resource.physical_id}"
        if resource.type == FUNCTION_TYPE and group not in own:
            yield group


def _delete_log_group(account: Account, group: str, *, not_before_ms: int) -> None:
    """Delete a log group, unless it is older than the stack: then it is not the stack's alone."""
    from botocore.exceptions import ClientError

    logs = account.client("logs")
    found = [
        one for one in logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"] if one["logGroupName"] == group
    ]
    if not found or found[0].get("creationTime", not_before_ms) < not_before_ms:
        return
    try:
        logs.delete_log_group(logGroupName=group)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ResourceNotFoundException":
            raise
