"""
The effect gate: a fault counts only when the evidence shows that it struck.

On a local stage the runtime writes a `fault` record for each strike. On a deployed one the strike is a line in the function's log, which comes
when CloudWatch has it; so the gate waits a while for what is missing, until it can be told that nothing more will come.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from stagefright.chaos.deliveries import is_delivery, never_delivered
from stagefright.chaos.faults.fault import FUNCTIONS, AnyFault, Reader, mode_of
from stagefright.chaos.plan import Plan
from stagefright.errors import FaultNeverFired
from stagefright.journal import Record
from stagefright.stage import Stage, is_deployed
from stagefright.targets.evidence.injections import FAILURE_LAMBDA, OURS, complaint
from stagefright.wording import plural

if TYPE_CHECKING:
    from stagefright.targets.deployed_stage import DeployedStage

PROOF_WITHIN_S = 60.0
"""How long the gate of a deployed stage waits for the log lines of strikes at most; CloudWatch has most of them within ten seconds."""

SKEW_S = 1.0
"""How far the clock of the account may be behind ours; an earlier strike belongs to an earlier block."""


class Gate:
    """What one block must prove."""

    def __init__(self, stage: Stage, plan: Plan) -> None:
        self._stage = stage
        self._plan = plan
        self._begin = len(stage.journal)
        self._since = float("-inf")

    def arm(self) -> None:
        """See to it that the strikes will be seen."""
        if not self._stage.is_deployed:
            return
        self._since = time.time() - SKEW_S
        for name in self._plan.faults:
            if name in self._stage.resources and self._stage.resources[name].type in FUNCTIONS:
                self._stage.observe(name, "logs")

    def prove(self) -> None:
        """Raise `FaultNeverFired` unless each planned fault struck; on a deployed stage, after having waited for the evidence."""
        if is_deployed(self._stage):
            patience = _Patience(self._stage, self._plan)
            self._stage.run_until(lambda: patience.is_over(self._records()), PROOF_WITHIN_S)
        prove(self._plan, self._records())

    def _records(self) -> list[Record]:
        return [record for record in self._stage.journal.since(self._begin) if record.at >= self._since]


class _Patience:
    """
    Tells when waiting for strikes is over: all were seen, or none can be any more.

    When the block is left, its flags are healed. So only an invocation that began before may still show a strike, and its line comes before
    its END and REPORT in the log. Where it was seen that functions were invoked, and each of these invocations has ended, nothing is left
    to come but the log of one that was not seen yet: that is waited for as long as `settle()` would. Where none was seen
    although the test set something in motion, it may still be on its way, and the whole span is waited.
    """

    def __init__(self, stage: DeployedStage, plan: Plan) -> None:
        self._stage = stage
        self._plan = plan
        self._known = len(stage.journal)
        self._still_since = time.monotonic()

    def is_over(self, records: list[Record]) -> bool:
        """Whether to stop; `records` are those of the block."""
        self._note_motion()
        functions = {name for name, _ in missing(self._plan, records)}
        if not functions or self._stage.behind or not all(_is_accounted(name, records) for name in functions):
            return not functions
        if self._stage.account.is_emulator and _is_all_seen(functions, records):
            return True
        return time.monotonic() - self._still_since >= self._stage.still_s

    def _note_motion(self) -> None:
        known = len(self._stage.journal)
        if known != self._known:
            self._known, self._still_since = known, time.monotonic()


def _is_accounted(function: str, records: list[Record]) -> bool:
    """Whether a function's invocations were seen to begin and to end; or there are none, and the test has done nothing that leads to one."""
    begun = {record.n for record in records if (record.kind, record.resource) == ("invocation", function)}
    ended = {record.cause for record in records if (record.kind, record.resource) == ("outcome", function)}
    return begun <= ended if begun else not _acts(records)


def _is_all_seen(functions: set[str], records: list[Record]) -> bool:
    """Whether the test did nothing but invoke one function, and the log of each of these invocations has its end."""
    asked = [record.detail for record in _acts(records)]
    if len(functions) > 1 or any(one.get("operation") != "Invoke" for one in asked):
        return False
    ended = {r.detail["request_id"] for r in records if r.kind == "outcome" and r.resource in functions}
    return bool(asked) and all(not ended.isdisjoint(one.get("ids", ())) for one in asked)


def _acts(records: list[Record]) -> list[Record]:
    """What the test itself set in motion."""
    return [record for record in records if record.kind == "call"]


def prove(plan: Plan, records: list[Record]) -> None:
    """Raise `FaultNeverFired` unless each planned fault has a `fault` record."""
    never = missing(plan, records)
    if never:
        raise FaultNeverFired("\n".join(_never_fired(name, fault, records) for name, fault in never))


def missing(plan: Plan, records: list[Record]) -> list[tuple[str, AnyFault]]:
    """The planned faults that have no `fault` record."""
    return [(name, fault) for name, fault in plan if not any(_is_strike(r, name, fault) for r in records)]


def _is_strike(record: Record, name: str, fault: AnyFault) -> bool:
    if (record.kind, record.resource) != ("fault", name):
        return False
    injector = record.detail.get("injector")
    if injector is not None:
        return record.detail.get("fault") in _modes(fault, str(injector))
    found = (record.detail.get("fault"), _as_json(record.detail.get("settings")))
    return found == (fault.kind, _as_json(fault.settings()))


def _as_json(settings: object) -> object:
    """Settings as a log has them: tuples are lists there."""
    return json.loads(json.dumps(settings, default=str))


def _modes(fault: AnyFault, injector: str) -> set[str]:
    """The modes by which an injector that knows no settings may call a fault."""
    if injector == OURS:  # a layer of before strikes were told with their settings
        return {mode_of(fault)}
    translations = fault.translations()
    if injector == f"{FAILURE_LAMBDA} 0.x":
        return {str(translations.get(Reader.FAILURE_LAMBDA_0X, {}).get("failureMode"))}
    return set(translations.get(Reader.FAILURE_LAMBDA_1X, {}))


def _never_fired(name: str, fault: AnyFault, records: list[Record]) -> str:
    invocations = sum(record.kind == "invocation" and record.resource == name for record in records)
    outcomes = sum(record.kind == "outcome" and record.resource == name for record in records)
    struck = [
        str(record.detail.get("fault")) for record in records if record.kind == "fault" and record.resource == name
    ]
    if is_delivery(fault):
        return never_delivered(name, fault, records)
    told = [line for record in records if record.resource == name for line in _trouble(record)]
    return "\n".join(
        [
            f"{name}={fault!r} was planned and never struck, so this block proved nothing about it.",
            f"  Meanwhile {name} was invoked {plural(invocations, 'time')}, and struck by {', '.join(struck) or 'nothing'}.",
            *(f"  its log says: {line}" for line in told),
            f"  {_advice(invocations, outcomes, is_explained=bool(struck or told))}",
        ]
    )


def _trouble(record: Record) -> list[str]:
    """What an injector complained about, if the record is a log line of its."""
    told = complaint(str(record.detail.get("line"))) if record.kind == "log" else None
    return [] if told is None else [told]


def _advice(invocations: int, outcomes: int, *, is_explained: bool) -> str:
    if invocations == 0:
        return "Invoke it inside the block; what is asynchronous needs stage.settle() before the block ends."
    if is_explained:
        return "Another fault came first, or this one could not strike."
    if outcomes == 0:
        return "That had begun, and not ended, when the block did: wait inside the block for what comes of it, or stage.settle()."
    return (
        "It runs where our runtime does not: give it a layer or a library that reads its flag, or plan another fault."
    )
