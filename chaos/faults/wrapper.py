"""
What wrappers have in common: faults made of another fault, which decide whether that one is asked.

    Failure("down").with_probability(0.3)        now and then, by a draw that the fault point keys
    Failure("down").on_call(1, 3)                the first call and the third
    Failure("down").at_most(2)                   no more than twice
    Failure("down").when("detail.kind", "x")     if the event says so
    Failure("down").during("5m", after="1m")     for a span of time
    InSequence(Failure("down"), Noop())          one after the other
    Both(Latency(delay_ms=400), Failure("down")) at the same time

Wrappers nest. An outer one is asked first, and an inner one counts only what the outer lets through. What they count is
in the memory of the run (`points.Memory`), not in the fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stagefright.chaos.faults.catalogue import DEPTH_MAX
from stagefright.chaos.faults.fault import AnyFault, Fault, Harm
from stagefright.chaos.faults.points import FaultPoint, Outcome


@dataclass(frozen=True, eq=False, repr=False)
class Wrapper(Fault[FaultPoint]):
    """A fault around another, which strikes when that one does."""

    turn = 0
    """Unused: a wrapper strikes when what it wraps would."""

    fault: AnyFault

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """There is a fault to wrap."""
        wrong = super().problems(settings)
        if "fault" not in settings:
            return [*wrong, "it wraps no fault"]
        return [*wrong, *fault_problems(settings["fault"])]

    def parts(self) -> tuple[AnyFault, ...]:
        """The plain faults inside."""
        return self.fault.parts()

    def depth(self) -> int:
        """One more than that of the fault inside."""
        return 1 + self.fault.depth()

    def concerns(self, point: FaultPoint) -> bool:
        """What concerns the fault inside."""
        return self.fault.concerns(point)

    def prepare(self, point: FaultPoint) -> Harm | None:
        """Let the fault inside decide."""
        return self.fault.prepare(point.inside())

    def strike(self, point: FaultPoint, harm: Harm) -> Outcome:
        """Let the fault inside strike."""
        return self.fault.strike(point.inside(), harm)

    def heal(self, point: FaultPoint, harm: Harm) -> None:
        """Let the fault inside heal."""
        self.fault.heal(point.inside(), harm)


def fault_problems(value: object) -> list[str]:
    """What is wrong with a fault that should be wrapped."""
    if isinstance(value, type) and issubclass(value, Fault):
        return [f"{value.__name__} is the class; call it with its settings: {value.__name__}(...)"]
    if not isinstance(value, Fault):
        return [f"{value!r} is not a fault"]
    if value.depth() >= DEPTH_MAX:
        return [f"it would be {value.depth() + 1} faults deep; {DEPTH_MAX} are the most"]
    return []
