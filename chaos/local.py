"""How the in-function runtime gets into the functions of a local stage, with no change to their code."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from stagefright.chaos.faults.fault import AnyFault, Harm, points_of
from stagefright.chaos.faults.points import Arrival, Memory
from stagefright.chaos.flags import Flag, parse
from stagefright.chaos.runtime import (
    FUNCTION_VARIABLE,
    STAGE_VARIABLE,
    Handler,
    Progress,
    StrikeListener,
    parameter_name,
    wrap,
)
from stagefright.chaos.strikes import Strikes
from stagefright.tasks import current_actor

if TYPE_CHECKING:
    from stagefright.local_stage import LocalStage


def attach(stage: LocalStage) -> int:
    """
    Let every function of the stage obey its flag until the stage's next reset; each strike is a `fault` record.

    Attaching a stage again does no harm: a handler that is wrapped twice is struck once. Faults count for all
    environments of a function together. Gives how often the stage is attached since its reset.
    """
    progress: defaultdict[str, Progress] = defaultdict(Progress)

    def obey(handler: Handler, environment: Mapping[str, str], logical_id: str) -> Handler:
        return wrap(
            handler,
            name=flag_name(stage.name, logical_id, environment),
            environment=environment,
            read=lambda name: _read(stage, name),
            strike_listener=_journal_strikes_of(stage, logical_id),
            scope=_running_environment,
            progress=progress[logical_id],
            storage_mb=stage.ephemeral_storage_mb(logical_id),
        )

    def arrive(
        name: str, variables: Mapping[str, str], event: bytes, request_id: str, retire: Callable[[], None]
    ) -> None:
        text = _read(stage, flag_name(stage.name, name, variables))
        flag = None if text is None else parse(text)
        if flag is not None and flag.is_on and Arrival in points_of(flag.faults):
            point = _arrival(flag, progress[name].of(flag), json.loads(event), request_id, retire)
            # There is no environment yet, and so no log.
            Strikes(flag, point, listener=_journal_strikes_of(stage, name), tell=lambda *_, **__: None).before()

    stage.on_arrival(arrive)
    return stage.instrument(obey)


def _arrival(flag: Flag, memory: Memory, event: Any, request_id: str, retire: Callable[[], None]) -> Arrival:
    return Arrival(
        seed=flag.seed,
        memory=memory,
        event=event,
        context=SimpleNamespace(aws_request_id=request_id),
        nth=memory.counted(("request", request_id)),
        retire=retire,
    )


def _running_environment() -> Callable[[], bool]:
    """Tells the code of the environment that is running now, its threads too, from that of any other and the test's."""
    environment = _environment()
    return lambda: _environment() is environment


def _environment() -> object:
    actor = current_actor()
    # What the kernel does meanwhile on the thread of a function that waits is not the function's.
    return None if actor is None or actor.kernel.is_stepping else actor.owner


def flag_name(stage_name: str, logical_id: str, environment: Mapping[str, str]) -> str:
    """The parameter of a function's flag: the one that its environment names, else the stage's own."""
    name = parameter_name({STAGE_VARIABLE: stage_name, FUNCTION_VARIABLE: logical_id, **environment})
    assert name is not None, "the stage and the logical id name a parameter"
    return name


def _journal_strikes_of(stage: LocalStage, logical_id: str) -> StrikeListener:
    def on_strike(fault: AnyFault, harm: Harm) -> None:
        stage.journal.write("fault", logical_id, fault=fault.kind, settings=fault.settings(), harm=harm)

    return on_strike


def _read(stage: LocalStage, name: str) -> str | None:
    # Almost no invocation has a flag, and the first call to the emulated SSM costs the better part of a second.
    if not stage.has_parameter(name):
        return None
    return str(stage.client("ssm").get_parameter(Name=name)["Parameter"]["Value"])
