"""ColdStart: the next invocation finds no warm environment."""

from __future__ import annotations

from dataclasses import dataclass

from stagefright.chaos.faults.fault import Fault, Harm
from stagefright.chaos.faults.points import Arrival


@dataclass(frozen=True, eq=False, repr=False)
class ColdStart(Fault[Arrival]):
    """
    End the environments that wait for an invocation, so that it initialises a new one: module globals are gone.

    Only a local stage can do that. While the fault holds, every invocation is cold; `ColdStart().at_most(1)` is one.

    >>> ColdStart()
    ColdStart()
    """

    kind = "cold_start"
    turn = 5
    strikes_at = (Arrival,)
    is_local = True

    def prepare(self, point: Arrival) -> Harm:  # noqa: ARG002 (the contract)
        """Nothing to decide."""
        return {}

    def strike(self, point: Arrival, harm: Harm) -> None:  # noqa: ARG002 (the contract)
        """End them."""
        point.retire()

    def heal(self, point: Arrival, harm: Harm) -> None:
        """The next environment is as good as the last."""
