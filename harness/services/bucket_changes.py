"""
What a call of S3 did to the objects of a bucket, in the words of S3's event types (semantics §10.2).

moto keeps the objects and answers the call. It tells too little of what happened (a deletion of nothing, or an ACL that stays as it is,
is no event), so a glance before the call is compared with what is there after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

CREATIONS = {
    "PutObject": "ObjectCreated:Put",
    "PostObject": "ObjectCreated:Post",
    "CopyObject": "ObjectCreated:Copy",
    "CompleteMultipartUpload": "ObjectCreated:CompleteMultipartUpload",
}
TAGGINGS = {"PutObjectTagging": "ObjectTagging:Put", "DeleteObjectTagging": "ObjectTagging:Delete"}
DELETIONS = ("DeleteObject", "DeleteObjects")
OPERATIONS = frozenset({*CREATIONS, *TAGGINGS, *DELETIONS, "PutObjectAcl", "RestoreObject"})
"""The operations that may change an object; `PostObject`, a form's upload, is none of the SDK's."""

EMPTY_ETAG = "d41d8cd98f00b204e9800998ecf8427e"
"""What a delete marker is tagged with: the MD5 of nothing."""

ACCEPTED = 202


@dataclass(frozen=True, slots=True)
class Change:
    """One event of one object."""

    event: str
    """`ObjectCreated:Put` and so on."""
    key: str
    size: int | None = None
    etag: str | None = None
    version_id: str | None = None
    storage_class: str = "STANDARD"
    expires: str | None = None
    """When the copy of a restored object goes, ISO 8601."""

    @property
    def family(self) -> str:
        """`ObjectCreated` and so on."""
        return self.event.partition(":")[0]


Glance = Mapping[tuple[str, str | None], str]
"""What matters of the objects that a call is about, before the call: those that exist, by key and version, and their ACL or expiry."""


def glance(bucket: Any, operation: str, params: Mapping[str, Any]) -> Glance:
    """Look at the objects that a call is about; `bucket` is moto's."""
    found = {}
    for key, version in _named(operation, params):
        present = find(bucket, key, version)
        if present is not None:
            found[key, version] = _state(present, operation)
    return found


def changes(
    bucket: Any, operation: str, params: Mapping[str, Any], answer: Mapping[str, Any], before: Glance
) -> Iterator[Change]:
    """The events of a call that succeeded, in order."""
    for key, version in _named(operation, params):
        now = find(bucket, key, version)
        if operation in DELETIONS:
            yield from _deletion(key, version, now, answer, before)
        elif now is not None and operation in CREATIONS:
            yield _described(CREATIONS[operation], now)
        elif now is not None and operation in TAGGINGS:
            yield _described(TAGGINGS[operation], now, with_size=False)
        elif now is not None and operation == "PutObjectAcl" and before.get((key, version)) != _state(now, operation):
            yield _described("ObjectAcl:Put", now, with_size=False)
        elif now is not None and operation == "RestoreObject" and _is_accepted(answer):
            yield _described("ObjectRestore:Post", now)
            # moto has the copy ready at once, where S3's tiers take minutes to hours.
            yield _described("ObjectRestore:Completed", now)


def find(bucket: Any, key: str, version: str | None) -> Any:
    """An object or delete marker of moto's; the newest one unless a version is given."""
    if version is None:
        return bucket.keys.get(key)
    return next((one for one in bucket.keys.getlist(key, []) if str(one.version_id) == version), None)


def _named(operation: str, params: Mapping[str, Any]) -> list[tuple[str, str | None]]:
    if operation == "DeleteObjects":
        return [(entry["Key"], entry.get("VersionId")) for entry in params["Delete"]["Objects"]]
    return [(params["Key"], params.get("VersionId"))]


def _deletion(key: str, version: str | None, now: Any, answer: Mapping[str, Any], before: Glance) -> Iterator[Change]:
    refused = {(error["Key"], error.get("VersionId")) for error in answer.get("Errors", ())}
    if (key, version) not in before or (key, version) in refused:
        return
    if now is None:
        yield Change("ObjectRemoved:Delete", key, version_id=version)
    elif is_marker(now):
        yield Change("ObjectRemoved:DeleteMarkerCreated", key, etag=EMPTY_ETAG, version_id=str(now.version_id))


def is_marker(present: Any) -> bool:
    """Whether something of moto's is a delete marker."""
    return type(present).__name__ == "FakeDeleteMarker"


def _described(event: str, present: Any, *, with_size: bool = True) -> Change:
    version = str(present.version_id)
    return Change(
        event,
        present.name,
        size=int(present.size) if with_size else None,
        etag=present.etag.strip('"'),
        # An unversioned bucket has versions called null or None, which a notification leaves out.
        version_id=None if version in ("null", "None") else version,
        storage_class=present.storage_class,
        expires=_iso(present) if event.startswith("ObjectRestore") else None,
    )


def _iso(present: Any) -> str | None:
    """S3 lets restored copies expire at midnight UTC, in whole seconds."""
    return None if present._expiry is None else present._expiry.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _state(present: Any, operation: str) -> str:
    if is_marker(present) or operation != "PutObjectAcl":
        return ""
    from moto.s3.models import get_canned_acl

    return repr(present.acl or get_canned_acl("private"))


def _is_accepted(answer: Mapping[str, Any]) -> bool:
    """A second restore of the same object only prolongs the first, and is answered 200."""
    return bool(answer["ResponseMetadata"]["HTTPStatusCode"] == ACCEPTED)
