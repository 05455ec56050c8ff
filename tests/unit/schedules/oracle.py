"""The slow and obvious reading of a cron expression, minute by minute: what the fast one is compared with."""

# ruff: noqa: DTZ001 - local times, whose zone is not cron's business

import calendar
from datetime import datetime, timedelta

MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


def matches(text, when):
    """Whether a local minute is one that the expression names."""
    minute, hour, day, month, weekday, year = text.split()
    return (
        _number(minute, when.minute, 0, 59)
        and _number(hour, when.hour, 0, 23)
        and _number(month, when.month, 1, 12, MONTHS)
        and _number(year, when.year, 1970, 2199)
        and (_month_day(day, when) if weekday == "?" else _week_day(weekday, when))
    )


def next_after(text, after, *, minutes):
    """The first matching minute within a number of minutes, or None."""
    when = after.replace(second=0, microsecond=0)
    for _ in range(minutes):
        when += timedelta(minutes=1)
        if matches(text, when):
            return when
    return None


def _number(field, value, low, high, names=()):
    return any(_part(part, value, low, high, names) for part in field.split(","))


def _part(part, value, low, high, names):
    base, _, step = part.partition("/")
    first, _, last = base.partition("-")
    if base == "*":
        start, end = low, high
    else:
        start = _value(first, low, names)
        end = _value(last, low, names) if last else (high if step else start)
    if start > end:
        return value >= start or value <= end
    return start <= value <= end and (value - start) % int(step or 1) == 0


def _value(text, low, names):
    return names.index(text) + low if text in names else int(text)


def _length(when):
    return calendar.monthrange(when.year, when.month)[1]


def _month_day(field, when):
    if field == "L":
        return when.day == _length(when)
    if field == "LW":
        return when.day == _working_day_near(when, _length(when))
    if field.endswith("W"):
        return int(field[:-1]) <= _length(when) and when.day == _working_day_near(when, int(field[:-1]))
    return _number(field, when.day, 1, 31)


def _working_day_near(when, day):
    def distance(other):
        return abs(other - day)

    days = range(1, _length(when) + 1)
    return min((one for one in days if datetime(when.year, when.month, one).weekday() < 5), key=distance)


def _week_day(field, when):
    number = (when.weekday() + 1) % 7 + 1
    if field.endswith("L"):
        wanted = 7 if field == "L" else _value(field[:-1], 1, DAYS)
        return number == wanted and (field == "L" or when.day + 7 > _length(when))
    if "#" in field:
        day, _, nth = field.partition("#")
        return number == _value(day, 1, DAYS) and (when.day - 1) // 7 + 1 == int(nth)
    return _number(field, number, 1, 7, DAYS)
