"""What all faults of outgoing calls have in common: how many of them are struck."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass
from typing import Any, TypeVar

from stagefright.chaos.faults.fault import Fault, Harm
from stagefright.chaos.faults.points import FunctionPoint

Point = TypeVar("Point", bound=FunctionPoint)


@dataclass(frozen=True, eq=False, repr=False)
class Outgoing(Fault[Point]):
    """
    A fault of the calls that a function makes, of which it strikes the first `times`.
    """

    _: KW_ONLY
    times: int | None = None

    def __repr__(self) -> str:
        given = self.settings()
        times = {"times": given.pop("times")} if "times" in given else {}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in (given | times).items())})"

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """The number of times is a whole one, from 1."""
        wrong = super().problems(settings)
        times = settings.get("times")
        if times is not None and (type(times) is not int or times < 1):
            wrong.append(f"times is {times!r}; it should be a whole number from 1")
        return wrong

    def prepare(self, point: Point) -> Harm | None:
        """Decide what the call meets, unless enough of them were struck."""
        if self.times is not None and point.counted("struck") >= self.times:
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


def text_problems(settings: Mapping[str, Any], *names: str) -> list[str]:
    """What is wrong with the settings among `names` that are given; each should be text."""
    given = {name: settings[name] for name in names if name in settings}
    return [f"{name} is {value!r}; it should be text" for name, value in given.items() if not _is_text(value)]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""
