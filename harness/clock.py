"""The world's only source of time: epoch seconds that stand still until the kernel moves them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NoReturn

from stagefright.spans import Span, parse_span

EPOCH = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
"""Where every world's time begins: 2026-01-01T00:00:00Z, so that runs are repeatable."""


US_PER_S = 1_000_000

UPTIME_AT_EPOCH_NS = 1_000 * 1_000_000_000
"""What the monotonic clocks show when a world begins."""


class Clock:
    """
    Virtual time, in seconds since 1970.

    >>> clock = Clock()
    >>> clock.move_to(clock.now() + 60)
    >>> clock.iso()
    '2026-01-01T00:01:00.000Z'
    """

    def __init__(self, start: float = EPOCH) -> None:
        self._us = _whole_us(start)

    # Time is kept in whole microseconds: the finest unit that a float of epoch seconds tells apart, so that an instant
    # survives the way from float to integer and back.

    def now(self) -> float:
        """Seconds since 1970, exact to the microsecond."""
        return self._us / US_PER_S

    def now_ns(self) -> int:
        """Nanoseconds since 1970."""
        return self._us * 1_000

    def uptime_ns(self) -> int:
        """
        Nanoseconds on the monotonic clocks.

        They count from near zero, as after a boot: event loops compare them at a resolution of 1 ns, which floats of epoch
        seconds do not have.
        """
        return (self._us - _whole_us(EPOCH)) * 1_000 + UPTIME_AT_EPOCH_NS

    def now_ms(self) -> int:
        """Whole milliseconds since 1970, as AWS's timestamps have them."""
        return self._us // 1_000

    def iso(self) -> str:
        """Now as AWS writes it: ISO 8601, UTC, milliseconds."""
        return iso(self.now())

    def move_to(self, when: float) -> None:
        """
        Move time to `when` (epoch seconds), or to the first microsecond after it; it never goes back except by a reset.

        So whoever waited for `when` finds it reached.
        """
        self._us = max(self._us, _whole_us(when))

    def reset(self, start: float = EPOCH) -> None:
        """Start over."""
        self._us = _whole_us(start)


class StageClock:
    """
    A stage's virtual time, as its test sees it: to read, and to let pass.

    It has no way to put the time forward past what is due, because nothing on AWS skips time either.
    """

    def __init__(self, clock: Clock, let_pass: Callable[[float], None]) -> None:
        self._clock = clock
        self._let_pass = let_pass

    def now(self) -> float:
        """Seconds since 1970, exact to the microsecond."""
        return self._clock.now()

    def now_ms(self) -> int:
        """Whole milliseconds since 1970, as AWS's timestamps have them."""
        return self._clock.now_ms()

    def iso(self) -> str:
        """Now as AWS writes it: ISO 8601, UTC, milliseconds."""
        return self._clock.iso()

    def advance(self, span: Span) -> None:
        """
        Let the stage run for a span ("1h", or seconds): everything that is due in it happens.

        `time.sleep` in a test does the same.
        """
        self._let_pass(parse_span(span))

    def __getattr__(self, name: str) -> NoReturn:
        raise AttributeError(
            f"The stage's clock has no {name!r}; it has now(), now_ms(), iso() and advance(span), which lets the stage run."
        )

    def __repr__(self) -> str:
        return f"<clock of the stage: {self._clock.iso()}>" if "_clock" in self.__dict__ else "<clock of a stage>"


def _whole_us(when: float) -> int:
    us = round(when * US_PER_S)
    return us if us / US_PER_S >= when else us + 1


def iso(when: float) -> str:
    """
    An instant (epoch seconds) as AWS writes it.

    >>> iso(0.5)
    '1970-01-01T00:00:00.500Z'
    """
    return datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
