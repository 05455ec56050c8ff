"""
EventBridge rules that a schedule triggers: `ScheduleExpression` of `PutRule` (semantics §6.6).

Rules are moto's; this service judges their expressions as AWS does, and sends the scheduled event to the targets of each when it is time.
All of it in UTC. `cron` fires at second 0 of its minute (AWS: within the minute), `rate` counts from when the rule was made or enabled.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from stagefright.schedules import InvalidExpression, Recurrence, parse_rule
from stagefright.services.bus_rules import validation_error
from stagefright.services.timetable import Timetable

if TYPE_CHECKING:
    from stagefright.world import World

DEFAULT_BUS = "default"

ENABLED = ("ENABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")


class ScheduledRules:
    """The rules of the world that have a schedule."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._timetable = Timetable(world, self._fire)

    def validate(self, params: Mapping[str, Any]) -> None:
        """Refuse a `PutRule` for its schedule; to be called before moto's."""
        expression = params.get("ScheduleExpression")
        if not expression:
            return
        if _bus_name(params) != DEFAULT_BUS:
            raise validation_error("ScheduleExpression is supported only on the default event bus.")
        try:
            parse_rule(expression)
        except InvalidExpression as error:
            raise validation_error("Parameter ScheduleExpression is not valid.") from error

    def changed(self, params: Mapping[str, Any]) -> None:
        """A rule was made, changed, enabled, disabled or deleted; to be called after moto's."""
        if _bus_name(params) == DEFAULT_BUS:
            self._follow(self._arn(params["Name"]), self._rule(params["Name"]))

    def snapshot(self) -> Any:
        """A copy of the alarms."""
        return self._timetable.snapshot()

    def restore(self, state: Any) -> None:
        """Go back to a snapshot."""
        self._timetable.restore(state)

    def _follow(self, arn: str, rule: Any) -> None:
        if rule is None or not rule.scheduled_expression or rule.state not in ENABLED:
            self._timetable.remove(arn)
            return
        now = self._world.clock.now()
        terms = (rule.scheduled_expression,)
        if not self._timetable.knows(arn, terms):
            recurrence = Recurrence(parse_rule(rule.scheduled_expression), anchor=now)
            self._timetable.set(arn, terms, recurrence, recurrence.next_after(now), awaited=False)

    def _fire(self, arn: str, when: float, cause: int | None) -> None:
        rule = self._rule(arn.rpartition("/")[2])
        if rule is not None and rule.targets:
            self._world.buses.send_to_rule(rule, self._event(arn, when), cause=cause, scheduled=True)

    def _event(self, arn: str, when: float) -> dict[str, Any]:
        return {
            "version": "0",
            "id": self._world.chance.uuid("scheduled event", arn, when),
            "detail-type": "Scheduled Event",
            "source": "aws.events",
            "account": self._world.account,
            "time": datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": self._world.region,
            "resources": [arn],
            "detail": {},
        }

    def _arn(self, name: str) -> str:
        return f"arn:aws:events:{self._world.region}:{self._world.account}:rule/{name}"

    def _rule(self, name: str) -> Any:
        """moto's rule on the default bus, or None."""
        from moto.events.models import events_backends

        return events_backends[self._world.account][self._world.region].event_buses[DEFAULT_BUS].rules.get(name)


def _bus_name(params: Mapping[str, Any]) -> str:
    return (params.get("EventBusName") or DEFAULT_BUS).rpartition("event-bus/")[2]
