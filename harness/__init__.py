"""
Stagefright: rehearses a serverless system before production does.

    with stagefright.open_stage("my-feature", template="template.yaml") as stage:
        stage.invoke("Greeter", {"name": "amy"})
        print(stage.settle())

In tests, use the pytest fixtures `stage`, `data`, `listen`, `chaos`, `clock` and `journal`.
"""

from __future__ import annotations

import importlib
import typing

if typing.TYPE_CHECKING:
    from stagefright.local_stage import LocalStage
    from stagefright.opening import open_stage
    from stagefright.stage import Stage

__all__ = ["LocalStage", "Stage", "open_stage"]

_HOMES = {"LocalStage": "local_stage", "Stage": "stage", "open_stage": "opening"}
"""The module of each name."""


def __getattr__(name: str) -> typing.Any:
    # Loaded when first used: the pytest plugin is imported in every run, used or not, and boto3 alone costs 200 ms.
    if name in _HOMES:
        return getattr(importlib.import_module(f"stagefright.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'stagefright' has no attribute {name!r}")
