"""What all faults of outgoing calls have in common: how many of them are struck."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import KW_ONLY, InitVar, dataclass
from typing import Any, TypeVar

from stagefright.chaos.faults.fault import Fault, Harm
from stagefright.chaos.faults.points import FunctionPoint

Point = TypeVar("Point", bound=FunctionPoint)


@dataclass(frozen=True, repr=False)
class Outgoing(Fault[Point]):
    """
    A fault of the calls that a function makes, of which it strikes the first `times`.

    `Throttle("dynamodb", "PutItem", times=2)` is the short form of the wrapper `.times(2)`, and is stored as `at_most`.
    """

    _: KW_ONLY
    at_most: int | None = None
    times: InitVar[int | None] = None  # type: ignore[assignment]

    def __post_init__(self, times: int | None = None) -> None:
        if times is not None:
            object.__setattr__(self, "at_most", times)
        super().__post_init__()

    def __repr__(self) -> str:
        given = self.settings()
        times = {"times": given.pop("at_most")} if "at_most" in given else {}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in (given | times).items())})"

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """The number of times is a whole one, from 1."""
        wrong = super().problems(settings)
        at_most = settings.get("at_most")
        if at_most is not None and (type(at_most) is not int or at_most < 1):
            wrong.append(f"times is {at_most!r}; it should be a whole number from 1")
        return wrong

    def prepare(self, point: Point) -> Harm | None:
        """Decide what the call meets, unless enough of them were struck."""
        if self.at_most is not None and point.counted("struck") >= self.at_most:
            return None
        harm = self.decide(point)
        if harm is not None:
            point.count("struck")
        return harm

    @abstractmethod
    def decide(self, point: Point) -> Harm | None:
        """What this strike will do; None if it cannot strike here."""

    def heal(self, point: Point, harm: Harm) -> None:
        """Nothing lasts."""


# As a class attribute the setting's default would hide the wrapper of the same name.
del Outgoing.times


def text_problems(settings: Mapping[str, Any], *names: str) -> list[str]:
    """What is wrong with the settings among `names` that are given; each should be text."""
    given = {name: settings[name] for name in names if name in settings}
    return [f"{name} is {value!r}; it should be text" for name, value in given.items() if not _is_text(value)]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""
