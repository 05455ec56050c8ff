"""
Hand one event to one target of a rule.

What cannot be handed over for good (the target is gone, or must not be used) goes to the target's dead-letter queue at
once, or is lost. What fails on the other side is tried again for up to 24 hours and 185 times, by default. A function
is invoked asynchronously, so what it does with the event never comes back here (semantics §6.4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from stagefright.aws_api.errors import ApiError
from stagefright.delivery import backoff, targets
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

    @property
    def dead_letter_arn(self) -> str | None:
        """The queue that keeps what cannot be delivered."""
        arn: str | None = (self.settings.get("DeadLetterConfig") or {}).get("Arn")
        return arn

    @property
    def retries_max(self) -> int:
        """How often a failed hand-over is repeated."""
        return int(self._policy("MaximumRetryAttempts", backoff.EVENTBRIDGE_ATTEMPTS_MAX))

    @property
    def age_max_s(self) -> float:
        """For how long."""
        return float(self._policy("MaximumEventAgeInSeconds", backoff.EVENTBRIDGE_AGE_MAX_S))

    def _policy(self, name: str, otherwise: float) -> float:
        value: float | None = (self.settings.get("RetryPolicy") or {}).get(name)
        return otherwise if value is None else value


Forward = Callable[[str, Event, int], None]
"""Put an event on another bus, given its ARN and the record that caused it; refuses with an `ApiError`."""


class TargetDelivery:
    """One event on its way to one target."""

    def __init__(self, world: World, target: Target, event: Event, forward: Forward, cause: int) -> None:
        self._world = world
        self._target = target
        self._event = event
        self._forward = forward
        self._cause = cause
        self._consumer = world.name_of(target.arn)

    def start(self) -> None:
        """Hand over now; what must be retried goes on as a task of its own."""
        error = self._attempt(1)
        if error is not None and targets.is_retriable(error):
            name = f"EventBridge retries of rule {self._target.context.rule_name} to {self._consumer}"
            self._world.kernel.spawn(self._retry(error), name=name, cause=self._cause)
        elif error is not None:
            self._give_up(error)

    async def _retry(self, error: ApiError) -> None:
        """Repeat until it works, the attempts are used up, or the next one would come too late."""
        first_at = self._world.clock.now()
        for retries, delay in enumerate(self._world.backoff.eventbridge(*self._ids, self._target.arn)):
            due = self._world.clock.now() + delay
            condition = self._exhausted(retries, due - first_at)
            if condition is not None:
                self._give_up(error, condition=condition, retries=retries)
                return
            self._write("retry", self._consumer, source=self._source, due=due, reason=str(error), ids=self._ids)
            await self._world.kernel.sleep(delay)
            failed = self._attempt(retries + 2)
            if failed is None:
                return
            error = failed
            if not targets.is_retriable(error):
                self._give_up(error)
                return

    def _exhausted(self, retries: int, age_s: float) -> str | None:
        if retries >= self._target.retries_max:
            return "MaximumRetryAttempts"
        return "MaximumEventAgeInSeconds" if age_s > self._target.age_max_s else None

    def _attempt(self, attempt: int) -> ApiError | None:
        record = self._write(
            "delivery", self._consumer, source=self._source, ids=self._ids, attempt=attempt,
            rule=self._target.context.rule_name, target=self._target.id,
        )  # fmt: skip
        try:
            self._hand_over(target_input(self._target.settings, self._event, self._target.context), record)
        except ApiError as error:
            return error
        return None

    def _hand_over(self, text: str, cause: int) -> None:
        target = self._target
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

    def _give_up(self, error: ApiError, *, condition: str | None = None, retries: int = 0) -> None:
        arn = self._target.dead_letter_arn
        queue = self._world.queues.by_arn(arn) if arn else None
        if arn is None or queue is None:
            missing = f"the dead-letter queue {arn} does not exist" if arn else "the target has no dead-letter queue"
            self._drop(f"could not be delivered ({error}); {missing}")
            return
        record = self._write(
            "dead_letter", self._world.name_of(arn), source=self._source, ids=self._ids, consumer=self._consumer,
            condition=condition or targets.error_code(error), attempts=1 + retries, error_message=error.message,
        )  # fmt: skip
        try:
            queue.send(self._dead_letter(), attributes=self._why(error, condition, retries), cause=record)
        except ApiError as refused:
            self._drop(f"its dead-letter queue refused it ({refused})")

    def _dead_letter(self) -> str:
        """The event, or what the target should have had of it: AWS does not say (§6.4)."""
        if self._world.assumptions.eventbridge_dead_letter_has_input:
            return target_input(self._target.settings, self._event, self._target.context)
        return to_json(self._event)

    def _why(self, error: ApiError, condition: str | None, retries: int) -> dict[str, dict[str, str]]:
        facts = {
            "RULE_ARN": self._target.context.rule_arn,
            "TARGET_ARN": self._target.arn,
            "ERROR_CODE": targets.error_code(error),
            "ERROR_MESSAGE": error.message,
        }
        if condition is not None:
            facts |= {"EXHAUSTED_RETRY_CONDITION": condition, "RETRY_ATTEMPTS": str(retries)}
        return {name: {"DataType": "String", "StringValue": text} for name, text in facts.items()}

    def _drop(self, reason: str) -> None:
        rule = self._target.context.rule_name
        self._write("dropped", self._consumer, source=self._source, reason=reason, ids=self._ids, rule=rule)

    @property
    def _source(self) -> str:
        return self._target.bus_name

    @property
    def _ids(self) -> list[str]:
        return [self._event["id"]]

    def _write(self, kind: str, resource: str, **detail: Any) -> int:
        return self._world.journal.write(kind, resource, cause=self._cause, **detail).n
