"""
EventBridge Scheduler: schedules that invoke their targets in virtual time (semantics §6.6).

Schedules and groups are moto's: its control plane makes, changes and lists them. This service judges them as AWS does, keeps an alarm for
each, and invokes the target when it rings.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Any

from stagefright.delivery.at_least_once import HandOver
from stagefright.schedules import At, Rate, Recurrence, parse_schedule, zone_named
from stagefright.services import scheduler_rules as rules
from stagefright.services.scheduler_targets import Firing, ScheduleDelivery, Target
from stagefright.services.timetable import Timetable

if TYPE_CHECKING:
    from stagefright.world import World

PRECISION_S = 60
"""A schedule is invoked within the minute of its time (Scheduler guide, schedule-types)."""

DEFAULT_GROUP = "default"


class SchedulerService:
    """The schedules of the world."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._timetable = Timetable(world, self._fire)
        self._warned: set[str] = set()

    # Before moto: what AWS refuses

    def validate_create(self, params: Mapping[str, Any]) -> None:
        """Refuse a `CreateSchedule` as AWS does."""
        rules.check_schedule("CreateSchedule", params, self._world.clock.now())
        if params["Name"] in self._group(params).schedules:
            raise rules.conflict(f"Schedule {params['Name']} already exists.")

    def validate_update(self, params: Mapping[str, Any]) -> None:
        """Refuse an `UpdateSchedule` as AWS does."""
        rules.check_schedule("UpdateSchedule", params, self._world.clock.now())
        if params["Name"] not in self._group(params).schedules:
            raise rules.not_found(f"Schedule {params['Name']} does not exist.")

    def validate_group(self, params: Mapping[str, Any]) -> None:
        """Refuse a `CreateScheduleGroup` as AWS does."""
        rules.check_model("CreateScheduleGroup", params)
        if params["Name"] in self._groups():
            raise rules.conflict(f"Schedule group {params['Name']} already exists.")

    def validate_group_deletion(self, params: Mapping[str, Any]) -> None:
        """Refuse a `DeleteScheduleGroup` as AWS does; the group's schedules go with it."""
        if params["Name"] == DEFAULT_GROUP:
            raise rules.invalid("The default schedule group cannot be deleted.")
        for schedule in self._group({"GroupName": params["Name"]}).schedules.values():
            self._timetable.remove(schedule.arn)

    # After moto: what follows from a change

    def changed(self, params: Mapping[str, Any]) -> None:
        """A schedule was made, changed or deleted."""
        group = self._group(params)
        schedule = group.schedules.get(params["Name"])
        if schedule is None:
            self._timetable.remove(self._arn(group.name, params["Name"]))
            return
        # moto forgets both in an update, which puts what is not given back to its default.
        schedule.action_after_completion = params.get("ActionAfterCompletion") or "NONE"
        schedule.state = params.get("State") or "ENABLED"
        self._follow(schedule)

    def snapshot(self) -> Any:
        """A copy of the alarms and of the warnings given."""
        return self._timetable.snapshot(), frozenset(self._warned)

    def restore(self, state: Any) -> None:
        """Go back to a snapshot."""
        alarms, warned = state
        self._timetable.restore(alarms)
        self._warned = set(warned)

    # From a schedule to its alarm

    def _follow(self, schedule: Any) -> None:
        if schedule.state != "ENABLED":
            self._timetable.remove(schedule.arn)
            return
        terms = (
            schedule.schedule_expression, schedule.schedule_expression_timezone, schedule.start_date, schedule.end_date,
        )  # fmt: skip
        if not self._timetable.knows(schedule.arn, terms):
            now = self._world.clock.now()
            recurrence = self._recurrence(schedule, now)
            due = self._first(recurrence, now)
            is_awaited = self._world.is_deployed and due is not None and (recurrence.is_once or due <= now)
            self._timetable.set(schedule.arn, terms, recurrence, due, awaited=is_awaited)

    def _recurrence(self, schedule: Any, now: float) -> Recurrence:
        start, end = rules.instant(schedule.start_date), rules.instant(schedule.end_date)
        return Recurrence(
            parse_schedule(schedule.schedule_expression),
            zone_named(schedule.schedule_expression_timezone),
            anchor=now if start is None else start,
            # Without a start, a rate begins at once. For a deployed schedule that invocation is a part of the deployment.
            at_once=start is not None or self._world.is_deployed,
            start=-inf if start is None else start,
            end=inf if end is None else end,
            second_pass=self._world.assumptions.schedule_second_pass,
        )

    def _first(self, recurrence: Recurrence, now: float) -> float | None:
        expression = recurrence.expression
        if isinstance(expression, At):
            grace_s = inf if self._world.assumptions.past_schedule_fires else PRECISION_S
            return recurrence.next_after(now - grace_s)
        is_now = isinstance(expression, Rate) and recurrence.at_once and recurrence.anchor == now
        return now if is_now else recurrence.next_after(now)

    # From the alarm to the target

    def _fire(self, arn: str, when: float, cause: int | None) -> None:
        delay_s = self._delay(arn, when)
        if delay_s:
            self._world.kernel.at(when + delay_s, lambda: self._invoke(arn, when, cause))
        else:
            self._invoke(arn, when, cause)

    def _delay(self, arn: str, when: float) -> float:
        share = self._world.assumptions.schedule_delay
        schedule = self._schedule(arn) if share else None
        if schedule is None:
            return 0.0
        minutes = schedule.flexible_time_window.get("MaximumWindowInMinutes")
        window_s = PRECISION_S if minutes is None else minutes * 60
        return self._world.chance.uniform(0, share * window_s, "schedule", schedule.arn, when)

    def _invoke(self, arn: str, when: float, cause: int | None) -> None:
        schedule = self._schedule(arn)
        if schedule is None or schedule.state != "ENABLED":
            return
        target = Target(schedule.target)
        event = self._default_event(arn, when)
        record = self._world.journal.write(
            "event", self._world.name_of(arn), cause=cause, id=event["id"], source=event["source"],
            detail_type=event["detail-type"], detail=schedule.target.get("Input") or {}, resources=[arn], time=event["time"],
        )  # fmt: skip
        if not target.is_delivered:
            self._warn_once(arn, target, record.n)
            self._completed(arn)
            return
        self._hand_over(target, Firing(arn, event["time"], event), record.n)

    def _hand_over(self, target: Target, firing: Firing, cause: int) -> None:
        """Invoke the target, at least once (§6.6)."""
        arn = firing.schedule_arn
        source = self._world.name_of(arn)

        def start(cause: int) -> None:
            finished = partial(self._completed, arn)
            ScheduleDelivery(self._world, target, firing, source=source, cause=cause, finished=finished).start()

        hand_over = HandOver("schedule", source, str(firing.default_event["id"]), self._world.name_of(target.arn))
        if not self._world.at_least_once.hand_over(start, hand_over, cause):
            self._completed(arn)

    def _default_event(self, arn: str, when: float) -> dict[str, Any]:
        """What a target gets without an `Input`; that its detail is the text `{}` is seen on AWS, and documented nowhere."""
        return {
            "version": "0",
            "id": self._world.chance.uuid("schedule", arn, when),
            "detail-type": "Scheduled Event",
            "source": "aws.scheduler",
            "account": self._world.account,
            "time": datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": self._world.region,
            "resources": [arn],
            "detail": "{}",
        }

    def _completed(self, arn: str) -> None:
        """`ActionAfterCompletion`: after its last invocation, with all its retries, a schedule may be deleted."""
        schedule = self._schedule(arn)
        if schedule is not None and schedule.action_after_completion == "DELETE" and self._timetable.is_over(arn):
            self._groups()[schedule.group_name].delete_schedule(schedule.name)
            self._timetable.remove(arn)

    def _warn_once(self, arn: str, target: Target, cause: int) -> None:
        if arn not in self._warned:
            self._warned.add(arn)
            text = f"The local stage does not invoke {target.service} targets; what it sends to {target.arn} ends here."
            self._world.journal.write("warning", self._world.name_of(arn), cause=cause, message=text)

    # moto's state

    def _groups(self) -> Any:
        from moto.scheduler.models import scheduler_backends

        return scheduler_backends[self._world.account][self._world.region].schedule_groups

    def _group(self, params: Mapping[str, Any]) -> Any:
        name = params.get("GroupName") or DEFAULT_GROUP
        group = self._groups().get(name)
        if group is None:
            raise rules.not_found(f"Schedule group {name} does not exist.")
        return group

    def _schedule(self, arn: str) -> Any:
        """moto's schedule of an ARN, or None."""
        _, group, name = arn.split("/")
        found = self._groups().get(group)
        return None if found is None else found.schedules.get(name)

    def _arn(self, group: str, name: str) -> str:
        return f"arn:aws:scheduler:{self._world.region}:{self._world.account}:schedule/{group}/{name}"
