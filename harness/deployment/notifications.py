"""Who is told what happens: notifications of buckets, in a template's words, and AWS::Logs::SubscriptionFilter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stagefright.aws_api.errors import ApiError
from stagefright.deployment.coercion import mappings, only, parameters, text
from stagefright.deployment.resource import Made, Maker, Properties, makes
from stagefright.errors import TemplateError

KINDS = {
    "LambdaConfigurations": ("Function", "LambdaFunctionConfigurations", "LambdaFunctionArn"),
    "QueueConfigurations": ("Queue", "QueueConfigurations", "QueueArn"),
    "TopicConfigurations": ("Topic", "TopicConfigurations", "TopicArn"),
}
"""The template's lists and members of a destination, and what the API calls both."""


def bucket_notifications(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """
    A template's `NotificationConfiguration` as the API takes it.

    >>> bucket_notifications({"QueueConfigurations": [{"Event": "s3:ObjectCreated:*", "Queue": "arn"}]})
    {'QueueConfigurations': [{'QueueArn': 'arn', 'Events': ['s3:ObjectCreated:*']}]}
    """
    found: dict[str, Any] = {}
    only("NotificationConfiguration", configuration, *KINDS, "EventBridgeConfiguration")
    for kind, (member, api_kind, api_member) in KINDS.items():
        entries = [_entry(kind, entry, member, api_member) for entry in mappings(configuration, kind)]
        if entries:
            found[api_kind] = entries
    bridge = configuration.get("EventBridgeConfiguration")
    if bridge is not None:
        settings = only("EventBridgeConfiguration", bridge, "EventBridgeEnabled")
        if text(settings.get("EventBridgeEnabled", True)) == "true":
            found["EventBridgeConfiguration"] = {}
    return found


def _entry(kind: str, entry: Mapping[str, Any], member: str, api_member: str) -> dict[str, Any]:
    only(kind, entry, "Event", "Filter", member)
    by_key = only("Filter", entry.get("Filter") or {}, "S3Key").get("S3Key") or {}
    rules = mappings(only("S3Key", by_key, "Rules"), "Rules")
    made: dict[str, Any] = {api_member: entry[member], "Events": [entry["Event"]]}
    if rules:
        named = [{"Name": rule["Name"], "Value": text(rule["Value"])} for rule in rules]
        made["Filter"] = {"Key": {"FilterRules": named}}
    return made


@makes("Custom::S3BucketNotifications")
def cdk_bucket_notifications(maker: Maker, properties: Properties) -> Made:
    """What CDK makes of `bucket.add_event_notification(...)`; of a bucket that it does not manage it leaves what is there."""
    bucket, configuration = str(properties["BucketName"]), dict(properties["NotificationConfiguration"])
    if text(properties.get("Managed", True)) == "false":
        present = _configuration_of(maker, bucket)
        for kind in (kind for _, kind, _ in KINDS.values()):
            configuration[kind] = [*present.get(kind, []), *configuration.get(kind, [])]
    unchecked = text(properties.get("SkipDestinationValidation", False)) == "true"
    maker.world.buckets.configure(bucket, configuration, unchecked=unchecked)
    return Made(maker.name())


def _configuration_of(maker: Maker, bucket: str) -> dict[str, Any]:
    return maker.world.buckets.get_bucket_notification_configuration({"Bucket": bucket})


@makes("Custom::S3")
def serverless_existing_bucket(maker: Maker, properties: Properties) -> Made:
    """
    What the Serverless Framework makes of an `s3` event with `existing: true`: it adds to what the bucket has.

    The bucket is taken for granted, so it is there, though nobody made it.
    """
    world, bucket = maker.world, str(properties["BucketName"])
    _take_for_granted(maker, bucket)
    arn = maker.arn("lambda", f"function:{properties['FunctionName']}")
    added = list(_existing_bucket_entries(properties, arn))
    present = _configuration_of(maker, bucket)
    others = [entry for entry in present.get("LambdaFunctionConfigurations", []) if entry["LambdaFunctionArn"] != arn]
    # The plugin's own function gives itself the permission that S3 asks for.
    world.buckets.configure(bucket, {**present, "LambdaFunctionConfigurations": [*others, *added]}, unchecked=True)
    return Made(maker.name())


def _take_for_granted(maker: Maker, bucket: str) -> None:
    s3, region = maker.client("s3"), maker.world.region
    if bucket not in [one["Name"] for one in s3.list_buckets()["Buckets"]]:
        where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
        s3.create_bucket(Bucket=bucket, **where)


def _existing_bucket_entries(properties: Properties, arn: str) -> Iterator[dict[str, Any]]:
    for config in mappings(properties, "BucketConfigs"):
        rules = [
            {"Name": name, "Value": text(value)} for rule in config.get("Rules") or [] for name, value in rule.items()
        ]
        entry: dict[str, Any] = {"LambdaFunctionArn": arn, "Events": [config["Event"]]}
        yield {**entry, "Filter": {"Key": {"FilterRules": rules}}} if rules else entry


@makes("AWS::Logs::SubscriptionFilter")
def subscription_filter(maker: Maker, properties: Properties) -> Made:
    name = str(properties.get("FilterName") or maker.name(length_max=512))
    if "FilterPattern" not in properties:
        raise TemplateError('AWS::Logs::SubscriptionFilter needs the property FilterPattern; "" is all lines.')
    given = {
        "logGroupName": properties["LogGroupName"],
        "filterName": name,
        "filterPattern": properties["FilterPattern"],
        "destinationArn": properties["DestinationArn"],
        "roleArn": properties.get("RoleArn"),
        "distribution": properties.get("Distribution"),
    }
    params = parameters(
        maker.client("logs"), "PutSubscriptionFilter", {key: value for key, value in given.items() if value is not None}
    )
    try:
        maker.world.log_groups.put_subscription_filter(params)
    except ApiError as refusal:
        if refusal.code != "ResourceNotFoundException":
            raise
        raise TemplateError(
            f"AWS::Logs::SubscriptionFilter was refused: there is no log group {params['logGroupName']!r}. A function's own is made "
            "when it first runs; put it into the template, as an AWS::Logs::LogGroup of that name."
        ) from refusal
    return Made(name)
