"""
Claims: who has put something into a deployed stage holds it until it is as it was, so that two runs, or two workers of one, do not undo
each other's data or see it meanwhile.

A claim is a parameter of SSM (`leased_parameter.py`), one for each thing (`claim.py`). It stands in the ledger before it is made. It is good
for `LEASE_S` and renewed by a thread while its holder lives, so what a killed run held is free soon; at once, where the lock of
its ledger can be seen to be gone. Things of one call are claimed in one order by everybody, so two calls never wait for each other;
two tests that each hold what the other wants next wait, until one of them gives up.
"""

from __future__ import annotations

import math
import os
import secrets
import threading
import time
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from stagefright.errors import StagefrightWarning, UsageError
from stagefright.ledger.files import DIRECTORY
from stagefright.ledger.ledger import Ledger, Line
from stagefright.ledger.reading import is_of_dead_process
from stagefright.ledger.undo.answers import is_refusal
from stagefright.spans import format_span
from stagefright.targets.claim import Claim, Thing, read_claim
from stagefright.targets.leased_parameter import create, delete, overwrite, take_over, value_of
from stagefright.targets.refusals import denied_action
from stagefright.targets.run import Run, iso
from stagefright.wording import clip, plural

KIND = "claim"
"""What the ledger calls it."""

LEASE_S = 300.0
"""
How long a claim is good unless it is renewed. A run that is killed blocks its keys for others so long at most, and the default of the setting
`claim_wait` is longer, so others get over it.
"""

RENEWED_WITH_LEFT_S = LEASE_S / 2
"""A claim with less than this left is renewed: a test that is shorter never makes that call."""

LOOKED_AFTER_EVERY_S = 45.0
"""How often the holder looks; a renewal that fails has more tries."""

MARGIN_S = 30.0
"""How long before its end a claim is no longer taken for good by its holder, whose clock may be behind."""

FIRST_PAUSE_S = 0.25
PAUSE_MAX_S = 5.0
"""How long it waits between two looks at what another holds: at first, and at most."""

STUBBORN_FACTOR = 1.5
"""How much longer one of two waits who wait for each other, so that the other gives up and this one goes on."""

TOLD_AFTER_S = 1.0
"""A wait of this length is worth a record in the journal."""

SHOWN_MAX = 200


@dataclass
class _Held:
    """A claim of this process."""

    thing: Thing
    claim: Claim
    line: Line
    count: int = 1
    """How many hold it here: one test may put a thing twice, or two fixtures the same."""


class Claims:
    """The claims of one process on the things of a stage."""

    def __init__(
        self,
        ssm: Callable[[], Any],
        *,
        ledger: Ledger,
        run: Run,
        stage: str,
        project: Path,
        wait_s: float,
        now: Callable[[], float] = time.time,
        tell: Callable[[str, str], object] = lambda _name, _text: None,
    ) -> None:
        self._ssm = ssm
        self._ledger = ledger
        self._run = run
        self._stage = stage
        self._ledgers = project / DIRECTORY
        self._wait_s = wait_s
        self._now = now
        """The account's time: runs on machines whose clocks differ agree on it."""
        self._tell = tell
        self._holder = secrets.token_hex(8)
        self._held: dict[str, _Held] = {}
        self._is_denied = False
        self._turn = threading.RLock()
        """Held while claims are taken or released: one thread at a time."""
        self._writing = threading.RLock()
        """Held while a claim that is held is written or deleted, so that none is written that was just released."""
        self._timer: threading.Timer | None = None

    @property
    def held(self) -> tuple[str, ...]:
        """The parameters of the claims that are held."""
        return tuple(self._held)

    def hold(self, things: Iterable[Thing]) -> list[str]:
        """
        Claim things, and wait for those that somebody else holds; gives the names of the claims, each to be released once.

        Raises `UsageError` when the wait is over, and holds none of them then. Without the permissions it takes, no claims are held
        from then on, which is warned of once.
        """
        wanted = {thing.parameter: thing for thing in things}
        with self._turn:
            got: list[str] = []
            try:
                for name in sorted(wanted):
                    got += self._hold(wanted[name], name)
            except BaseException:
                self.release(got)
                raise
            return got

    def _hold(self, thing: Thing, name: str) -> list[str]:
        """Claim one thing; gives its name, or nothing where no claims can be held."""
        held = self._held.get(name)
        if held is not None:
            held.count += 1
            return [name]
        try:
            taken = None if self._is_denied else self._take(thing, name)
        except Exception as error:
            action = denied_action(error)
            if action is None:
                raise
            self._give_up(action)
            return []
        if taken is None:
            return []
        self._held[name] = taken
        self._look_after()
        return [name]

    def release(self, names: Iterable[str]) -> None:
        """Let go of claims; what nobody here holds any more is free for others."""
        with self._turn, self._writing:
            over = []
            for name in names:
                held = self._held.get(name)
                if held is not None:
                    held.count -= 1
                    over += [name] if held.count == 0 else []
            self._free({name: self._held.pop(name) for name in over})
            if not self._held:
                self.close()

    def abandon(self, names: Iterable[str]) -> None:
        """Renew claims no more and let them run out: what they are about is not as it was, and a sweep will see to both."""
        with self._turn, self._writing:
            for name in names:
                self._held.pop(name, None)
            if not self._held:
                self.close()

    def lost(self, names: Collection[str]) -> set[str]:
        """
        Which of the claims that were held are so no more, or not for sure: what those are about is another's by now.

        Whoever stood still (a laptop that slept, a debugger that stops all threads) has to ask before it puts back what was there.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        with self._writing:
            for name in names:
                held = self._held.get(name)
                if held is None or held.claim.expires - self._now() > MARGIN_S:
                    continue
                try:
                    self._renew(name, held)
                except (BotoCoreError, ClientError):
                    continue
            edge = self._now() + MARGIN_S
            return {name for name in names if name not in self._held or self._held[name].claim.expires <= edge}

    def close(self) -> None:
        """Renew nothing any more."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    # -- taking --------------------------------------------------------------------------------------------------------

    def _take(self, thing: Thing, name: str) -> _Held:
        """Get one claim. Nearly always nobody has it, so it is created without looking."""
        began, pause_s, text, blocker = time.monotonic(), FIRST_PAUSE_S, None, None
        while True:
            held = self._tried(thing, name, text)
            waited_s = time.monotonic() - began
            if held is not None:
                if blocker is not None and waited_s >= TOLD_AFTER_S:
                    self._tell(thing.name, f"Waited {format_span(round(waited_s, 1))} for {thing}, held by {blocker}.")
                return held
            text = value_of(self._ssm(), name)
            if text is not None and self._is_over(text):
                continue
            blocker = blocker if text is None else read_claim(text)
            if waited_s > self._patience_s(blocker):
                raise UsageError(self._in_the_way(thing, blocker, waited_s))
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, PAUSE_MAX_S)
            text = value_of(self._ssm(), name)

    def _tried(self, thing: Thing, name: str, text: str | None) -> _Held | None:
        """Create a claim where nothing was seen, take over one that is over; None if it is another's."""
        if text is not None and not self._is_over(text):
            return None
        line = self._ledger.note(KIND, name, holder=self._holder, key=str(thing))
        claim = self._claim_on(thing)
        tags = self._run.tags(self._stage)
        try:
            if text is None:
                is_ours = create(self._ssm(), name, claim.text(), tags)
            else:
                is_ours = take_over(self._ssm(), name, claim.text(), tags, is_over=self._is_over)
        except Exception as error:
            if text is None and is_refusal(error):
                line()
            raise
        if not is_ours:
            line()
        return _Held(thing, claim, line) if is_ours else None

    def _claim_on(self, thing: Thing) -> Claim:
        now = self._now()
        return Claim(
            holder=self._holder,
            nonce=secrets.token_hex(8),
            owner=self._run.owner,
            run=self._run.id,
            worker=os.environ.get("PYTEST_XDIST_WORKER", ""),
            test=clip(os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0], SHOWN_MAX),
            what=clip(str(thing), SHOWN_MAX),
            since=now,
            expires=now + LEASE_S,
            ledger=self._ledger.file_name,
        )

    def _is_over(self, text: str) -> bool:
        """Whether a claim ran out, or its holder is seen to be dead."""
        claim = read_claim(text)
        if claim.expires <= self._now():
            return True
        # Whatever a parameter says, only a file of this directory is looked at.
        path = self._ledgers / Path(claim.ledger).name
        return bool(claim.ledger) and is_of_dead_process(path, run=claim.run)

    def _patience_s(self, blocker: Claim | None) -> float:
        is_stubborn = blocker is not None and self._holder < blocker.holder
        return self._wait_s * (STUBBORN_FACTOR if is_stubborn else 1.0)

    def _in_the_way(self, thing: Thing, blocker: Claim | None, waited_s: float) -> str:
        waited = format_span(round(waited_s, 1))
        if blocker is None:
            return (
                f"{thing} could not be claimed within {waited}: SSM refuses to create {thing.parameter}, and says that it is not there. "
                "Look at that parameter; without claims (claims = false) nothing is created."
            )
        mine = ", ".join(str(held.thing) for held in self._held.values())
        deadlock = (
            f"It holds {mine} meanwhile: if the other waits for that, they wait for each other, and have to put what they share in the "
            "same order.\n"
            if mine
            else ""
        )
        is_same_run = blocker.run == self._run.id
        return (
            f"{thing} is to be put into the stage {self._stage!r}, and {blocker} holds it ({blocker.what}) since {iso(blocker.since)}, "
            f"{_until(blocker)}; this test has waited for {waited} (claim_wait = {format_span(self._wait_s)}).\n{deadlock}"
            "Try next: a key of the test's own (with a uuid in it), "
            f"{'a fixture that does not hold it for the whole run' if is_same_run else 'a stage of your own (--stage=NAME)'}, or a longer "
            "claim_wait. If nobody else is on the stage, claims = false does without."
        )

    def _give_up(self, action: str) -> None:
        """Go on without claims, and say so once."""
        self._is_denied = True
        warnings.warn(
            f"Nothing keeps other runs on the stage {self._stage!r} from this run's data: claims on it are parameters below "
            f"/stagefright/claims/, and the permission {action} is missing. Add it, or set claims = false if nobody else is on the stage.",
            StagefrightWarning,
            stacklevel=2,
        )

    # -- keeping -------------------------------------------------------------------------------------------------------

    def _look_after(self) -> None:
        """Renew, from now on and on a thread, what is about to run out."""
        if self._timer is None:
            self._timer = threading.Timer(LOOKED_AFTER_EVERY_S, self._renew_and_go_on)
            self._timer.daemon = True
            self._timer.start()

    def _renew_and_go_on(self) -> None:
        try:
            self.renew()
        finally:  # whatever went wrong with one, all that are held are looked after again
            with self._writing:
                self._timer = None
                if self._held:
                    self._look_after()

    def renew(self) -> None:
        """Write the claims anew that are about to run out; one that cannot be written now is tried again."""
        from botocore.exceptions import BotoCoreError, ClientError

        for name in self.held:
            with self._writing:
                held = self._held.get(name)
                if held is None or held.claim.expires - self._now() > RENEWED_WITH_LEFT_S:
                    continue
                try:
                    self._renew(name, held)
                except (BotoCoreError, ClientError):
                    continue

    def _renew(self, name: str, held: _Held) -> None:
        now = self._now()
        anew = replace(held.claim, nonce=secrets.token_hex(8), expires=now + LEASE_S)
        if held.claim.expires - now > MARGIN_S:
            overwrite(self._ssm(), name, anew.text())
            held.claim = anew
            return
        # This process stood still (a laptop that slept), so somebody may have taken it for dead.
        if take_over(self._ssm(), name, anew.text(), {}, is_over=self._is_over_or_ours):
            held.claim = anew
            return
        del self._held[name]
        held.line()
        other = read_claim(value_of(self._ssm(), name) or "")
        with suppress(StagefrightWarning):  # on a thread, nobody could catch what a filter makes of it
            warnings.warn(
                f"The claim on {held.thing} ran out while this process stood still, and {other} has it now: what this test sees of it may "
                "be that one's.",
                StagefrightWarning,
                stacklevel=2,
            )

    def _is_over_or_ours(self, text: str) -> bool:
        return read_claim(text).holder == self._holder or self._is_over(text)

    def _free(self, over: Mapping[str, _Held]) -> None:
        """Delete claims: without looking where they are good for sure, else only if they are ours still."""
        edge = self._now() + MARGIN_S
        ours = [name for name, held in over.items() if held.claim.expires > edge or self._is_ours(name)]
        try:
            delete(self._ssm(), ours)
        except Exception as error:
            action = denied_action(error)
            if action is None:
                raise
            self._give_up(action)
            return
        for held in over.values():
            held.line()

    def _is_ours(self, name: str) -> bool:
        text = value_of(self._ssm(), name)
        return text is not None and read_claim(text).holder == self._holder

    def __repr__(self) -> str:
        return f"<{plural(len(self._held), 'claim')} of run {self._run.id} on the stage {self._stage!r}>"


def _until(claim: Claim) -> str:
    return "for good" if math.isinf(claim.expires) else f"until {iso(claim.expires)} unless it is renewed"
