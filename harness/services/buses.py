"""
The delivering half of EventBridge: `PutEvents`, `TestEventPattern`, and from a bus through its rules to their targets.

Buses, rules and targets themselves are moto's: its control plane creates, changes and lists them, and this service
reads them at every event.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import partial
from typing import Any

from stagefright.aws_api.errors import ApiError
from stagefright.delivery.at_least_once import HandOver
from stagefright.journal import CURRENT
from stagefright.patterns import compile_pattern
from stagefright.services import bus_rules as rules
from stagefright.services.bus_delivery import DELIVERED_SERVICES, FORWARDS_MAX, Event, RuleDelivery, Target
from stagefright.services.bus_state import bus_of
from stagefright.services.event_time import timestamp
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
        self.validate_change(params)
        text = params.get("EventPattern")
        if text:
            rules.checked_pattern(text)
            rules.check_pattern_quota(text)
        bus = bus_of(self._bus_arn(params.get("EventBusName")))
        if bus is not None:
            others = [rule for name, rule in bus.rules.items() if name != params.get("Name")]
            rules.check_rule_quotas(text, [rule.event_pattern.dump() for rule in others])

    def validate_targets(self, params: Mapping[str, Any]) -> None:
        """Refuse a `PutTargets` as AWS does; to be called before moto's."""
        self.validate_change(params)
        targets = params.get("Targets") or []
        for number, target in enumerate(targets, 1):
            validate_target(target)
            rules.check_delivery(target, number, self._world.region)
        rule = self._rule(params.get("EventBusName"), params.get("Rule"))
        known = {target["Id"] for target in rule.targets} if rule is not None else set()
        if len(known | {target.get("Id") for target in targets}) > rules.TARGETS_PER_RULE_MAX:
            raise rules.limit_exceeded()

    def validate_change(self, params: Mapping[str, Any]) -> None:
        """Refuse to change a rule that an AWS service manages, such as that of an archive; some calls have `Force`."""
        name = params.get("Rule") or params.get("Name")
        rule = self._rule(params.get("EventBusName"), name)
        if rule is not None and rule.managed_by and not params.get("Force"):
            raise rules.managed_rule(rule.name)

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
        if bus_of(arn) is None:
            raise rules.no_such_bus(arn)
        event = self._event(arn, source, detail_type, detail, resources=resources or [], time=None)
        self._publish(arn, event, cause, 0)
        return str(event["id"])

    def send_to_rule(self, rule: Any, event: Event, *, cause: int | None = CURRENT, scheduled: bool = False) -> None:
        """
        Send an event to the targets of one rule, if it matches the rule's pattern or the rule has none.

        `rule` is moto's. What a rule with a schedule sends comes this way: a `scheduled` event has never been on the bus, and need not
        match the pattern that such a rule may have besides.
        """
        arn = self._bus_arn(rule.event_bus_name)
        if scheduled or _applies(rule, event, without_pattern=True):
            self._send(arn, rule, event, self._record(rule.arn if scheduled else arn, event, cause), 0)

    def replay(self, bus_arn: str, event: Event, rule_arns: Sequence[str]) -> None:
        """Send an archived event through a bus's rules once more, or through some of them; a bus that is gone gets nothing."""
        if bus_of(bus_arn) is not None:
            self._publish(bus_arn, event, CURRENT, 0, only=rule_arns)

    # State of our own; buses, rules and targets are in moto's

    def snapshot(self) -> Any:
        """A copy of the counters and the warnings given."""
        return deepcopy((self._put, self._warned))

    def restore(self, state: Any) -> None:
        """Go back to a snapshot."""
        self._put, self._warned = deepcopy(state)

    # From an entry to the bus

    def _put_entry(self, entry: Mapping[str, Any]) -> dict[str, str]:
        fault = rules.entry_fault(entry, self._world.assumptions.eventbridge_aws_source_error)
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
            "time": timestamp(self._world.clock.now() if time is None else time),
            "region": arn.split(":")[3],
            "resources": resources,
            "detail": dict(detail),
        }

    def _put_on(self, arn: str, event: Event) -> None:
        if bus_of(arn) is None:
            # AWS answers with an event id all the same, and the event vanishes (recorded).
            reason = "there is no such event bus; AWS accepts the event, and it vanishes"
            self._write("dropped", arn, CURRENT, reason=reason, ids=[event["id"]])
            return
        self._publish(arn, event, CURRENT, 0)

    def _forward(self, forwards: int, arn: str, event: Event, cause: int) -> None:
        """Put an event on the bus that is the target of a rule."""
        if bus_of(arn) is None:
            raise ApiError("NO_RESOURCE", f"The event bus {arn} does not exist.")
        if forwards >= FORWARDS_MAX:
            reason = "it came from another event bus already, and EventBridge forwards it once only"
            self._write("dropped", arn, cause, reason=reason, ids=[event["id"]])
            return
        self._publish(arn, event, cause, forwards + 1)

    # From the bus to the targets

    def _publish(self, arn: str, event: Event, cause: int | None, forwards: int, *, only: Sequence[str] = ()) -> None:
        record = self._record(arn, event, cause)
        for rule in list(bus_of(arn).rules.values()):
            if (not only or rule.arn in only) and _applies(rule, event, without_pattern=False):
                self._send(arn, rule, event, record, forwards)

        def follow(detail: Mapping[str, Any], cause: int) -> None:
            again = {**event, "id": self._world.chance.uuid("events", event["id"], cause), "detail": dict(detail)}
            self._publish(arn, again, cause, forwards, only=only)

        self._world.interference.accepted("bus", self._world.name_of(arn), event, record, follow)

    def _record(self, arn: str, event: Event, cause: int | None) -> int:
        replayed = {"replay-name": event["replay-name"]} if "replay-name" in event else {}
        return self._write(
            "event", arn, cause, id=event["id"], source=event["source"], detail_type=event["detail-type"],
            detail=event["detail"], resources=event["resources"], time=event["time"], **replayed,
        )  # fmt: skip

    def _send(self, arn: str, rule: Any, event: Event, record: int, forwards: int) -> None:
        context = RuleContext(rule.arn, rule.name, timestamp(self._world.clock.now()))
        for settings in list(rule.targets):
            target = Target(settings["Id"], settings["Arn"], settings, context, self._world.name_of(arn))
            self._deliver(target, event, record, forwards)

    def _deliver(self, target: Target, event: Event, record: int, forwards: int) -> None:
        if _is_archive(target):
            self._world.archives.keep(target.context.rule_name, event)
        elif target.service not in DELIVERED_SERVICES or target.resource.startswith("api-destination/"):
            self._warn_once(target, record)
        else:
            hand_over = HandOver("bus", target.bus_name, event["id"], self._world.name_of(target.arn), record=record)
            start, lose = (partial(act, target, event, forwards) for act in (self._start, self._lose))
            self._world.at_least_once.hand_over(start, hand_over, record, lose=lose)

    def _start(self, target: Target, event: Event, forwards: int, cause: int) -> None:
        RuleDelivery(self._world, target, event, partial(self._forward, forwards), cause).start()

    def _lose(self, target: Target, event: Event, forwards: int, cause: int) -> None:
        """The delivery fails for good: EventBridge must not use the target, which is nothing that time heals (§6.4)."""
        delivery = RuleDelivery(self._world, target, event, partial(self._forward, forwards), cause)
        delivery.fail(ApiError("AccessDeniedException", f"EventBridge is not allowed to use {target.arn}."))

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

    def _rule(self, bus_name: str | None, name: str | None) -> Any:
        """moto's rule, or None."""
        bus = bus_of(self._bus_arn(bus_name))
        return bus.rules.get(name) if bus is not None else None


def _applies(rule: Any, event: Event, *, without_pattern: bool) -> bool:
    """Whether a rule sends an event on; a rule without a pattern, a schedule, does not react to what others put."""
    pattern = rule.event_pattern.dump()
    if rule.state not in ENABLED:
        return False
    return compile_pattern(pattern).matches(event) if pattern else without_pattern


def _is_archive(target: Target) -> bool:
    """The managed rule of an archive points at an ARN of EventBridge without a resource."""
    return target.service == "events" and not target.resource.strip(":")
