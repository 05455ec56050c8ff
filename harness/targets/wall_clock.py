"""The clock of a deployed stage: the real one, which nobody moves."""

from __future__ import annotations

import time
from typing import NoReturn

from stagefright.clock import Clock
from stagefright.errors import UsageError


class WallClock(Clock):
    """Real time, with the face of a world's clock, so that journals and listeners need not know the difference."""

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def now_ns(self) -> int:
        """Nanoseconds since 1970."""
        return time.time_ns()

    def now_ms(self) -> int:
        """Whole milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def move_to(self, when: float) -> NoReturn:
        """Refuse: real time passes by itself."""
        raise UsageError(
            f"The time of a deployed stage cannot be moved (to {when}); only a local stage has virtual time."
        )
