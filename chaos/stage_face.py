"""What chaos needs of a stage: the part of the stage contract that this folder relies on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol, TypeVar, runtime_checkable

from stagefright.chaos.runtime import Handler
from stagefright.journal import Record

T = TypeVar("T")

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


class Lessee(Protocol):
    """The run that a stage belongs to."""

    @property
    def id(self) -> str:
        """What names it."""
        ...

    @property
    def owner(self) -> str:
        """Who runs it."""
        ...

    def tags(self, stage: str) -> dict[str, str]:
        """What its things are tagged with."""
        ...


class Notebook(Protocol):
    """A ledger."""

    def note(self, kind: str, name: str, *, before: Any = None, **detail: Any) -> Callable[[], None]:
        """Write down what is about to be made or overwritten; gives what strikes it out."""
        ...


@runtime_checkable
class DeployedStageFace(StageFace, Protocol):
    """A stage outside this process."""

    @property
    def run(self) -> Lessee:
        """Whose it is, this time."""
        ...

    @property
    def ledger(self) -> Notebook:
        """Where everything is written down before it is made in the account."""
        ...

    @property
    def settings(self) -> Any:
        """The settings of the stage."""
        ...

    @property
    def account(self) -> Any:
        """The account that it lives in: its `id`, and whether it `is_emulator`."""
        ...

    @property
    def watchers(self) -> list[Callable[[], None]]:
        """Called whenever the stage is looked at."""
        ...

    @property
    def still_s(self) -> float:
        """How long nothing may move until it is taken for quiet."""
        ...

    @property
    def behind(self) -> list[str]:
        """What is not read to its end yet."""
        ...

    def observe(self, resource: str, verb: str, pattern: Mapping[str, Any] | None = None) -> None:
        """Let the journal have the events of a resource from now on."""
        ...

    def run_until(self, condition: Callable[[], T], within_s: float) -> T:
        """Let real time pass until the condition is true or the span is over; returns its last value."""
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
