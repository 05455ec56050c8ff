"""During: a fault that strikes for a span of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stagefright.chaos.faults.fault import Harm
from stagefright.chaos.faults.points import FaultPoint
from stagefright.chaos.faults.wrapper import Wrapper


@dataclass(frozen=True, eq=False, repr=False)
class During(Wrapper):
    """
    Strike for `span_s` seconds, which begin `after_s` seconds after the first call that concerns the fault inside.

    >>> from stagefright.chaos import Failure
    >>> Failure("down").during("5m", after="1m")
    Failure(message='down').during(300.0, after=60.0)
    """

    kind = "during"

    span_s: float
    after_s: float = 0

    def __repr__(self) -> str:
        after = f", after={self.after_s!r}" if self.after_s else ""
        return f"{self.fault!r}.during({self.span_s!r}{after})"

    @classmethod
    def problems(cls, settings: Mapping[str, Any]) -> list[str]:
        """The span takes some time, and does not begin in the past."""
        wrong = super().problems(settings)
        span: Any = settings.get("span_s")
        after: Any = settings.get("after_s", 0)
        if not _is_number(span) or not 0 < span < float("inf"):
            wrong.append(f"span_s is {span!r}; it should be a number of seconds above 0")
        if not _is_number(after) or not 0 <= after < float("inf"):
            wrong.append(f"after_s is {after!r}; it should be a number of seconds, 0 or more")
        return wrong

    def prepare(self, point: FaultPoint) -> Harm | None:
        """Look at the clock."""
        return super().prepare(point) if 0 <= point.elapsed_s() - self.after_s < self.span_s else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
