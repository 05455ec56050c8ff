"""What CloudFormation says while it works on a stack: a line for each event, and the reasons for a failure."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from stagefright.targets.account import Account
from stagefright.targets.stack import NESTED_TYPE
from stagefright.wording import clip

Progress = Callable[[str], None]
"""Takes one line that says what goes on."""

REASON_MAX = 800

_CANCELLED = re.compile(r"(resource )?(creation|update|deletion|create|delete)? ?cancell?ed", re.IGNORECASE)


def silent(_line: str) -> None:
    """Nobody watches."""


def pauses(account: Account) -> Iterator[float]:
    """How long to wait between two looks, in seconds: an emulator is done soon, AWS is not and counts the questions."""
    pause_s, most_s = (0.05, 0.5) if account.is_emulator else (0.5, 3.0)
    while True:
        yield pause_s
        pause_s = min(pause_s * 1.5, most_s)


@dataclass(frozen=True, slots=True)
class StackEvent:
    """One step of CloudFormation."""

    id: str
    logical_id: str
    type: str
    physical_id: str
    status: str
    reason: str

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> StackEvent:
        """From what `DescribeStackEvents` says."""
        return cls(
            said["EventId"],
            said.get("LogicalResourceId", ""),
            said.get("ResourceType", ""),
            said.get("PhysicalResourceId", ""),
            said.get("ResourceStatus", ""),
            said.get("ResourceStatusReason", ""),
        )

    @property
    def is_failure(self) -> bool:
        """Whether it is a cause of the end, and not one of those that were called off for it."""
        return self.status.endswith("_FAILED") and not _CANCELLED.match(self.reason)

    def __str__(self) -> str:
        reason = f"  {clip(self.reason, 200)}" if self.reason else ""
        return f"{self.status:<28} {self.logical_id} ({self.type}){reason}"


class StackEvents:
    """The events of one stack, from now on."""

    def __init__(self, account: Account, stack_id: str, *, from_the_beginning: bool = False) -> None:
        self._account = account
        self.stack_id = stack_id
        self._seen: set[str] = set()
        self.all: list[StackEvent] = []
        """Those since it was made, in the order in which they happened."""
        if not from_the_beginning:
            self._seen = {event.id for event in self._newest_first()}

    def look(self) -> list[StackEvent]:
        """Those that are new since the last look."""
        new: list[StackEvent] = []
        for event in self._newest_first():
            if event.id in self._seen:
                break
            new.append(event)
        new.reverse()
        self._seen.update(event.id for event in new)
        self.all += new
        return new

    def failures(self) -> list[StackEvent]:
        """What went wrong, the cause first; in place of a nested stack, what went wrong in it."""
        found = [event for event in self.all if event.is_failure and event.physical_id != self.stack_id]
        return [cause for event in found for cause in self._causes(event)]

    def _causes(self, event: StackEvent) -> list[StackEvent]:
        if event.type != NESTED_TYPE or not event.physical_id.startswith("arn:"):
            return [event]
        inner = StackEvents(self._account, event.physical_id, from_the_beginning=True)
        inner.look()
        return inner.failures() or [event]

    def _newest_first(self) -> Iterator[StackEvent]:
        pages = self._account.client("cloudformation").get_paginator("describe_stack_events")
        for page in pages.paginate(StackName=self.stack_id):
            for said in page["StackEvents"]:
                yield StackEvent.of(said)


def follow(account: Account, stack_id: str, events: StackEvents, progress: Progress) -> tuple[str, str]:
    """Tell what happens until CloudFormation has come to an end with a stack; gives its status and the reason for it."""
    cloudformation = account.client("cloudformation")
    for pause_s in pauses(account):
        said = cloudformation.describe_stacks(StackName=stack_id)["Stacks"][0]
        for event in events.look():
            progress(str(event))
        if not said["StackStatus"].endswith("_IN_PROGRESS"):
            return said["StackStatus"], said.get("StackStatusReason", "")
        time.sleep(pause_s)
    raise AssertionError("the pauses never end")


def in_words(failures: list[StackEvent], otherwise: str) -> str:
    """The failures, one to a line; `otherwise` if there are none to show."""
    lines = [
        f"  {event.logical_id} ({event.type}) {event.status}: {clip(event.reason, REASON_MAX) or 'no reason given'}"
        for event in failures
    ]
    return "\n".join(lines) or f"  {otherwise or 'CloudFormation gives no reason.'}"
