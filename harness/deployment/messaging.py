"""AWS::SQS::*, AWS::SNS::*, AWS::Events::* and AWS::Kinesis::*"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from stagefright.deployment.coercion import mappings, one_of, only, parameters, tags, text, true_or_false, whole_number
from stagefright.deployment.resource import Made, Maker, Properties, makes
from stagefright.errors import TemplateError

QUEUE_ATTRIBUTES = (
    "ContentBasedDeduplication",
    "DeduplicationScope",
    "DelaySeconds",
    "FifoQueue",
    "FifoThroughputLimit",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
)
"""CloudFormation's names that are attributes of the same name in the API."""


def _is_fifo(properties: Properties, noun: str) -> bool:
    return true_or_false(properties, f"Fifo{noun}")


def _name(maker: Maker, properties: Properties, noun: str, *, length_max: int) -> str:
    """The name of a queue or topic; a FIFO one that is named for the template gets the suffix that AWS demands."""
    suffix = ".fifo" if _is_fifo(properties, noun) else ""
    return str(properties.get(f"{noun}Name") or maker.name(length_max=length_max) + suffix)


def _attributes(properties: Properties, names: tuple[str, ...]) -> dict[str, str]:
    return {name: text(properties[name]) for name in names if name in properties}


@makes("AWS::SQS::Queue")
def queue(maker: Maker, properties: Properties) -> Made:
    name = _name(maker, properties, "Queue", length_max=75)
    attributes = _attributes(properties, QUEUE_ATTRIBUTES)
    if not _is_fifo(properties, "Queue"):
        # To say no is to say nothing: the API does not take the attribute for a standard queue.
        attributes.pop("FifoQueue", None)
    given: dict[str, Any] = {"QueueName": name, "Attributes": attributes}
    if properties.get("Tags"):
        given["tags"] = tags(properties["Tags"])
    url = maker.world.queues.create_queue(given)["QueueUrl"]
    arn = maker.arn("sqs", name)
    return Made(url, {"Arn": arn, "QueueName": name, "QueueUrl": url}, (name, arn, url))


@makes("AWS::SQS::QueuePolicy")
def queue_policy(maker: Maker, properties: Properties) -> Made:
    for url in properties["Queues"]:
        attributes = {"Policy": text(properties["PolicyDocument"])}
        maker.world.queues.set_queue_attributes({"QueueUrl": url, "Attributes": attributes})
    return Made(maker.name())


TOPIC_ATTRIBUTES = (
    "ArchivePolicy",
    "ContentBasedDeduplication",
    "DisplayName",
    "FifoTopic",
    "FifoThroughputScope",
    "KmsMasterKeyId",
    "SignatureVersion",
    "TracingConfig",
)


@makes("AWS::SNS::Topic")
def topic(maker: Maker, properties: Properties) -> Made:
    name = _name(maker, properties, "Topic", length_max=250)
    attributes = _attributes(properties, TOPIC_ATTRIBUTES)
    sns = maker.client("sns")
    pairs = [{"Key": key, "Value": value} for key, value in tags(properties.get("Tags")).items()]
    arn = sns.create_topic(Name=name, Attributes=attributes, Tags=pairs)["TopicArn"]
    for subscription in mappings(properties, "Subscription"):
        sns.subscribe(TopicArn=arn, Protocol=subscription["Protocol"], Endpoint=subscription["Endpoint"])
    return Made(arn, {"TopicArn": arn, "TopicName": name}, (name, arn))


@makes("AWS::SNS::TopicPolicy")
def topic_policy(maker: Maker, properties: Properties) -> Made:
    for arn in properties["Topics"]:
        policy = text(properties["PolicyDocument"])
        maker.client("sns").set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=policy)
    return Made(maker.name())


SUBSCRIPTION_ATTRIBUTES = (
    "DeliveryPolicy",
    "FilterPolicy",
    "FilterPolicyScope",
    "RawMessageDelivery",
    "RedrivePolicy",
    "ReplayPolicy",
    "SubscriptionRoleArn",
)


@makes("AWS::SNS::Subscription")
def subscription(maker: Maker, properties: Properties) -> Made:
    attributes = _attributes(properties, SUBSCRIPTION_ATTRIBUTES)
    true_or_false(properties, "RawMessageDelivery")
    made = maker.client("sns").subscribe(
        TopicArn=properties["TopicArn"],
        Protocol=properties["Protocol"],
        Endpoint=text(properties.get("Endpoint", "")),
        Attributes=attributes,
        ReturnSubscriptionArn=True,
    )
    return Made(made["SubscriptionArn"], {"Arn": made["SubscriptionArn"]})


@makes("AWS::Events::EventBus")
def event_bus(maker: Maker, properties: Properties) -> Made:
    name = str(properties["Name"])
    arn = maker.client("events").create_event_bus(Name=name)["EventBusArn"]
    return Made(name, {"Arn": arn, "Name": name}, (arn, name))


@makes("AWS::Events::Rule")
def rule(maker: Maker, properties: Properties) -> Made:
    name = str(properties.get("Name") or maker.name())
    events = maker.client("events")
    bus = properties.get("EventBusName")
    given = {**properties, "Name": name}
    if isinstance(properties.get("EventPattern"), Mapping):
        given["EventPattern"] = json.dumps(properties["EventPattern"])
    arn = events.put_rule(**parameters(events, "PutRule", {k: v for k, v in given.items() if k != "Tags"}))["RuleArn"]
    targets = {"Rule": name, "Targets": properties.get("Targets") or []} | ({"EventBusName": bus} if bus else {})
    if targets["Targets"]:
        answer = events.put_targets(**parameters(events, "PutTargets", targets))
        for failure in answer.get("FailedEntries", []):
            raise TemplateError(f"The target {failure.get('TargetId')} was refused: {failure.get('ErrorMessage')}")
    return Made(name if not bus else f"{bus}|{name}", {"Arn": arn}, (arn,))


@makes("AWS::Kinesis::Stream")
def stream(maker: Maker, properties: Properties) -> Made:
    name = str(properties.get("Name") or maker.name(length_max=128))
    kinesis = maker.client("kinesis")
    given: dict[str, Any] = {"StreamName": name}
    details = only("StreamModeDetails", properties.get("StreamModeDetails") or {}, "StreamMode")
    mode = one_of("StreamModeDetails.StreamMode", details.get("StreamMode", "PROVISIONED"), "PROVISIONED", "ON_DEMAND")
    if mode == "ON_DEMAND":
        given["StreamModeDetails"] = {"StreamMode": "ON_DEMAND"}
    else:
        given["ShardCount"] = whole_number(properties, "ShardCount", 1)
    kinesis.create_stream(**given)
    hours = whole_number(properties, "RetentionPeriodHours", 24)
    if hours > 24:
        kinesis.increase_stream_retention_period(StreamName=name, RetentionPeriodHours=hours)
    arn = maker.arn("kinesis", f"stream/{name}")
    return Made(name, {"Arn": arn}, (arn, name))


@makes("AWS::Kinesis::StreamConsumer")
def stream_consumer(maker: Maker, properties: Properties) -> Made:
    name, stream_arn = str(properties["ConsumerName"]), str(properties["StreamARN"])
    made = maker.client("kinesis").register_stream_consumer(StreamARN=stream_arn, ConsumerName=name)["Consumer"]
    arn = made["ConsumerARN"]
    facts = {"ConsumerARN": arn, "ConsumerName": name, "ConsumerStatus": "ACTIVE", "StreamARN": stream_arn}
    return Made(arn, facts, (arn,))
