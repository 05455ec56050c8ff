"""
From an expression to instants: time zones with their summer times, and the span in which a schedule is alive.

EventBridge Scheduler skips a cron time that the clocks jump over, and invokes once where they pass a time twice (Scheduler guide,
schedule-types). Which of the two it is, and what becomes of an `at` that the clocks jump over, the guide does not say: here it is the first
unless told otherwise, and the instant that the clocks would have shown without the jump.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from math import floor, inf
from zoneinfo import ZoneInfo

from stagefright.schedules.cron import Cron
from stagefright.schedules.expression import At, Expression, Rate

FORESEEABLE_S = datetime(2200, 1, 2, tzinfo=UTC).timestamp()
"""No cron expression reaches further."""

OVERLAP_MAX = timedelta(hours=2)
"""By how much clocks are set back at most."""


def zone_named(name: str) -> tzinfo:
    """
    An IANA time zone; raises `ValueError` if there is none of this name.

    >>> zone_named("Mars/Olympus")
    Traceback (most recent call last):
        ...
    ValueError: Mars/Olympus
    """
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (OSError, LookupError, ValueError) as error:
        raise ValueError(name) from error


@dataclass(frozen=True, slots=True)
class Recurrence:
    """
    When a schedule fires, in epoch seconds.

    `anchor` is where a rate begins to count; the anchor itself is no occurrence unless `at_once`. Nothing fires before
    `start` or after `end`; both are ignored by `at` (Scheduler API, `StartDate`).

    >>> Recurrence(Rate(60), anchor=100.0).next_after(220.0)
    280.0
    """

    expression: Expression
    zone: tzinfo = UTC
    anchor: float = 0.0
    at_once: bool = False
    start: float = -inf
    end: float = inf
    second_pass: bool = False
    """Whether a time that the clocks pass twice counts the second time."""

    @property
    def is_once(self) -> bool:
        """Whether it fires once only, by its nature."""
        return isinstance(self.expression, At)

    def next_after(self, after: float) -> float | None:
        """The first occurrence later than `after`; None if there is none any more."""
        if isinstance(self.expression, At):
            when = self._instant(self.expression.when)
            return when if when > after else None
        found = self._tick(after) if isinstance(self.expression, Rate) else self._cron(after)
        return found if found is not None and found <= self.end else None

    def _tick(self, after: float) -> float:
        assert isinstance(self.expression, Rate)
        first = 0 if self.at_once else 1
        count = max(first, floor((after - self.anchor) / self.expression.every_s) + 1)
        return self.anchor + count * self.expression.every_s

    def _cron(self, after: float) -> float | None:
        assert isinstance(self.expression, Cron)
        # What falls on the start itself counts.
        after = max(after, self.start - 0.000_001)
        if after >= FORESEEABLE_S:
            return None
        # The second pass of what was passed once already lies behind by local time.
        local = self._local(after) - (OVERLAP_MAX if self.second_pass else timedelta())
        while True:
            found = self.expression.next_after(local)
            if found is None:
                return None
            when = self._instant(found)
            if when > after and self._local(when) == found:
                return when
            local = found

    def _local(self, when: float) -> datetime:
        return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=when)).astimezone(self.zone).replace(tzinfo=None)

    def _instant(self, local: datetime) -> float:
        """The instant at which clocks show a local time, of two the first unless `second_pass`; one that they jump over counts as before."""
        first, second = (local.replace(tzinfo=self.zone, fold=fold).timestamp() for fold in (0, 1))
        # Where the clocks jump over a time, the two are the other way round.
        return second if self.second_pass and second > first else first
