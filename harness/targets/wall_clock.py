"""The clock of a deployed stage: the real one, which nobody moves."""

from __future__ import annotations

import time
from typing import NoReturn

from stagefright.clock import Clock
from stagefright.errors import UnsupportedOperation, UsageError
from stagefright.spans import Span


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

    def advance(self, span: Span) -> NoReturn:
        """Refuse: real time cannot be hurried."""
        raise UnsupportedOperation(
            f"clock.advance({span!r}) is there on the target local only, where time is virtual. On a deployed stage wait for what should "
            'happen: stage.wait_until(..., within=...). A test that needs virtual time is marked @pytest.mark.only_on("local").'
        )

    def move_to(self, when: float) -> NoReturn:
        """Refuse: real time passes by itself."""
        raise UsageError(
            f"The time of a deployed stage cannot be moved (to {when}); only a local stage has virtual time."
        )
