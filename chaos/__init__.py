"""
Faults, and the means to inject them.

Names are imported when they are first used: a deployed function imports this package for its runtime alone.
"""

import importlib
import typing

if typing.TYPE_CHECKING:
    from stagefright.chaos.control import Chaos
    from stagefright.chaos.experiments import Experiment
    from stagefright.chaos.faults import Failure, Fault, Latency, Noop, Timeout
    from stagefright.chaos.flags import Flag, merge, parse
    from stagefright.chaos.local import attach
    from stagefright.chaos.plan import Plan
    from stagefright.chaos.runtime import inject_faults

__all__ = [
    "Chaos",
    "Experiment",
    "Failure",
    "Fault",
    "Flag",
    "Latency",
    "Noop",
    "Plan",
    "Timeout",
    "attach",
    "inject_faults",
    "merge",
    "parse",
]

_HOMES = {
    "Chaos": "control",
    "Experiment": "experiments",
    "Failure": "faults",
    "Fault": "faults",
    "Flag": "flags",
    "Latency": "faults",
    "Noop": "faults",
    "Plan": "plan",
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
