"""WithProbability: a fault that strikes now and then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stagefright.chaos.faults.fault import Harm, Reader
from stagefright.chaos.faults.points import FaultPoint
from stagefright.chaos.faults.wrapper import Wrapper


@dataclass(frozen=True, eq=False, repr=False)
class WithProbability(Wrapper):
    """
    Strike with a probability: a draw that depends on the seed, the fault point and the place of the fault alone.

    >>> from stagefright.chaos import Failure
    >>> Failure("down").with_probability(0.3)
    Failure(message='down').with_probability(0.3)
    """

    kind = "with_probability"

    probability: float

    def __repr__(self) -> str:
        return f"{self.fault!r}.with_probability({self.probability!r})"

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """The probability is more than 0, or the fault could never strike, and at most 1."""
        wrong = super().problems(settings)
        value = settings.get("probability")
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= 1:
            wrong.append(f"probability is {value!r}; it should be a number above 0, and at most 1")
        return wrong

    def translations(self) -> dict[Reader, dict[str, Any]]:
        """`rate` for the readers that hold one fault, a whole `percentage` for 1.x, which rolls each mode by itself."""
        said: dict[Reader, dict[str, Any]] = {}
        for reader, words in self.fault.translations().items():
            rated = self._rated(reader, words)
            if rated is not None:
                said[reader] = rated
        return said

    def _rated(self, reader: Reader, words: dict[str, Any]) -> dict[str, Any] | None:
        if not words:
            return {}
        if reader is not Reader.FAILURE_LAMBDA_1X:
            return None if "rate" in words else {**words, "rate": self.probability}
        percentage = round(self.probability * 100, 9)
        ((mode, attributes), *others) = words.items()
        if others or "percentage" in attributes or percentage != int(percentage):
            return None
        return {mode: {**attributes, "percentage": int(percentage)}}

    def prepare(self, point: FaultPoint) -> Harm | None:
        """Draw."""
        return super().prepare(point) if point.draw(0, 1, "probability") < self.probability else None
