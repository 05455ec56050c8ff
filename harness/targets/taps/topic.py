"""An SNS topic, seen through a subscription of our own: the topic's other subscribers notice nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from stagefright.errors import HarnessError
from stagefright.targets.taps.ground import Ground
from stagefright.targets.taps.own_queue import FIFO_SUFFIX, OwnQueue, sent_at, trace_of
from stagefright.targets.taps.tap import Sighting

SUBSCRIPTION_S = 3.0
"""How long a new subscription is given on AWS before it surely takes part; how long it needs, AWS does not say."""


class TopicTap:
    """
    What is published to a topic.

    The subscription has no filter and no raw delivery: the envelope has the message, its subject, its attributes and its id. Of a
    message that gives each protocol a text of its own (`MessageStructure="json"`), it sees the text for queues.
    """

    is_behind = False

    def __init__(self, ground: Ground, topic: str, topic_arn: str) -> None:
        self._ground = ground
        self._topic = topic
        self._topic_arn = topic_arn
        self._queue = OwnQueue(
            ground, ground.new_name(), sender="sns.amazonaws.com", source_arn=topic_arn,
            is_fifo=topic_arn.endswith(FIFO_SUFFIX),
        )  # fmt: skip
        self._subscription: str | None = None
        self._strike: Callable[[], None] | None = None

    def arm(self) -> None:
        """Make the queue and subscribe it."""
        self._queue.make()
        sns = self._ground.client("sns")
        self._strike = self._ground.ledger.note("subscription", self._topic_arn, endpoint=self._queue.arn)
        answer = sns.subscribe(
            TopicArn=self._topic_arn, Protocol="sqs", Endpoint=self._queue.arn, ReturnSubscriptionArn=True
        )
        self._subscription = answer["SubscriptionArn"]
        self._check_confirmed(sns)
        self._ground.wait_on_aws(SUBSCRIPTION_S)

    def _check_confirmed(self, sns: Any) -> None:
        """The owner of a queue who subscribes it need not confirm; should that not hold, nothing would ever be seen."""
        found = sns.get_subscription_attributes(SubscriptionArn=self._subscription)["Attributes"]
        if found.get("PendingConfirmation") == "true":
            raise HarnessError(f"The subscription {self._subscription} of a listener's queue waits to be confirmed.")

    def poll(self) -> list[Sighting]:
        """The messages since the last poll."""
        return [self._sighting(message) for message in self._queue.take()]

    def _sighting(self, message: Mapping[str, Any]) -> Sighting:
        envelope = json.loads(message["Body"])
        group = message["Attributes"].get("MessageGroupId")
        detail = {
            "id": envelope["MessageId"],
            "message": envelope["Message"],
            "subject": envelope.get("Subject"),
            "attributes": {name: one["Value"] for name, one in envelope.get("MessageAttributes", {}).items()},
            **({"group_id": group} if group else {}),
            **trace_of(message),
        }
        return Sighting(_published_at(envelope, message), "event", self._topic, detail, envelope["MessageId"])

    def close(self) -> None:
        """Unsubscribe, then delete the queue."""
        if self._strike is not None:
            self._unsubscribe()
            self._strike()
            self._strike = None
        self._queue.remove()

    def _unsubscribe(self) -> None:
        sns = self._ground.client("sns")
        try:
            found = [self._subscription] if self._subscription else self._find(sns)
            for arn in found:
                sns.unsubscribe(SubscriptionArn=arn)
        except sns.exceptions.NotFoundException:
            return

    def _find(self, sns: Any) -> list[str]:
        """The subscription of a call whose answer never came."""
        pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=self._topic_arn)
        return [
            one["SubscriptionArn"]
            for page in pages
            for one in page["Subscriptions"]
            if one["Endpoint"] == self._queue.arn
        ]


def _published_at(envelope: Mapping[str, Any], message: Mapping[str, Any]) -> float:
    """When a message was published; some emulators stamp whole seconds, and then it goes by when it was sent to our queue."""
    stamped_at = datetime.fromisoformat(envelope["Timestamp"]).timestamp()
    is_whole = stamped_at == int(stamped_at)
    return sent_at(message) if is_whole and int(sent_at(message)) == stamped_at else stamped_at
