"""AWS::DynamoDB::*, AWS::S3::*, AWS::SSM::*, AWS::SecretsManager::*, AWS::Logs::* and AWS::IAM::*"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from stagefright.deployment.coercion import mappings, parameters, text, whole_number
from stagefright.deployment.notifications import bucket_notifications
from stagefright.deployment.resource import Made, Maker, Properties, makes
from stagefright.errors import TemplateError


@makes("AWS::DynamoDB::Table")
def table(maker: Maker, properties: Properties) -> Made:
    name = str(properties.get("TableName") or maker.name(length_max=255))
    dynamodb = maker.client("dynamodb")
    given: dict[str, Any] = {**properties, "TableName": name}
    if "BillingMode" not in given and "ProvisionedThroughput" not in given:
        given["BillingMode"] = "PAY_PER_REQUEST"
    stream = dict(properties.get("StreamSpecification") or {})
    if stream:
        given["StreamSpecification"] = {"StreamEnabled": True, **stream}
    given.pop("TimeToLiveSpecification", None)
    description = dynamodb.create_table(**parameters(dynamodb, "CreateTable", given))["TableDescription"]
    lifetime = properties.get("TimeToLiveSpecification")
    if lifetime:
        dynamodb.update_time_to_live(
            **parameters(dynamodb, "UpdateTimeToLive", {"TableName": name, "TimeToLiveSpecification": lifetime})
        )
    arn, stream_arn = description["TableArn"], description.get("LatestStreamArn")
    attributes = {"Arn": arn} | ({"StreamArn": stream_arn} if stream_arn else {})
    return Made(name, attributes, tuple(filter(None, (name, arn, stream_arn))))


@makes("AWS::DynamoDB::GlobalTable")
def global_table(maker: Maker, properties: Properties) -> Made:
    """
    What CDK's `TableV2` is: a table that may have replicas in other regions.

    The stage has one region, so it is the replica of that one, or the first.
    """
    replicas = mappings(properties, "Replicas")
    here = next((one for one in replicas if one.get("Region") == maker.world.region), replicas[0] if replicas else {})
    given = {key: value for key, value in properties.items() if key in _OF_TABLES}
    write = properties.get("WriteProvisionedThroughputSettings")
    if write:
        capacity = _capacity(here.get("ReadProvisionedThroughputSettings") or {}, "Read")
        given["ProvisionedThroughput"] = {**capacity, **_capacity(write, "Write")}
        given["GlobalSecondaryIndexes"] = [*_provisioned_indexes(properties, here)]
    else:
        given["GlobalSecondaryIndexes"] = mappings(properties, "GlobalSecondaryIndexes")
    return table(maker, {key: value for key, value in given.items() if value})


_OF_TABLES = frozenset(
    (
        *("AttributeDefinitions", "BillingMode", "KeySchema", "LocalSecondaryIndexes", "SSESpecification"),
        *("StreamSpecification", "TableName", "TimeToLiveSpecification"),
    )
)
"""The properties that tables and global tables share."""


def _provisioned_indexes(properties: Properties, replica: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    reads = {one["IndexName"]: one for one in mappings(replica, "GlobalSecondaryIndexes")}
    for index in mappings(properties, "GlobalSecondaryIndexes"):
        kept = {key: value for key, value in index.items() if key in {"IndexName", "KeySchema", "Projection"}}
        read = reads.get(index["IndexName"], {}).get("ReadProvisionedThroughputSettings") or {}
        write = index.get("WriteProvisionedThroughputSettings") or {}
        yield {**kept, "ProvisionedThroughput": {**_capacity(read, "Read"), **_capacity(write, "Write")}}


def _capacity(settings: Mapping[str, Any], verb: str) -> dict[str, int]:
    """Capacity units of a kind: fixed, or what autoscaling begins with."""
    name = f"{verb}CapacityUnits"
    scaling = settings.get(f"{verb}CapacityAutoScalingSettings") or {}
    if name in settings:
        return {name: whole_number(settings, name)}
    return {name: whole_number(scaling, "MinCapacity", 5)}


_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@makes("AWS::S3::Bucket")
def bucket(maker: Maker, properties: Properties) -> Made:
    name = str(properties.get("BucketName") or maker.name(length_max=63, lower=True))
    region = maker.world.region
    if not _BUCKET_NAME.fullmatch(name):
        raise TemplateError(
            f"The bucket name {name!r} is not valid: it has 3 to 63 lower-case letters, digits, dots and hyphens, and begins and "
            "ends with a letter or digit."
        )
    where = {} if region == "us-east-1" else {"CreateBucketConfiguration": {"LocationConstraint": region}}
    s3 = maker.client("s3")
    s3.create_bucket(Bucket=name, **where)
    status = (properties.get("VersioningConfiguration") or {}).get("Status")
    if status:
        s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": status})
    if properties.get("NotificationConfiguration"):
        maker.world.buckets.configure(name, bucket_notifications(properties["NotificationConfiguration"]))
    attributes = {
        "Arn": f"arn:aws:s3:::{name}",
        "DomainName": f"{name}.s3.amazonaws.com",
        "RegionalDomainName": f"{name}.s3.{region}.amazonaws.com",
        "DualStackDomainName": f"{name}.s3.dualstack.{region}.amazonaws.com",
        "WebsiteURL": f"http://{name}.s3-website-{region}.amazonaws.com",
    }
    return Made(name, attributes, (name, attributes["Arn"]))


@makes("AWS::S3::BucketPolicy")
def bucket_policy(_maker: Maker, properties: Properties) -> Made:
    """Nothing to do: like the policies of roles it says who may do what, and a local stage refuses nobody."""
    document = properties["PolicyDocument"]
    if not isinstance(document, Mapping):
        raise TemplateError(f"PolicyDocument must be a policy document; it is {document!r}.")
    return Made(str(properties["Bucket"]))


@makes("Custom::S3AutoDeleteObjects")
def cdk_auto_delete_objects(maker: Maker, _properties: Properties) -> Made:
    """What CDK makes of `autoDeleteObjects: true`: it empties a bucket when its stack is deleted, and a local stage is just dropped."""
    return Made(maker.name())


@makes("AWS::SSM::Parameter")
def parameter(maker: Maker, properties: Properties) -> Made:
    name = str(properties.get("Name") or f"CFN-{maker.logical_id}-{maker.name()[-12:]}")
    ssm = maker.client("ssm")
    given = {**properties, "Name": name, "Value": text(properties["Value"])}
    given.pop("Tags", None)
    ssm.put_parameter(**parameters(ssm, "PutParameter", given))
    return Made(name, {"Type": properties.get("Type", "String"), "Value": given["Value"]}, (name,))


@makes("AWS::SecretsManager::Secret")
def secret(maker: Maker, properties: Properties) -> Made:
    name = str(properties.get("Name") or maker.name(length_max=128))
    client = maker.client("secretsmanager")
    value = properties.get("SecretString")
    if value is None:
        value = _generated(maker, properties.get("GenerateSecretString") or {})
    made = client.create_secret(Name=name, SecretString=text(value))
    return Made(made["ARN"], {"Id": made["ARN"]}, (name, made["ARN"]))


def _generated(maker: Maker, wish: Mapping[str, Any]) -> str:
    """A secret that is the same for the same stage, with the generator's length and wrapping."""
    length = whole_number(wish, "PasswordLength", 32)
    password = maker.world.chance.hex(length, "secret", maker.stack_name, maker.logical_id)
    key = wish.get("GenerateStringKey")
    if key is None:
        return password
    return json.dumps({**json.loads(str(wish.get("SecretStringTemplate", "{}"))), str(key): password})


@makes("AWS::Logs::LogGroup")
def log_group(maker: Maker, properties: Properties) -> Made:
    name = str(properties.get("LogGroupName") or maker.name(length_max=512))
    logs = maker.client("logs")
    logs.create_log_group(logGroupName=name)
    if properties.get("RetentionInDays"):
        logs.put_retention_policy(logGroupName=name, retentionInDays=whole_number(properties, "RetentionInDays"))
    arn = maker.arn("logs", f"log-group:{name}:*")
    return Made(name, {"Arn": arn}, (name, arn))


@makes("Custom::LogRetention")
def cdk_log_retention(maker: Maker, properties: Properties) -> Made:
    """What CDK makes of a function's `logRetention`: it sets that of the function's log group, which it makes if need be."""
    name, logs = str(properties["LogGroupName"]), maker.client("logs")
    with suppress(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName=name)
    if properties.get("RetentionInDays"):
        logs.put_retention_policy(logGroupName=name, retentionInDays=whole_number(properties, "RetentionInDays"))
    return Made(name, {"LogGroupName": name})


@makes("AWS::IAM::Role")
def role(maker: Maker, properties: Properties) -> Made:
    name = str(properties.get("RoleName") or maker.name())
    iam = maker.client("iam")
    path = str(properties.get("Path", "/"))
    made = iam.create_role(
        RoleName=name, Path=path, AssumeRolePolicyDocument=text(properties.get("AssumeRolePolicyDocument", {}))
    )["Role"]
    for policy in mappings(properties, "Policies"):
        iam.put_role_policy(
            RoleName=name, PolicyName=policy["PolicyName"], PolicyDocument=text(policy["PolicyDocument"])
        )
    return Made(name, {"Arn": made["Arn"], "RoleId": made["RoleId"]}, (name, made["Arn"]))


@makes("AWS::IAM::Policy", "AWS::IAM::RolePolicy")
def policy(maker: Maker, properties: Properties) -> Made:
    roles = properties.get("Roles") or [properties[key] for key in ("RoleName",) if key in properties]
    for role_name in roles:
        maker.client("iam").put_role_policy(
            RoleName=role_name,
            PolicyName=str(properties["PolicyName"]),
            PolicyDocument=text(properties.get("PolicyDocument", {})),
        )
    return Made(maker.name())


@makes("AWS::IAM::ManagedPolicy")
def managed_policy(maker: Maker, properties: Properties) -> Made:
    name = str(properties.get("ManagedPolicyName") or maker.name(length_max=128))
    document = text(properties["PolicyDocument"])
    arn = maker.client("iam").create_policy(PolicyName=name, PolicyDocument=document)["Policy"]["Arn"]
    return Made(arn, {"PolicyArn": arn})
