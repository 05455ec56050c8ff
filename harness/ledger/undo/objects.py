"""
Objects of S3's buckets.

In a bucket without versions a put destroys what was there, so its body and its headers are kept and put back. In a bucket with
versions what was there still is, below: undoing a put is deleting the version that it made, and nothing is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from stagefright.ledger.kinds import Clients, Fate, State
from stagefright.ledger.reading import Entry
from stagefright.ledger.undo.answers import SKEW_MAX_S, compared, found
from stagefright.ledger.values import CHUNK_BYTES, SideFile

GONE = ("NoSuchKey", "NoSuchBucket", "NoSuchVersion", "404")

KEPT = (
    "Body",
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Metadata",
    "ServerSideEncryption",
    "SSEKMSKeyId",
    "BucketKeyEnabled",
    "StorageClass",
    "WebsiteRedirectLocation",
)
"""What GetObject gives and PutObject takes."""

NULL_VERSION = "null"
"""The version of an object that was put while its bucket kept none."""


class Objects:
    """The kind `object`."""

    def look(self, entry: Entry, account: Clients) -> State:
        """Compare the body that is there with the one before, and with the one that was written."""
        s3 = account.client("s3")
        if entry.detail.get("is_versioned"):
            if next(_versions_written(s3, entry), None) is None:
                return State(Fate.AS_BEFORE)
            return State(Fate.RESTORE if entry.detail.get("version") else Fate.DELETE)
        now = found(lambda: s3.get_object(Bucket=entry.name, Key=entry.detail["key"]), *GONE)
        if now is None and found(lambda: s3.head_bucket(Bucket=entry.name), *GONE) is None:
            return State(Fate.AS_BEFORE, "its bucket is gone")
        return compared(now and _sha256(now["Body"]), entry.before and _sha256_of(entry.before["Body"]), entry)

    def undo(self, entry: Entry, account: Clients) -> None:
        """Delete the object or the versions that were written, or put back what was there."""
        s3, where = account.client("s3"), {"Bucket": entry.name, "Key": entry.detail["key"]}
        if entry.detail.get("is_versioned"):
            for version in list(_versions_written(s3, entry)):
                s3.delete_object(**where, VersionId=version)
        elif entry.before is None:
            found(lambda: s3.delete_object(**where), *GONE)
        else:
            body = entry.before["Body"]
            if not isinstance(body, SideFile):
                s3.put_object(**where, **entry.before)
                return
            with body.open() as content:
                s3.put_object(**where, **{**entry.before, "Body": content})


def keeps_versions(s3: Any, bucket: str, latest: str | None) -> bool:
    """Whether a put into a bucket leaves what was there; `latest` is the version that is there now."""
    status = s3.get_bucket_versioning(Bucket=bucket).get("Status")
    # With versions suspended, a put takes the place of the version `null` and of no other.
    return status == "Enabled" or (status == "Suspended" and latest != NULL_VERSION)


def kept_of(s3: Any, bucket: str, key: str, answer: Mapping[str, Any]) -> dict[str, Any]:
    """What must be kept of an object that GetObject gave, for PutObject to make it again."""
    kept = {name: answer[name] for name in KEPT if answer.get(name)}
    kept.setdefault("Body", b"")
    if answer.get("TagCount"):
        tags = s3.get_object_tagging(Bucket=bucket, Key=key)["TagSet"]
        kept["Tagging"] = urlencode([(tag["Key"], tag["Value"]) for tag in tags])
    return kept


def _versions_written(s3: Any, entry: Entry) -> Iterator[str]:
    """The ids of the versions that are newer than what was there, and have the body that was written; newest first."""
    key = entry.detail["key"]
    pages = found(lambda: list(_version_pages(s3, entry.name, key)), *GONE) or []
    for version in (one for page in pages for one in page.get("Versions", ()) if one["Key"] == key):
        # Newest first; what comes after the one that was there is older still.
        if version["VersionId"] == entry.detail.get("version"):
            return
        if version["LastModified"].timestamp() < entry.at - SKEW_MAX_S:
            return
        where = {"Bucket": entry.name, "Key": key, "VersionId": version["VersionId"]}
        body = found(lambda where=where: s3.get_object(**where), *GONE)  # type: ignore[misc]
        if body is not None and _sha256(body["Body"]) == entry.wrote:
            yield str(version["VersionId"])


def _version_pages(s3: Any, bucket: str, key: str) -> Iterator[Mapping[str, Any]]:
    yield from s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=key)


def _sha256(body: Any) -> str:
    digest = hashlib.sha256()
    while chunk := body.read(CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


def _sha256_of(kept: bytes | SideFile) -> str:
    return kept.sha256 if isinstance(kept, SideFile) else hashlib.sha256(kept).hexdigest()
