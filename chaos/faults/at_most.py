"""AtMost: a fault that strikes so often and no more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stagefright.chaos.faults.fault import Harm
from stagefright.chaos.faults.points import FaultPoint
from stagefright.chaos.faults.wrapper import Wrapper


@dataclass(frozen=True, eq=False, repr=False)
class AtMost(Wrapper):
    """
    Strike `times` times, then never again.

    >>> from stagefright.chaos import Failure
    >>> Failure("down").at_most(2)
    Failure(message='down').at_most(2)
    """

    kind = "at_most"

    times: int

    def __repr__(self) -> str:
        return f"{self.fault!r}.at_most({self.times})"

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """The number is whole, from 1 on."""
        wrong = super().problems(settings)
        value = settings.get("times")
        if type(value) is not int or value < 1:
            wrong.append(f"times is {value!r}; it should be a whole number from 1 on")
        return wrong

    def prepare(self, point: FaultPoint) -> Harm | None:
        """Count the strikes."""
        if point.counted("strike") >= self.times:
            return None
        harm = super().prepare(point)
        if harm is not None:
            point.count("strike")
        return harm
