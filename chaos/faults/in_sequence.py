"""InSequence: one fault after the other."""

from __future__ import annotations

from dataclasses import dataclass

from stagefright.chaos.faults.fault import AnyFault, Harm, points_of
from stagefright.chaos.faults.points import FaultPoint, Outcome
from stagefright.chaos.faults.several import Several


@dataclass(frozen=True, repr=False, init=False)
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
        kinds = {frozenset(points_of([fault])) - {FaultPoint} for fault in faults} - {frozenset()}
        if len(kinds) > 1:
            named = " and ".join(sorted("/".join(sorted(k.__name__ for k in kind)) for kind in kinds))
            wrong.append(f"they strike at different points ({named}), so they cannot take turns")
        return wrong

    def concerns(self, point: FaultPoint) -> bool:
        """What concerns any of them; a `Noop` alone concerns everything, and waits for the others' calls."""
        return any(fault.concerns(point) for fault in self._pickiest())

    def prepare(self, point: FaultPoint) -> Harm | None:
        """Count the call, and ask the fault whose turn it is."""
        step = point.count("call")
        if step >= len(self.faults):
            return None
        harm = self.faults[step].prepare(point.inside(step))
        return None if harm is None else {"step": step, "harm": harm}

    def strike(self, point: FaultPoint, harm: Harm) -> Outcome:
        """Let the fault strike whose turn it is."""
        return self.faults[harm["step"]].strike(point.inside(harm["step"]), harm["harm"])

    def heal(self, point: FaultPoint, harm: Harm) -> None:
        """Let the fault heal that struck."""
        self.faults[harm["step"]].heal(point.inside(harm["step"]), harm["harm"])

    def _pickiest(self) -> list[AnyFault]:
        picky = [fault for fault in self.faults if FaultPoint not in points_of([fault])]
        return picky or list(self.faults)
