"""An SDK call on its way through the door: who asked for what, and how often it took effect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from stagefright.world import World


class Tally:
    """How often AWS did what an SDK call asks for: botocore may try again what took effect, when it was not told."""

    def __init__(self) -> None:
        self.count = 0


class Call(NamedTuple):
    """An SDK call to an operation of ours."""

    world: World
    operation: Callable[[Mapping[str, Any]], Any]
    params: Mapping[str, Any]
    record: int
    service: str
    name: str
    url: str
    read_timeout_s: float | None
    tally: Tally


class MotoCall(NamedTuple):
    """An SDK call to an operation that moto plays."""

    world: World
    service: str
    name: str
    params: Mapping[str, Any]
    record: int | None
    tally: Tally
