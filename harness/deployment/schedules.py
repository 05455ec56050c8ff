"""AWS::Scheduler::*"""

from __future__ import annotations

from stagefright.deployment.coercion import parameters, tags
from stagefright.deployment.resource import Made, Maker, Properties, makes


@makes("AWS::Scheduler::Schedule")
def schedule(maker: Maker, properties: Properties) -> Made:
    name = str(properties.get("Name") or maker.name())
    scheduler = maker.client("scheduler")
    given = parameters(scheduler, "CreateSchedule", {**properties, "Name": name})
    arn = scheduler.create_schedule(**given)["ScheduleArn"]
    return Made(name, {"Arn": arn}, (arn,))


@makes("AWS::Scheduler::ScheduleGroup")
def schedule_group(maker: Maker, properties: Properties) -> Made:
    name = str(properties.get("Name") or maker.name())
    scheduler = maker.client("scheduler")
    pairs = [{"Key": key, "Value": value} for key, value in tags(properties.get("Tags")).items()]
    arn = scheduler.create_schedule_group(Name=name, **({"Tags": pairs} if pairs else {}))["ScheduleGroupArn"]
    at = maker.world.clock.iso()
    return Made(name, {"Arn": arn, "State": "ACTIVE", "CreationDate": at, "LastModificationDate": at}, (arn,))
