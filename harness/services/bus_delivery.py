"""
Hand one event to one target of a rule.

What cannot be handed over for good (the target is gone, or must not be used) goes to the target's dead-letter queue at
once, or is lost. What fails on the other side is tried again for up to 24 hours and 185 times, by default. A function
is invoked asynchronously, so what it does with the event never comes back here (semantics §6.4).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from stagefright.aws_api.errors import ApiError
from stagefright.delivery import backoff
from stagefright.services.input_transform import MISSING, RuleContext, read_path, target_input, to_json
from stagefright.services.peers import World
from stagefright.services.topic_delivery import is_retriable

Event = Mapping[str, Any]

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
        return self.arn.split(":")[2]

    @property
    def resource(self) -> str:
        """The last part of the ARN, which may itself contain colons."""
        return self.arn.split(":", 5)[-1]

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
        if error is not None and is_retriable(error):
            name = f"EventBridge retries of rule {self._target.context.rule_name} to {self._consumer}"
            self._world.kernel.spawn(self._retry(error), name=name, cause=self._cause)
        elif error is not None:
            self._give_up(error)

    async def _retry(self, error: ApiError) -> None:
        """Repeat until it works, the attempts are used up, or the next one would come too late."""
        first_at = self._world.clock.now()
        for retries, delay in enumerate(backoff.eventbridge_delays()):
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
            if not is_retriable(error):
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
        hand_over = HANDED_OVER[self._target.service]
        hand_over(self, text, cause)

    def _to_function(self, text: str, cause: int) -> None:
        try:
            event = json.loads(text)
        except ValueError as error:
            raise ApiError("INVALID_JSON", f"The input of the target is not JSON: {text}") from error
        self._world.async_invoke.submit(self._target.arn, event, cause=cause)

    def _to_queue(self, text: str, cause: int) -> None:
        queue = self._world.queues.by_arn(self._target.arn)
        if queue is None:
            raise _no_resource(self._target.arn)
        group: str | None = (self._target.settings.get("SqsParameters") or {}).get("MessageGroupId")
        queue.send(text, group_id=group, cause=cause)

    def _to_topic(self, text: str, cause: int) -> None:
        self._world.topics.deliver(self._target.arn, text, cause=cause)

    def _to_stream(self, text: str, cause: int) -> None:
        from botocore.exceptions import ClientError

        path = (self._target.settings.get("KinesisParameters") or {}).get("PartitionKeyPath")
        key = read_path(path, self._event) if path else self._event["id"]
        partition_key = self._event["id"] if key is MISSING else key if isinstance(key, str) else to_json(key)
        try:
            with self._world.kernel.blame(cause):
                self._world.streams.put(self._target.arn, text.encode(), partition_key)
        except ClientError as error:
            # Streams are moto's, so a refusal of theirs has been through botocore.
            reply: Any = error.response
            status = reply["ResponseMetadata"]["HTTPStatusCode"]
            raise ApiError(reply["Error"]["Code"], reply["Error"]["Message"], status=status) from error

    def _to_log_group(self, text: str, cause: int) -> None:
        with self._world.kernel.blame(cause):
            self._world.logs_put(self._target.resource.removeprefix("log-group:").removesuffix(":*"), text)

    def _to_bus(self, text: str, cause: int) -> None:
        del text  # a bus gets the event itself; its targets have inputs of their own
        self._forward(self._target.arn, self._event, cause)

    def _give_up(self, error: ApiError, *, condition: str | None = None, retries: int = 0) -> None:
        arn = self._target.dead_letter_arn
        queue = self._world.queues.by_arn(arn) if arn else None
        if arn is None or queue is None:
            missing = f"the dead-letter queue {arn} does not exist" if arn else "the target has no dead-letter queue"
            self._drop(f"could not be delivered ({error}); {missing}")
            return
        record = self._write(
            "dead_letter", self._world.name_of(arn), source=self._source, ids=self._ids, consumer=self._consumer,
            condition=condition or error_code(error), attempts=1 + retries, error_message=error.message,
        )  # fmt: skip
        try:
            queue.send(to_json(self._event), attributes=self._why(error, condition, retries), cause=record)
        except ApiError as refused:
            self._drop(f"its dead-letter queue refused it ({refused})")

    def _why(self, error: ApiError, condition: str | None, retries: int) -> dict[str, dict[str, str]]:
        facts = {
            "RULE_ARN": self._target.context.rule_arn,
            "TARGET_ARN": self._target.arn,
            "ERROR_CODE": error_code(error),
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


HANDED_OVER: Mapping[str, Callable[[TargetDelivery, str, int], None]] = {
    "lambda": TargetDelivery._to_function,
    "sqs": TargetDelivery._to_queue,
    "sns": TargetDelivery._to_topic,
    "kinesis": TargetDelivery._to_stream,
    "logs": TargetDelivery._to_log_group,
    "events": TargetDelivery._to_bus,
}
"""The kinds of target that the local stage delivers to, by the service in the target's ARN."""

_GONE = ("NotFound", "NonExistent", "DoesNotExist", "NO_RESOURCE")


def error_code(error: ApiError) -> str:
    """
    The `ERROR_CODE` that EventBridge gives a refusal; which refusal has which code is UNSOURCED, the codes are AWS's.

    >>> error_code(ApiError("TooManyRequestsException", "Rate exceeded", status=429))
    'THROTTLING'
    """
    if error.code == "INVALID_JSON":
        return error.code
    if error.status == 429:
        return "THROTTLING"
    if error.status >= 500:
        return "INTERNAL_ERROR"
    if any(part in error.code for part in _GONE):
        return "NO_RESOURCE"
    return "NO_PERMISSIONS" if "AccessDenied" in error.code else "SDK_CLIENT_ERROR"


def _no_resource(arn: str) -> ApiError:
    return ApiError("NO_RESOURCE", f"The resource {arn} does not exist.")
