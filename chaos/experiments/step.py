"""The contract of every step: one thing that an experiment does to a stage, with its settings."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar

from stagefright.chaos.experiments.kinds import MAPPING, NAME, Kind, reference
from stagefright.errors import ExperimentFailed, UnknownResource, UsageError, nearest
from stagefright.matching import differences
from stagefright.wording import shorten

if TYPE_CHECKING:
    from stagefright.chaos.control import Chaos
    from stagefright.chaos.experiments.report import Report
    from stagefright.data import Data
    from stagefright.stage import Stage


@dataclass(frozen=True)
class Scene:
    """What a step acts on."""

    stage: Stage
    chaos: Chaos
    data: Data
    report: Report

    def resolved(self, value: Any) -> Any:
        """A value with its references (`{"Ref": "Orders"}`) replaced by what they stand for."""
        refers = reference(value)
        if refers is not None:
            return self._referred(*refers)
        if isinstance(value, Mapping):
            return {name: self.resolved(item) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.resolved(item) for item in value]
        return value

    def _referred(self, how: str, name: str) -> str:
        if how == "Output":
            return self.stage.outputs[name]
        return self.stage.ref(name) if how == "Ref" else self.stage.arn(name)


def setting(kind: Kind, default: Any = MISSING) -> Any:
    """A field of a step that accepts a kind of value; without a default it must be given."""
    return field(metadata={"kind": kind}) if default is MISSING else field(default=default, metadata={"kind": kind})


def answer_setting() -> Any:
    """The field of a step that asks the stage something: the part of the answer that is expected."""
    return setting(MAPPING, None)


@dataclass(frozen=True, repr=False)
class Step(ABC):
    """One thing that an experiment does; wrong settings are refused at construction, all of them at once."""

    name: ClassVar[str]
    """The key of the step in YAML: AWS's operation in lower case, where there is one."""

    def __post_init__(self) -> None:
        problems = [problem for _, problem in self.problems(self.settings())]
        if problems:
            raise UsageError("\n  - ".join([f"The step {self.name} cannot be used:", *problems]))

    @classmethod
    def kinds(cls) -> dict[str, Kind]:
        """The settings, with what each accepts."""
        return {found.name: found.metadata["kind"] for found in fields(cls)}

    @classmethod
    def main(cls) -> str | None:
        """The setting that a step with a bare value gives, such as `wait: 30s`; none if it needs more than one."""
        required = [found.name for found in fields(cls) if found.default is MISSING]
        return required[0] if len(required) == 1 else None

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """What is wrong with settings: the name of each and a sentence; nothing if a step can be made of them."""
        kinds = cls.kinds()
        for name, value in settings.items():
            if name not in kinds:
                yield name, f"{cls.name} has no setting {name!r}. {nearest(name, kinds)}"
            elif value is not None and not kinds[name].accepts(value):
                yield name, f"{name} is {kinds[name].expected}; received {shorten(value)}."
        for found in fields(cls):
            if found.default is MISSING and settings.get(found.name) is None:
                yield "", f"{cls.name} needs {found.name}: {kinds[found.name].expected}."

    def settings(self) -> dict[str, Any]:
        """The settings that differ from their defaults."""
        values = ((found, getattr(self, found.name)) for found in fields(self))
        return {found.name: value for found, value in values if value != found.default}

    def plans(self) -> Iterable[Any]:
        """The plans that the step holds while it lasts."""
        return ()

    @property
    def proves(self) -> bool:
        """Whether the step says what must be answered."""
        return getattr(self, "answers", None) is not None

    def check(self, stage: Stage) -> Iterator[str]:
        """What the step names and the stage does not have, a sentence each."""
        for name, kind in self.kinds().items():
            value = getattr(self, name)
            if kind is NAME and value is not None and value not in stage.resources:
                yield f"{self!r} names {value}. {nearest(value, stage.resources)}"
            yield from (f"{self!r} refers to {problem}" for problem in _dangling(value, stage))

    @abstractmethod
    def take(self, scene: Scene) -> Any:
        """Do it; what is returned is compared with `answers`."""

    def perform(self, scene: Scene) -> None:
        """Do it, and raise `ExperimentFailed` if the answer is not the one that is expected."""
        found = self.take(scene)
        answers = getattr(self, "answers", None)
        wrong = [] if answers is None else differences("answer", scene.resolved(answers), found)
        if wrong:
            raise ExperimentFailed("; ".join(map(str, wrong)))

    def __repr__(self) -> str:
        said = {name: value for name, value in self.settings().items() if name != "answers"}
        main = self.main()
        if main is not None and set(said) == {main}:
            return f"{self.name}: {shorten(said[main])}"
        return f"{self.name} {', '.join(f'{name}={shorten(value, 60)}' for name, value in said.items())}".strip()


def _dangling(value: Any, stage: Stage) -> Iterator[str]:
    """The references in a value that lead nowhere."""
    refers = reference(value)
    if refers is not None:
        how, name = refers
        known = stage.outputs if how == "Output" else stage.resources
        if name not in known:
            yield f"{how} {name}. {nearest(name, known)}"
        elif how == "GetAtt":
            yield from _without_arn(name, stage)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _dangling(item, stage)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _dangling(item, stage)


def _without_arn(name: str, stage: Stage) -> Iterator[str]:
    try:
        stage.arn(name)
    except UnknownResource:
        raise
    except UsageError as error:
        yield f"GetAtt {name}: {error}"
