"""
Experiment templates of AWS FIS, read as plans.

    found = from_fis(Path("template.json"), stage)
    with chaos.inject(found.plan):
        ...

Actions that begin together and last equally long become plain faults, for as long as the block lasts. Others hold for their own spans,
which begin with the first call that they concern.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stagefright.chaos.faults.fault import AnyFault
from stagefright.chaos.formats.fis_actions import ACTIONS, WAIT, duration_s, read_parameters
from stagefright.chaos.formats.fis_targets import Targets
from stagefright.chaos.formats.problems import Refusals, fault, plan_of, read_json
from stagefright.chaos.plan import Plan
from stagefright.errors import ExperimentError, nearest
from stagefright.wording import shorten

if TYPE_CHECKING:
    from stagefright.stage import Stage

LEFT_OUT = (
    *(
        "clientToken",
        "creationTime",
        "experimentOptions",
        "experimentReportConfiguration",
        "id",
        "arn",
        "lastUpdateTime",
    ),
    *("logConfiguration", "roleArn", "tags", "targetAccountConfigurationsCount"),
)
"""Parts of a template that say nothing about harm: who may run it, and what is reported."""

TEMPLATE_KEYS = ("description", "targets", "actions", "stopConditions")
ALARM_SOURCE = "aws:cloudwatch:alarm"
"""The source of a stop condition that is an alarm."""

ACTION_KEYS = ("actionId", "description", "parameters", "targets", "startAfter")


@dataclass(frozen=True)
class FisPlan:
    """What a template does to a stage: its plan, how long it takes, and the parts that were left out."""

    plan: Plan
    duration_s: float
    description: str
    left_out: tuple[str, ...] = ()
    stop_when: tuple[str, ...] = ()
    """The ARNs of the alarms that stop it, for `chaos.inject(plan, stop_when=...)`."""


@dataclass
class _Timed:
    """An action with its time, and the faults of the functions that it hurts."""

    action_id: str
    after: tuple[str, ...]
    duration_s: float = 0.0
    begin_s: float = 0.0
    faults: dict[str, list[AnyFault]] = field(default_factory=dict)

    @property
    def end_s(self) -> float:
        return self.begin_s + self.duration_s


def from_fis(
    template: Mapping[str, Any] | str | Path, stage: Stage, *, names: Mapping[str, str] | None = None
) -> FisPlan:
    """
    The plan of a FIS template, given as JSON or as the file that holds it, for a stage.

    `names` maps ARNs, or the names in them, to logical ids, where they are not the stage's own. Raises `ExperimentError`, which names
    everything that cannot be expressed.
    """
    found = read_json(template, "a FIS template")
    if isinstance(found, dict) and set(found) == {"experimentTemplate"}:
        found = found["experimentTemplate"]  # as `aws fis get-experiment-template` prints it
    if not isinstance(found, dict):
        raise ExperimentError(f"A FIS template is a mapping with actions and targets; received {shorten(found)}.")
    return _Reader(found, Targets(stage, names or {})).plan()


class _Reader:
    def __init__(self, template: Mapping[str, Any], targets: Targets) -> None:
        self._template = template
        self._targets = targets
        self._refusals = Refusals()

    def plan(self) -> FisPlan:
        for key in self._template:
            if key not in TEMPLATE_KEYS and key not in LEFT_OUT:
                self._refusals.add("", f"a template has no {key!r}. {nearest(key, (*TEMPLATE_KEYS, *LEFT_OUT))}")
        actions = self._mapping(self._template, "actions", "")
        timed = {name: self._action(name, action) for name, action in actions.items()}
        stop_when = tuple(self._alarms())
        self._schedule(timed)
        self._refuse_conflicts(timed)
        if not any(one.faults for one in timed.values()):
            self._refusals.add("", "it hurts nothing on this stage.")
        self._refusals.end("This FIS template cannot be expressed as a plan:")
        faults = self._faults(list(timed.values()))
        self._refusals.end("This FIS template cannot be expressed as a plan:")
        description = str(self._template.get("description", ""))
        left_out = tuple(key for key in LEFT_OUT if self._template.get(key))
        return FisPlan(plan_of(faults), max(one.end_s for one in timed.values()), description, left_out, stop_when)

    def _alarms(self) -> Iterator[str]:
        """The ARNs of the alarms that stop the experiment; its other source is `none`."""
        conditions = self._template.get("stopConditions") or []
        for index, condition in enumerate(conditions if isinstance(conditions, list) else [conditions]):
            source = condition.get("source") if isinstance(condition, dict) else None
            value = condition.get("value") if isinstance(condition, dict) else None
            if source == ALARM_SOURCE and isinstance(value, str) and value:
                yield value
            elif source != "none":
                problem = f"it is a mapping with the source {ALARM_SOURCE} and an alarm's ARN, or none; received {shorten(condition)}."
                self._refusals.add(f"stopConditions[{index}]", problem)

    def _mapping(self, of: Mapping[str, Any], key: str, where: str) -> Mapping[str, Any]:
        value = of.get(key, {})
        if isinstance(value, dict):
            return value
        self._refusals.add(where, f"{key} is a mapping; received {shorten(value)}.")
        return {}

    def _action(self, name: str, action: Any) -> _Timed:
        where = f"actions.{name}"
        if not isinstance(action, dict):
            self._refusals.add(where, f"it is a mapping with an actionId; received {shorten(action)}.")
            return _Timed("", ())
        for key in action:
            if key not in ACTION_KEYS:
                self._refusals.add(where, f"an action has no {key!r}. {nearest(key, ACTION_KEYS)}")
        after = action.get("startAfter") or []
        if not isinstance(after, list) or not all(isinstance(one, str) for one in after):
            self._refusals.add(where, f"startAfter is a list of actions; received {shorten(after)}.")
            after = []
        timed = _Timed(str(action.get("actionId")), tuple(after))
        self._fill(timed, action, where)
        return timed

    def _fill(self, timed: _Timed, action: Mapping[str, Any], where: str) -> None:
        """Read what the action does, and to which functions."""
        given = self._mapping(action, "parameters", where)
        if timed.action_id == WAIT:
            timed.duration_s = self._refusals.attempt(where, lambda: duration_s(str(given.get("duration")))) or 0
            return
        kind = ACTIONS.get(timed.action_id)
        if kind is None:
            known = nearest(timed.action_id, [*ACTIONS, WAIT])
            self._refusals.add(where, f"the action {timed.action_id} cannot be expressed. {known}")
            return
        values, problems = read_parameters(kind, given)
        for problem in problems:
            self._refusals.add(f"{where} ({timed.action_id})", problem)
        functions = self._functions(action, kind.target, where)
        if problems:
            return
        timed.duration_s = values["duration"]
        made = self._refusals.attempt(f"{where} ({timed.action_id})", lambda: list(kind.faults(values)))
        share = values[kind.percentage] / 100 if kind.percentage else 1
        rated = [self._rated(one, share, where) for one in made or []]
        timed.faults = {function: [one for one in rated if one is not None] for function in functions if rated}

    def _rated(self, plain: AnyFault, share: float, where: str) -> AnyFault | None:
        if share == 1:
            return plain
        made: AnyFault | None = self._refusals.attempt(
            where, lambda: fault("WithProbability", fault=plain, probability=share)
        )
        return made

    def _functions(self, action: Mapping[str, Any], wanted: str, where: str) -> list[str]:
        names = list(self._mapping(action, "targets", where).values())
        targets = self._mapping(self._template, "targets", "")
        found: list[str] = []
        if not names:
            self._refusals.add(where, "it has no target.")
        for name in names:
            if not isinstance(name, str) or not isinstance(targets.get(name), dict):
                self._refusals.add(where, f"there is no target {name!r}. {nearest(str(name), targets)}")
                continue
            functions = self._refusals.attempt(
                f"targets.{name}", partial(self._targets.functions, targets[name], wanted)
            )
            if functions == [] and not self._may_be_empty():
                self._refusals.add(f"targets.{name}", "nothing on this stage fits it.")
            found += functions or []
        return found

    def _may_be_empty(self) -> bool:
        options = self._template.get("experimentOptions")
        return isinstance(options, dict) and options.get("emptyTargetResolutionMode") == "skip"

    # -- time ----------------------------------------------------------------------------------------------------------

    def _schedule(self, timed: Mapping[str, _Timed]) -> None:
        """Let each action begin when those that it starts after have ended."""
        for name, action in timed.items():
            for missing in (one for one in action.after if one not in timed):
                self._refusals.add(f"actions.{name}", f"it starts after {missing!r}. {nearest(missing, timed)}")
        waiting, done = dict(timed), set[str]()
        while waiting:
            ready = [name for name, one in waiting.items() if all(a in done or a not in timed for a in one.after)]
            if not ready:
                self._refusals.add("", f"these actions start after each other: {', '.join(waiting)}.")
                return
            for name in ready:
                action = waiting.pop(name)
                action.begin_s = max((timed[one].end_s for one in action.after if one in timed), default=0.0)
                done.add(name)

    def _refuse_conflicts(self, timed: Mapping[str, _Timed]) -> None:
        """FIS lets the earliest of two equal actions on one resource win; which one that is should not be left to it."""
        entries = list(timed.items())
        for index, (name, one) in enumerate(entries):
            for other_name, other in entries[index + 1 :]:
                is_overlapping = one.begin_s < other.end_s and other.begin_s < one.end_s
                shared = [function for function in one.faults if function in other.faults]
                if shared and one.action_id == other.action_id and is_overlapping:
                    self._refusals.add(
                        f"actions.{name} and {other_name}",
                        f"both do {one.action_id} to {', '.join(shared)} at the same time, where FIS lets one of them win.",
                    )

    def _faults(self, timed: list[_Timed]) -> dict[str, list[AnyFault]]:
        hurting = [one for one in timed if one.faults]
        is_plain = len({(one.begin_s, one.duration_s) for one in hurting}) == 1 and hurting[0].begin_s == 0
        found: dict[str, list[AnyFault]] = {}
        for one in hurting:
            for function, faults in one.faults.items():
                held = faults if is_plain else [self._held(item, one) for item in faults]
                found.setdefault(function, []).extend(item for item in held if item is not None)
        return found

    def _held(self, plain: AnyFault, timed: _Timed) -> AnyFault | None:
        made: AnyFault | None = self._refusals.attempt(
            timed.action_id,
            lambda: fault("During", fault=plain, span_s=timed.duration_s, after_s=timed.begin_s),
        )
        return made
