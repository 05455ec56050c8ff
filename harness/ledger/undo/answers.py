"""What the account's answers mean: that something is gone, that it is ours, that somebody changed it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from stagefright.ledger.kinds import Fate, State
from stagefright.ledger.reading import Entry
from stagefright.targets.run import RUN_TAG

T = TypeVar("T")

SKEW_MAX_S = 300.0
"""How far the account's clock may be from ours, when a thing is asked whether it was made after its line was written."""


def found(ask: Callable[[], T], *missing: str) -> T | None:
    """What a call gives; None if it is refused with one of the codes that say that nothing is there."""
    from botocore.exceptions import ClientError

    try:
        return ask()
    except ClientError as error:
        if error.response["Error"]["Code"] in missing:
            return None
        raise


def is_refusal(error: Exception) -> bool:
    """Whether AWS said no, so that nothing was made; a call that nobody answered may have been heard all the same."""
    from botocore.exceptions import ClientError, ParamValidationError

    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return 400 <= int(status) < 500
    return isinstance(error, ParamValidationError)


def compared(now: str | None, before: str | None, entry: Entry) -> State:
    """How a value stands, by fingerprints: `now`, `before`, and what the entry says was written."""
    if now == before:
        return State(Fate.AS_BEFORE)
    if now is not None and now == entry.wrote:
        return State(Fate.DELETE if before is None else Fate.RESTORE)
    if now is None:
        return State(Fate.CHANGED, "it was deleted")
    return State(Fate.CHANGED, "" if entry.wrote else "the ledger does not say what was written")


def owned(entry: Entry, tags: Mapping[str, str]) -> State:
    """Whether what has the entry's name is the entry's run's, by its tags, or by a name that has the run in it."""
    run = tags.get(RUN_TAG)
    if run == entry.run or (run is None and entry.run in entry.name):
        return State(Fate.DELETE)
    return State(Fate.FOREIGN, f"it is of run {run}" if run else "it has no tag of a run")


def tag_mapping(tags: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Tags as most services list them, as a mapping."""
    return {str(tag["Key"]): str(tag["Value"]) for tag in tags}
