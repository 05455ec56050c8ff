"""
Experiments in YAML: `experiments/*.yaml`, read into the objects that Python code would make, or refused with all their problems.

    title: A dead feed table loses no post
    method:
      - chaos:
          AddToFeedFunction: {Failure: {message: table is down}}
        steps:
          - publish: {topic: FeedTopic, message: {author: amy}}
          - settle
    expect:
      - retried: {function: AddToFeedFunction, at: [0, 60, 180]}
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any

from stagefright.chaos import checks
from stagefright.chaos.checks.verdict import Check
from stagefright.chaos.experiments.document import Document, Where, read_text, read_yaml
from stagefright.chaos.experiments.expected import VERDICTS, Expected
from stagefright.chaos.experiments.experiment import Experiment
from stagefright.chaos.experiments.fault_reading import read_plan
from stagefright.chaos.experiments.kinds import COUNT, JSON, NAME, NUMBER, NUMBERS, SPAN, Kind
from stagefright.chaos.experiments.step import Step
from stagefright.chaos.experiments.steps import STEP_TYPES, Inject
from stagefright.errors import ExperimentError, UsageError, nearest
from stagefright.settings import TARGETS
from stagefright.wording import shorten

KEYS = (
    "title",
    "description",
    "nightly",
    "only_on",
    "setup",
    "steady_state",
    "method",
    "stop_when",
    "rollbacks",
    "expect",
)
"""What an experiment has, in the order in which it is read."""

FOREIGN = {
    "steady-state-hypothesis": "steady_state, a list of steps with answers, and checks",
    "steady-state": "steady_state",
    "tags": "nightly: true",
    "hypothesis": "expect, a list of checks",
    "stop_condition": "stop_when, a list of alarms and checks",
    "stopConditions": "stop_when, a list of alarms and checks",
    "actions": "method; a template of AWS FIS is imported with stagefright.chaos.formats.from_fis",
}
"""What people bring from Chaos Toolkit and AWS FIS, with our word for it."""

ALARM = "alarm"
"""The key of a CloudWatch alarm among the stop conditions."""

ANY = "any"
"""The key of a list of checks of which one must give the verdict."""

CHECKS: Mapping[str, Callable[..., Check]] = {
    name: getattr(checks, name) for name in checks.__all__ if inspect.isfunction(getattr(checks, name))
}
"""The checks by name."""

CHECK_SETTINGS: Mapping[str, Kind] = {
    **dict.fromkeys(("consumer", "fault_on", "function", "queue", "source"), NAME),
    **dict.fromkeys(("by", "effect", "to"), Kind("text", NAME.accepts)),
    **dict.fromkeys(("invocations_max", "per_event", "times"), COUNT),
    "answers": JSON,
    "at": NUMBERS,
    "calls_max": NUMBER,
    "within": SPAN,
}
"""What the settings of checks accept."""


def read_experiment(path: Path | str) -> Experiment:
    """The experiment in a file; `ExperimentError` tells everything that is wrong with it, with its line."""
    return parse_experiment(read_text(Path(path), "an experiment"), str(path))


def parse_experiment(text: str, file: str = "the text") -> Experiment:
    """The experiment in a text of YAML."""
    document = read_yaml(text, file)
    if not isinstance(document.value, dict):
        found = "nothing" if document.value is None else shorten(document.value)
        document.wrong((), f"an experiment is a mapping with a title and a method; found {found}.")
        document.refuse("an experiment")
    return _Reader(document).experiment()


class _Reader:
    """Reads the values of one document; what is wrong is noted, and read on."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._wrong = document.wrong

    def experiment(self) -> Experiment:
        found: dict[str, Any] = self._document.value
        for key in found:
            if key not in KEYS:
                hint = f"Here it is {FOREIGN[key]}." if key in FOREIGN else nearest(key, KEYS)
                self._wrong((key,), f"an experiment has no {key!r}. {hint}")
        given = {
            "title": self._text(found, "title"),
            "description": self._text(found, "description") or "",
            "nightly": self._switch(found, "nightly"),
            **self._only_on(found.get("only_on")),
            **{name: self._list(found.get(name), (name,), self._step) for name in ("setup", "method", "rollbacks")},
            "steady_state": self._list(found.get("steady_state"), ("steady_state",), self._step_or_check),
            "stop_when": self._list(found.get("stop_when"), ("stop_when",), self._condition),
            "expect": self._list(found.get("expect"), ("expect",), self._expected),
        }
        if "method" not in found:
            self._wrong((), "it has no method, which is a list of steps.")
        if "title" not in found:
            self._wrong((), "it has no title, which is a text.")
        self._document.refuse("an experiment")
        try:
            return Experiment(**given)
        except ExperimentError as error:
            raise ExperimentError(f"{self._document.file}: {error}") from None

    def _text(self, found: Mapping[str, Any], key: str) -> Any:
        value = found.get(key)
        if key in found and not (isinstance(value, str) and value.strip()):
            self._wrong((key,), f"it is text; received {shorten(value)}.")
        return value

    def _switch(self, found: Mapping[str, Any], key: str) -> bool:
        value = found.get(key, False)
        if not isinstance(value, bool):
            self._wrong((key,), f"it is true or false; received {shorten(value)}.")
        return value is True

    def _only_on(self, value: Any) -> dict[str, Any]:
        """`only_on: [local]`, or with the reason: `only_on: {targets: [local], reason: it takes hours}`."""
        given = value if isinstance(value, dict) else {"targets": value}
        for key in given:
            if key not in ("targets", "reason"):
                self._wrong(("only_on", key), f"only_on has no {key!r}. {nearest(key, ('targets', 'reason'))}")
        targets = given.get("targets") if value is not None else []
        if not isinstance(targets, list) or (value is not None and not targets):
            self._wrong(("only_on",), f"it is a list of targets ({', '.join(TARGETS)}); received {shorten(value)}.")
            targets = []
        for target in targets:
            if target not in TARGETS:
                self._wrong(("only_on",), f"there is no target {shorten(target)}. {nearest(str(target), TARGETS)}")
        return {"only_on": tuple(targets), "only_on_reason": self._text(given, "reason") or ""}

    def _list(self, value: Any, where: Where, read: Callable[[Any, Where], Any]) -> list[Any]:
        if value is None:
            return []
        if not isinstance(value, list):
            self._wrong(where, f"it is a list, each entry with a hyphen; received {shorten(value)}.")
            return []
        entries = [read(item, (*where, index)) for index, item in enumerate(value)]
        return [entry for entry in entries if entry is not None]

    # -- steps ---------------------------------------------------------------------------------------------------------

    def _step_or_check(self, value: Any, where: Where) -> Any:
        is_check = isinstance(value, dict) and any(key in CHECKS or key in (ANY, "verdict") for key in value)
        return self._expected(value, where) if is_check else self._step(value, where)

    def _step(self, value: Any, where: Where) -> Step | None:
        if isinstance(value, dict) and "chaos" in value:
            return self._during(value, where)
        named = self._one_key(value, where, "step", STEP_TYPES, others=("chaos",))
        if named is None:
            return None
        name, settings = named
        kind = STEP_TYPES[name]
        place = (*where, name) if isinstance(value, dict) else where
        main = kind.main()
        if not isinstance(settings, dict) and settings is not None and main is not None:
            settings = {main: settings}
        if not isinstance(settings, dict | None):
            self._wrong(place, f"its settings are a mapping; received {shorten(settings)}. {_has(name, kind.kinds())}")
            return None
        made: Step | None = self._made(kind, settings or {}, place, kind.problems(settings or {}))
        return made

    def _during(self, value: Mapping[str, Any], where: Where) -> Step | None:
        for key in value:
            if key not in ("chaos", "steps"):
                self._wrong((*where, key), f"chaos has no {key!r} beside it. {nearest(key, ('steps',))}")
        steps = self._list(value.get("steps"), (*where, "steps"), self._step)
        if not value.get("steps"):
            self._wrong(where, "chaos needs steps beside it: what is done while the faults hold.")
        plan = read_plan(self._document, value["chaos"], (*where, "chaos"))
        return Inject(plan, steps) if plan is not None else None

    # -- stop conditions -----------------------------------------------------------------------------------------------

    def _condition(self, value: Any, where: Where) -> str | Check | None:
        """`alarm: HighErrors` (a logical id, a name or an ARN), or a check."""
        if not isinstance(value, dict) or set(value) != {ALARM}:
            return self._check(value, where, others=(ALARM, ANY))
        name = value[ALARM]
        if isinstance(name, str) and name:
            return name
        self._wrong(
            (*where, ALARM), f"it is the logical id, the name or the ARN of an alarm; received {shorten(name)}."
        )
        return None

    # -- checks --------------------------------------------------------------------------------------------------------

    def _expected(self, value: Any, where: Where) -> Expected | None:
        verdict = "holds"
        if isinstance(value, dict) and "verdict" in value:
            verdict = self._verdict(value["verdict"], (*where, "verdict"))
            value = {key: item for key, item in value.items() if key != "verdict"}
        check = self._check(value, where)
        return None if check is None else Expected(check, verdict)

    def _verdict(self, value: Any, where: Where) -> str:
        if isinstance(value, str) and value in VERDICTS:
            return value
        self._wrong(where, f"there is no verdict {shorten(value)}. {nearest(str(value), VERDICTS)}")
        return "holds"

    def _check(self, value: Any, where: Where, others: Sequence[str] = (ANY,)) -> Check | None:
        named = self._one_key(value, where, "check", CHECKS, others=others)
        if named is None:
            return None
        name, settings = named
        place = (*where, name) if isinstance(value, dict) else where
        if name == ANY:
            parts: Sequence[Check] = self._list(settings, place, self._check)
            if not parts:
                self._wrong(place, "any needs a list of checks.")
            return reduce(or_, parts) if parts else None
        wanted = inspect.signature(CHECKS[name]).parameters
        if not isinstance(settings, dict):
            settings = {next(iter(wanted)): settings}
        made: Check | None = self._made(CHECKS[name], settings, place, _check_problems(name, wanted, settings))
        return made

    # -- both ----------------------------------------------------------------------------------------------------------

    def _one_key(
        self, value: Any, where: Where, what: str, known: Mapping[str, Any], others: Sequence[str]
    ) -> tuple[str, Any] | None:
        """The name of a step or check, and its settings."""
        entry = {value: None} if isinstance(value, str) else value
        if not isinstance(entry, dict) or not entry:
            self._wrong(where, f"a {what} is its name with its settings; received {shorten(value)}.")
            return None
        names = [key for key in entry if key in known or key in others]
        for key in entry:
            if key not in names:
                self._wrong((*where, key), f"there is no {what} {key!r}. {nearest(key, [*known, *others])}")
        if len(names) > 1:
            self._wrong(where, f"one entry holds one {what}; found {', '.join(names)}. Give each its own hyphen.")
        if len(names) != 1 or len(entry) != 1:
            return None
        return names[0], entry[names[0]]

    def _made(
        self, make: Callable[..., Any], settings: Mapping[str, Any], where: Where, problems: Iterator[tuple[str, str]]
    ) -> Any:
        is_wrong = False
        for name, problem in problems:
            self._wrong((*where, name) if name else where, problem)
            is_wrong = True
        if is_wrong:
            return None
        try:
            return make(**settings)
        except UsageError as error:
            self._wrong(where, str(error))
            return None


def _check_problems(
    name: str, wanted: Mapping[str, inspect.Parameter], settings: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    for key, value in settings.items():
        if key not in wanted:
            yield key, f"{name} has no setting {key!r}. {nearest(key, wanted)}"
        elif not CHECK_SETTINGS[key].accepts(value):
            yield key, f"{key} is {CHECK_SETTINGS[key].expected}; received {shorten(value)}."
    for key, parameter in wanted.items():
        if parameter.default is inspect.Parameter.empty and key not in settings:
            yield "", f"{name} needs {key}: {CHECK_SETTINGS[key].expected}."


def _has(name: str, kinds: Mapping[str, Kind]) -> str:
    return f"{name} has {', '.join(kinds)}." if kinds else f"{name} has none."
