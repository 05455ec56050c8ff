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
        HttpLatency,
        HttpRefused,
        HttpReset,
        HttpSlowBody,
        HttpStatus,
        InSequence,
        Latency,
        Noop,
        ReadTimeout,
        SdkLatency,
        ServiceError,
        StaleRead,
        StatusCode,
        Throttle,
        Timeout,
    )
    from stagefright.chaos.faults.deliveries import (
        Delay,
        Drop,
        Duplicate,
        PartialBatch,
        PoisonRecord,
        Reorder,
        ThrottledConcurrency,
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
    "Delay",
    "Denylist",
    "DiskFull",
    "Drop",
    "Duplicate",
    "ErrorAfterCommit",
    "Experiment",
    "Failure",
    "Fault",
    "Flag",
    "HttpLatency",
    "HttpRefused",
    "HttpReset",
    "HttpSlowBody",
    "HttpStatus",
    "InSequence",
    "Latency",
    "Noop",
    "PartialBatch",
    "Plan",
    "PoisonRecord",
    "ReadTimeout",
    "Reorder",
    "SdkLatency",
    "ServiceError",
    "StaleRead",
    "StatusCode",
    "Throttle",
    "ThrottledConcurrency",
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
    "Delay": "faults.deliveries",
    "Denylist": "faults",
    "DiskFull": "faults",
    "Drop": "faults.deliveries",
    "Duplicate": "faults.deliveries",
    "ErrorAfterCommit": "faults",
    "Experiment": "experiments",
    "Failure": "faults",
    "Fault": "faults",
    "Flag": "flags",
    "HttpLatency": "faults",
    "HttpRefused": "faults",
    "HttpReset": "faults",
    "HttpSlowBody": "faults",
    "HttpStatus": "faults",
    "InSequence": "faults",
    "Latency": "faults",
    "Noop": "faults",
    "PartialBatch": "faults.deliveries",
    "Plan": "plan",
    "PoisonRecord": "faults.deliveries",
    "ReadTimeout": "faults",
    "Reorder": "faults.deliveries",
    "SdkLatency": "faults",
    "ServiceError": "faults",
    "StaleRead": "faults",
    "StatusCode": "faults",
    "Throttle": "faults",
    "ThrottledConcurrency": "faults.deliveries",
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
