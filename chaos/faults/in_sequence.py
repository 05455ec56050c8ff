"""InSequence: one fault after the other."""

from __future__ import annotations

from dataclasses import dataclass

from stagefright.chaos.faults.fault import AnyFault, Harm, points_of
from stagefright.chaos.faults.points import FaultPoint, Outcome
from stagefright.chaos.faults.several import Several


@dataclass(frozen=True, eq=False, repr=False, init=False)
class InSequence(Several):
    """
    The first call meets the first fault, the second call the second, and so on; after the last there is none.

    A call is whatever concerns the faults. A call that should pass in between is a `Noop()`.

    >>> from stagefright.chaos import Failure, Noop
    >>> InSequence(Failure("down"), Noop(), Failure("down again"))
    InSequence(Failure(message='down'), Noop(), Failure(message='down again'))
    """

    kind = "in_sequence"

    @classmethod
    def misfits(cls, faults: tuple[AnyFault, ...]) -> list[str]:
        """A call of one kind of point is not one of another, so all of them strike at the same kinds."""
        wrong = super().misfits(faults)
        kinds = {frozenset(kind.__name__ for kind in points_of([fault])) for fault in _hurting(faults)}
        if len(kinds) > 1:
            named = " and ".join(sorted("/".join(sorted(kind)) for kind in kinds))
            wrong.append(f"they strike at different points ({named}), so they cannot take turns")
        return wrong

    def concerns(self, point: FaultPoint) -> bool:
        """What concerns any of them."""
        return any(fault.concerns(point) for fault in _hurting(self.faults))

    def prepare(self, point: FaultPoint) -> Harm | None:
        """Count the call, and ask the fault whose turn it is."""
        step = point.count("call")
        if step >= len(self.faults) or not self.faults[step].concerns(point):
            return None
        harm = self.faults[step].prepare(point.inside(step))
        return None if harm is None else {"step": step, "harm": harm}

    def strike(self, point: FaultPoint, harm: Harm) -> Outcome:
        """Let the fault strike whose turn it is."""
        return self.faults[harm["step"]].strike(point.inside(harm["step"]), harm["harm"])

    def heal(self, point: FaultPoint, harm: Harm) -> None:
        """Let the fault heal that struck."""
        self.faults[harm["step"]].heal(point.inside(harm["step"]), harm["harm"])


def _hurting(faults: tuple[AnyFault, ...]) -> list[AnyFault]:
    """Those that decide what a call is; one that passes takes whatever comes."""
    return [fault for fault in faults if not all(part.passes for part in fault.parts())] or list(faults)
