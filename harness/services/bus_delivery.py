"""
Hand one event to one target of a rule: its input, its partition key, and the words of its dead letters (semantics §6.3, §6.4).

A function is invoked asynchronously, so what it does with the event never comes back here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from stagefright.aws_api.errors import ApiError
from stagefright.delivery import targets
from stagefright.delivery.target_delivery import TargetDelivery
from stagefright.services.input_transform import MISSING, RuleContext, read_path, target_input, to_json
from stagefright.services.peers import World

Event = Mapping[str, Any]

DELIVERED_SERVICES = targets.SERVICES | {"events"}
"""The kinds of target that the local stage delivers to, by the service in the target's ARN."""

FORWARDS_MAX = 1
"""An event may go from bus to bus once; from there it is not forwarded to a third (AWS guide, eb-bus-to-bus)."""


@dataclass(frozen=True, slots=True)
class Target:
    """A target of a rule, in plain values."""

    id: str
    arn: str
    settings: Mapping[str, Any]
    context: RuleContext
    bus_name: str

    @property
    def service(self) -> str:
        """The service that the ARN names."""
        return targets.service_of(self.arn)

    @property
    def resource(self) -> str:
        """The last part of the ARN, which may itself contain colons."""
        return targets.resource_of(self.arn)


Forward = Callable[[str, Event, int], None]
"""Put an event on another bus, given its ARN and the record that caused it; refuses with an `ApiError`."""


class RuleDelivery(TargetDelivery):
    """One event on its way to one target of a rule."""

    def __init__(self, world: World, target: Target, event: Event, forward: Forward, cause: int) -> None:
        super().__init__(world, target.arn, target.settings, source=target.bus_name, cause=cause)
        self._target = target
        self._event = event
        self._forward = forward

    @property
    def _ids(self) -> list[str]:
        return [self._event["id"]]

    @property
    def _detail(self) -> dict[str, str]:
        return {"rule": self._target.context.rule_name, "target": self._target.id}

    def _hand_over(self, attempt: int, cause: int) -> None:  # noqa: ARG002 - each attempt is the same
        target = self._target
        text = target_input(target.settings, self._event, target.context)
        if target.service == "events":
            # A bus gets the event itself; its targets have inputs of their own.
            self._forward(target.arn, self._event, cause)
            return
        group: str | None = (target.settings.get("SqsParameters") or {}).get("MessageGroupId")
        key = self._partition_key() if target.service == "kinesis" else None
        targets.hand_over(self._world, target.arn, text, cause=cause, group_id=group, partition_key=key)

    def _partition_key(self) -> str:
        event_id: str = self._event["id"]
        path = (self._target.settings.get("KinesisParameters") or {}).get("PartitionKeyPath")
        key = read_path(path, self._event) if path else event_id
        return event_id if key is MISSING else key if isinstance(key, str) else to_json(key)

    def _dead_letter(self) -> str:
        """The event, or what the target should have had of it: AWS does not say (§6.4)."""
        if self._world.assumptions.eventbridge_dead_letter_has_input:
            return target_input(self._target.settings, self._event, self._target.context)
        return to_json(self._event)

    def _code(self, error: ApiError) -> str:
        return targets.error_code(error)

    def _why(self, error: ApiError, condition: str | None, retries: int) -> dict[str, str]:
        facts = {
            "RULE_ARN": self._target.context.rule_arn,
            "TARGET_ARN": self._target.arn,
            "ERROR_CODE": self._code(error),
            "ERROR_MESSAGE": error.message,
        }
        if condition is not None:
            facts |= {"EXHAUSTED_RETRY_CONDITION": condition, "RETRY_ATTEMPTS": str(retries)}
        return facts
