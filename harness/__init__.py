"""
Stagefright: rehearses a serverless system before production does.

    with stagefright.open_stage("my-feature", template="template.yaml") as stage:
        stage.invoke("Greeter", {"name": "amy"})
        print(stage.settle())

In tests, use the pytest fixtures `stage`, `data`, `listen`, `chaos`, `clock` and `journal`.
"""

from __future__ import annotations

import typing

if typing.TYPE_CHECKING:
    from stagefright.stage import Stage, open_stage

__all__ = ["Stage", "open_stage"]


def __getattr__(name: str) -> typing.Any:
    # Loaded when first used: the pytest plugin is imported in every run, used or not, and boto3 alone costs 200 ms.
    if name in __all__:
        from stagefright import stage

        return getattr(stage, name)
    raise AttributeError(f"module 'stagefright' has no attribute {name!r}")
