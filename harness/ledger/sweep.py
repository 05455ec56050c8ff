"""
The sweep: undoes what the ledgers of dead runs still hold.

A run is dead when nobody holds its ledger. What it left is undone once its lease is over, so that a run which lives where its lock cannot be
seen keeps its things; who names the run (`--run`) need not wait, since the lock tells that it is dead. The newest things go first, over
all ledgers, so that what was overwritten twice comes back in two steps. A ledger is locked while it is swept, and a line struck out
as soon as its thing is undone, so a sweep may die as well as a run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from stagefright.errors import HarnessError, UsageError
from stagefright.ledger import files
from stagefright.ledger.findings import Finding, failure_of
from stagefright.ledger.kinds import Clients, Fate, Kind, State, kind_named
from stagefright.ledger.reading import Entry, Head, Unreadable, Written, read, read_if_dead
from stagefright.ledger.undo.claims import held_by_another
from stagefright.protection import protecting
from stagefright.targets.account import Account
from stagefright.targets.pulse import living
from stagefright.targets.run import iso

OpenAccount = Callable[[Head], Account]
"""The way to the account that a ledger's run used; a `UsageError` says why that one is not to be touched."""

CONTAINER, STACK = "container", "stack"
ELSEWHERE = (CONTAINER, "schema")
"""Kinds that are in no account, so they outlast an emulator's container."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a sweep is to do."""

    now: float
    """Epoch seconds."""
    is_for_real: bool = False
    stage: str | None = None
    """Only things of this stage."""
    run: str | None = None
    """Only things of this run, and those even though its lease is not over."""
    is_forceful: bool = False
    """Whether what somebody changed since is brought back as well."""
    is_forgetful: bool = False
    """Whether everything is left as it is, and struck out."""
    kinds: tuple[str, ...] | None = None
    """Only things of these kinds."""
    protected: tuple[str, ...] = ()
    """Patterns of stages, and of accounts, that are never touched."""

    def protects(self, name: str | None) -> bool:
        """Whether a stage or an account is never touched."""
        return protecting(name, self.protected) is not None

    def wants(self, stage: str, run: str) -> bool:
        """Whether things of a stage and a run are asked for."""
        return self.stage in (None, stage) and self.run in (None, run)

    def wants_entry(self, entry: Entry) -> bool:
        """Whether one thing is asked for."""
        return self.wants(entry.stage, entry.run) and (self.kinds is None or entry.kind in self.kinds)


@dataclass
class _Dead:
    """The ledger of a dead run, locked by us."""

    written: Written
    file: BinaryIO
    struck: set[int] = field(default_factory=set)

    def strike(self, number: int) -> None:
        line = (json.dumps({"struck": number}) + "\n").encode()
        files.append(self.file, self.written.path, line, must_last=False)
        self.struck.add(number)

    def close(self, *, may_remove: bool) -> None:
        """Let go of it; one in which nothing stands is removed, unless part of it could not be read."""
        stands = [entry for entry in self.written.open_entries if entry.number not in self.struck]
        if may_remove and not stands and not self.written.broken_lines:
            files.remove(self.written.path)
        self.file.close()


class NoAccount:
    """The way to the account of a thing that is in none, so that none has to answer, or be allowed, before it is undone."""

    def __init__(self, entry: Entry) -> None:
        self._entry = entry

    def client(self, service: str) -> Any:
        """There is nothing to ask."""
        raise HarnessError(f"{self._entry} is in no account, and was looked for with {service}.")


class Sweep:
    """One sweep over the ledgers of a project."""

    def __init__(self, project: Path, wish: Wish, open_account: OpenAccount) -> None:
        self._project = project
        self._wish = wish
        self._open_account = open_account
        self._dead: list[_Dead] = []
        self._undone: set[str] = set()
        self._gone_containers: set[tuple[str, str]] = set()
        self.findings: list[Finding] = []
        self.living: set[str] = set()
        """The runs that live, or are swept by somebody else just now."""
        self.pulses: dict[str, float] = {}
        """The runs whose tags have run out and whose pulse has not: until when."""
        self.held_back: dict[str, float] = {}
        """The runs that are dead, and whose lease is not over: until when."""
        self.kept: dict[str, float] = {}
        """The stages that were left up on purpose, and whose lease is not over: until when."""

    def run(self) -> list[Finding]:
        """Look at everything that stands, and undo it if that is wished."""
        try:
            self._take_ledgers()
            for dead, entry in self._due():
                self.findings.append(self._treat(dead, entry))
        finally:
            for dead in self._dead:
                dead.close(may_remove=self._wish.is_for_real)
        return self.findings

    # -- which ---------------------------------------------------------------------------------------------------------

    def _take_ledgers(self) -> None:
        for path in files.ledgers_of(self._project):
            file = files.take(path)
            if file is None:
                self.living.add(run_of(path))
            else:
                self._take(path, file)

    def _take(self, path: Path, file: BinaryIO) -> None:
        try:
            written = read(path)
        except Unreadable as problem:
            self.findings.append(Finding(f"ledger {path.name}", fate=f"cannot be read: {problem}", is_trouble=True))
            file.close()
            return
        if written is None:
            if self._wish.is_for_real:
                files.remove(path)
            file.close()
        elif not written.head.is_locked and files.lives(written.head.host, written.head.pid):
            self.living.add(written.head.run)
            file.close()
        else:
            self._dead.append(_Dead(written, file))
            if self._wish.is_for_real:
                files.cut_torn_line(file)

    def _due(self) -> Iterator[tuple[_Dead, Entry]]:
        found = [(dead, entry) for dead in self._dead if self._is_due(dead) for entry in dead.written.open_entries]
        wanted = [(dead, entry) for dead, entry in found if self._wish.wants_entry(entry)]
        # A container goes first, since what was in it goes with it; the rest in the order opposite to that of the making.
        return iter(sorted(wanted, key=lambda one: (one[1].kind != CONTAINER, -one[1].at, -one[1].number)))

    def _is_due(self, dead: _Dead) -> bool:
        head = dead.written.head
        for number in dead.written.broken_lines:
            fate = f"line {number} cannot be read: look by hand what it was, and delete the file"
            self.findings.append(Finding(f"ledger {dead.written.path.name}", head=head, fate=fate, is_trouble=True))
        if head.run in self.living:
            return False
        if head.run == self._wish.run:
            return True
        expires = self._end_of_lease(dead)
        if expires is None:
            return False
        if expires <= self._wish.now:
            return True
        for entry in dead.written.open_entries:
            if self._wish.wants_entry(entry) and entry.is_kept:
                self.kept[entry.stage] = expires
            elif self._wish.wants_entry(entry):
                self.held_back[head.run] = expires
        return False

    def _end_of_lease(self, dead: _Dead) -> float | None:
        """
        When a run's lease ends; None if that cannot be told, so that nothing may be touched.

        A ledger says it, but for a stage that was left up, or whose run was killed: the account knows whether somebody prolonged
        that, or uses it.
        """
        head = dead.written.head
        wanted = [entry for entry in dead.written.open_entries if self._wish.wants_entry(entry)]
        is_to_go = head.expires <= self._wish.now and not self._wish.is_forgetful
        kept = [entry for entry in wanted if entry.is_kept or (entry.kind == STACK and is_to_go)]
        if not kept or any(entry.kind == CONTAINER for entry in wanted):
            return head.expires  # an emulator that was left up has no other machines
        try:
            return max(head.expires, living(self._open_account(head), self._wish.now).get(head.run, 0.0))
        except UsageError as error:
            if head.expires > self._wish.now:
                return head.expires
            fate = f"{failure_of(error)}; --run {head.run} does not ask"
            self.findings.append(Finding(f"run {head.run}", head=head, stage=kept[0].stage, fate=fate, is_trouble=True))
            return None

    # -- what of it ----------------------------------------------------------------------------------------------------

    def _treat(self, dead: _Dead, entry: Entry) -> Finding:
        head = dead.written.head
        try:
            fate, is_trouble = self._fate(dead, entry)
        except Exception as error:  # noqa: BLE001 (whatever one thing's trouble is, the others must be undone all the same)
            fate, is_trouble = failure_of(error), True
        return Finding(
            str(entry), kind=entry.kind, name=entry.name, stage=entry.stage, head=head, fate=fate, is_trouble=is_trouble
        )

    def _fate(self, dead: _Dead, entry: Entry) -> tuple[str, bool]:
        wish, head = self._wish, dead.written.head
        if wish.protects(entry.stage) or wish.protects(head.account):
            return "protected: left alone", False
        if wish.is_forgetful:
            return self._done(dead, entry, "forgotten", "would be forgotten"), False
        if entry.kind not in ELSEWHERE and (entry.run, entry.stage) in self._gone_containers:
            return self._done(dead, entry, "gone with its container", "goes with its container"), False
        account = NoAccount(entry) if entry.kind in ELSEWHERE else self._open_account(head)
        kind = kind_named(entry.kind)
        state = self._foreseen(entry, kind.look(entry, account))
        return self._settle(dead, entry, kind, account, state)

    def _settle(self, dead: _Dead, entry: Entry, kind: Kind, account: Clients, state: State) -> tuple[str, bool]:
        reason = f" ({state.reason})" if state.reason else ""
        is_at_work = state.fate in (Fate.CHANGED, Fate.DELETE, Fate.RESTORE)
        holder = held_by_another(entry, account) if is_at_work else None
        if holder is not None:
            return f"in use by {holder}: left alone", True
        if state.fate is Fate.CHANGED and not self._wish.is_forceful:
            return f"changed by somebody since{reason}: left alone; --changed brings it back", True
        if state.fate is Fate.FOREIGN:
            return self._done(dead, entry, f"not this run's{reason}: left alone", f"not this run's{reason}"), False
        if state.fate is Fate.KEEP:
            return self._done(dead, entry, f"stays{reason}", f"stays{reason}"), False
        if state.fate is not Fate.AS_BEFORE:
            if self._wish.is_for_real:
                kind.undo(entry, account)
            self._undone.add(_thing(entry))
        if entry.kind == CONTAINER:
            self._gone_containers.add((entry.run, entry.stage))
        if state.fate is Fate.AS_BEFORE:
            told = "gone already" if entry.before is None else "as it was already"
            return self._done(dead, entry, told, told), False
        verb = "deleted" if entry.before is None else "restored"
        return self._done(dead, entry, verb, f"would be {verb}"), False

    def _foreseen(self, entry: Entry, state: State) -> State:
        """How a thing will stand once a newer line about it is undone, which a sweep that only looks has not done."""
        if state.fate is not Fate.CHANGED or self._wish.is_for_real or _thing(entry) not in self._undone:
            return state
        return State(Fate.DELETE if entry.before is None else Fate.RESTORE)

    def _done(self, dead: _Dead, entry: Entry, told: str, foretold: str) -> str:
        if not self._wish.is_for_real:
            return foretold
        dead.strike(entry.number)
        return told


def run_of(path: Path) -> str:
    """The run that a ledger is of, by its file's name: `<run>-<process>-<number>.jsonl`."""
    return path.stem.rsplit("-", 2)[0]


def _thing(entry: Entry) -> str:
    return json.dumps([entry.kind, entry.name, repr(entry.detail.get("key")), entry.detail.get("pool")])


# -- what the next run offers ------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Leftover:
    """What one dead run left."""

    run: str
    owner: str
    count: int
    """How many things."""
    since: float
    """When it last wrote into a ledger, in epoch seconds."""
    expires: float
    """When its lease ends, in epoch seconds."""

    def __str__(self) -> str:
        things = "1 thing" if self.count == 1 else f"{self.count} things"
        return (
            f"{things} left by run {self.run} of {self.owner} (dead since {iso(self.since)}): stagefright sweep, from {iso(self.expires)} on; "
            f"stagefright sweep --run {self.run} before"
        )


def leftovers(project: Path, *, now: float) -> list[Leftover]:
    """What dead runs left, by the ledgers of a project alone; no account is asked. What is kept on purpose is not meant."""
    found: dict[str, Leftover] = {}
    for path in files.ledgers_of(project):
        written = read_if_dead(path)
        if written is None:
            continue
        head = written.head
        stands = [entry for entry in written.open_entries if not entry.is_kept or head.expires <= now]
        if stands:
            other = found.get(head.run)
            count, since = len(stands), path.stat().st_mtime
            if other is not None:
                count, since = count + other.count, max(since, other.since)
            found[head.run] = Leftover(head.run, head.owner, count, since, head.expires)
    return list(found.values())
