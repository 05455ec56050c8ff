"""
The six fields of AWS's `cron(...)`: which values each of them admits (EventBridge guide, eb-scheduled-rule-pattern).

    minutes       0-59             , - * /
    hours         0-23             , - * /
    day of month  1-31             , - * ? / L W
    month         1-12 or JAN-DEC  , - * /
    day of week   1-7 or SUN-SAT   , - * ? L #
    year          1970-2199        , - * /

What the guide leaves open follows the scheduler that AWS's dialect comes from (Quartz): `LW` is the last weekday of a month, names may be
written in any case, and a range may run over the end of its field (`FRI-MON`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

YEAR_MIN, YEAR_MAX = 1970, 2199

MONTHS = MappingProxyType(
    {
        name: number
        for number, name in enumerate("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split(), start=1)  # noqa: SIM905
    }
)
WEEKDAYS = MappingProxyType(
    {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), start=1)}
)
SATURDAY = WEEKDAYS["SAT"]

ANY = "?"
"""The field that says nothing, because the other day field does."""


class InvalidField(ValueError):
    """A field that AWS would not take."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """A field whose values are plain numbers or names for them."""

    low: int
    high: int
    names: Mapping[str, int] = field(default_factory=dict)
    wraps: bool = True
    steps: bool = True

    def parse(self, text: str) -> frozenset[int]:
        """
        The values that a field admits.

        >>> sorted(Numbers(0, 59).parse("0/20,7"))
        [0, 7, 20, 40]
        """
        return frozenset(value for part in text.split(",") for value in self._part(part))

    def number(self, text: str) -> int:
        """One value, as a number or by its name."""
        value = self.names.get(text.upper())
        if value is None:
            value = int(text) if re.fullmatch(r"[0-9]{1,4}", text) else -1
        if not self.low <= value <= self.high:
            raise InvalidField(text)
        return value

    def _part(self, text: str) -> Iterator[int]:
        base, slash, step = text.partition("/")
        if not slash:
            return iter(self._range(base, to_end=False))
        if not self.steps or not re.fullmatch(r"[0-9]+", step) or not 0 < int(step) <= self.high:
            raise InvalidField(text)
        return iter(self._range(base, to_end=True)[:: int(step)])

    def _range(self, text: str, *, to_end: bool) -> range | list[int]:
        """`*`, `3`, `3-7`; with a step, `3` stands for all from 3 on."""
        if text == "*":
            return range(self.low, self.high + 1)
        first, dash, last = text.partition("-")
        start = self.number(first)
        if not dash:
            return range(start, (self.high if to_end else start) + 1)
        return self._between(start, self.number(last))

    def _between(self, start: int, end: int) -> range | list[int]:
        if start <= end:
            return range(start, end + 1)
        if not self.wraps:
            raise InvalidField(f"{start}-{end}")
        return [*range(start, self.high + 1), *range(self.low, end + 1)]


MINUTE = Numbers(0, 59)
HOUR = Numbers(0, 23)
MONTH = Numbers(1, 12, MONTHS)
YEAR = Numbers(YEAR_MIN, YEAR_MAX, wraps=False)
DAY_OF_MONTH = Numbers(1, 31)
DAY_OF_WEEK = Numbers(1, SATURDAY, WEEKDAYS, steps=False)


@dataclass(frozen=True, slots=True)
class Month:
    """A month, as far as day fields ask: how many days it has, and which day of the week (1 is Sunday) its first one is."""

    length: int
    begins_on: int

    def weekday(self, day: int) -> int:
        """The day of the week of a day."""
        return (self.begins_on - 1 + day - 1) % 7 + 1

    def all_on(self, weekday: int) -> list[int]:
        """The days that are a certain day of the week."""
        return [day for day in range(1, self.length + 1) if self.weekday(day) == weekday]

    def nearest_working_day(self, day: int) -> int:
        """The day from Monday to Friday that is nearest to a day, within the month."""
        weekday = self.weekday(day)
        if weekday == SATURDAY:
            return day - 1 if day > 1 else day + 2
        if weekday == WEEKDAYS["SUN"]:
            return day + 1 if day < self.length else day - 2
        return day


Days = Callable[[Month], frozenset[int]]
"""Which days of a month a field admits."""


def days_of_month(text: str) -> Days:
    """
    The day-of-month field.

    >>> sorted(days_of_month("L,1W")(Month(length=31, begins_on=SATURDAY)))
    [3, 31]
    """
    parts = [_day_of_month(part) for part in text.split(",")]
    return lambda month: frozenset().union(*(part(month) for part in parts))


def _day_of_month(text: str) -> Days:
    upper = text.upper()
    if upper == "L":
        return lambda month: frozenset({month.length})
    if upper == "LW":
        return lambda month: frozenset({month.nearest_working_day(month.length)})
    if upper.endswith("W"):
        near = DAY_OF_MONTH.number(text[:-1])
        return lambda month: frozenset({month.nearest_working_day(near)} if near <= month.length else ())
    days = DAY_OF_MONTH.parse(text)
    return lambda month: frozenset(day for day in days if day <= month.length)


def days_of_week(text: str) -> Days:
    """
    The day-of-week field; `#` may not stand in a list (EventBridge guide).

    >>> sorted(days_of_week("FRI#2")(Month(length=31, begins_on=1)))
    [13]
    """
    if "#" in text:
        return _nth_weekday(text)
    parts = [_day_of_week(part) for part in text.split(",")]
    return lambda month: frozenset().union(*(part(month) for part in parts))


def _nth_weekday(text: str) -> Days:
    name, _, nth = text.partition("#")
    weekday = DAY_OF_WEEK.number(name)
    if nth not in ("1", "2", "3", "4", "5"):
        raise InvalidField(text)
    return lambda month: frozenset(month.all_on(weekday)[int(nth) - 1 : int(nth)])


def _day_of_week(text: str) -> Days:
    upper = text.upper()
    if upper == "L":
        return lambda month: frozenset(month.all_on(SATURDAY))
    if upper.endswith("L"):
        weekday = DAY_OF_WEEK.number(text[:-1])
        return lambda month: frozenset(month.all_on(weekday)[-1:])
    weekdays = DAY_OF_WEEK.parse(text)
    return lambda month: frozenset(day for weekday in weekdays for day in month.all_on(weekday))
