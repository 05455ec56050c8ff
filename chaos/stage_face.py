"""What chaos needs of a stage: the part of the stage contract that this folder relies on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, runtime_checkable

from stagefright.chaos.runtime import Handler
from stagefright.journal import Record

Retire = Callable[[], None]
"""Ends the environments that an invocation could be given."""

ArrivalHook = Callable[[str, Mapping[str, str], bytes, str, Retire], None]
"""Told of an invocation that has no environment yet: logical id, variables, event, request id, and what makes it cold."""

Wrapper = Callable[[Handler, Mapping[str, str], str], Handler]
"""Puts something around a handler: the handler, its environment variables and its logical id in, a handler out."""


class Resource(Protocol):
    """One resource of a deployed template."""

    @property
    def type(self) -> str:
        """AWS's resource type."""
        ...

    @property
    def physical_id(self) -> str:
        """The name that AWS knows it by."""
        ...


class Evidence(Protocol):
    """A journal."""

    def __len__(self) -> int: ...

    def since(self, n: int) -> Iterator[Record]:
        """The records from number `n` on."""
        ...

    def write(self, kind: str, resource: str, **detail: Any) -> Record:
        """Append a record."""
        ...


class StageFace(Protocol):
    """A stage, as far as faults are concerned."""

    @property
    def name(self) -> str:
        """The stage's name."""
        ...

    @property
    def resources(self) -> Mapping[str, Resource]:
        """The resources by logical id."""
        ...

    @property
    def journal(self) -> Evidence:
        """The evidence of what happened."""
        ...

    def client(self, service: str) -> Any:
        """A boto3 client."""
        ...


@runtime_checkable
class LocalStageFace(StageFace, Protocol):
    """A stage that runs functions in this process."""

    def has_parameter(self, name: str) -> bool:
        """Whether an SSM parameter exists, without loading the emulated SSM."""
        ...

    def instrument(self, wrapper: Wrapper) -> int:
        """Put `wrapper` around each invocation of each function; gives how many there are."""
        ...

    def on_arrival(self, hook: ArrivalHook) -> None:
        """Tell `hook`, and no other, of each invocation before it gets its environment."""
        ...

    def ephemeral_storage_mb(self, function: str) -> int:
        """The size of a function's /tmp, by its logical id."""
        ...
