"""CDK's logical ids without their hash: `FeedTopicE1B2C3D4` is what people know as `FeedTopic`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_HASHED = re.compile(r"(.+?)[0-9A-F]{8}([0-9a-f]{32})?")
"""Versions of functions and deployments of REST APIs have another hash, of what they stand for."""
_NESTED = re.compile(r"([^/]+)\.NestedStack/\1\.NestedStackResource")


def short_ids(resources: Mapping[str, Any]) -> dict[str, str]:
    """
    The ids without hash, each with the id that it stands for; only those that stand for one resource, and are no other's id.

    >>> short_ids({"JobsE1B2C3D4": {"Metadata": {"aws:cdk:path": "App/Jobs/Resource"}}})
    {'Jobs': 'JobsE1B2C3D4'}
    """
    candidates: dict[str, list[str]] = {}
    for logical_id, resource in resources.items():
        short = shortened(logical_id, resource)
        if short is not None:
            candidates.setdefault(short, []).append(logical_id)
    return {short: ids[0] for short, ids in candidates.items() if len(ids) == 1 and short not in resources}


def construct_path(resource: Mapping[str, Any]) -> str | None:
    """Where in the tree of constructs a resource stands, as CDK notes it."""
    metadata = resource.get("Metadata")
    path = metadata.get("aws:cdk:path") if isinstance(metadata, Mapping) else None
    return path if isinstance(path, str) else None


def shortened(logical_id: str, resource: Mapping[str, Any]) -> str | None:
    """One id without its hash; None if it has none."""
    path = construct_path(resource)
    if path is None:
        return None
    nested = _NESTED.search(path)
    if nested:
        return _letters(nested[1])
    hashed = _HASHED.fullmatch(logical_id)
    # A construct that stands directly in its stack has its own id, without a hash.
    return hashed[1] if hashed and _letters(path.rpartition("/")[2]) != logical_id else None


def _letters(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", text)
