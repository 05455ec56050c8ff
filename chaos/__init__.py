"""
Faults, and the means to inject them.

Names are imported when they are first used: a deployed function imports this package for its runtime alone.
"""

import importlib
import typing

if typing.TYPE_CHECKING:
    from stagefright.chaos.control import Chaos
    from stagefright.chaos.experiments import Experiment
    from stagefright.chaos.faults import (
        Both,
        ColdStart,
        ConnectionReset,
        ConnectTimeout,
        Corruption,
        Denylist,
        DiskFull,
        ErrorAfterCommit,
        Failure,
        Fault,
        InSequence,
        Latency,
        Noop,
        ReadTimeout,
        SdkLatency,
        ServiceError,
        StatusCode,
        Throttle,
        Timeout,
    )
    from stagefright.chaos.flags import Flag, merge, parse
    from stagefright.chaos.local import attach
    from stagefright.chaos.plan import Plan
    from stagefright.chaos.runtime import inject_faults

__all__ = [
    "Both",
    "Chaos",
    "ColdStart",
    "ConnectTimeout",
    "ConnectionReset",
    "Corruption",
    "Denylist",
    "DiskFull",
    "ErrorAfterCommit",
    "Experiment",
    "Failure",
    "Fault",
    "Flag",
    "InSequence",
    "Latency",
    "Noop",
    "Plan",
    "ReadTimeout",
    "SdkLatency",
    "ServiceError",
    "StatusCode",
    "Throttle",
    "Timeout",
    "attach",
    "inject_faults",
    "merge",
    "parse",
]

_HOMES = {
    "Both": "faults",
    "Chaos": "control",
    "ColdStart": "faults",
    "ConnectTimeout": "faults",
    "ConnectionReset": "faults",
    "Corruption": "faults",
    "Denylist": "faults",
    "DiskFull": "faults",
    "ErrorAfterCommit": "faults",
    "Experiment": "experiments",
    "Failure": "faults",
    "Fault": "faults",
    "Flag": "flags",
    "InSequence": "faults",
    "Latency": "faults",
    "Noop": "faults",
    "Plan": "plan",
    "ReadTimeout": "faults",
    "SdkLatency": "faults",
    "ServiceError": "faults",
    "StatusCode": "faults",
    "Throttle": "faults",
    "Timeout": "faults",
    "attach": "local",
    "inject_faults": "runtime",
    "merge": "flags",
    "parse": "flags",
}


def __getattr__(name: str) -> typing.Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
