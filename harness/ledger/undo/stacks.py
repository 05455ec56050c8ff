"""Stacks that a run deployed, and the code that it put into a bucket for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from stagefright.ledger.kinds import Clients, Fate, State
from stagefright.ledger.reading import Entry
from stagefright.ledger.undo.answers import SKEW_MAX_S, found, owned
from stagefright.targets.account import SKEW_MIN_S, Account
from stagefright.targets.deploying.change_sets import change_sets_of, run_behind
from stagefright.targets.deploying.code_bucket import RUN_METADATA, take_away_object
from stagefright.targets.deploying.removal import remove_stack
from stagefright.targets.run import RUN_TAG
from stagefright.targets.stack import REVIEWED, described, tags_of

ABSENT = ("404", "NoSuchKey", "NoSuchBucket", "NotFound")


BEGUN_WITHIN_S = 3600.0
"""
How long after a command began its stack may have begun, where the run was killed before it knew the stack's id. One without tags that is
younger was made by somebody else, since the line may stand for days until a sweep comes.
"""


class Stacks:
    """The kind `stack`."""

    def look(self, entry: Entry, account: Clients) -> State:
        """Whether there is a stack of that name, and whose."""
        stack = described(cast("Account", account), entry.name)
        if stack is None:
            return State(Fate.AS_BEFORE)
        if entry.detail.get("untagged"):
            return made_by_command(entry, stack)
        way = cast("Account", account)
        run = run_behind(way, stack)
        if (
            run is None
            and stack["StackStatus"] == REVIEWED
            and not change_sets_of(way, stack)
            and not _is_older(entry, stack)
        ):
            return State(Fate.DELETE)  # its change set went, and there was never anything else
        return owned(entry, tags_of(stack) if run is None else {RUN_TAG: run})

    def undo(self, entry: Entry, account: Clients) -> None:
        """Delete it with what its resources left, and see it gone; by its id, so that a new one of that name is safe."""
        stack = described(cast("Account", account), entry.name)
        if stack is not None:
            remove_stack(cast("Account", account), str(stack["StackId"]))


def made_by_command(entry: Entry, stack: Mapping[str, Any]) -> State:
    """Its id tells, if the command came to an end; else its age, because there was none when the command began."""
    run = tags_of(stack).get(RUN_TAG)
    if run is not None and run != entry.run:
        return State(Fate.FOREIGN, f"it is of run {run}")
    stack_id = entry.detail.get("stack_id")
    if stack_id is not None and stack_id != stack["StackId"]:
        return State(Fate.FOREIGN, "it is another one of that name")
    if _is_older(entry, stack):
        return State(Fate.FOREIGN, "it is older than the run")
    if stack_id is None and run is None and _is_younger(entry, stack):
        return State(Fate.FOREIGN, "it came after the command")
    return State(Fate.DELETE)


def _is_older(entry: Entry, stack: Mapping[str, Any]) -> bool:
    # A command's beginning is written down by the account's clock, all else by ours.
    began, slack_s = entry.detail.get("began"), SKEW_MAX_S
    if began is not None:
        slack_s = SKEW_MIN_S
    return bool(stack["CreationTime"].timestamp() < (entry.at if began is None else began) - slack_s)


def _is_younger(entry: Entry, stack: Mapping[str, Any]) -> bool:
    began = entry.detail.get("began")
    return began is not None and bool(stack["CreationTime"].timestamp() > began + BEGUN_WITHIN_S)


class CodeObjects:
    """The kind `code_object`."""

    def look(self, entry: Entry, account: Clients) -> State:
        """Whether it is there, and who used it last."""
        s3 = account.client("s3")
        now = found(lambda: s3.head_object(Bucket=entry.name, Key=entry.detail["key"]), *ABSENT)
        if now is None:
            return State(Fate.AS_BEFORE)
        if now.get("Metadata", {}).get(RUN_METADATA) == entry.run:
            return State(Fate.DELETE)
        return State(Fate.KEEP, "another run used it since")

    def undo(self, entry: Entry, account: Clients) -> None:
        """Delete it."""
        take_away_object(cast("Account", account), entry.name, entry.detail["key"], entry.run)


class CodeBuckets:
    """The kind `code_bucket`, which stays: all stages of an account put their code into it."""

    def look(self, entry: Entry, account: Clients) -> State:
        """It stays, if it is there."""
        now = found(lambda: account.client("s3").head_bucket(Bucket=entry.name), *ABSENT)
        return State(Fate.AS_BEFORE) if now is None else State(Fate.KEEP, "all stages of the account share it")

    def undo(self, entry: Entry, account: Clients) -> None:
        """Nothing."""
