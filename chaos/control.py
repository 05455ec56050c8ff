"""Chaos: the object with which a test hurts a stage, proves that it did, and heals it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NoReturn

from stagefright.chaos.deliveries import ActiveFault, Deliveries, is_delivery, never_delivered, problems_of
from stagefright.chaos.faults.catalogue import FAULTS
from stagefright.chaos.faults.deliveries import DELIVERY_FAULTS
from stagefright.chaos.faults.delivery import BUS
from stagefright.chaos.faults.fault import AnyFault, is_for
from stagefright.chaos.leases import Leases
from stagefright.chaos.local import attach
from stagefright.chaos.plan import Mark, Plan
from stagefright.chaos.safety import Safety
from stagefright.chaos.stage_face import LocalStageFace, StageFace
from stagefright.delivery.at_least_once import DEFAULT_BUS
from stagefright.errors import FaultNeverFired, HarnessError, UnknownResource, UsageError, nearest
from stagefright.journal import Record
from stagefright.naming import name_of

LOCAL_LEASE_S = 10 * 366 * 86_400.0
"""
How long a flag on a local stage is good for. Its world ends with the process, so nothing can be left behind, and a test
may well rehearse weeks of retries inside one block.
"""

BLOCKS_MAX = 1_000_000
"""Blocks of one object have numbers from as many, so those of the next object on the stage are others, and count anew."""


class Chaos:
    """
    Hurts a stage on purpose.

        with chaos(AddToFeedFunction=Failure("table is down"), Other=[Latency(delay_ms=400), Noop()]):
            ...

    Leaving the block always heals. It fails if a planned fault never struck, unless the block is failing already.
    `owner` and `run` name whose flags these are; `seed` keys the draws of the faults. A reset of a local stage drops
    its flags and what is attached to it, so each test makes its own. `safety` are the limits, those of the stage's settings unless
    given. With `rehearse` nothing is hurt: a plan that was checked is handed to it, and it ends
    the test by raising.
    """

    def __init__(
        self,
        stage: StageFace,
        *,
        owner: str = "stagefright",
        run: str = "local",
        seed: int | str = 0,
        lease_s: float = LOCAL_LEASE_S,
        safety: Safety | None = None,
        rehearse: Callable[[Sequence[Plan]], NoReturn] | None = None,
    ) -> None:
        attached = attach(stage) if isinstance(stage, LocalStageFace) else 1
        self._stage = stage
        self._leases = Leases(stage, owner=owner, run=run, seed=seed, lease_s=lease_s)
        self._deliveries = Deliveries(stage, seed=seed)
        self._safety = Safety.of(stage) if safety is None else safety
        self._rehearse = rehearse
        self._active: list[tuple[int, Plan]] = []
        self._blocks = itertools.count(BLOCKS_MAX * (attached - 1))

    def __call__(self, **faults: Any) -> Injection:
        """The block in which `resource=fault` (or a list of faults) holds."""
        return self.inject(Plan.of(**faults))

    def from_mark(self, mark: Mark) -> Injection:
        """The block in which the faults of a mark hold: `@pytest.mark.chaos(LogicalId=fault)`."""
        return self.inject(Plan.from_mark(mark))

    def inject(self, plan: Plan) -> Injection:
        """The block in which a plan holds."""
        return Injection(self, self._stage, plan.renamed(lambda name: name_of(self._stage, name)))

    def preview(self, plans: Sequence[Plan]) -> None:
        """Check plans, one by one, before the first of them begins; a dry run ends here."""
        for plan in plans:
            self._check(plan)
        if self._rehearse is not None and plans:
            self._rehearse(plans)

    def begin(self, plan: Plan) -> None:
        """Write the flags of a plan on top of those that hold already; all of them or none."""
        self._check(plan)
        if self._rehearse is not None:
            self._rehearse([plan])
        self._active.append((next(self._blocks), plan))
        try:
            self._write(_flagged(plan))
            self._hold_deliveries()
        except BaseException:
            self.end(plan)
            raise

    def end(self, plan: Plan) -> None:
        """Take a plan away; flags of plans around it stay. Nothing to do if everything was healed in between."""
        for position in reversed(range(len(self._active))):
            if self._active[position][1] is plan:
                del self._active[position]
                self._hold_deliveries()
                self._write(_flagged(plan)[::-1])
                return

    def heal(self) -> None:
        """Take every fault away."""
        self._active.clear()
        self._hold_deliveries()
        self._write(list(reversed(self._leases.held)))

    def _check(self, plan: Plan) -> None:
        check(plan, self._stage)
        self._safety.check(plan, [active for _, active in self._active], self._stage)

    def _write(self, logical_ids: list[str]) -> None:
        """Make the flags of some functions say what the active plans want; one that fails does not keep the others."""
        troubles: list[Exception] = []
        for logical_id in logical_ids:
            try:
                self._leases.hold(logical_id, self._wanted(logical_id))
            except Exception as trouble:  # noqa: BLE001 (all are tried, then the first is raised)
                troubles.append(trouble)
        if troubles:
            raise troubles[0]

    def _wanted(self, logical_id: str) -> list[tuple[int, AnyFault]]:
        return [
            (block, fault)
            for block, plan in self._active
            for fault in plan.faults.get(logical_id, ())
            if not is_delivery(fault)
        ]

    def _hold_deliveries(self) -> None:
        self._deliveries.hold(
            ActiveFault(name, fault, (block, place))
            for block, plan in self._active
            for place, (name, fault) in enumerate(plan)
            if is_delivery(fault)
        )


class Injection:
    """A block in which a plan holds; it can be entered again after it was left, and inside others."""

    def __init__(self, chaos: Chaos, stage: StageFace, plan: Plan) -> None:
        self.plan = plan
        self._chaos = chaos
        self._stage = stage
        self._begins: list[int] = []

    def __enter__(self) -> Plan:
        self._begins.append(len(self._stage.journal))
        try:
            self._chaos.begin(self.plan)
        except BaseException:
            self._begins.pop()
            raise
        return self.plan

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        begin = self._begins.pop()
        try:
            self._chaos.end(self.plan)
        except Exception as trouble:
            message = f"{self.plan} could not be healed: {type(trouble).__name__}: {trouble}"
            if error is None:
                raise HarnessError(message) from trouble
            error.add_note(message)
        if error is None:
            prove(self.plan, list(self._stage.journal.since(begin)))


def check(plan: Plan, stage: StageFace) -> None:
    """Refuse a plan that names what the stage does not have, or pairs a fault with what it cannot strike."""
    resources = {DEFAULT_BUS: _DefaultBus(), **stage.resources}
    unknown = [name for name in plan.faults if name not in resources]
    if unknown:
        lines = [f"{plan} names {name}, which stage {stage.name} does not have." for name in unknown]
        raise UnknownResource("\n".join([*lines, nearest(unknown[0], stage.resources)]))
    problems = [
        _misfit(fault, name, resources[name].type)
        for name, fault in plan
        if not is_for(fault, resources[name].type) and not is_delivery(fault)
    ]
    problems += problems_of(plan, stage, resources)
    problems += [
        f"{fault!r} cannot strike {name}: only a local stage has what it strikes, and stage {stage.name} is deployed."
        for name, fault in plan
        if any(part.is_local for part in fault.parts()) and not isinstance(stage, LocalStageFace)
    ]
    if problems:
        raise UsageError("\n".join(problems))


@dataclass(frozen=True)
class _DefaultBus:
    """The bus that every account has, and no template names."""

    type: str = BUS
    physical_id: str = DEFAULT_BUS


def _flagged(plan: Plan) -> list[str]:
    """The functions whose flags a plan changes."""
    return list(dict.fromkeys(name for name, fault in plan if not is_delivery(fault)))


def _misfit(fault: AnyFault, name: str, resource_type: str) -> str:
    fitting = [kind.__name__ for kind in (*FAULTS, *DELIVERY_FAULTS) if resource_type in kind.applies_to]
    return (
        f"{fault!r} cannot strike {name}, which is an {resource_type}: it is for {', '.join(fault.parts()[0].applies_to)}. "
        f"Faults for an {resource_type}: {', '.join(fitting) or 'none'}."
    )


def prove(plan: Plan, records: list[Record]) -> None:
    """Raise `FaultNeverFired` unless each planned fault has a `fault` record."""
    missing = [(name, fault) for name, fault in plan if not any(_is_strike(r, name, fault) for r in records)]
    if missing:
        raise FaultNeverFired("\n".join(_never_fired(name, fault, records) for name, fault in missing))


def _is_strike(record: Record, name: str, fault: AnyFault) -> bool:
    planned = ("fault", name, fault.kind, fault.settings())
    return planned == (record.kind, record.resource, record.detail.get("fault"), record.detail.get("settings"))


def _never_fired(name: str, fault: AnyFault, records: list[Record]) -> str:
    invocations = sum(record.kind == "invocation" and record.resource == name for record in records)
    struck = [
        str(record.detail.get("fault")) for record in records if record.kind == "fault" and record.resource == name
    ]
    if is_delivery(fault):
        return never_delivered(name, fault, records)
    told = [line for record in records if record.resource == name for line in _trouble(record)]
    return "\n".join(
        [
            f"{name}={fault!r} was planned and never struck, so this block proved nothing about it.",
            f"  Meanwhile {name} was invoked {invocations} times, and struck by {', '.join(struck) or 'nothing'}.",
            *(f"  its log says: {line}" for line in told),
            f"  {_advice(invocations, bool(struck or told))}",
        ]
    )


def _trouble(record: Record) -> list[str]:
    """What our runtime complained about, if the record is a log line of its."""
    try:
        line: Any = json.loads(str(record.detail.get("line"))) if record.kind == "log" else {}
    except ValueError:
        return []
    ours = isinstance(line, dict) and line.get("source") == "stagefright" and line.get("level") == "error"
    return [str(line.get("message"))] if ours else []


def _advice(invocations: int, is_explained: bool) -> str:
    if invocations == 0:
        return "Invoke it inside the block; what is asynchronous needs stage.settle() before the block ends."
    if is_explained:
        return "Another fault came first, or this one could not strike."
    return (
        "It runs where our runtime does not: give it a layer or a library that reads its flag, or plan another fault."
    )
