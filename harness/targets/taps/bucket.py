"""
An S3 bucket, seen without touching its notifications.

These are one document, which cannot be added to without overwriting what others wrote. A bucket that sends its events to EventBridge
is observed there, exactly; any other is listed again and again, and what differs is what happened.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from stagefright.errors import UnsupportedOperation
from stagefright.services.bucket_changes import EMPTY_ETAG
from stagefright.services.bucket_events import DETAIL_TYPES, REASONS
from stagefright.targets.taps.bus import DEFAULT_BUS, BusTap
from stagefright.targets.taps.ground import Ground
from stagefright.targets.taps.tap import Sighting, Tap

LISTED_MAX = 10_000
"""How many objects (or versions) a bucket may hold to be listed at each look: ten calls."""


def bucket_tap(ground: Ground, bucket: str, physical_name: str) -> Tap:
    """The tap for a bucket."""
    configured = ground.client("s3").get_bucket_notification_configuration(Bucket=physical_name)
    if "EventBridgeConfiguration" in configured:
        return BucketEventsTap(ground, bucket, physical_name)
    return BucketListingTap(ground, bucket, physical_name)


class BucketEventsTap(BusTap):
    """The events that a bucket sends to the default bus."""

    def __init__(self, ground: Ground, bucket: str, physical_name: str) -> None:
        pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": [physical_name]}}}
        super().__init__(ground, bucket, DEFAULT_BUS, pattern)
        self._bucket = bucket

    def sighting(self, event: Mapping[str, Any], at: float) -> Sighting:
        """The event as S3's own name for it, and what it says of the object."""
        told = event["detail"]["object"]
        facts = {"size": told.get("size"), "etag": told.get("etag"), "version_id": told.get("version-id")}
        facts |= {"request_id": event["detail"].get("request-id")}
        detail = {
            "id": event["id"],
            "event_name": event_name(event["detail-type"], event["detail"]),
            "key": told["key"],
            **{name: value for name, value in facts.items() if value is not None},
        }
        return Sighting(at, "event", self._bucket, detail, event["id"])


def event_name(detail_type: str, detail: Mapping[str, Any]) -> str:
    """
    S3's event type for an event on the bus.

    >>> event_name("Object Created", {"reason": "CopyObject"})
    'ObjectCreated:Copy'
    """
    fitting = [name for name, known in DETAIL_TYPES.items() if known == detail_type]
    for name in fitting:
        if all(detail.get(key) == value for key, value in REASONS.get(name, {}).items()):
            return name
    return fitting[0] if fitting else detail_type


@dataclass(frozen=True, slots=True)
class Entry:
    """An object, version or delete marker, as it is listed."""

    key: str
    version_id: str | None
    etag: str
    size: int | None
    """None: a delete marker."""
    changed_at: datetime

    @property
    def identity(self) -> tuple[str, ...]:
        """What a change of the object would change. Its time is in whole seconds."""
        return (self.key, self.version_id or "", self.etag, str(self.size), self.changed_at.isoformat())


class BucketListingTap:
    """
    What differs between one listing and the next.

    It does not show what is gone again by the next look, an object that was overwritten twice between two looks (once is seen), one that
    was overwritten with the same content in the same second, changes of tags and ACLs; nor whether an object was put or copied.
    """

    is_behind = False

    def __init__(self, ground: Ground, bucket: str, physical_name: str) -> None:
        self._ground = ground
        self._bucket = bucket
        self._name = physical_name
        self._is_versioned = False
        self._before: dict[tuple[str, ...], Entry] = {}

    def arm(self) -> None:
        """List what is there, which is no news."""
        versioning = self._ground.client("s3").get_bucket_versioning(Bucket=self._name)
        self._is_versioned = versioning.get("Status") in ("Enabled", "Suspended")
        self._before = self._list()

    def poll(self) -> list[Sighting]:
        """What has come and gone since the last poll."""
        before, self._before = self._before, self._list()
        came = [entry for identity, entry in self._before.items() if identity not in before]
        went = [entry for identity, entry in before.items() if identity not in self._before]
        return [*map(self._came, came), *self._gone(went)]

    def _came(self, entry: Entry) -> Sighting:
        facts = {"size": entry.size, "etag": entry.etag, "version_id": entry.version_id}
        detail = {
            "event_name": _creation(entry),
            "key": entry.key,
            **{name: value for name, value in facts.items() if value is not None},
        }
        return self._sighting(entry.changed_at.timestamp(), entry, detail)

    def _gone(self, went: list[Entry]) -> Iterator[Sighting]:
        """An object that is replaced is no deletion; a version that is gone is one."""
        keys = {entry.key for entry in self._before.values()}
        for entry in went:
            if self._is_versioned or entry.key not in keys:
                version = {"version_id": entry.version_id} if entry.version_id else {}
                detail = {"event_name": "ObjectRemoved:Delete", "key": entry.key, **version}
                yield self._sighting(self._ground.now(), entry, detail)

    def _sighting(self, at: float, entry: Entry, detail: Mapping[str, Any]) -> Sighting:
        name = ":".join((str(detail["event_name"]), *entry.identity))
        return Sighting(at, "event", self._bucket, {"id": name, **detail}, name)

    def _list(self) -> dict[tuple[str, ...], Entry]:
        found: dict[tuple[str, ...], Entry] = {}
        for entry in self._versions() if self._is_versioned else self._objects():
            found[entry.identity] = entry
            if len(found) > LISTED_MAX:
                raise UnsupportedOperation(
                    f"{self._bucket} holds more than {LISTED_MAX:,} objects. A listener lists all of them at each look, unless the bucket "
                    f"sends its events to EventBridge (NotificationConfiguration: EventBridgeConfiguration): turn that on."
                )
        return found

    def _objects(self) -> Iterator[Entry]:
        pages = self._ground.client("s3").get_paginator("list_objects_v2").paginate(Bucket=self._name)
        for page in pages:
            for one in page.get("Contents", ()):
                yield Entry(one["Key"], None, _bare(one["ETag"]), one["Size"], one["LastModified"])

    def _versions(self) -> Iterator[Entry]:
        pages = self._ground.client("s3").get_paginator("list_object_versions").paginate(Bucket=self._name)
        for page in pages:
            for one in page.get("Versions", ()):
                yield Entry(one["Key"], _version(one), _bare(one["ETag"]), one["Size"], one["LastModified"])
            for one in page.get("DeleteMarkers", ()):
                yield Entry(one["Key"], _version(one), EMPTY_ETAG, None, one["LastModified"])

    def close(self) -> None:
        """Nothing was made."""


def _creation(entry: Entry) -> str:
    """The event type, as far as a listing tells: the ETag of a multipart upload ends with the number of its parts."""
    if entry.size is None:
        return "ObjectRemoved:DeleteMarkerCreated"
    return f"ObjectCreated:{'CompleteMultipartUpload' if '-' in entry.etag else 'Put'}"


def _bare(etag: str) -> str:
    return etag.strip('"')


def _version(one: Mapping[str, Any]) -> str | None:
    """What was put before versioning was turned on has the version `null`, which S3's events leave out."""
    version = one.get("VersionId")
    return None if version in (None, "null") else str(version)
