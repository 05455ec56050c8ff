"""AWS::Pipes::Pipe"""

from __future__ import annotations

from typing import Any

from stagefright.deployment.coercion import parameters
from stagefright.deployment.resource import Made, Maker, Properties, makes


@makes("AWS::Pipes::Pipe")
def pipe(maker: Maker, properties: Properties) -> Made:
    name = str(properties.get("Name") or maker.name())
    pipes = maker.client("pipes")
    given: dict[str, Any] = {**properties, "Name": name}
    maker.world.give_name(maker.shown_as, name, maker.arn("pipes", f"pipe/{name}"))
    made = pipes.create_pipe(**parameters(pipes, "CreatePipe", given))
    shown = pipes.describe_pipe(Name=name)
    facts = {
        "Arn": made["Arn"],
        "CreationTime": shown["CreationTime"].isoformat(),
        "CurrentState": shown["CurrentState"],
        "LastModifiedTime": shown["LastModifiedTime"].isoformat(),
        "StateReason": "",
    }
    return Made(name, facts, (name, made["Arn"]))
