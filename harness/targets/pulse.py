"""
The pulse of a run: an SSM parameter that says until when the run lives, for sweeps on machines that cannot see its lock.

What a run makes has the end of its lease in its tags, and they are not written anew: a stack would hand new tags on to all of its resources.
So a process of a run that outlasts half of a lease writes one parameter, renews it half a lease later, and deletes it when it ends;
before a sweep believes a tag, it asks for the pulses. A run that is shorter writes nothing.

A run that attaches to a stage which another run left up lets that run's lease last as well. A stage that is up has no process, so a
parameter of the same form says until when it is kept, once `stagefright up` has prolonged what its tags say.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress

from stagefright.errors import StagefrightError, StagefrightWarning
from stagefright.ledger.ledger import Ledger, Line
from stagefright.spans import format_span
from stagefright.targets.account import Account
from stagefright.targets.leased_parameter import create, delete, overwrite, value_of
from stagefright.targets.run import TAG_PREFIX, Run, instant, iso

ROOT = "/stagefright-runs/"
"""Under which the pulses lie, by run."""

KIND = "pulse"
"""What the ledger calls it."""

KEPT = "kept"
"""What the parameter of a stage that is up is called in place of a process."""

PAUSE_S = 60.0
"""How long, in real time, between two looks at the clock."""


class Pulse:
    """The pulse of one process of a run, which has a stage."""

    def __init__(
        self,
        account: Account,
        *,
        run: Run,
        stage: str,
        ledger: Ledger,
        uses: Mapping[str, float] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`uses` are the runs whose things it needs (those that deployed the stage), with the ends of their leases."""
        # It beats on a thread of its own, and clients are made by one thread at a time.
        self._account = account.another()
        self._run = run
        self._stage = stage
        self._ledger = ledger
        self._uses = dict(uses or {})
        self._now = now
        self._pid = os.getpid()
        self._ends = min([run.expires, *self._uses.values()])
        self._strike: Line | None = None
        self._trouble = ""
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self.name = f"{ROOT}{run.id}/{stage}-{secrets.token_hex(4)}"
        """The parameter."""

    def start(self) -> None:
        """Beat now, and from time to time until it is stopped."""
        self.beat()
        threading.Thread(target=self._go_on, name=f"stagefright-pulse-{self._run.id}", daemon=True).start()

    def _go_on(self) -> None:
        while not self._stopped.wait(PAUSE_S):
            self.beat()

    def beat(self) -> None:
        """Renew what is half over: the run's lease, and what the account says of it. If AWS refuses, that is a warning."""
        with self._lock:
            if self._stopped.is_set():
                return
            try:
                self._renew(self._now())
            except StagefrightError as trouble:
                self._warn(trouble)

    def _renew(self, now: float) -> None:
        if not self._run.lease_s:  # whoever asks for no lease is not given one
            return
        if self._run.is_half_over(now):
            self._run.renew(now)
            self._ledger.renew()
        if now < self._ends - self._run.lease_s / 2:
            return
        ends = now + self._run.lease_s
        with self._account.explained(f"say in the account that the run {self._run.id} lives ({self.name})"):
            self._write(ends)
        self._ends, self._trouble = ends, ""

    def stop(self) -> None:
        """It is over: the parameter goes, if there is one. A forked child leaves that to its parent."""
        self._stopped.set()
        if self._pid != os.getpid():  # the lock may have been held when the child was made, and then is for ever
            return
        with self._lock:
            if self._strike is None:
                return
            with self._account.explained(f"delete the parameter {self.name} (`stagefright sweep` will)"):
                delete(self._account.client("ssm"), [self.name])
            self._strike()
            self._strike = None

    def _write(self, expires: float) -> None:
        text = _text(self._run.id, self._run.owner, self._stage, expires, uses=self._uses)
        ssm = self._account.client("ssm")
        if self._strike is not None:
            overwrite(ssm, self.name, text)
            return
        line = self._ledger.note(KIND, self.name)
        try:
            create(ssm, self.name, text, {**self._run.tags(self._stage), _EXPIRES: iso(expires)})
        except BaseException:
            with suppress(Exception):  # it may have been made all the same, and then nobody else would take it away
                delete(ssm, [self.name])
                line()
            raise
        self._strike = line

    def _warn(self, trouble: StagefrightError) -> None:
        if str(trouble) == self._trouble:
            return
        self._trouble = str(trouble)
        with suppress(StagefrightWarning):  # on a thread, nobody could catch what a filter makes of it
            warnings.warn(
                f"{trouble}\nThe lease of the stage {self._stage} ends at {iso(self._ends)}; after that, anybody's `stagefright sweep --yes` "
                f"may take it. Permit ssm:PutParameter, ssm:AddTagsToResource and ssm:DeleteParameter on parameter{ROOT}*, or keep runs "
                f"shorter than {format_span(self._run.lease_s)}.",
                StagefrightWarning,
                stacklevel=2,
            )


_EXPIRES = f"{TAG_PREFIX}expires"


def _text(run: str, owner: str, stage: str, expires: float, *, uses: Iterable[str] = ()) -> str:
    said = {"run": run, "owner": owner, "stage": stage, "expires": iso(expires), "uses": sorted(uses)}
    return json.dumps(said)


# -- a stage without a process -----------------------------------------------------------------------------------------


def prolong(account: Account, *, stage: str, run: Run, by: Run) -> float:
    """
    Let what a run left up be kept until the lease of another ends as well, and that one's things as long; until when it is.

    No ledger needs to know of the parameter: it goes with the stage, and if that is lost, a sweep finds it by its tags.
    """
    name = _kept_name(run.id, stage)
    with account.explained(f"write down until when the stage {stage} is kept ({name})"):
        ssm = account.client("ssm")
        runs, until = _read(value_of(ssm, name) or "")
        until = max(run.expires, until, by.expires)
        text = _text(run.id, run.owner, stage, until, uses={*runs, by.id} - {run.id})
        # A parameter that is overwritten keeps its tags, and takes no others.
        if not create(ssm, name, text, {**run.tags(stage), _EXPIRES: iso(until)}):
            overwrite(ssm, name, text)
    return until


def forget_kept(account: Account, *, stage: str, run: str) -> None:
    """The stage that a run left up is gone: so is what was written down of it."""
    with account.explained(f"delete the parameter {_kept_name(run, stage)}"):
        delete(account.client("ssm"), [_kept_name(run, stage)])


def _kept_name(run: str, stage: str) -> str:
    return f"{ROOT}{run}/{KEPT}-{stage}"


# -- asking ------------------------------------------------------------------------------------------------------------


def living(account: Account, now: float) -> dict[str, float]:
    """The runs that live, or whose things others use or keep, by the pulses in an account: until when."""
    alive: dict[str, float] = {}
    with account.explained(f"ask which runs live (the parameters under {ROOT})"):
        pages = account.client("ssm").get_paginator("get_parameters_by_path").paginate(Path=ROOT, Recursive=True)
        texts = [one["Value"] for page in pages for one in page["Parameters"]]
    for runs, expires in map(_read, texts):
        for run in runs if expires > now else ():
            alive[run] = max(expires, alive.get(run, expires))
    return alive


def _read(text: str) -> tuple[list[str], float]:
    """The runs that a pulse speaks of, and until when; none if it is not one."""
    try:
        said = json.loads(text)
        runs = [said["run"], *said.get("uses", ())]
        expires = instant(said["expires"])
    except (ValueError, KeyError, TypeError):
        return [], 0.0
    return (runs, expires) if expires is not None and all(isinstance(run, str) for run in runs) else ([], 0.0)
