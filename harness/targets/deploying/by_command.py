"""
A stack that a command of the user's own deploys or removes: whose it is, and when it is gone.

The command may or may not pass our tags on. What it has made is known as this run's, so that it is tagged afterwards: there was no such stack
when the command began, by the account's own clock, and no other run's tags are on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from stagefright.errors import DeploymentFailed, TargetError
from stagefright.ledger import files
from stagefright.ledger.findings import lease_of
from stagefright.ledger.kinds import Fate
from stagefright.ledger.ledger import Ledger, Line
from stagefright.ledger.reading import Entry, Unreadable, read
from stagefright.ledger.undo.stacks import made_by_command
from stagefright.settings import Settings
from stagefright.targets.account import Account
from stagefright.targets.deploying.commands import command_line, run_command
from stagefright.targets.deploying.stack_events import Progress, StackEvents, follow
from stagefright.targets.deploying.tagging import tag_stack
from stagefright.targets.run import STAGE_TAG, TAG_PREFIX, Run
from stagefright.targets.stack import GONE, described, tags_of


class CommandDeployment:
    """One run of the command of the setting `deploy`."""

    def __init__(
        self, stage: str, stack: str, settings: Settings, account: Account, run: Run, ledger: Ledger, progress: Progress
    ) -> None:
        self._stage = stage
        self._stack = stack
        self._settings = settings
        self._account = account
        self._run = run
        self._ledger = ledger
        self._progress = progress
        self.line: Line | None = None
        """Its line in the ledger, if the stack is this run's."""
        self.stack_id: str | None = None
        """Of the stack that it made."""

    def carry_out(self, text: str) -> bool:
        """Have it done; whether it made the stack, so that it was not there before. Raises `TargetError`."""
        before = described(self._account, self._stack)
        tags = self._tags(before)
        command = command_line("deploy", text, self._stage, self._settings, tags)
        if self._settings.remove is not None:
            # A mistake in it is told before anything is made.
            command_line("remove", self._settings.remove, self._stage, self._settings, tags)
        if before is None:
            with self._account.explained("ask what time it is there"):
                self.line = self._note(untagged=True, began=self._account.now())
        try:
            run_command("deploy", command, self._settings, self._account, self._progress, tags)
        except TargetError:
            self._note_what_it_left()
            raise
        after = described(self._account, self._stack)
        if after is None:
            self._forget()
            raise TargetError(self._nothing(command))
        after = self._settled(after)
        if before is not None:
            self._tag_again(before, after)
            return False
        return self._is_made_by_it(after) and self._make_ours(after)

    def _tags(self, before: Mapping[str, Any] | None) -> dict[str, str]:
        """What the command is given: a stack that has tags of ours stays whose it is."""
        ours = _ours(before or {})
        return ours if lease_of(ours, TAG_PREFIX) is not None else self._run.tags(self._stage)

    def _note(self, **detail: Any) -> Line:
        return self._ledger.note("stack", self._stack, **detail)

    def _settled(self, stack: dict[str, Any]) -> dict[str, Any]:
        """The stack once CloudFormation is done with it: not every command waits for that."""
        if not stack["StackStatus"].endswith("_IN_PROGRESS"):
            return stack
        with self._account.explained(f"wait for the stack {self._stack}"):
            follow(self._account, stack["StackId"], StackEvents(self._account, stack["StackId"]), self._progress)
        return described(self._account, stack["StackId"]) or stack

    def _nothing(self, command: str) -> str:
        return (
            f"The command of the setting `deploy` has run, but there is no stack {self._stack} in {self._account.region}: {command}\n"
            "Say what it calls the stack: [tool.stagefright] stack_name (with {service} and {stage}); and see that it deploys to "
            f"the account {self._account.id} and that region."
        )

    def _is_made_by_it(self, stack: Mapping[str, Any]) -> bool:
        """Whether nobody else was faster; then it is theirs, and this run attaches to it."""
        assert self.line is not None
        verdict = made_by_command(self.line.entry, stack)
        if verdict.fate is Fate.DELETE:
            return True
        self._progress(f"somebody else has made the stack {self._stack} meanwhile ({verdict.reason}): it stays theirs")
        self._forget()
        return False

    def _make_ours(self, stack: Mapping[str, Any]) -> bool:
        self._note_id(stack)
        tag_stack(self._account, stack, self._run.tags(self._stage), self._progress)
        return True

    def _note_id(self, stack: Mapping[str, Any]) -> None:
        first, self.stack_id = self.line, str(stack["StackId"])
        assert first is not None
        self.line = self._note(**{**first.entry.detail, "stack_id": self.stack_id})
        first()

    def _note_what_it_left(self) -> None:
        """The command has failed: what it made is known by its id; if that is nothing, a stack that comes later is somebody else's."""
        if self.line is None:
            return
        with suppress(TargetError):  # if nobody can tell, the line stays as it is
            after = described(self._account, self._stack)
            if after is None:
                self._forget()
            elif self._is_made_by_it(after):
                self._note_id(after)

    def _forget(self) -> None:
        if self.line is not None:
            self.line()
            self.line = None

    def _tag_again(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        """A tool that sets its own tags takes ours away, with which nobody would know any more that the stage is ours."""
        ours, is_same = _ours(before), before["StackId"] == after["StackId"]
        if is_same and ours.get(STAGE_TAG) == self._stage and not ours.keys() <= tags_of(after).keys():
            tag_stack(self._account, after, ours, self._progress)


def _ours(description: Mapping[str, Any]) -> dict[str, str]:
    return {key: value for key, value in tags_of(description).items() if key.startswith(TAG_PREFIX)}


def remove_by_command(
    stage: str, stacks: Sequence[str], settings: Settings, account: Account, run: Run, progress: Progress
) -> None:
    """Run the command of the setting `remove`, once for the whole stage, and see its stacks gone. Raises `DeploymentFailed` if one is not."""
    assert settings.remove is not None
    tags = run.tags(stage)
    command = command_line("remove", settings.remove, stage, settings, tags)
    run_command("remove", command, settings, account, progress, tags)
    for stack in stacks:
        status = _status_in_the_end(account, stack, progress)
        if status != GONE:
            raise DeploymentFailed(
                f"The command of the setting `remove` has run, but the stack {stack} ({account.region}) is still there, and is {status}: "
                f"{command}\nSee that it removes that stack, or leave the setting out: CloudFormation then removes it."
            )


def _status_in_the_end(account: Account, stack: str, progress: Progress) -> str:
    description = described(account, stack)
    if description is None:
        return GONE
    if description["StackStatus"] != "DELETE_IN_PROGRESS":
        return str(description["StackStatus"])
    with account.explained(f"wait for the end of the stack {stack}"):
        stack_id = description["StackId"]
        status, _ = follow(account, stack_id, StackEvents(account, stack_id), progress)
    return status


def runs_by_ledger(project: Path, description: Mapping[str, Any]) -> list[str]:
    """The runs whose commands made a stack, by the ledgers of the project: what no tag tells if AWS let none be put on it."""
    entries = _entries(project, description["StackName"])
    return sorted({entry.run for entry in entries if made_by_command(entry, description).fate is Fate.DELETE})


def _entries(project: Path, stack: str) -> Iterator[Entry]:
    for path in files.ledgers_of(project):
        try:
            written = read(path)
        except (Unreadable, OSError):
            continue
        for entry in written.open_entries if written is not None else ():
            if entry.kind == "stack" and entry.name == stack and entry.detail.get("untagged"):
                yield entry
