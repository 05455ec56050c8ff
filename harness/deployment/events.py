"""AWS::Events::Archive, ::EventBusPolicy, ::Connection and ::ApiDestination"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from stagefright.deployment.coercion import parameters, text
from stagefright.deployment.resource import Made, Maker, Properties, makes


@makes("AWS::Events::Archive")
def archive(maker: Maker, properties: Properties) -> Made:
    """CloudFormation's `SourceArn` is the API's `EventSourceArn`, and its pattern is an object."""
    name = str(properties.get("ArchiveName") or maker.name(length_max=48))
    given: dict[str, Any] = {**properties, "ArchiveName": name, "EventSourceArn": properties["SourceArn"]}
    if "EventPattern" in properties:
        given["EventPattern"] = text(properties["EventPattern"])
    events = maker.client("events")
    arn = events.create_archive(**parameters(events, "CreateArchive", given))["ArchiveArn"]
    return Made(name, {"Arn": arn, "ArchiveName": name}, (arn, name))


@makes("AWS::Events::EventBusPolicy")
def event_bus_policy(maker: Maker, properties: Properties) -> Made:
    """Kept with the bus, for `DescribeEventBus`; a local stage refuses nobody."""
    events, bus = maker.client("events"), str(properties.get("EventBusName") or "default")
    known = json.loads(
        events.describe_event_bus(Name=bus).get("Policy") or '{"Version": "2012-10-17", "Statement": []}'
    )
    known["Statement"].append(_statement(maker, properties, bus))
    events.put_permission(EventBusName=bus, Policy=json.dumps(known))
    return Made(maker.name())


def _statement(maker: Maker, properties: Properties, bus: str) -> dict[str, Any]:
    """A statement as it is, or the older form: who may do what."""
    sid = {"Sid": text(properties.get("StatementId") or maker.logical_id)}
    statement = properties.get("Statement")
    if isinstance(statement, Mapping):
        return {**sid, **statement}
    principal = text(properties.get("Principal", "*"))
    return {
        **sid,
        "Effect": "Allow",
        "Principal": "*" if principal == "*" else {"AWS": f"arn:aws:iam::{principal}:root"},
        "Action": text(properties.get("Action", "events:PutEvents")),
        "Resource": maker.arn("events", f"event-bus/{bus}"),
    }


@makes("AWS::Events::Connection")
def connection(maker: Maker, properties: Properties) -> Made:
    events, name = maker.client("events"), str(properties.get("Name") or maker.name())
    made = events.create_connection(**parameters(events, "CreateConnection", {**properties, "Name": name}))
    secret = events.describe_connection(Name=name).get("SecretArn", "")
    return Made(name, {"Arn": made["ConnectionArn"], "SecretArn": secret}, (made["ConnectionArn"],))


@makes("AWS::Events::ApiDestination")
def api_destination(maker: Maker, properties: Properties) -> Made:
    """It can be described; rules that have it for a target say that it is not called (`BusService`)."""
    events, name = maker.client("events"), str(properties.get("Name") or maker.name())
    made = events.create_api_destination(**parameters(events, "CreateApiDestination", {**properties, "Name": name}))
    arn = made["ApiDestinationArn"]
    return Made(name, {"Arn": arn, "ArnForPolicy": arn.rpartition("/")[0]}, (arn,))
