"""Chaos: the object with which a test hurts a stage, proves that it did, and heals it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NoReturn

from stagefright.chaos.deliveries import ActiveFault, Deliveries, is_delivery, problems_of
from stagefright.chaos.faults.catalogue import FAULTS
from stagefright.chaos.faults.deliveries import DELIVERY_FAULTS
from stagefright.chaos.faults.delivery import BUS
from stagefright.chaos.faults.fault import AnyFault, is_for
from stagefright.chaos.gate import Gate
from stagefright.chaos.leases import Leases
from stagefright.chaos.local import attach
from stagefright.chaos.plan import Mark, Plan
from stagefright.chaos.safety import Safety
from stagefright.chaos.stop import Condition, Watch, read_conditions
from stagefright.delivery.at_least_once import DEFAULT_BUS
from stagefright.errors import ChaosStopped, HarnessError, UnknownResource, UsageError, nearest
from stagefright.spans import parse_span
from stagefright.stage import Stage, is_deployed, is_local

LOCAL_LEASE_S = 10 * 366 * 86_400.0
"""
How long a flag on a local stage is good for. Its world ends with the process, so nothing can be left behind, and a test
may well rehearse weeks of retries inside one block.
"""

STOP_WHEN = "stop_when"
"""The argument beside the faults that is none, in a block and in a mark; a logical id has no underscore."""

BLOCKS_MAX = 1_000_000
"""Blocks of one object have numbers from as many, so those of the next object on the stage are others, and count anew."""


class Chaos:
    """
    Hurts a stage on purpose.

        with chaos(AddToFeedFunction=Failure("table is down"), Other=[Latency(delay_ms=400), Noop()]):
            ...

    Leaving the block always heals. It fails if a planned fault never struck, unless the block is failing already.
    With `stop_when` (an alarm, a check, a callable, or several) the block ends, healed, when one of them comes true.
    `owner` and `run` name whose flags these are, and `lease_s` how long each is good for unless it is healed or renewed; by default
    a deployed stage says. `seed` keys the draws of the faults. A reset of a local stage drops
    its flags and what is attached to it, so each test makes its own. `safety` are the limits, those of the stage's settings unless
    given. With `rehearse` nothing is hurt: a plan that was checked is handed to it, and it ends
    the test by raising.
    """

    def __init__(
        self,
        stage: Stage,
        *,
        owner: str | None = None,
        run: str | None = None,
        seed: int | str = 0,
        lease_s: float | None = None,
        safety: Safety | None = None,
        rehearse: Callable[[Sequence[Plan]], NoReturn] | None = None,
    ) -> None:
        attached = attach(stage) if is_local(stage) else 1
        self._stage = stage
        lessee = _lessee(stage)
        self._leases = Leases(
            stage,
            owner=owner or lessee[0],
            run=run or lessee[1],
            seed=seed,
            lease_s=lessee[2] if lease_s is None else lease_s,
        )
        self._lock = threading.RLock()
        self._watches: list[Watch] = []
        self._is_looking = False
        self._deliveries = Deliveries(stage, seed=seed)
        self._safety = Safety.of(stage) if safety is None else safety
        self._rehearse = rehearse
        self._active: list[tuple[int, Plan]] = []
        self._blocks = itertools.count(BLOCKS_MAX * (attached - 1))

    def __call__(self, *, stop_when: Condition | Iterable[Condition] | None = None, **faults: Any) -> Injection:
        """The block in which `resource=fault` (or a list of faults) holds."""
        return self.inject(Plan.of(**faults), stop_when=stop_when)

    def from_mark(self, mark: Mark) -> Injection:
        """The block in which the faults of a mark hold: `@pytest.mark.chaos(LogicalId=fault)`."""
        given = dict(mark.kwargs)
        stop_when = given.pop(STOP_WHEN, None)
        return self.inject(Plan.from_mark(_Mark(mark.args, given)), stop_when=stop_when)

    def inject(self, plan: Plan, *, stop_when: Condition | Iterable[Condition] | None = None) -> Injection:
        """The block in which a plan holds."""
        named = plan.renamed(self._stage.name_of)
        return Injection(self, self._stage, named, read_conditions(stop_when))

    @contextmanager
    def watching(self, conditions: Sequence[Condition]) -> Iterator[None]:
        """Inside, everything is healed as soon as one of the conditions comes true, and `look` raises."""
        watch = Watch(conditions, self._stage, self.heal)
        watchers = self._stage.watchers if is_deployed(self._stage) else []
        watch.begin()
        self._watches.append(watch)
        watchers.append(self.look)
        try:
            yield
            self.look()
        except BaseException as error:
            if watch.tripped and not isinstance(error, ChaosStopped):
                error.add_note(f"A stop condition had ended the chaos before: {watch.tripped}")
            raise
        finally:
            watchers.remove(self.look)
            self._watches.remove(watch)
            watch.end()

    def look(self) -> None:
        """Raise `ChaosStopped` if a stop condition has come true; everything is healed by then. Else keep the leases alive."""
        if self._is_looking:  # a condition looks at the stage itself
            return
        self._is_looking = True
        try:
            reason = next((reason for watch in self._watches if (reason := watch.reason()) is not None), None)
        finally:
            self._is_looking = False
        if reason is not None:
            self.heal()
            raise ChaosStopped(f"A stop condition ended the chaos, and everything was healed: {reason}")
        with self._lock:
            self._leases.renew()

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
        with self._lock:
            self._active.append((next(self._blocks), plan))
            try:
                self._write(_flagged(plan))
                self._hold_deliveries()
            except BaseException:
                self.end(plan)
                raise

    def end(self, plan: Plan) -> None:
        """Take a plan away; flags of plans around it stay. Nothing to do if everything was healed in between."""
        with self._lock:
            for position in reversed(range(len(self._active))):
                if self._active[position][1] is plan:
                    del self._active[position]
                    self._hold_deliveries()
                    self._write(_flagged(plan)[::-1])
                    break
            self._leases.rest()

    def heal(self) -> None:
        """Take every fault away."""
        with self._lock:
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


@dataclass(frozen=True)
class _Mark:
    """What is left of a pytest mark when `stop_when` was taken out."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class Injection:
    """A block in which a plan holds; it can be entered again after it was left, and inside others."""

    def __init__(self, chaos: Chaos, stage: Stage, plan: Plan, stop_when: Sequence[Condition] = ()) -> None:
        self.plan = plan
        self._chaos = chaos
        self._stage = stage
        self._stop_when = stop_when
        self._entered: list[tuple[Gate, ExitStack]] = []

    def __enter__(self) -> Plan:
        gate, watch = Gate(self._stage, self.plan), ExitStack()
        self._entered.append((gate, watch))
        try:
            gate.arm()
            watch.enter_context(self._chaos.watching(self._stop_when))
            self._chaos.begin(self.plan)
        except BaseException:
            self._entered.pop()
            watch.close()
            raise
        return self.plan

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        gate, watch = self._entered.pop()
        try:
            self._chaos.end(self.plan)
        except Exception as trouble:
            message = f"{self.plan} could not be healed: {type(trouble).__name__}: {trouble}"
            if error is None:
                watch.__exit__(None, None, None)
                raise HarnessError(message) from trouble
            error.add_note(message)
        watch.__exit__(kind, error, traceback)
        if error is None:
            gate.prove()


def check(plan: Plan, stage: Stage) -> None:
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
        if any(part.is_local for part in fault.parts()) and stage.is_deployed
    ]
    if problems:
        raise UsageError("\n".join(problems))


@dataclass(frozen=True)
class _DefaultBus:
    """The bus that every account has, and no template names."""

    type: str = BUS
    physical_id: str = DEFAULT_BUS
    arn: str | None = None


def _flagged(plan: Plan) -> list[str]:
    """The functions whose flags a plan changes."""
    return list(dict.fromkeys(name for name, fault in plan if not is_delivery(fault)))


def _lessee(stage: Stage) -> tuple[str, str, float]:
    """Whose flags they are by default, of which run, and for how long."""
    if is_deployed(stage):
        return stage.run.owner, stage.run.id, parse_span(stage.settings.chaos_lease)
    return "stagefright", "local", LOCAL_LEASE_S


def _misfit(fault: AnyFault, name: str, resource_type: str) -> str:
    fitting = [kind.__name__ for kind in (*FAULTS, *DELIVERY_FAULTS) if resource_type in kind.applies_to]
    return (
        f"{fault!r} cannot strike {name}, which is an {resource_type}: it is for {', '.join(fault.parts()[0].applies_to)}. "
        f"Faults for an {resource_type}: {', '.join(fitting) or 'none'}."
    )
