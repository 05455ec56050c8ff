"""
The target of a schedule: which API it calls, with which input, and what a failed invocation leaves behind (semantics §6.6).

A templated target is the ARN of a function, queue, topic, bus or stream. A universal target names an API action of an AWS service; its input
is that action's parameters.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stagefright.aws_api import errands
from stagefright.aws_api.errors import ApiError
from stagefright.delivery import targets
from stagefright.delivery.target_delivery import TargetDelivery

if TYPE_CHECKING:
    from collections.abc import Callable

    from stagefright.world import World

UNIVERSAL = "arn:aws:scheduler:::aws-sdk:"

DELIVERED_SERVICES = frozenset({"lambda", "sqs", "sns", "kinesis", "events"})
"""The templated targets that the local stage invokes."""

JSON_SERVICES = frozenset({"lambda", "states", "events"})
"""The templated targets whose input must be JSON."""


@dataclass(frozen=True, slots=True)
class Target:
    """The `Target` of a schedule."""

    settings: Mapping[str, Any]

    @property
    def arn(self) -> str:
        arn: str = self.settings["Arn"]
        return arn

    @property
    def is_universal(self) -> bool:
        """Whether it names an API action."""
        return self.arn.startswith(UNIVERSAL)

    @property
    def api(self) -> tuple[str, str]:
        """The SDK's service and the action that a universal target names."""
        service, _, action = self.arn.removeprefix(UNIVERSAL).partition(":")
        return service, action

    @property
    def service(self) -> str:
        """The service in the ARN of a templated target."""
        return targets.service_of(self.arn)

    @property
    def group_id(self) -> str | None:
        """The message group for a FIFO queue."""
        group: str | None = (self.settings.get("SqsParameters") or {}).get("MessageGroupId")
        return group

    @property
    def is_delivered(self) -> bool:
        """Whether the local stage knows how to invoke it."""
        return self.is_universal or self.service in DELIVERED_SERVICES


@dataclass(frozen=True, slots=True)
class Firing:
    """One occurrence of a schedule."""

    schedule_arn: str
    scheduled_at: str
    """As AWS writes it: `2026-03-22T18:59:43Z`."""
    default_event: Mapping[str, Any]
    """What a target gets whose schedule has no `Input`."""


class ScheduleDelivery(TargetDelivery):
    """One occurrence of a schedule on its way to the schedule's target."""

    def __init__(
        self, world: World, target: Target, firing: Firing, *, source: str, cause: int, finished: Callable[[], None]
    ) -> None:
        super().__init__(world, target.arn, target.settings, source=source, cause=cause)
        self._stage = world
        self._target = target
        self._firing = firing
        self._when_finished = finished
        self._execution_id = ""
        self._text = ""

    @property
    def _ids(self) -> list[str]:
        return [str(self._firing.default_event["id"])]

    @property
    def _detail(self) -> dict[str, str]:
        return {"schedule": self._firing.schedule_arn}

    def _hand_over(self, attempt: int, cause: int) -> Awaitable[None] | None:
        self._execution_id = self._stage.chance.hex(16, "execution", *self._ids, attempt)
        self._text = self._input(attempt)
        if self._target.is_universal:
            return self._call(cause)
        if self._target.service == "events":
            self._put_event(cause)
        else:
            key = (self._target.settings.get("KinesisParameters") or {}).get("PartitionKey")
            targets.hand_over(
                self._stage,
                self._target.arn,
                self._text,
                cause=cause,
                group_id=self._target.group_id,
                partition_key=key,
            )
        return None

    def _input(self, attempt: int) -> str:
        """The input, with the keywords of the schedule's context replaced (Scheduler guide, managing-schedule-context-attributes)."""
        text = self._target.settings.get("Input")
        if text is None:
            return "{}" if self._target.is_universal else _json(self._firing.default_event)
        for keyword, value in {
            "<aws.scheduler.schedule-arn>": self._firing.schedule_arn,
            "<aws.scheduler.scheduled-time>": self._firing.scheduled_at,
            "<aws.scheduler.execution-id>": self._execution_id,
            "<aws.scheduler.attempt-number>": str(attempt),
        }.items():
            text = text.replace(keyword, value)
        return str(text)

    async def _call(self, cause: int) -> None:
        found = errands.find(*self._target.api)
        assert found is not None, "refused when the schedule was made"
        await errands.call(self._stage, *found, json.loads(self._text), cause=cause)

    def _put_event(self, cause: int) -> None:
        parameters = self._target.settings["EventBridgeParameters"]
        detail = json.loads(self._text)
        if not isinstance(detail, dict):
            raise ApiError("MalformedDetail", "Detail is malformed.")
        self._stage.buses.accept(
            self._target.arn,
            source=parameters["Source"],
            detail_type=parameters["DetailType"],
            detail=detail,
            cause=cause,
        )

    def _dead_letter(self) -> str:
        """The input of the target's API: of a universal target that is its `Input`."""
        return self._text if self._target.is_universal else _json(self._api_input())

    def _api_input(self) -> dict[str, Any]:
        arn, text = self._target.arn, self._text
        parameters = self._target.settings
        if self._target.service == "lambda":
            return {"FunctionName": arn, "InvocationType": "Event", "Payload": text}
        if self._target.service == "sqs":
            queue = {"MessageBody": text, "QueueUrl": self._queue_url()}
            return queue | ({"MessageGroupId": self._target.group_id} if self._target.group_id else {})
        if self._target.service == "sns":
            return {"TopicArn": arn, "Message": text}
        if self._target.service == "kinesis":
            return {"StreamARN": arn, "Data": text, **parameters["KinesisParameters"]}
        return {"Entries": [{"EventBusName": arn, "Detail": text, **parameters["EventBridgeParameters"]}]}

    def _queue_url(self) -> str:
        _, _, _, region, account, name = self._target.arn.split(":", 5)
        return f"https://sqs.{region}.amazonaws.com/{account}/{name}"

    def _why(self, error: ApiError, condition: str | None, retries: int) -> dict[str, str]:
        facts = {
            "ERROR_CODE": error.code,
            "ERROR_MESSAGE": error.message,
            "EXECUTION_ID": self._execution_id,
            # An input has 256 KB at most, and a queue takes as much.
            "IS_PAYLOAD_TRUNCATED": "false",
            "RETRY_ATTEMPTS": str(retries),
            "SCHEDULED_TIME": self._firing.scheduled_at,
            "SCHEDULE_ARN": self._firing.schedule_arn,
            "TARGET_ARN": self._target.arn,
        }
        return facts if condition is None else facts | {"EXHAUSTED_RETRY_CONDITION": condition}

    def _finished(self) -> None:
        self._when_finished()


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
