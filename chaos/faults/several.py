"""What the wrappers around several faults have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from stagefright.chaos.faults.fault import AnyFault, Fault
from stagefright.chaos.faults.points import FaultPoint
from stagefright.chaos.faults.wrapper import fault_problems


@dataclass(frozen=True, eq=False, repr=False)
class Several(Fault[FaultPoint]):
    """Several faults, given one after the other or as one list."""

    turn = 0
    """Unused: it strikes when the first of its faults would."""

    faults: tuple[AnyFault, ...]

    def __init__(self, *faults: AnyFault | list[AnyFault] | tuple[AnyFault, ...]) -> None:
        given = faults[0] if len(faults) == 1 and isinstance(faults[0], list | tuple) else faults
        object.__setattr__(self, "faults", tuple(given))
        self.__post_init__()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.faults))})"

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Self:
        """The fault with these settings."""
        return cls(*settings["faults"])

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """There are at least two, all of them faults, for the same resources."""
        wrong, faults = super().problems(settings), settings.get("faults", ())
        if not isinstance(faults, list | tuple) or len(faults) < 2:
            return [*wrong, f"{cls.__name__} takes two faults or more"]
        found = [problem for fault in faults for problem in fault_problems(fault)]
        return [*wrong, *(found or cls.misfits(tuple(faults)))]

    @classmethod
    def misfits(cls, faults: tuple[AnyFault, ...]) -> list[str]:
        """Why these faults cannot stand together."""
        targets = [set(part.applies_to) for fault in faults for part in fault.parts()]
        return [] if set.intersection(*targets) else ["no resource is one that all of them can strike"]

    def parts(self) -> tuple[AnyFault, ...]:
        """The plain faults inside."""
        return tuple(part for fault in self.faults for part in fault.parts())

    def depth(self) -> int:
        """One more than that of the deepest fault inside."""
        return 1 + max(fault.depth() for fault in self.faults)

    def concerns(self, point: FaultPoint) -> bool:
        """What concerns any of them."""
        return any(fault.concerns(point) for fault in self.faults)
