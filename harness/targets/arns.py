"""The ARN of a deployed resource, from its type and its physical id."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from stagefright.targets.account import Account


@dataclass(frozen=True, slots=True)
class Place:
    """Where a stack lives, as all ARNs of its resources say."""

    partition: str
    region: str
    account: str

    @classmethod
    def of_stack(cls, stack_id: str) -> Place:
        """The place that a stack's own ARN names."""
        _, partition, _, region, account, _ = stack_id.split(":", 5)
        return cls(partition, region, account)

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource of this place."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


def arn_of(kind: str, physical_id: str, place: Place) -> str | None:
    """
    The ARN of a resource, if its type and physical id tell it.

    >>> arn_of("AWS::Lambda::Function", "shop", Place("aws", "eu-west-1", "123456789012"))
    'arn:aws:lambda:eu-west-1:123456789012:function:shop'
    """
    if physical_id.startswith("arn:"):
        return physical_id
    made = _ARNS.get(kind)
    return made(place, physical_id) if made else None


def _queue(place: Place, url: str) -> str:
    return place.arn("sqs", url.rstrip("/").rpartition("/")[2])


def _rule(place: Place, physical_id: str) -> str:
    """A rule of another bus than the default one is known as `bus|rule`."""
    return place.arn("events", f"rule/{physical_id.replace('|', '/')}")


def _parameter(place: Place, name: str) -> str:
    return place.arn("ssm", f"parameter/{name.lstrip('/')}")


def _api(path: str) -> Callable[[Place, str], str]:
    return lambda place, api_id: f"arn:{place.partition}:apigateway:{place.region}::/{path}/{api_id}"


def _plain(service: str, prefix: str = "", suffix: str = "") -> Callable[[Place, str], str]:
    return lambda place, physical_id: place.arn(service, f"{prefix}{physical_id}{suffix}")


_ARNS: Mapping[str, Callable[[Place, str], str]] = {
    "AWS::ApiGateway::RestApi": _api("restapis"),
    "AWS::ApiGatewayV2::Api": _api("apis"),
    "AWS::CloudWatch::Alarm": _plain("cloudwatch", "alarm:"),
    "AWS::Cognito::UserPool": _plain("cognito-idp", "userpool/"),
    "AWS::DynamoDB::GlobalTable": _plain("dynamodb", "table/"),
    "AWS::DynamoDB::Table": _plain("dynamodb", "table/"),
    "AWS::Events::Archive": _plain("events", "archive/"),
    "AWS::Events::EventBus": _plain("events", "event-bus/"),
    "AWS::Events::Rule": _rule,
    "AWS::Kinesis::Stream": _plain("kinesis", "stream/"),
    "AWS::KinesisFirehose::DeliveryStream": _plain("firehose", "deliverystream/"),
    "AWS::KMS::Key": _plain("kms", "key/"),
    "AWS::Lambda::EventSourceMapping": _plain("lambda", "event-source-mapping:"),
    "AWS::Lambda::Function": _plain("lambda", "function:"),
    "AWS::Logs::LogGroup": _plain("logs", "log-group:", ":*"),
    "AWS::Pipes::Pipe": _plain("pipes", "pipe/"),
    "AWS::S3::Bucket": lambda place, name: f"arn:{place.partition}:s3:::{name}",
    "AWS::Scheduler::ScheduleGroup": _plain("scheduler", "schedule-group/"),
    "AWS::SQS::Queue": _queue,
    "AWS::SSM::Parameter": _parameter,
}
"""The types whose ARN follows from their physical id. Topics, secrets, state machines, aliases, versions and layers have theirs as id."""


def asked_arn(account: Account, kind: str, physical_id: str) -> str | None:
    """The ARN of a resource that only its service can tell: a role's has a path, a schedule's its group."""
    ask = _ASKED.get(kind)
    if ask is None:
        return None
    with account.explained(f"ask for the ARN of {physical_id}"):
        return ask(account, physical_id)


def _role(account: Account, name: str) -> str:
    return str(account.client("iam").get_role(RoleName=name)["Role"]["Arn"])


def _user(account: Account, name: str) -> str:
    return str(account.client("iam").get_user(UserName=name)["User"]["Arn"])


def _schedule(account: Account, name: str) -> str | None:
    pages = account.client("scheduler").get_paginator("list_schedules").paginate(NamePrefix=name)
    found: list[dict[str, Any]] = [one for page in pages for one in page["Schedules"] if one["Name"] == name]
    return str(found[0]["Arn"]) if len(found) == 1 else None


def _secret(account: Account, name: str) -> str:
    return str(account.client("secretsmanager").describe_secret(SecretId=name)["ARN"])


_ASKED: Mapping[str, Callable[[Account, str], str | None]] = {
    "AWS::IAM::Role": _role,
    "AWS::IAM::User": _user,
    "AWS::Scheduler::Schedule": _schedule,
    # On AWS its id is its ARN; emulators know it by its name.
    "AWS::SecretsManager::Secret": _secret,
}
