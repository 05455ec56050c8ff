"""A check with the verdict that an experiment expects of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from stagefright.chaos.checks.verdict import Check, Rank
from stagefright.errors import UsageError, nearest

if TYPE_CHECKING:
    from stagefright.stage import Stage

VERDICTS = {rank.name.lower(): rank for rank in Rank}
"""The verdicts by name: holds, unknown, broken."""


@dataclass(frozen=True)
class Expected:
    """
    What a check should say of the method: that it holds, unless another verdict is named.

    >>> from stagefright.chaos.checks import retried
    >>> Expected(retried("Worker", times=2), "broken")
    retried(function='Worker', times=2) is broken
    """

    check: Check
    verdict: str = "holds"

    def __post_init__(self) -> None:
        if not isinstance(self.check, Check):
            raise UsageError(
                f"An experiment expects checks, such as retried('Worker'); received {self.check!r}. "
                "They are in stagefright.chaos.checks."
            )
        if self.verdict not in VERDICTS:
            raise UsageError(f"There is no verdict {self.verdict!r}. {nearest(str(self.verdict), VERDICTS)}")

    @property
    def rank(self) -> Rank:
        """The expected verdict."""
        return VERDICTS[self.verdict]

    def problems(self, stage: Stage) -> Iterator[str]:
        """The logical ids that the check names and the stage does not have."""
        return self.check.unknown_names(stage.resources)

    def __repr__(self) -> str:
        return f"{self.check!r} {'holds' if self.rank is Rank.HOLDS else f'is {self.verdict}'}"
