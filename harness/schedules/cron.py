"""AWS's `cron(minutes hours day-of-month month day-of-week year)`: the next local time that it stands for."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from stagefright.schedules import cron_fields as fields
from stagefright.schedules.cron_fields import Days, InvalidField, Month


@dataclass(frozen=True, slots=True)
class Cron:
    """The parsed fields; minutes and hours in order, the rest as sets."""

    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: Days
    months: frozenset[int]
    years: frozenset[int]

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
        return cls(
            tuple(sorted(fields.MINUTE.parse(minutes))),
            tuple(sorted(fields.HOUR.parse(hours))),
            _days(day_of_month, day_of_week),
            fields.MONTH.parse(months),
            fields.YEAR.parse(years),
        )

    def next_after(self, after: datetime) -> datetime | None:
        """The first local time later than `after`; None if there is none up to the year 2199."""
        if after.year > fields.YEAR_MAX:
            return None
        # The smallest unit is a minute, so the first candidate is the next whole one.
        start = after.replace(second=0, microsecond=0) + timedelta(minutes=1)
        for day in self._days_from(start):
            is_first = day.date() == start.date()
            for hour in self.hours:
                for minute in self.minutes:
                    if not is_first or (hour, minute) >= (start.hour, start.minute):
                        return day.replace(hour=hour, minute=minute)
        return None

    def _days_from(self, start: datetime) -> Iterator[datetime]:
        for year, month in self._months_from(start):
            begins_on, length = monthrange(year, month)
            # Python's week begins with Monday as 0, AWS's with Sunday as 1.
            for number in sorted(self.days(Month(length, (begins_on + 1) % 7 + 1))):
                if (year, month, number) >= (start.year, start.month, start.day):
                    yield datetime(year, month, number)  # noqa: DTZ001 - local time, whose zone the caller knows

    def _months_from(self, start: datetime) -> Iterator[tuple[int, int]]:
        for year in sorted(year for year in self.years if year >= start.year):
            for month in sorted(self.months):
                if (year, month) >= (start.year, start.month):
                    yield year, month


def _days(day_of_month: str, day_of_week: str) -> Days:
    """Exactly one of both fields must be `?`, even if the other one is `*`."""
    if (day_of_month == fields.ANY) == (day_of_week == fields.ANY):
        raise InvalidField(f"{day_of_month} and {day_of_week}")
    return fields.days_of_week(day_of_week) if day_of_month == fields.ANY else fields.days_of_month(day_of_month)
