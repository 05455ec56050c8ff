"""
Every exception that Stagefright raises.

    StagefrightError
    ├── UsageError                  you misused the harness: fix the call, the setting or the template
    │   ├── SettingsError           a setting or option is unknown or malformed
    │   ├── TemplateError           the template cannot be read or is wrong
    │   │   └── UnknownExport       Fn::ImportValue names an export that nothing answers
    │   ├── SharedResourceError     a server that stages share cannot be used as the settings say
    │   ├── ExperimentError         an experiment, or a file to import as one, is malformed
    │   ├── ChaosRefused            chaos on what is protected, or more of it than the settings allow
    │   ├── UnknownResource         a logical id that the template does not have
    │   ├── UnknownOutput           (KeyError) an output that the stack does not have
    │   ├── TargetError             a stage outside this process cannot be reached, stood up or taken down
    │   │   ├── AccountRefused      the account does not let us in, or the settings do not let us into it
    │   │   ├── Unreachable         nothing answers where AWS, or the emulator, should be
    │   │   ├── EmulatorError       the container engine, the emulator's image or its container does not do
    │   │   ├── StackNotReady       the stack is in a state that nothing can be tested in
    │   │   └── DeploymentFailed    the stack could not be deployed, or not be removed
    │   ├── NotInWorld              a call from a thread, or to a host, that the stage does not own
    │   └── UnsupportedOperation    the stage's target cannot do this
    │       └── OnlyLocal           (AttributeError) a deployed stage does not have what a local one has
    ├── WorldError                  the world cannot go on
    │   ├── Deadlock                something waits and nothing is due
    │   ├── EndlessLoop             the world will not settle
    │   ├── StillMoving             a deployed stage would not come to rest in time
    │   └── HandlerStuck            a handler ran on in real time without ever waiting
    └── HarnessError                the harness is at fault: please report it

    BrokenPromise (AssertionError)  your system did not do what the test expected
    ├── ExpectationFailed           an expected event never came, or one came that should not
    ├── ExperimentFailed            an experiment did not go as it says
    ├── FaultNeverFired             a planned fault struck nothing
    ├── ConditionNeverHeld          `wait_until` ran out of time
    └── ChaosStopped                a stop condition ended the chaos

    UnprovedFlow (UserWarning)      an answer rests on edges that the evidence of a deployed stage does not prove

Each message has up to four parts: what was asked, what was received, what is available, what to try next.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class StagefrightError(Exception):
    """The root of all errors that are not a broken promise."""


class UsageError(StagefrightError):
    """The harness was misused; the message says what to change."""


class SettingsError(UsageError):
    """A setting, option or environment variable is unknown or has a value that cannot be used."""


class TemplateError(UsageError):
    """
    A template cannot be read, or says something that AWS would refuse.

    `file` and `logical_id` say where, when known.
    """

    def __init__(self, message: str, *, file: str | None = None, logical_id: str | None = None) -> None:
        where = " ".join(part for part in (file, f"[{logical_id}]" if logical_id else None) if part)
        super().__init__(f"{where}: {message}" if where else message)
        self.file = file
        self.logical_id = logical_id


class UnknownExport(TemplateError):
    """`Fn::ImportValue` names an export that neither the template nor the settings know."""


class SharedResourceError(UsageError):
    """A server that stages share cannot be reached, or does not let the stage have its part."""


class ExperimentError(UsageError):
    """An experiment, or a file of another tool that should become one, is malformed; all problems are in the message."""


class ChaosRefused(UsageError):
    """Chaos was asked for on a protected stage or account, or on more functions at once than the settings allow."""


class UnknownResource(UsageError):
    """A logical id, or a name, that the stage does not have."""


class UnknownOutput(UsageError, KeyError):
    """An output that the stack does not have."""

    def __str__(self) -> str:
        return str(self.args[0])  # a KeyError would show its message in quotes


class TargetError(UsageError):
    """A stage outside this process cannot be reached, stood up or taken down; the message says what to do about it."""


class AccountRefused(TargetError):
    """The account does not let us in: keys, token, permission; or the settings do not let us into the account."""


class Unreachable(TargetError):
    """Nothing answers where AWS, or the emulator, should be."""


class EmulatorError(TargetError):
    """There is no container engine, or the emulator of a stage on `docker` cannot be had from it, or does not start."""


class StackNotReady(TargetError):
    """
    The stack is in a state that nothing can be tested in.

    `status` is CloudFormation's word for it.
    """

    def __init__(self, message: str, *, status: str) -> None:
        super().__init__(message)
        self.status = status


class DeploymentFailed(TargetError):
    """The stack could not be deployed, or not be removed; the message names the resources and CloudFormation's reasons."""


class NotInWorld(UsageError):
    """A call left the stage: from a thread that does not belong to it, or to a host outside it."""


class UnsupportedOperation(UsageError):
    """AWS offers this, the local stage does not; or a local stage offers it, and a deployed one cannot."""


class OnlyLocal(UnsupportedOperation, AttributeError):
    """A local stage has this, and a deployed one has not; so `hasattr` says no."""


class WorldError(StagefrightError):
    """The world cannot go on."""


class Deadlock(WorldError):
    """Something waits, and nothing is due that could end the wait."""


class EndlessLoop(WorldError):
    """The world will not settle: the same work causes itself again and again."""


class StillMoving(WorldError):
    """Something still moved in a deployed stage when `settle()` had waited as long as the settings allow."""


class HandlerStuck(WorldError):
    """
    A handler used up its allowance of real time without sleeping, calling or ending.

    One that is stuck in C code which keeps the GIL (a catastrophic regular expression, say) is not noticed: no other thread runs.
    """


class HarnessError(StagefrightError):
    """The harness broke one of its own rules; please report it with the traceback."""


class BrokenPromise(AssertionError):
    """The system under test did not do what the test expected of it."""


class ExpectationFailed(BrokenPromise):
    """An expected event never came, or an event came that should not have."""


class ExperimentFailed(BrokenPromise):
    """A step of an experiment failed, its steady state did not hold, or a check gave another verdict than expected."""


class FaultNeverFired(BrokenPromise):
    """A planned fault struck nothing, so the test proved nothing about it."""


class ConditionNeverHeld(BrokenPromise):
    """The condition of `wait_until` did not hold within its span."""


class ChaosStopped(BrokenPromise):
    """A stop condition came true while faults held, so everything was healed and the test or experiment ended."""


class UnprovedFlow(UserWarning):
    """An answer about a flow rests on edges that are likely, and not proved by what was observed."""


KNOWN_MAX = 20
"""How many known names a message lists."""


def nearest(asked: str, available: Iterable[str]) -> str:
    """
    The tail of an "unknown name" message: the nearest known name, and all of them, or the likeliest ones of many.

    >>> nearest("Tabel", ["Table", "Queue"])
    'Did you mean Table? Known: Queue, Table.'
    """
    known = sorted(available)
    if not known:
        return "There are none."
    close = difflib.get_close_matches(asked, known, n=1, cutoff=0.6)
    hint = f"Did you mean {close[0]}? " if close else ""
    likely = known
    if len(known) > KNOWN_MAX:
        likely = sorted(difflib.get_close_matches(asked, known, n=KNOWN_MAX, cutoff=0.0))
    rest = f", and {len(known) - len(likely)} more" if len(likely) < len(known) else ""
    return f"{hint}Known: {', '.join(likely)}{rest}."


class StagefrightWarning(UserWarning):
    """Something in your system is not what it will be on AWS."""
