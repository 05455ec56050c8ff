"""
Hand a message of a topic to one subscription.

SNS retries only what fails on the other side (throttled, unavailable). A client-side failure, such as an endpoint that
is gone, is final: the message goes to the subscription's dead-letter queue, or is lost (semantics §5.2 to §5.4). What a
function does with the event is never SNS's business: it is invoked asynchronously.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from stagefright.aws_api.errors import ApiError
from stagefright.delivery import dead_letters, targets
from stagefright.delivery.at_least_once import HandOver
from stagefright.patterns import SnsFilter, compile_sns_filter
from stagefright.services.peers import QueuePeer, World
from stagefright.services.topic_message import Message, envelope_text, lambda_event
from stagefright.services.topic_rules import RAW_ATTRIBUTES_MAX

DELIVERED_PROTOCOLS = ("lambda", "sqs")


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription as the control plane keeps it, in plain values."""

    arn: str
    protocol: str
    endpoint: str
    raw: bool = False
    filter_policy: str | None = None
    filter_scope: str = "MessageAttributes"
    dead_letter_arn: str | None = None
    delivery_policy: str | None = None

    @classmethod
    def from_attributes(cls, arn: str, protocol: str, endpoint: str, attributes: Mapping[str, Any]) -> Subscription:
        """Read the attributes of `Subscribe`, which are texts and may be missing."""
        redrive = json.loads(attributes.get("RedrivePolicy") or "{}")
        return cls(
            arn=arn,
            protocol=protocol,
            endpoint=endpoint,
            raw=is_true(attributes.get("RawMessageDelivery")),
            filter_policy=attributes.get("FilterPolicy") or None,
            filter_scope=attributes.get("FilterPolicyScope") or "MessageAttributes",
            dead_letter_arn=redrive.get("deadLetterTargetArn"),
            delivery_policy=attributes.get("DeliveryPolicy") or None,
        )


@lru_cache(maxsize=1_024)
def _filter(policy: str, scope: str) -> SnsFilter:
    return compile_sns_filter(policy, scope)


def is_true(value: object) -> bool:
    """An attribute of the API is the text "true"; moto also keeps booleans."""
    return str(value).lower() == "true"


class SubscriptionDelivery:
    """One message on its way to one subscription."""

    def __init__(self, world: World, message: Message, subscription: Subscription, cause: int) -> None:
        self._world = world
        self._message = message
        self._subscription = subscription
        self._cause = cause
        self._consumer = world.name_of(subscription.endpoint)
        self._source = world.name_of(message.topic_arn)

    def start(self) -> None:
        """Filter, then hand over now; what must be retried goes on as a task of its own."""
        refused = self._filtered_out()
        if refused is not None:
            self._drop(f"filtered out by the subscription's filter policy: {refused}")
            return
        if self._message.sequence_number is not None:
            # A FIFO topic delivers once and in order.
            self._start()
            return
        hand_over = HandOver("topic", self._source, self._message.id, self._consumer)
        self._world.at_least_once.hand_over(self._copy, hand_over, self._cause)

    def _copy(self, cause: int) -> None:
        """Hand one copy over, which has its own cause and retries of its own."""
        self._another(cause)._start()

    def _another(self, cause: int) -> SubscriptionDelivery:
        return SubscriptionDelivery(self._world, self._message, self._subscription, cause)

    def _start(self) -> None:
        error = self._attempt(1)
        if error is not None and targets.is_retriable(error):
            name = f"SNS retries of {self._source} to {self._consumer}"
            self._world.kernel.spawn(self._retry(error), name=name, cause=self._cause)
        elif error is not None:
            self._give_up(error, attempts=1)

    def _filtered_out(self) -> str | None:
        subscription = self._subscription
        if subscription.filter_policy is None:
            return None
        policy = _filter(subscription.filter_policy, subscription.filter_scope)
        return policy.explain(self._message.attributes, self._message.text_for(subscription.protocol))

    async def _retry(self, error: ApiError) -> None:
        attempt = 1
        for delay in self._ladder():
            due = self._world.clock.now() + delay
            self._write("retry", self._consumer, source=self._source, due=due, reason=str(error), ids=self._ids)
            await self._world.kernel.sleep(delay)
            attempt += 1
            failed = await self._attempt_again(attempt)
            if failed is None:
                return
            error = failed
            if not targets.is_retriable(error):
                break
        self._give_up(error, attempts=attempt)

    def _ladder(self) -> Iterator[float]:
        return self._world.backoff.sns_managed(self._message.id, self._subscription.arn)

    async def _attempt_again(self, attempt: int) -> ApiError | None:
        return self._attempt(attempt)

    def _attempt(self, attempt: int) -> ApiError | None:
        try:
            self._hand_over(self._note_attempt(attempt))
        except ApiError as error:
            return error
        return None

    def _note_attempt(self, attempt: int) -> int:
        arn = self._subscription.arn
        return self._world.journal.write(
            "delivery", self._consumer, cause=self._cause, source=self._source, ids=self._ids, attempt=attempt,
            subscription=arn,
        ).n  # fmt: skip

    def _hand_over(self, cause: int) -> None:
        subscription = self._subscription
        if subscription.protocol == "lambda":
            event = lambda_event(self._message, subscription.arn)
            self._world.async_invoke.submit(subscription.endpoint, event, cause=cause)
            return
        queue = self._world.queues.by_arn(subscription.endpoint)
        if queue is None:
            raise ApiError("InvalidEndpoint", f"The queue {subscription.endpoint} does not exist.")
        self._send(queue, subscription.endpoint, cause)

    def _send(self, queue: QueuePeer, arn: str, cause: int) -> None:
        """Send what the subscriber gets: to the subscriber, or to its dead-letter queue."""
        message, subscription = self._message, self._subscription
        if subscription.raw and len(message.attributes) > RAW_ATTRIBUTES_MAX:
            raise ApiError("InvalidParameterValue", f"Raw delivery allows {RAW_ATTRIBUTES_MAX} message attributes.")
        raw = subscription.raw
        body = (
            message.text_for(subscription.protocol)
            if raw
            else envelope_text(message, subscription.arn, subscription.protocol)
        )
        queue.send(
            body,
            attributes=message.attributes if raw else None,
            group_id=message.group_id,
            dedup_id=message.dedup_id if arn.endswith(".fifo") else None,
            cause=cause,
        )

    def _give_up(self, error: ApiError, *, attempts: int) -> None:
        arn = self._subscription.dead_letter_arn
        dead_letters.keep(
            self._world,
            arn,
            lambda queue, cause: self._send(queue, arn or "", cause),
            error,
            owner="it",
            condition=error.code,
            attempts=attempts,
            cause=self._cause,
            drop=self._drop,
            source=self._source,
            ids=self._ids,
            consumer=self._consumer,
        )

    @property
    def _ids(self) -> list[str]:
        return [self._message.id]

    def _drop(self, reason: str) -> None:
        self._write(
            "dropped", self._consumer, source=self._source, reason=reason, ids=self._ids,
            subscription=self._subscription.arn,
        )  # fmt: skip

    def _write(self, kind: str, resource: str, **detail: Any) -> int:
        return self._world.journal.write(kind, resource, cause=self._cause, **detail).n
