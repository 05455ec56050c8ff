"""
Schedule expressions: `rate(...)` and `cron(...)` of EventBridge's rules, and those and `at(...)` of EventBridge Scheduler.

The two services read `rate` differently (both recorded on AWS): a rule wants `1 minute` and `2 minutes`, lower case; Scheduler takes either
number with either unit, in any case.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from stagefright.schedules.cron import Cron
from stagefright.schedules.cron_fields import InvalidField

UNITS_S = {"minute": 60, "hour": 3_600, "day": 86_400}
"""A day of a rate has 24 hours, whatever the clocks do."""


class InvalidExpression(ValueError):
    """An expression that the service refuses."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Every so many seconds."""

    every_s: int


@dataclass(frozen=True, slots=True)
class At:
    """Once, at a local time."""

    when: datetime


Expression = Rate | Cron | At


def parse_rule(text: str) -> Rate | Cron:
    """
    The `ScheduleExpression` of a rule.

    >>> parse_rule("rate(5 minutes)")
    Rate(every_s=300)
    """
    found = re.fullmatch(r"rate\(([0-9]+) (minute|hour|day)(s?)\)", text)
    if found is not None:
        value, is_plural = int(found[1]), bool(found[3])
        if value == 0 or is_plural == (value == 1):
            raise InvalidExpression(text)
        return Rate(value * UNITS_S[found[2]])
    return _cron(text)


def parse_schedule(text: str) -> Expression:
    """
    The `ScheduleExpression` of a schedule of EventBridge Scheduler.

    >>> parse_schedule("at(2026-03-01T09:30:00)")
    At(when=datetime.datetime(2026, 3, 1, 9, 30))
    """
    found = re.fullmatch(r"rate\(([0-9]+) (minute|hour|day)s?\)", text, re.IGNORECASE)
    if found is not None:
        if int(found[1]) == 0:
            raise InvalidExpression(text)
        return Rate(int(found[1]) * UNITS_S[found[2].lower()])
    at = re.fullmatch(r"at\(([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})\)", text)
    return _cron(text) if at is None else _at(at[1])


def _at(text: str) -> At:
    try:
        return At(datetime.fromisoformat(text))
    except ValueError as error:
        raise InvalidExpression(text) from error


def _cron(text: str) -> Cron:
    found = re.fullmatch(r"cron\((.*)\)", text)
    if found is None:
        raise InvalidExpression(text)
    try:
        return Cron.parse(found[1])
    except InvalidField as error:
        raise InvalidExpression(text) from error
