"""Both: several faults at the same time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from stagefright.chaos.faults.fault import Harm, Reader
from stagefright.chaos.faults.points import FaultPoint, Outcome, in_turn
from stagefright.chaos.faults.several import Several


@dataclass(frozen=True, eq=False, repr=False, init=False)
class Both(Several):
    """
    Strike with all of several faults, in their order, wherever they strike.

    A plan takes a list for that; this is for what is around them: `Both(a, b).on_call(3)`.

    >>> from stagefright.chaos import Failure, Latency
    >>> Both(Latency(delay_ms=400), Failure("down"))
    Both(Latency(delay_ms=400), Failure(message='down'))
    """

    kind = "both"

    def translations(self) -> dict[Reader, dict[str, Any]]:
        """All of them must be known, each with a mode of its own."""
        return {reader: words for reader in Reader if (words := self._words(reader)) is not None}

    def _words(self, reader: Reader) -> dict[str, Any] | None:
        said = [fault.translations().get(reader) for fault in self.faults]
        known = [words for words in said if words is not None]
        spoken = [words for words in known if words]
        merged = {key: value for words in spoken for key, value in words.items()}
        if len(known) < len(said) or len(merged) < sum(map(len, spoken)):
            return None
        return None if reader is not Reader.FAILURE_LAMBDA_1X and len(spoken) > 1 else merged

    def prepare(self, point: FaultPoint) -> Harm | None:
        """Ask each."""
        harms = [
            fault.prepare(point.inside(n)) if fault.concerns(point) else None for n, fault in enumerate(self.faults)
        ]
        return None if all(harm is None for harm in harms) else {"harms": harms}

    def strike(self, point: FaultPoint, harm: Harm) -> Outcome:
        """Strike with each until one ends the matter."""
        harms = enumerate(harm["harms"])
        return in_turn(point, (partial(self._strike_with, n, its) for n, its in harms if its is not None))

    def _strike_with(self, n: int, harm: Harm, point: FaultPoint) -> Outcome:
        return self.faults[n].strike(point.inside(n), harm)

    def heal(self, point: FaultPoint, harm: Harm) -> None:
        """Heal each, the last one first."""
        for n, fault in reversed(list(enumerate(self.faults))):
            if harm["harms"][n] is not None:
                fault.heal(point.inside(n), harm["harms"][n])
