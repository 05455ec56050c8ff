"""How S3 tells of a change: the record of a notification, the event on the bus, and the test message (semantics §10.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from stagefright.services.bucket_changes import Change

NEWER_FAMILIES = ("LifecycleExpiration", "LifecycleTransition", "IntelligentTiering", "ObjectAcl", "ObjectTagging")
"""Event families whose records are of version 2.3; all others that a local stage knows are of 2.1."""

UNSEQUENCED_FAMILIES = ("ObjectAcl", "ObjectTagging")
"""Event families whose records have no sequencer and no size (LS test_object_put_acl, test_object_tagging_put_event)."""

SUBJECT = "Amazon S3 Notification"
"""Of what S3 publishes to a topic (LS test_object_created_put)."""

DETAIL_TYPES = {
    "ObjectCreated:CompleteMultipartUpload": "Object Created",
    "ObjectCreated:Copy": "Object Created",
    "ObjectCreated:Put": "Object Created",
    "ObjectRemoved:Delete": "Object Deleted",
    "ObjectRemoved:DeleteMarkerCreated": "Object Deleted",
    "ObjectRestore:Completed": "Object Restore Completed",
    "ObjectRestore:Post": "Object Restore Initiated",
    "ObjectTagging:Delete": "Object Tags Deleted",
    "ObjectTagging:Put": "Object Tags Added",
    "ObjectAcl:Put": "Object ACL Updated",
}

REASONS = {
    "ObjectCreated:CompleteMultipartUpload": {"reason": "CompleteMultipartUpload"},
    "ObjectCreated:Copy": {"reason": "CopyObject"},
    "ObjectCreated:Put": {"reason": "PutObject"},
    "ObjectRemoved:Delete": {"reason": "DeleteObject", "deletion-type": "Permanently Deleted"},
    "ObjectRemoved:DeleteMarkerCreated": {"reason": "DeleteObject", "deletion-type": "Delete Marker Created"},
}

SOURCE_IP = "127.0.0.1"
"""Where every request of a world comes from."""


@dataclass(frozen=True, slots=True)
class Request:
    """The request that caused a change."""

    id: str
    host_id: str
    principal_id: str


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A change, with all that S3 tells of it."""

    change: Change
    request: Request
    bucket: str
    region: str
    account: str
    owner_id: str
    time: str
    sequencer: str


def record(told: Occurrence, configuration_id: str) -> dict[str, Any]:
    """The one record of a notification to a function, queue or topic."""
    change = told.change
    found: dict[str, Any] = {
        "eventVersion": "2.3" if change.family in NEWER_FAMILIES else "2.1",
        "eventSource": "aws:s3",
        "awsRegion": told.region,
        "eventTime": told.time,
        "eventName": change.event,
        "userIdentity": {"principalId": _principal(told)},
        "requestParameters": {"sourceIPAddress": SOURCE_IP},
        "responseElements": {"x-amz-request-id": told.request.id, "x-amz-id-2": told.request.host_id},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": configuration_id,
            "bucket": {
                "name": told.bucket,
                "ownerIdentity": {"principalId": told.owner_id},
                "arn": f"arn:aws:s3:::{told.bucket}",
            },
            "object": _object(told),
        },
    }
    if change.event == "ObjectRestore:Completed":
        found["glacierEventData"] = {
            "restoreEventData": {
                "lifecycleRestorationExpiryTime": change.expires,
                "lifecycleRestoreStorageClass": change.storage_class,
            }
        }
    return found


def detail(told: Occurrence) -> dict[str, Any]:
    """The detail of the event that EventBridge gets, whose keys are not URL-encoded."""
    change = told.change
    found: dict[str, Any] = {
        "version": "0",
        "bucket": {"name": told.bucket},
        "object": _plain_object(told),
        "request-id": told.request.id,
        "requester": "s3.amazonaws.com" if change.event == "ObjectRestore:Completed" else told.account,
        "source-ip-address": SOURCE_IP,
        **REASONS.get(change.event, {}),
    }
    if change.event == "ObjectRestore:Completed":
        found["restore-expiry-time"] = (change.expires or "").replace(".000Z", "Z")
    if change.family == "ObjectRestore":
        found["source-storage-class"] = change.storage_class
    return found


def test_message(bucket: str, time: str, request: Request) -> dict[str, str]:
    """What a queue or topic is sent when it becomes the destination of a bucket's notifications."""
    return {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": time,
        "Bucket": bucket,
        "RequestId": request.id,
        "HostId": request.host_id,
    }


def _principal(told: Occurrence) -> str:
    """A restore is completed by S3 itself, in the name of the bucket's owner (LS test_restore_object)."""
    if told.change.event == "ObjectRestore:Completed":
        return f"AmazonCustomer:{told.owner_id}"
    return told.request.principal_id


def _object(told: Occurrence) -> dict[str, Any]:
    """
    The object of a record.

    `quote_plus` leaves slashes alone, as S3 does: `red+flower.jpg`, `in/a%40b`.
    """
    change = told.change
    sequencer = None if change.family in UNSEQUENCED_FAMILIES else told.sequencer
    found = {
        "key": quote_plus(change.key, safe="/"),
        "size": change.size,
        "eTag": change.etag,
        "versionId": change.version_id,
        "sequencer": sequencer,
    }
    return {name: value for name, value in found.items() if value is not None}


def _plain_object(told: Occurrence) -> dict[str, Any]:
    change = told.change
    has_sequencer = change.family in ("ObjectCreated", "ObjectRemoved")
    found = {
        "key": change.key,
        "size": change.size,
        "etag": change.etag,
        "version-id": change.version_id,
        "sequencer": told.sequencer if has_sequencer else None,
    }
    return {name: value for name, value in found.items() if value is not None}
