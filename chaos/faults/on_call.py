"""OnCall: a fault that strikes at chosen calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stagefright.chaos.faults.fault import Harm
from stagefright.chaos.faults.points import FaultPoint
from stagefright.chaos.faults.wrapper import Wrapper


@dataclass(frozen=True, eq=False, repr=False)
class OnCall(Wrapper):
    """
    Strike at the calls with these numbers, the first being 1.

    A call is whatever concerns the fault inside: an invocation, a response, an SDK call of its operation.

    >>> from stagefright.chaos import Failure
    >>> Failure("down").on_call(1, 3)
    Failure(message='down').on_call(1, 3)
    """

    kind = "on_call"

    calls: tuple[int, ...]

    def __repr__(self) -> str:
        return f"{self.fault!r}.on_call({', '.join(map(str, self.calls))})"

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """The numbers are whole, from 1 on."""
        wrong = super().problems(settings)
        calls = settings.get("calls")
        if not isinstance(calls, list | tuple) or not calls:
            return [*wrong, f"calls is {calls!r}; it should be the numbers of the calls, the first being 1"]
        bad = [call for call in calls if type(call) is not int or call < 1]
        return [*wrong, *(f"{call!r} is not the number of a call; the first is 1" for call in bad)]

    def prepare(self, point: FaultPoint) -> Harm | None:
        """Count the call."""
        return super().prepare(point) if point.count("call") + 1 in self.calls else None
