"""
The bucket for deployment packages and templates: one per account and region, shared by all runs.

An object is named after its content, so what is there already need not be sent again. The bucket keeps versions: whoever uses an object
last has made one, and so it is not lost to somebody who takes away an earlier one. It belongs to the stack and the run that used it last,
whose tags it has. It goes with that stack, or a sweep takes it once the run's lease is over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from stagefright.errors import AccountRefused
from stagefright.ledger.ledger import Ledger, Line
from stagefright.targets.account import Account
from stagefright.targets.run import TAG_PREFIX, Run, tag_list

RUN_METADATA, STACK_METADATA = "stagefright-run", "stagefright-stack"
"""Say on the object itself who used it last, since looking at tags would be another call."""

KEY = re.compile(r"\b(?:code|files|templates)/[0-9a-f]{64}(?:\.[A-Za-z0-9]+)*")
"""What objects are called: by content, and by what they are for."""

_ABSENT = frozenset({"404", "NoSuchBucket", "NoSuchKey", "NoSuchVersion", "NotFound"})
_OURS_ALREADY = frozenset({"BucketAlreadyOwnedByYou"})
NO_VERSION = "null"
"""What the version of an object is called that lies in a bucket without versions."""

_FIRST_REGION = "us-east-1"


def bucket_name(account: Account) -> str:
    """What the bucket of an account and region is called."""
    return f"stagefright-{account.id}-{account.region}"


class CodeBucket:
    """Where a run puts what CloudFormation fetches."""

    def __init__(self, account: Account, *, run: Run, stage: str, stack: str, ledger: Ledger) -> None:
        self._account = account
        self._stack = stack
        self._run = run
        self._tags = run.tags(stage)
        self._ledger = ledger
        self._strikes: dict[str, Line] = {}
        self._is_ready = False
        self.held: frozenset[str] = frozenset()
        """The keys of what the stack uses already; it stays the stack's, whatever becomes of an update."""
        self.sent: list[str] = []
        """The keys whose content had to be sent."""

    @property
    def name(self) -> str:
        """The bucket's name."""
        return bucket_name(self._account)

    def put(self, key: str, content: Callable[[], bytes]) -> None:
        """See to it that an object is there, and is this run's."""
        with self._account.explained(f"put {key} into the bucket {self.name}"):
            self._make_ready()
            if key in self.held and _users_of(self._account.client("s3"), self.name, key) is not None:
                return
            if key not in self._strikes:
                self._strikes[key] = self._ledger.note("code_object", self.name, key=key)
                self._put(key, content)

    def keep(self) -> None:
        """Leave it there, on purpose."""
        for line in self._strikes.values():
            line.keep()

    def clear(self) -> None:
        """Take away what was put there, unless another stack uses it by now."""
        with self._account.explained(f"clear the bucket {self.name}"):
            while self._strikes:
                key, strike = self._strikes.popitem()
                take_away_object(self._account, self.name, key, self._stack)
                strike()

    def hand_over(self) -> None:
        """What was put there is the stack's from now on, and goes with it."""
        while self._strikes:
            _, strike = self._strikes.popitem()
            strike()

    def _put(self, key: str, content: Callable[[], bytes]) -> None:
        s3 = self._account.client("s3")
        user = {RUN_METADATA: self._run.id, STACK_METADATA: self._stack}
        mine: dict[str, Any] = {"Metadata": user, "Tagging": urlencode(self._tags)}
        if _users_of(s3, self.name, key) is None or not self._is_taken_over(s3, key, mine):
            s3.put_object(Bucket=self.name, Key=key, Body=content(), **mine)
            self.sent.append(key)

    def _is_taken_over(self, s3: Any, key: str, mine: Mapping[str, Any]) -> bool:
        """
        Change whose an object is that is there already, and need not be sent; false if it went just now, with the stack that used it.

        A copy onto itself is the way to do that.
        """
        from botocore.exceptions import ClientError

        source = {"Bucket": self.name, "Key": key}
        replaced = {"MetadataDirective": "REPLACE", "TaggingDirective": "REPLACE"}
        try:
            s3.copy_object(Bucket=self.name, Key=key, CopySource=source, **replaced, **mine)
        except ClientError as error:
            if error.response["Error"]["Code"] in _ABSENT:
                return False
            raise
        return True

    # -- the bucket itself -------------------------------------------------------------------------------------------

    def _make_ready(self) -> None:
        if not self._is_ready:
            if not self._is_there():
                self._make()
            self._is_ready = True

    def _is_there(self) -> bool:
        from botocore.exceptions import ClientError

        try:
            # The owner is asked for as well: bucket names are the whole world's, and code must not go to a stranger.
            self._account.client("s3").head_bucket(Bucket=self.name, ExpectedBucketOwner=self._account.id)
        except ClientError as error:
            if error.response["Error"]["Code"] in _ABSENT:
                return False
            raise
        return True

    def _make(self) -> None:
        strike = self._ledger.note("code_bucket", self.name)
        self._create()
        s3 = self._account.client("s3")
        tags = tag_list({key: value for key, value in self._tags.items() if _is_lasting(key)})
        s3.put_bucket_tagging(Bucket=self.name, Tagging={"TagSet": tags})
        s3.put_public_access_block(Bucket=self.name, PublicAccessBlockConfiguration=_NOTHING_PUBLIC)
        # Without versions, an object could go between the question whose it is and its deletion.
        s3.put_bucket_versioning(Bucket=self.name, VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_encryption(Bucket=self.name, ServerSideEncryptionConfiguration=_ENCRYPTED)
        # From here on it is no run's, but the account's: the next run finds it.
        strike()

    def _create(self) -> None:
        from botocore.exceptions import ClientError

        where = {"CreateBucketConfiguration": {"LocationConstraint": self._account.region}}
        given: Mapping[str, Any] = {} if self._account.region == _FIRST_REGION else where
        try:
            self._account.client("s3").create_bucket(Bucket=self.name, **given)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "BucketAlreadyExists":
                raise AccountRefused(
                    f"The bucket {self.name}, into which code is put, belongs to another account. Deploy with the setting `deploy` instead "
                    "(`sam deploy ...`)."
                ) from None
            if code not in _OURS_ALREADY:  # another run was faster
                raise


_NOTHING_PUBLIC = dict.fromkeys(
    ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
)
_ENCRYPTED = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]}


def _is_lasting(tag: str) -> bool:
    """A bucket that all runs share has no stage and no end."""
    return tag.removeprefix(TAG_PREFIX) in ("owner", "created")


def take_away_object(account: Account, bucket: str, key: str, user: str) -> bool:
    """
    Delete an object if that stack (by name) or that run (by id) was the last to use it; whether it did.

    Only the versions go that were there when it was asked who uses it, so that whoever makes it theirs meanwhile keeps it.
    """
    s3 = account.client("s3")
    versions = _versions(s3, bucket, key)
    users = _users_of(s3, bucket, key, versions[0]) if versions else None
    if user not in (users or ()):
        return False
    for version in versions:
        s3.delete_object(Bucket=bucket, Key=key, **_only(version))
    return True


def _versions(s3: Any, bucket: str, key: str) -> list[str]:
    """The versions of an object, the latest first."""
    from botocore.exceptions import ClientError

    pages = s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=key)
    try:
        found = [one for page in pages for one in page.get("Versions", ()) if one["Key"] == key]
    except ClientError as error:
        if error.response["Error"]["Code"] in _ABSENT:
            return []
        raise
    return [one["VersionId"] for one in sorted(found, key=lambda one: not one["IsLatest"])]


def _only(version: str | None) -> dict[str, str]:
    """The part of a request that names a version."""
    return {} if version in (None, NO_VERSION) else {"VersionId": str(version)}


def _users_of(s3: Any, bucket: str, key: str, version: str | None = None) -> set[str] | None:
    """The run and the stack that used an object (or one version of it) last, as far as it says; None if it is not there."""
    from botocore.exceptions import ClientError

    try:
        said = s3.head_object(Bucket=bucket, Key=key, **_only(version)).get("Metadata", {})
    except ClientError as error:
        if error.response["Error"]["Code"] in _ABSENT:
            return None
        raise
    return {said[name] for name in (RUN_METADATA, STACK_METADATA) if name in said}
