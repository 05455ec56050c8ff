"""Who takes messages out of a deployed queue; where somebody does, it cannot be observed without disturbing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from stagefright.errors import UnsupportedOperation
from stagefright.targets.stack import BUS_TYPE, PIPE_TYPE, StackResource
from stagefright.targets.taps.ground import Ground
from stagefright.targets.taps.peeking import RECEIVES_MIN, receives_max_of

QUEUE_TYPE = "AWS::SQS::Queue"
TOPIC_TYPE = "AWS::SNS::Topic"


class Consumers:
    """What takes messages out of queues, and what sends to them, as far as the account and the stack say."""

    def __init__(self, ground: Ground, resources: Mapping[str, StackResource]) -> None:
        self._ground = ground
        self._resources = resources

    def attributes(self, url: str) -> dict[str, str]:
        """A queue's attributes."""
        answer = self._ground.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        return dict(answer["Attributes"])

    def of(self, queue_arn: str) -> list[str]:
        """Who takes messages from a queue, by name: functions with an event source mapping, and pipes of the stack."""
        return [*self._functions(queue_arn), *self._pipes(queue_arn)]

    def _functions(self, queue_arn: str) -> Iterator[str]:
        for arn in functions_that_take(self._ground.client("lambda"), queue_arn):
            yield self.name_of(arn)

    def _pipes(self, queue_arn: str) -> Iterator[str]:
        for name, pipe in self._of_type(PIPE_TYPE):
            described = self._ground.client("pipes").describe_pipe(Name=pipe.physical_id)
            if described.get("Source") == queue_arn and described.get("DesiredState") != "STOPPED":
                yield name

    def check_observable(self, queue: str, attributes: Mapping[str, str]) -> int | None:
        """
        Refuse a queue in which a look would change what happens, or would miss what happens.

        Returns the `maxReceiveCount` of a queue with a redrive policy that leaves room for looks.
        """
        takers = self.of(attributes["QueueArn"])
        if takers:
            raise UnsupportedOperation(
                f"{', '.join(takers)} takes the messages of {queue}, so a listener would race for them: it would see some of them only, "
                f"and each receive of its own would count towards the redrive.{self._advice(queue, attributes, takers)}"
            )
        receives_max = receives_max_of(attributes)
        if receives_max is not None and receives_max < RECEIVES_MIN:
            raise UnsupportedOperation(
                f"{queue} moves a message to its dead-letter queue after {receives_max} receives, and each look of a listener is one (a "
                f"maxReceiveCount of {RECEIVES_MIN} or more leaves room for them).{self._advice(queue, attributes, takers)}"
            )
        return receives_max

    def _advice(self, queue: str, attributes: Mapping[str, str], takers: list[str]) -> str:
        instead = [*self._sources(attributes["QueueArn"]), *self._dead_letters(attributes)]
        instead += [f"listen.logs({name!r})" for name in takers if name in self._resources]
        found = f" Listen instead: {', '.join(instead)}." if instead else ""
        return f"{found} On the target local, listen.sqs({queue!r}) sees everything."

    def _sources(self, queue_arn: str) -> Iterator[str]:
        sns = self._ground.client("sns")
        for name, topic in self._of_type(TOPIC_TYPE):
            pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic.physical_id)
            if any(one["Endpoint"] == queue_arn for page in pages for one in page["Subscriptions"]):
                yield f"listen.sns({name!r})"
        events = self._ground.client("events")
        for name, bus in [("default", "default"), *((n, b.physical_id) for n, b in self._of_type(BUS_TYPE))]:
            if events.list_rule_names_by_target(TargetArn=queue_arn, EventBusName=bus).get("RuleNames"):
                yield f"listen.eventbridge({name!r})"

    def _dead_letters(self, attributes: Mapping[str, str]) -> Iterator[str]:
        redrive = json.loads(attributes.get("RedrivePolicy") or "{}")
        if redrive.get("deadLetterTargetArn"):
            name = self.name_of(redrive["deadLetterTargetArn"])
            if name in self._resources:
                yield f"listen.sqs({name!r})"

    def name_of(self, arn: str) -> str:
        """What the stage calls the resource of an ARN: its logical id, else its physical name."""
        # A function's ARN may name a version or an alias behind the name.
        parts = arn.split(":")
        physical = parts[6] if len(parts) > 6 else parts[-1]
        for name, resource in self._resources.items():
            if physical == resource.physical_id.rpartition("/")[2].rpartition(":")[2]:
                return name
        return physical

    def _of_type(self, resource_type: str) -> Iterator[tuple[str, StackResource]]:
        return ((name, found) for name, found in self._resources.items() if found.type == resource_type)


def functions_that_take(functions: Any, queue_arn: str) -> Iterator[str]:
    """The ARNs of the functions that have an event source mapping, not switched off, on a queue."""
    for page in functions.get_paginator("list_event_source_mappings").paginate(EventSourceArn=queue_arn):
        for mapping in page["EventSourceMappings"]:
            if mapping.get("EventSourceArn") == queue_arn and mapping.get("State") not in ("Disabled", "Deleting"):
                yield str(mapping["FunctionArn"])


def depth(attributes: Mapping[str, Any]) -> tuple[int, int, int]:
    """How many messages of a queue are visible, in flight and delayed, about."""
    names = ("", "NotVisible", "Delayed")
    visible, in_flight, delayed = (int(attributes.get(f"ApproximateNumberOfMessages{name}", 0)) for name in names)
    return visible, in_flight, delayed
