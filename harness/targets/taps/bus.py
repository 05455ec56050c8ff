"""An EventBridge event bus, seen through a rule of our own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from stagefright.errors import HarnessError
from stagefright.targets.taps.ground import Ground
from stagefright.targets.taps.own_queue import OwnQueue, sent_at, trace_of
from stagefright.targets.taps.tap import Sighting

DEFAULT_BUS = "default"

EVERYTHING: Mapping[str, Any] = {"source": [{"prefix": ""}]}
"""The pattern that every event meets."""

RULE_S = 10.0
"""How long a new rule is given on AWS before it surely takes part: "a short period of time", says EventBridge's reference, and no more."""

TARGET_ID = "tap"


class BusTap:
    """
    What a bus accepts, as far as the pattern of the listener lets it through.

    The bus itself decides by the pattern; so what it kept out was never seen, and no message can show it.
    """

    is_behind = False

    def __init__(self, ground: Ground, bus: str, physical_name: str, pattern: Any = None) -> None:
        self._ground = ground
        self._bus = bus
        self._physical_name = physical_name
        self._pattern = EVERYTHING if pattern is None else pattern
        self.rule_name = ground.new_name()
        rule_arn = ground.arn("events", rule_path(physical_name, self.rule_name))
        self._queue = OwnQueue(ground, self.rule_name, sender="events.amazonaws.com", source_arn=rule_arn)
        self._strike: Callable[[], None] | None = None

    def arm(self) -> None:
        """Make the queue, the rule, and make the one the other's target."""
        self._queue.make()
        events = self._ground.client("events")
        self._strike = self._ground.ledger.note("rule", self.rule_name, bus=self._physical_name)
        events.put_rule(
            Name=self.rule_name, EventBusName=self._physical_name, EventPattern=json.dumps(self._pattern),
            State="ENABLED", Description=f"A listener of stage {self._ground.stage}", Tags=self._ground.tag_list,
        )  # fmt: skip
        target = {"Id": TARGET_ID, "Arn": self._queue.arn}
        answer = events.put_targets(Rule=self.rule_name, EventBusName=self._physical_name, Targets=[target])
        if answer.get("FailedEntryCount"):
            raise HarnessError(f"EventBridge did not take a listener's queue as a target: {answer['FailedEntries']}")
        self._ground.wait_on_aws(RULE_S)

    def poll(self) -> list[Sighting]:
        """The events since the last poll."""
        return [self._seen(message) for message in self._queue.take()]

    def _seen(self, message: Mapping[str, Any]) -> Sighting:
        # An event's own `time` is in whole seconds, so it goes by when its message was sent.
        found = self.sighting(json.loads(message["Body"]), sent_at(message))
        return replace(found, detail={**found.detail, **trace_of(message)})

    def sighting(self, event: Mapping[str, Any], at: float) -> Sighting:
        """What an event is to the journal."""
        replayed = {"replay-name": event["replay-name"]} if "replay-name" in event else {}
        detail = {
            "id": event["id"],
            "source": event["source"],
            "detail_type": event["detail-type"],
            "detail": event["detail"],
            "resources": event["resources"],
            "time": event["time"],
            **replayed,
        }
        return Sighting(at, "event", self._bus, detail, event["id"])

    def close(self) -> None:
        """Remove the rule, then the queue."""
        if self._strike is not None:
            self._remove_rule()
            self._strike()
            self._strike = None
        self._queue.remove()

    def _remove_rule(self) -> None:
        events = self._ground.client("events")
        try:
            events.remove_targets(Rule=self.rule_name, EventBusName=self._physical_name, Ids=[TARGET_ID])
            events.delete_rule(Name=self.rule_name, EventBusName=self._physical_name)
        except events.exceptions.ResourceNotFoundException:
            return


def rule_path(bus: str, rule: str) -> str:
    """
    A rule as the end of its ARN, which names the bus unless that is the default one.

    >>> rule_path("orders", "new"), rule_path("default", "new")
    ('rule/orders/new', 'rule/new')
    """
    return f"rule/{rule}" if bus == DEFAULT_BUS else f"rule/{bus}/{rule}"
