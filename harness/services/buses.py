"""
The delivering half of EventBridge: `PutEvents`, `TestEventPattern`, and from a bus through its rules to their targets.

Buses, rules and targets themselves are moto's: its control plane creates, changes and lists them, and this service
reads them at every event.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime
from functools import partial
from typing import Any

from stagefright.aws_api.errors import ApiError
from stagefright.journal import CURRENT
from stagefright.patterns import compile_pattern
from stagefright.services import bus_rules as rules
from stagefright.services.bus_delivery import DELIVERED_SERVICES, FORWARDS_MAX, Event, RuleDelivery, Target
from stagefright.services.input_transform import RuleContext, validate_target
from stagefright.services.peers import World

ENABLED = ("ENABLED", "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS")


class BusService:
    """The EventBridge operations that deliver."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._put: dict[str, int] = {}
        self._warned: set[str] = set()

    # Operations

    def put_events(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """`PutEvents`: accepts what is complete, and fails the other entries one by one."""
        entries = params.get("Entries") or []
        rules.check_request(entries)
        replies = [self._put_entry(entry) for entry in entries]
        return {"FailedEntryCount": sum("ErrorCode" in reply for reply in replies), "Entries": replies}

    def test_event_pattern(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """`TestEventPattern`."""
        pattern = rules.checked_pattern(params.get("EventPattern") or "")
        return {"Result": pattern.matches(rules.checked_event(params.get("Event") or ""))}

    def validate_rule(self, params: Mapping[str, Any]) -> None:
        """Refuse a `PutRule` as AWS does; to be called before moto's."""
        if params.get("EventPattern"):
            rules.checked_pattern(params["EventPattern"])
        bus = self._bus(self._bus_arn(params.get("EventBusName")))
        if bus is not None and params.get("Name") not in bus.rules and len(bus.rules) >= rules.RULES_PER_BUS_MAX:
            raise rules.limit_exceeded()

    def validate_targets(self, params: Mapping[str, Any]) -> None:
        """Refuse a `PutTargets` as AWS does; to be called before moto's."""
        targets = params.get("Targets") or []
        for target in targets:
            validate_target(target)
        bus = self._bus(self._bus_arn(params.get("EventBusName")))
        rule = bus.rules.get(params.get("Rule")) if bus is not None else None
        known = {target["Id"] for target in rule.targets} if rule is not None else set()
        if len(known | {target.get("Id") for target in targets}) > rules.TARGETS_PER_RULE_MAX:
            raise rules.limit_exceeded()

    def accept(
        self,
        bus_arn: str | None,
        *,
        source: str,
        detail_type: str,
        detail: Mapping[str, Any],
        resources: list[str] | None = None,
        cause: int | None = CURRENT,
    ) -> str:
        """
        Put an event of an AWS service (S3, a destination of Lambda) on a bus, by default the default one.

        Returns the event's id. Unlike a customer, a service is told that a bus does not exist.
        """
        arn = self._bus_arn(bus_arn)
        if self._bus(arn) is None:
            name = arn.rpartition("event-bus/")[2]
            raise ApiError("ResourceNotFoundException", f"Event bus {name} does not exist.")
        event = self._event(arn, source, detail_type, detail, resources=resources or [], time=None)
        self._publish(arn, event, cause, 0)
        return str(event["id"])

    def send_to_rule(self, rule: Any, event: Event, *, cause: int | None = CURRENT, scheduled: bool = False) -> None:
        """
        Send an event to the targets of one rule, if it matches the rule's pattern or the rule has none.

        `rule` is moto's. Replays of archives come this way, and what a rule with a schedule sends: a `scheduled` event has never been on
        the bus, and need not match the pattern that such a rule may have besides.
        """
        arn = self._bus_arn(rule.event_bus_name)
        if scheduled or _applies(rule, event, without_pattern=True):
            self._send(arn, rule, event, self._record(rule.arn if scheduled else arn, event, cause), 0)

    # State of our own; buses, rules and targets are in moto's

    def snapshot(self) -> Any:
        """A copy of the counters and the warnings given."""
        return deepcopy((self._put, self._warned))

    def restore(self, state: Any) -> None:
        """Go back to a snapshot."""
        self._put, self._warned = deepcopy(state)

    # From an entry to the bus

    def _put_entry(self, entry: Mapping[str, Any]) -> dict[str, str]:
        fault = rules.entry_fault(entry)
        if fault is not None:
            return fault
        arn = self._bus_arn(entry.get("EventBusName"))
        event = self._event(
            arn,
            entry["Source"],
            entry["DetailType"],
            rules.detail_of(entry) or {},
            resources=list(entry.get("Resources") or []),
            time=entry.get("Time"),
        )
        self._put_on(arn, event)
        return {"EventId": event["id"]}

    def _event(
        self, arn: str, source: str, detail_type: str, detail: Mapping[str, Any], *, resources: list[str], time: Any
    ) -> dict[str, Any]:
        self._put[arn] = self._put.get(arn, 0) + 1
        return {
            "version": "0",
            "id": self._world.chance.uuid("events", arn, self._put[arn]),
            "detail-type": detail_type,
            "source": source,
            "account": self._world.account,
            "time": _timestamp(self._world.clock.now() if time is None else time),
            "region": arn.split(":")[3],
            "resources": resources,
            "detail": dict(detail),
        }

    def _put_on(self, arn: str, event: Event) -> None:
        if self._bus(arn) is None:
            # AWS answers with an event id all the same, and the event vanishes (recorded).
            reason = "there is no such event bus; AWS accepts the event, and it vanishes"
            self._write("dropped", arn, CURRENT, reason=reason, ids=[event["id"]])
            return
        self._publish(arn, event, CURRENT, 0)

    def _forward(self, forwards: int, arn: str, event: Event, cause: int) -> None:
        """Put an event on the bus that is the target of a rule."""
        if self._bus(arn) is None:
            raise ApiError("NO_RESOURCE", f"The event bus {arn} does not exist.")
        if forwards >= FORWARDS_MAX:
            reason = "it came from another event bus already, and EventBridge forwards it once only"
            self._write("dropped", arn, cause, reason=reason, ids=[event["id"]])
            return
        self._publish(arn, event, cause, forwards + 1)

    # From the bus to the targets

    def _publish(self, arn: str, event: Event, cause: int | None, forwards: int) -> None:
        record = self._record(arn, event, cause)
        for rule in list(self._bus(arn).rules.values()):
            if _applies(rule, event, without_pattern=False):
                self._send(arn, rule, event, record, forwards)

    def _record(self, arn: str, event: Event, cause: int | None) -> int:
        return self._write(
            "event", arn, cause, id=event["id"], source=event["source"], detail_type=event["detail-type"],
            detail=event["detail"], resources=event["resources"], time=event["time"],
        )  # fmt: skip

    def _send(self, arn: str, rule: Any, event: Event, record: int, forwards: int) -> None:
        context = RuleContext(rule.arn, rule.name, _timestamp(self._world.clock.now()))
        for settings in list(rule.targets):
            target = Target(settings["Id"], settings["Arn"], settings, context, self._world.name_of(arn))
            self._deliver(target, event, record, forwards)

    def _deliver(self, target: Target, event: Event, record: int, forwards: int) -> None:
        if _is_archive(target):
            self._archive(target, event)
        elif target.service not in DELIVERED_SERVICES or target.resource.startswith("api-destination/"):
            self._warn_once(target, record)
        else:
            RuleDelivery(self._world, target, event, partial(self._forward, forwards), record).start()

    def _archive(self, target: Target, event: Event) -> None:
        """The managed rule of an archive: keep the event where moto's control plane counts and replays it."""
        _, _, _, region, account, *_ = target.context.rule_arn.split(":")
        name = target.context.rule_name.removeprefix("Events-Archive-")
        archive = _backend(account, region).archives.get(name)
        if archive is not None:
            archive.events.append(deepcopy(dict(event)))

    def _warn_once(self, target: Target, cause: int) -> None:
        if target.arn not in self._warned:
            self._warned.add(target.arn)
            text = (
                f"The local stage does not deliver to {target.service} targets; what rule {target.context.rule_name} "
                f"sends to {target.arn} ends here."
            )
            self._write("warning", target.arn, cause, message=text)

    def _write(self, kind: str, arn: str, cause: int | None, /, **detail: Any) -> int:
        return self._world.journal.write(kind, self._world.name_of(arn), cause=cause, **detail).n

    # moto's state

    def _bus_arn(self, name_or_arn: str | None) -> str:
        """Entries and rules name a bus by its name, by its ARN, or not at all."""
        if name_or_arn and name_or_arn.startswith("arn:"):
            return name_or_arn
        return f"arn:aws:events:{self._world.region}:{self._world.account}:event-bus/{name_or_arn or 'default'}"

    def _bus(self, arn: str) -> Any:
        """moto's event bus, or None."""
        _, _, _, region, account, resource = arn.split(":", 5)
        try:
            return _backend(account, region).event_buses.get(resource.removeprefix("event-bus/"))
        except KeyError:
            return None


def _backend(account: str, region: str) -> Any:
    from moto.events.models import events_backends

    return events_backends[account][region]


def _applies(rule: Any, event: Event, *, without_pattern: bool) -> bool:
    """Whether a rule sends an event on; a rule without a pattern, a schedule, does not react to what others put."""
    pattern = rule.event_pattern.dump()
    if rule.state not in ENABLED:
        return False
    return compile_pattern(pattern).matches(event) if pattern else without_pattern


def _is_archive(target: Target) -> bool:
    """moto points the managed rule of an archive at an ARN of EventBridge without a resource."""
    return target.service == "events" and not target.resource.strip(":")


def _timestamp(when: Any) -> str:
    """EventBridge's timestamps have whole seconds."""
    if isinstance(when, str):
        when = datetime.fromisoformat(when)
    elif not isinstance(when, datetime):
        when = datetime.fromtimestamp(float(when), UTC)
    aware = when if when.tzinfo else when.replace(tzinfo=UTC)
    return str(aware.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
