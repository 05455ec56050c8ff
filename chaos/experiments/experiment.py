"""
An experiment: a steady state, a method that hurts the system, and the verdicts that are expected afterwards.

    Experiment(
        title="A dead feed table loses no post",
        steady_state=[Request("/followers/amy", api="RelationshipApi", answers={"status": 200})],
        method=[Inject({"AddToFeedFunction": Failure("down")}, [Publish("FeedTopic", {...}), Settle()])],
        expect=[retried("AddToFeedFunction", at=[0, 60, 180]), dead_lettered("AddToFeedFunction")],
    ).run(stage)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stagefright.chaos.checks.verdict import Check
from stagefright.chaos.experiments.expected import Expected
from stagefright.chaos.experiments.report import Report
from stagefright.chaos.experiments.step import Scene, Step
from stagefright.chaos.plan import Plan
from stagefright.chaos.stop import Condition, read_conditions
from stagefright.errors import ExperimentError, UnknownResource, UnsupportedOperation
from stagefright.listeners import EVENTBRIDGE, KINESIS, SNS, SQS
from stagefright.stage import is_deployed
from stagefright.wording import plural

if TYPE_CHECKING:
    from stagefright.chaos.control import Chaos
    from stagefright.stage import Stage

VERBS = {name: kind.verb for kind in (SNS, SQS, KINESIS, EVENTBRIDGE) for name in kind.types}
"""How what the checks name is observed on a deployed stage, by its type; the logs of functions are, anyway."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """
    What is done to a stage, and what should come of it.

    `setup` is taken once. `steady_state` (steps that say what they `answer`, and checks) must hold before the method, or nothing is
    hurt, and again after it. `method` is taken, then everything is healed and `rollbacks` are taken, whatever happened. Then the stage
    settles, and the checks of `expect` are judged by what happened since the method began. Each part settles before the next begins.
    `stop_when` (alarms, checks, callables) ends the method at once, healed, when one of them comes true.
    """

    title: str
    method: Sequence[Step]
    expect: Sequence[Expected | Check] = ()
    steady_state: Sequence[Step | Expected | Check] = ()
    setup: Sequence[Step] = ()
    rollbacks: Sequence[Step] = ()
    stop_when: Sequence[Condition] = ()
    description: str = ""
    nightly: bool = False
    only_on: Sequence[str] = ()
    """The targets on which it can hold, if not on all; pytest skips it elsewhere."""
    only_on_reason: str = ""

    def __post_init__(self) -> None:
        for name in ("expect", "steady_state"):
            entries = [Expected(entry) if isinstance(entry, Check) else entry for entry in getattr(self, name)]
            object.__setattr__(self, name, tuple(entries))
        for name in ("setup", "method", "rollbacks"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        object.__setattr__(self, "stop_when", read_conditions(self.stop_when))
        problems = list(self._problems())
        if problems:
            raise ExperimentError("\n  - ".join([f"The experiment {self.title!r} cannot be used:", *problems]))

    @property
    def plans(self) -> tuple[Plan, ...]:
        """Every plan of the method, in order."""
        return tuple(plan for step in self.method for plan in step.plans())

    def check(self, stage: Stage, chaos: Chaos | None = None) -> None:
        """Refuse what the stage does not have, all of it at once, and plans that it must not suffer, before anything is done."""
        steps = [entry for entry in self._entries() if isinstance(entry, Step)]
        checks = [entry for entry in self._entries() if isinstance(entry, Expected)]
        problems = [problem for step in steps for problem in step.check(stage)]
        problems += [problem for expected in checks for problem in expected.problems(stage)]
        if problems:
            head = f"The experiment {self.title!r} does not fit the stage {stage.name}:"
            raise UnknownResource("\n  - ".join([head, *problems]))
        (chaos or _chaos(stage, 0)).preview(self.plans)

    def run(self, stage: Stage, chaos: Chaos | None = None, *, seed: int | str = 0) -> Report:
        """
        Run it, and return the report.

        Raises `ExperimentFailed`, which has the whole story, if it does not go as expected. Test data is taken away, and every fault
        healed, whatever happens. `chaos` is made for the stage, with the `seed`, unless given.
        """
        from stagefright.data import Data

        chaos = _chaos(stage, seed) if chaos is None else chaos
        self.check(stage, chaos)
        report = Report(self.title)
        with Data(stage) as data:
            self._perform(Scene(stage, chaos, data, report))
        report.conclude()
        return report

    def _perform(self, scene: Scene) -> None:
        report = scene.report
        self._observe(scene.stage)
        self._steps(scene, "setup", self.setup)
        if report:
            self._steady_state(scene, "steady state before")
        if not report:
            report.lines.append("  Nothing was hurt: the method is not for a system that is not well.")
            return
        begin = len(scene.stage.journal)
        try:
            self._method(scene)
        finally:
            scene.chaos.heal()
            self._steps(scene, "rollbacks", self.rollbacks)
        if not report:
            report.lines.append("  The checks were not judged, because the method broke off.")
            return
        self._judge(scene, "expected verdicts", self.expect, begin)
        self._steady_state(scene, "steady state after")

    def _observe(self, stage: Stage) -> None:
        """
        On a deployed stage, let the journal have what the checks speak of, as a test would by listening.

        A queue that a consumer works off cannot be looked into; what a check says of it then is that it is unknown.
        """
        if not is_deployed(stage):
            return
        for name in sorted({stage.name_of(name) for check in self._checks() for name in check.named()}):
            verb = VERBS.get(stage.resources[name].type) if name in stage.resources else None
            if verb is not None:
                with suppress(UnsupportedOperation):
                    stage.observe(name, verb)

    def _checks(self) -> Iterator[Check]:
        """All checks, those inside others too."""
        waiting = [entry.check for entry in self._entries() if isinstance(entry, Expected)]
        while waiting:
            check = waiting.pop()
            waiting += check.parts
            yield check

    def _method(self, scene: Scene) -> None:
        """Take the method, under the eyes of the stop conditions."""
        with scene.report.phase("method"), scene.chaos.watching(self.stop_when):
            self._steps(scene, "method", self.method)

    def _steps(self, scene: Scene, phase: str, steps: Iterable[Any]) -> None:
        """Take the steps of a part, and let the stage settle."""
        if not steps:
            return
        with scene.report.phase(phase):
            for step in steps:
                scene.report.perform(step, scene)
            scene.stage.settle()

    def _judge(self, scene: Scene, phase: str, expected: Iterable[Any], begin: int) -> None:
        if not expected:
            return
        records = scene.stage.journal.arranged(begin)
        with scene.report.phase(phase):
            for one in expected:
                scene.report.judge(one, records)

    def _steady_state(self, scene: Scene, phase: str) -> None:
        begin = len(scene.stage.journal)
        count = len(scene.report.problems)
        self._steps(scene, phase, [entry for entry in self.steady_state if isinstance(entry, Step)])
        if len(scene.report.problems) == count:
            self._judge(scene, phase, [entry for entry in self.steady_state if isinstance(entry, Expected)], begin)

    def _entries(self) -> Iterable[Any]:
        return (*self.setup, *self.steady_state, *self.method, *self.rollbacks, *self.expect)

    def _problems(self) -> Iterable[str]:
        if not str(self.title).strip():
            yield "it needs a title."
        yield from (f"{entry!r} is not a step or a check." for entry in self._entries() if not _is_entry(entry))
        if any(isinstance(entry, Step) for entry in self.expect):
            yield "expect holds checks; steps belong to the method or the steady state."
        if not self.method:
            yield "its method has no steps."
        entries = [*self.expect, *self.steady_state, *self.method]
        if not any(isinstance(entry, Expected) or (isinstance(entry, Step) and entry.proves) for entry in entries):
            yield "it proves nothing: add checks to expect, or answers to steps."
        outside = [plan for step in self._outside_the_method() for plan in step.plans()]
        if outside:
            yield f"{plural(len(outside), 'plan')} outside of the method: {', '.join(map(repr, outside))}."

    def _outside_the_method(self) -> list[Step]:
        return [step for step in (*self.setup, *self.steady_state, *self.rollbacks) if isinstance(step, Step)]


def _is_entry(entry: object) -> bool:
    return isinstance(entry, Step | Expected)


def _chaos(stage: Stage, seed: int | str) -> Chaos:
    from stagefright.chaos.control import Chaos

    return Chaos(stage, seed=seed)
