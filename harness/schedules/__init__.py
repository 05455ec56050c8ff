"""When schedules fire: AWS's schedule expressions, and the instants that they stand for. Pure; knows nothing of a world."""

from stagefright.schedules.cron import Cron
from stagefright.schedules.expression import At, Expression, InvalidExpression, Rate, parse_rule, parse_schedule
from stagefright.schedules.recurrence import Recurrence, zone_named

__all__ = [
    "At",
    "Cron",
    "Expression",
    "InvalidExpression",
    "Rate",
    "Recurrence",
    "parse_rule",
    "parse_schedule",
    "zone_named",
]
