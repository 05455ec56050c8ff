"""The world's only source of time: epoch seconds that stand still until the kernel moves them."""

from __future__ import annotations

from datetime import UTC, datetime

EPOCH = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
"""Where every world's time begins: 2026-01-01T00:00:00Z, so that runs are repeatable."""


class Clock:
    """
    Virtual time, in seconds since 1970.

    >>> clock = Clock()
    >>> clock.move_to(clock.now() + 60)
    >>> clock.iso()
    '2026-01-01T00:01:00.000Z'
    """

    def __init__(self, start: float = EPOCH) -> None:
        self._ns = round(start * 1_000_000_000)

    def now(self) -> float:
        """Seconds since 1970, as a float that is exact to the microsecond."""
        return self._ns / 1_000_000_000

    def now_ns(self) -> int:
        """Nanoseconds since 1970."""
        return self._ns

    def now_ms(self) -> int:
        """Whole milliseconds since 1970, as AWS's timestamps have them."""
        return self._ns // 1_000_000

    def iso(self) -> str:
        """Now as AWS writes it: ISO 8601, UTC, milliseconds."""
        return iso(self.now())

    def move_to(self, when: float) -> None:
        """Move time to `when` (epoch seconds); time never goes back except by a reset."""
        self._ns = max(self._ns, round(when * 1_000_000_000))

    def reset(self, start: float = EPOCH) -> None:
        """Start over."""
        self._ns = round(start * 1_000_000_000)


def iso(when: float) -> str:
    """
    An instant (epoch seconds) as AWS writes it.

    >>> iso(0.5)
    '1970-01-01T00:00:00.500Z'
    """
    return datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
