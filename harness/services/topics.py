"""
The delivering half of SNS: `Publish`, `PublishBatch` and the fan-out to subscriptions.

Topics and subscriptions themselves are moto's: its control plane creates, changes and lists them, and this service
reads them at every publish, so a change of a filter policy applies at once (on AWS it may take 15 minutes).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from stagefright.aws_api.errors import ApiError
from stagefright.clock import iso
from stagefright.journal import CURRENT
from stagefright.patterns import InvalidPattern, compile_sns_filter
from stagefright.patterns.dialects import MESSAGE_ATTRIBUTES, MESSAGE_BODY, SET_SUBSCRIPTION_ATTRIBUTES, SUBSCRIBE
from stagefright.services import topic_rules as rules
from stagefright.services.peers import World
from stagefright.services.topic_delivery import DELIVERED_PROTOCOLS, Subscription, SubscriptionDelivery, is_true
from stagefright.services.topic_endpoints import ENDPOINT_PROTOCOLS, Confirmations, EndpointDelivery, is_ours
from stagefright.services.topic_message import Message, content_hash, plain_attributes
from stagefright.services.topic_retries import check_delivery_policy

DEDUPLICATION_S = 300.0
"""A FIFO topic accepts and ignores a message that it got within five minutes."""

FIRST_SEQUENCE_NUMBER = 10_000_000_000_000_000_000
SEQUENCE_STEP = 1_000
"""Sequence numbers have 20 digits and grow; on AWS they also leave gaps, so nobody may count with them."""


class TopicService:
    """The SNS operations that deliver."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._published: dict[str, int] = {}
        self._accepted: dict[str, dict[tuple[str | None, str], tuple[float, dict[str, str]]]] = {}
        self._warned: set[str] = set()
        self.confirmations: Confirmations = Confirmations(world)

    # Operations

    def publish(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """`Publish` to a topic; texts to phones and mobile devices are accepted and go nowhere."""
        if params.get("PhoneNumber"):
            return self._publish_nowhere("sms", params)
        arn = params.get("TopicArn") or params.get("TargetArn") or ""
        rules.check_arn(arn)
        if ":endpoint/" in arn:
            return self._publish_to_device(arn, params)
        return self._publish(arn, self._checked(arn, params), params, CURRENT)

    def publish_batch(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """`PublishBatch`: content faults fail an entry, the others the whole batch (as recorded)."""
        arn = params.get("TopicArn") or ""
        rules.check_arn(arn)
        topic = self._topic(arn)
        entries = params.get("PublishBatchRequestEntries") or []
        rules.check_batch(entries)
        for entry in entries:
            _check_form(topic, entry)
        reply: dict[str, Any] = {"Successful": [], "Failed": []}
        for entry in entries:
            self._publish_entry(arn, topic, entry, reply)
        return reply

    def deliver(
        self,
        topic_arn: str,
        message: str,
        *,
        subject: str | None = None,
        attributes: rules.Attributes | None = None,
        group_id: str | None = None,
        dedup_id: str | None = None,
        cause: int | None = CURRENT,
    ) -> str:
        """Publish on behalf of another service (a rule, a dead-letter queue) and return the message's id."""
        given = {
            "Message": message,
            "Subject": subject,
            "MessageAttributes": attributes,
            "MessageGroupId": group_id,
            "MessageDeduplicationId": dedup_id,
        }
        params = {name: value for name, value in given.items() if value is not None}
        topic = self._checked(topic_arn, params)
        return self._publish(topic_arn, topic, params, cause)["MessageId"]

    def exists(self, topic_arn: str) -> bool:
        """Whether there is a topic of this ARN."""
        try:
            self._topic(topic_arn)
        except ApiError:
            return False
        return True

    def validate_subscription(self, params: Mapping[str, Any]) -> None:
        """Refuse a `Subscribe` or `SetSubscriptionAttributes` whose filter policy AWS would refuse."""
        if "AttributeName" in params:
            self._validate_setting(params)
            return
        attributes, topic_arn = params.get("Attributes") or {}, params.get("TopicArn") or ""
        if topic_arn:
            rules.check_arn(topic_arn)
        rules.check_endpoint(params.get("Protocol") or "sqs", params.get("Endpoint") or "", topic_arn)
        rules.check_redrive_policy(attributes.get("RedrivePolicy"), topic_arn)
        check_delivery_policy(attributes.get("DeliveryPolicy"))
        scope = attributes.get("FilterPolicyScope") or MESSAGE_ATTRIBUTES
        _check_scope(scope, "Attributes Reason: FilterPolicyScope")
        _check_policy(attributes.get("FilterPolicy"), scope, SUBSCRIBE)
        if attributes.get("FilterPolicy") and topic_arn:
            self._check_number_of_policies(topic_arn)

    def validate_topic(self, params: Mapping[str, Any]) -> None:
        """Refuse a `SetTopicAttributes` or a `CreateTopic` whose delivery policy is outside of AWS's limits."""
        given = {params.get("AttributeName"): params.get("AttributeValue"), **(params.get("Attributes") or {})}
        check_delivery_policy(given.get("DeliveryPolicy"))

    def subscribed(self, params: Mapping[str, Any], answer: Mapping[str, Any], cause: int | None) -> None:
        """An HTTP/S endpoint of the stage was subscribed: it is asked to confirm."""
        subscription = _subscription(answer["SubscriptionArn"])
        if subscription is not None and is_ours(self._world, subscription.protocol, subscription.endpoint):
            self.confirmations.subscribed(params, answer, subscription, cause)

    def _check_number_of_policies(self, topic_arn: str, besides: str | None = None) -> None:
        """Refuse a filter policy too many; `besides` is the subscription that gets it, which may have one already."""
        filtering = [
            subscription.topic_arn
            for subscription in _backend(topic_arn).subscriptions.values()
            if subscription.attributes.get("FilterPolicy") and subscription.arn != besides
        ]
        rules.check_number_of_policies(filtering.count(topic_arn), len(filtering))

    # State of our own; topics and subscriptions are in moto's

    def snapshot(self) -> Any:
        """A copy of the counters, the deduplication memory, the warnings given and the endpoints asked."""
        return deepcopy((self._published, self._accepted, self._warned)), self.confirmations.snapshot()

    def restore(self, state: Any) -> None:
        """Go back to a snapshot."""
        own, confirmations = state
        self._published, self._accepted, self._warned = deepcopy(own)
        self.confirmations.restore(confirmations)

    # Publishing

    def _checked(self, arn: str, params: Mapping[str, Any]) -> Any:
        """The topic, if it takes such a message."""
        topic = self._topic(arn)
        rules.check_content(params)
        _check_form(topic, params)
        return topic

    def _publish_entry(self, arn: str, topic: Any, entry: Mapping[str, Any], reply: dict[str, Any]) -> None:
        try:
            rules.check_content(entry)
        except ApiError as error:
            failed = {"Id": entry["Id"], "Code": error.code, "Message": error.message, "SenderFault": True}
            reply["Failed"].append(failed)
            return
        reply["Successful"].append({"Id": entry["Id"], **self._publish(arn, topic, entry, CURRENT)})

    def _publish(self, arn: str, topic: Any, params: Mapping[str, Any], cause: int | None) -> dict[str, str]:
        dedup_id = _deduplication_id(topic, params)
        key = (_deduplication_scope(topic, params), dedup_id or "")
        known = self._known(arn, key) if dedup_id else None
        if known is not None:
            self._write("dropped", arn, cause, reason="duplicate", ids=[], duplicate_of=known["MessageId"])
            return known if self._world.assumptions.fifo_duplicate_has_first_id else self._new_ids(arn, topic)
        message = self._message(arn, topic, params, dedup_id)
        reply = _reply(message.id, message.sequence_number)
        if dedup_id:
            self._accepted.setdefault(arn, {})[key] = (self._world.clock.now(), reply)
        self._fan_out(message, str(params["Message"]), cause)
        return reply

    def _known(self, arn: str, key: tuple[str | None, str]) -> dict[str, str] | None:
        """The reply to the first message with this id, if it is not older than five minutes."""
        horizon = self._world.clock.now() - DEDUPLICATION_S
        accepted = self._accepted.get(arn, {})
        for old in [old for old, (at, _) in accepted.items() if at <= horizon]:
            del accepted[old]
        return accepted[key][1] if key in accepted else None

    def _new_ids(self, arn: str, topic: Any) -> dict[str, str]:
        """Ids for a duplicate that nobody will ever see."""
        number = self._take_number(arn)
        return _reply(self._world.chance.uuid("sns", arn, number), _sequence_number(topic, number))

    def _message(self, arn: str, topic: Any, params: Mapping[str, Any], dedup_id: str | None) -> Message:
        number = self._take_number(arn)
        return Message(
            id=self._world.chance.uuid("sns", arn, number),
            topic_arn=arn,
            region=arn.split(":")[3],
            texts=rules.texts_by_protocol(params),
            published_at=iso(self._world.clock.now()),
            subject=params.get("Subject"),
            attributes=params.get("MessageAttributes") or {},
            group_id=params.get("MessageGroupId"),
            dedup_id=dedup_id,
            sequence_number=_sequence_number(topic, number),
            signature_version=str(getattr(topic, "signature_version", None) or "1"),
        )

    def _take_number(self, arn: str) -> int:
        self._published[arn] = self._published.get(arn, 0) + 1
        return self._published[arn]

    def _fan_out(self, message: Message, text: str, cause: int | None) -> None:
        record = self._write(
            "event", message.topic_arn, cause, id=message.id, message=text, subject=message.subject,
            attributes=plain_attributes(message.attributes), **_group(message),
        )  # fmt: skip
        for subscription in self._subscriptions(message.topic_arn):
            self._hand_over(message, subscription, record)

    def _hand_over(self, message: Message, subscription: Subscription, record: int) -> None:
        if subscription.arn in self.confirmations.pending:
            # AWS hands nothing over before the endpoint has confirmed.
            reason = "the subscription is not confirmed: its endpoint has to get the SubscribeURL, or to call ConfirmSubscription"
            self._write(
                "dropped",
                subscription.endpoint,
                record,
                source=self._world.name_of(message.topic_arn),
                reason=reason,
                ids=[message.id],
            )
        elif subscription.protocol in DELIVERED_PROTOCOLS:
            SubscriptionDelivery(self._world, message, subscription, record).start()
        elif is_ours(self._world, subscription.protocol, subscription.endpoint):
            policy = self._topic(message.topic_arn).delivery_policy or None
            EndpointDelivery(self._world, message, subscription, record, policy).start()
        else:
            self._warn_once(subscription.arn, message.topic_arn, record, subscription.protocol)

    def _publish_to_device(self, arn: str, params: Mapping[str, Any]) -> dict[str, Any]:
        if arn not in _backend(arn).platform_endpoints:
            raise rules.invalid("TargetArn Reason: No endpoint found for the target arn specified")
        return self._publish_nowhere(arn, params)

    def _publish_nowhere(self, address: str, params: Mapping[str, Any]) -> dict[str, Any]:
        rules.check_content(params)
        rules.check_attributes(params.get("MessageAttributes") or {})
        message_id = self._world.chance.uuid("sns", address, self._take_number(address))
        record = self._write("event", address, CURRENT, id=message_id, message=params["Message"])
        self._warn_once(address, address, record, "sms" if address == "sms" else "application")
        return {"MessageId": message_id}

    def _warn_once(self, key: str, resource: str, cause: int, protocol: str) -> None:
        if key not in self._warned:
            self._warned.add(key)
            where = f"{protocol} endpoints" + (" outside of the stage" if protocol in ENDPOINT_PROTOCOLS else "")
            text = f"The local stage does not deliver to {where}; what is published to {key} ends here."
            self._write("warning", resource, cause, message=text)

    def _write(self, kind: str, arn: str, cause: int | None, /, **detail: Any) -> int:
        return self._world.journal.write(kind, self._world.name_of(arn), cause=cause, **detail).n

    # moto's state

    def _topic(self, arn: str) -> Any:
        topic = _backend(arn).topics.get(arn)
        if topic is None:
            raise rules.no_such_topic()
        return topic

    def _subscriptions(self, topic_arn: str) -> Iterator[Subscription]:
        """The subscriptions of a topic in the order in which they were made."""
        for found in list(_backend(topic_arn).subscriptions.values()):
            if found.topic_arn == topic_arn:
                yield Subscription.from_attributes(found.arn, found.protocol, found.endpoint, found.attributes)

    def _validate_setting(self, params: Mapping[str, Any]) -> None:
        name, value = params["AttributeName"], params.get("AttributeValue")
        if name == "FilterPolicyScope":
            _check_scope(value or "", "FilterPolicyScope")
        elif name == "FilterPolicy":
            known = _subscription(params.get("SubscriptionArn") or "")
            scope = known.attributes.get("FilterPolicyScope") if known is not None else None
            _check_policy(value, scope or MESSAGE_ATTRIBUTES, SET_SUBSCRIPTION_ATTRIBUTES)
            if value and known is not None:
                self._check_number_of_policies(known.topic_arn, besides=known.arn)
        elif name == "DeliveryPolicy":
            check_delivery_policy(value)
        elif name == "RedrivePolicy":
            arn = params.get("SubscriptionArn") or ""
            rules.check_redrive_policy(value, arn.rpartition(":")[0])


def _backend(arn: str) -> Any:
    """moto's SNS backend of the account and Region of an ARN."""
    from moto.sns.models import sns_backends

    _, _, _, region, account, *_ = arn.split(":")
    try:
        return sns_backends[account][region]
    except KeyError as error:
        raise rules.no_such_topic() from error


def _subscription(arn: str) -> Any:
    """A subscription in moto's control plane, or None; the ARN of one has seven parts."""
    return _backend(arn).subscriptions.get(arn) if arn.count(":") >= 6 else None


def _check_form(topic: Any, params: Mapping[str, Any]) -> None:
    """The faults for which AWS refuses a whole batch: ordering parameters, attributes, message structure."""
    rules.check_ordering(params, fifo=_is_fifo(topic), by_content=_by_content(topic))
    rules.check_attributes(params.get("MessageAttributes") or {})
    if params.get("Message"):
        rules.texts_by_protocol(params)


def _reply(message_id: str, sequence_number: str | None) -> dict[str, str]:
    reply = {"MessageId": message_id}
    return reply if sequence_number is None else {**reply, "SequenceNumber": sequence_number}


def _sequence_number(topic: Any, number: int) -> str | None:
    return f"{FIRST_SEQUENCE_NUMBER + number * SEQUENCE_STEP:020d}" if _is_fifo(topic) else None


def _is_fifo(topic: Any) -> bool:
    return is_true(topic.fifo_topic)


def _by_content(topic: Any) -> bool:
    return is_true(topic.content_based_deduplication)


def _deduplication_id(topic: Any, params: Mapping[str, Any]) -> str | None:
    if not _is_fifo(topic):
        return None
    given: str | None = params.get("MessageDeduplicationId")
    return given or content_hash(params["Message"])


def _deduplication_scope(topic: Any, params: Mapping[str, Any]) -> str | None:
    """Deduplication is per topic, or per group when the topic's throughput scope is `MessageGroup`."""
    per_group = getattr(topic, "fifo_throughput_scope", None) == "MessageGroup"
    return params.get("MessageGroupId") if per_group else None


def _group(message: Message) -> dict[str, str]:
    return {"group_id": message.group_id} if message.group_id else {}


def _check_scope(scope: str, where: str) -> None:
    if scope not in (MESSAGE_ATTRIBUTES, MESSAGE_BODY):
        choice = f"Please use either {MESSAGE_BODY} or {MESSAGE_ATTRIBUTES}"
        raise rules.invalid(f"{where}: Invalid value [{scope}]. {choice}")


def _check_policy(policy: str | None, scope: str, refused_as: str) -> None:
    if not policy:
        return
    try:
        compile_sns_filter(policy, scope, refused_as=refused_as)
    except InvalidPattern as error:
        raise ApiError("InvalidParameter", str(error)) from error
