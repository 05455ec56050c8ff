"""AWS's `cron(minutes hours day-of-month month day-of-week year)`: the next local time that it stands for."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import product

from stagefright.schedules import cron_fields as fields
from stagefright.schedules.cron_fields import Days, InvalidField, Month


@dataclass(frozen=True, slots=True)
class Cron:
    """The parsed fields: the times of a day, the days of a month, and months and years, all in order."""

    times: tuple[tuple[int, int], ...]
    days: Days
    months: tuple[int, ...]
    years: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> Cron:
        """
        Read six fields, separated by blanks; raises `InvalidField` for what AWS refuses.

        >>> Cron.parse("15 10 ? * 6L 2026").next_after(datetime(2026, 1, 1))
        datetime.datetime(2026, 1, 30, 10, 15)
        """
        parts = text.split()
        if len(parts) != 6:
            raise InvalidField(text)
        minutes, hours, day_of_month, months, day_of_week, years = parts
        times = product(sorted(fields.HOUR.parse(hours)), sorted(fields.MINUTE.parse(minutes)))
        return cls(
            tuple(times),
            _days(day_of_month, day_of_week),
            tuple(sorted(fields.MONTH.parse(months))),
            tuple(sorted(fields.YEAR.parse(years))),
        )

    def next_after(self, after: datetime) -> datetime | None:
        """The first local time later than `after`; None if there is none up to the year 2199."""
        # The smallest unit is a minute, so that of `after` is over.
        time = bisect_right(self.times, (after.hour, after.minute))
        for year, month, day in self._days_from(after):
            if (year, month, day) != (after.year, after.month, after.day):
                time = 0
            if time < len(self.times):
                return datetime(year, month, day, *self.times[time])  # noqa: DTZ001 - local time, whose zone the caller knows
        return None

    def _days_from(self, start: datetime) -> Iterator[tuple[int, int, int]]:
        for year, month in self._months_from(start):
            days = _days_in(self.days, year, month)
            is_first = (year, month) == (start.year, start.month)
            for day in days[bisect_left(days, start.day) :] if is_first else days:
                yield year, month, day

    def _months_from(self, start: datetime) -> Iterator[tuple[int, int]]:
        for year in self.years[bisect_left(self.years, start.year) :]:
            first = bisect_left(self.months, start.month) if year == start.year else 0
            for month in self.months[first:]:
                yield year, month


@lru_cache(maxsize=1_024)
def _days_in(days: Days, year: int, month: int) -> tuple[int, ...]:
    begins_on, length = monthrange(year, month)
    # Python's week begins with Monday as 0, AWS's with Sunday as 1.
    return tuple(sorted(days(Month(length, (begins_on + 1) % 7 + 1))))


def _days(day_of_month: str, day_of_week: str) -> Days:
    """Exactly one of both fields must be `?`, even if the other one is `*`."""
    if (day_of_month == fields.ANY) == (day_of_week == fields.ANY):
        raise InvalidField(f"{day_of_month} and {day_of_week}")
    return fields.days_of_week(day_of_week) if day_of_month == fields.ANY else fields.days_of_month(day_of_month)
