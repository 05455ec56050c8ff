"""
The fault that does nothing.

It strikes like any other, so its evidence proves that a function reads its flag and that a fault would be felt. It is
also the shortest whole fault: start from this file to write a new one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stagefright.chaos.faults.fault import Fault, Harm, Reader
from stagefright.chaos.faults.points import FaultPoint


@dataclass(frozen=True, eq=False, repr=False)
class Noop(Fault[FaultPoint]):
    """
    Leave evidence and hurt nothing.

    >>> Noop()
    Noop()
    """

    kind = "noop"
    turn = 0
    passes = True

    def translations(self) -> dict[Reader, dict[str, Any]]:
        """Every reader does nothing when it is told nothing."""
        return {reader: {} for reader in Reader}

    def prepare(self, point: FaultPoint) -> Harm:  # noqa: ARG002 (the contract)
        """Nothing to decide."""
        return {}

    def strike(self, point: FaultPoint, harm: Harm) -> None:
        """Nothing to do."""

    def heal(self, point: FaultPoint, harm: Harm) -> None:
        """Nothing to undo."""
