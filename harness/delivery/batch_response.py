"""What a function says of its batch when `ReportBatchItemFailures` is on (aws-semantics §3.8 and §4.4)."""

from __future__ import annotations

import json
from collections.abc import Collection

WHOLE_BATCH = None
"""The answer is unusable, or names an item that is not in the batch: all of it counts as failed."""


def failed_items(payload: bytes, known: Collection[str], *, strangers_fail: bool = True) -> set[str] | None:
    """
    The identifiers that the function reports as failed, or `WHOLE_BATCH`; one that is not `known` spoils the answer, or is passed over.

    >>> failed_items(b'{"batchItemFailures":[{"itemIdentifier":"b"}]}', ["a", "b"])
    {'b'}
    >>> failed_items(b'null', ["a"])
    set()
    >>> failed_items(b'{"batchItemFailures":[{"foo":"b"}]}', ["b"]) is WHOLE_BATCH
    True
    """
    try:
        answer = json.loads(payload)
    except ValueError:
        return WHOLE_BATCH
    if not answer:
        return set()
    if not isinstance(answer, dict):
        return WHOLE_BATCH
    failures = answer.get("batchItemFailures")
    if not failures:
        return set()
    if not isinstance(failures, list):
        return WHOLE_BATCH
    identifiers = [entry.get("itemIdentifier") if isinstance(entry, dict) else None for entry in failures]
    if any(not isinstance(identifier, str) or not identifier for identifier in identifiers):
        return WHOLE_BATCH
    named = {str(identifier) for identifier in identifiers}
    return WHOLE_BATCH if strangers_fail and not named <= set(known) else named & set(known)
