"""
A stage: one named copy of a system, and the object through which a test reaches it, whatever the target.

    with stagefright.open_stage("my-feature", template="template.yaml") as stage:
        stage.invoke("Greeter", {"name": "amy"})
        print(stage.settle())

`Stage` is the contract that both kinds keep: `LocalStage`, which plays the system in this process, and `DeployedStage`, which is one in an
account. Whoever takes a stage takes a `Stage`; what needs a certain kind asks `is_local` or `is_deployed`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeGuard, TypeVar

if TYPE_CHECKING:
    from stagefright.event import Event
    from stagefright.flow import Flow
    from stagefright.http_session import StageSession
    from stagefright.invoking import Invocation
    from stagefright.journal import Journal
    from stagefright.local_stage import LocalStage
    from stagefright.settings import Settings
    from stagefright.shared.tenancy import Tenancy
    from stagefright.spans import Span
    from stagefright.targets.deployed_stage import DeployedStage

T = TypeVar("T")


class Stage(Protocol):
    """A system that is up. Made by `open_stage`; usable as a context manager, which closes it."""

    # -- what it consists of -----------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """The stage's name."""
        ...

    @property
    def target(self) -> str:
        """Where it is: `local`, `docker` or `aws`."""
        ...

    @property
    def is_deployed(self) -> bool:
        """Whether its time is real, so that waiting proves nothing of what may still come."""
        ...

    @property
    def runs_functions(self) -> bool:
        """Whether functions run here; some emulators only keep them."""
        ...

    @property
    def settings(self) -> Settings:
        """What it was made from."""
        ...

    @property
    def shared(self) -> Tenancy:
        """The stage's part of each server that the settings share, by name: `stage.shared["Orders"].url`."""
        ...

    @property
    def resources(self) -> Mapping[str, Resource]:
        """Its resources, by logical id (of CDK without the hash); those of a nested stack are called `Nested.Inner`."""
        ...

    @property
    def outputs(self) -> Mapping[str, str]:
        """The outputs of its stacks."""
        ...

    def ref(self, logical_id: str) -> str:
        """
        The physical id of a resource: what `Ref` gives in the template.

        Raises `UnknownResource`, which lists the known ones.
        """
        ...

    def arn(self, logical_id: str) -> str:
        """The ARN of a resource."""
        ...

    def name_of(self, spelling: str) -> str:
        """What the stage calls the resource that a spelling of its name stands for; an unknown name as it is."""
        ...

    def has_stream(self, table: str) -> bool:
        """Whether the changes of a table, given by its logical id, can be observed."""
        ...

    # -- acting ------------------------------------------------------------------------------------------------------

    def client(self, service: str) -> Any:
        """A boto3 client for the stage."""
        ...

    @property
    def http(self) -> StageSession:
        """A `requests` session; a relative URL goes to the stage's API."""
        ...

    @property
    def endpoint_url(self) -> str:
        """Where any AWS SDK and the AWS CLI, in another process, reach the stage."""
        ...

    def invoke(self, function: str, event: Any = None, *, qualifier: str | None = None) -> Invocation:
        """
        Invoke a function, by logical id or name, and wait for its answer.

        `event` is anything that JSON can say, or JSON text as bytes. An error of the function is in the answer; a
        refusal of Lambda is raised as botocore's `ClientError`.
        """
        ...

    # -- time and evidence -------------------------------------------------------------------------------------------

    @property
    def clock(self) -> Timepiece:
        """The stage's time."""
        ...

    @property
    def journal(self) -> Journal:
        """Everything that happened since the last reset, as far as it is known."""
        ...

    def observe(self, resource: str, verb: str, pattern: Mapping[str, Any] | None = None) -> None:
        """Let the journal have the events of a resource from now on, as `listen.<verb>` with that pattern sees them."""
        ...

    def settle(self) -> Flow:
        """Let time pass until nothing more happens; returns the flow of all that did since the test began or last settled."""
        ...

    def flow(self, event: Event | int) -> Flow:
        """The flow of one stimulus: the tree that an event, or a journal record by its number, belongs to."""
        ...

    def wait_until(self, condition: Callable[[], T], within: Span = "30s") -> T:
        """
        Let time pass until `condition()` is true, and return what it returned.

        Raises `ConditionNeverHeld` when the span is over.
        """
        ...

    def run_until(self, condition: Callable[[], T], within_s: float) -> T:
        """Let time pass until the condition is true, nothing is due (or moves), or the span is over; its last value."""
        ...

    # -- life --------------------------------------------------------------------------------------------------------

    @property
    def is_here(self) -> bool:
        """Whether it can be reached: it was neither closed nor, if local, stepped aside from."""
        ...

    def reset(self, seed: int | str | None = None) -> None:
        """Begin a test: go back to the freshly deployed state as far as the target can, and forget what was observed."""
        ...

    def step_aside(self) -> None:
        """End a test: the process is as it was without the stage, until the next `reset`; the stage stays up."""
        ...

    def close(self) -> None:
        """Drop the stage, with what was made for it alone."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None: ...


class Resource(Protocol):
    """A resource of a stage."""

    @property
    def type(self) -> str:
        """AWS's resource type."""
        ...

    @property
    def physical_id(self) -> str:
        """The name that AWS knows it by: what `Ref` gives."""
        ...

    @property
    def arn(self) -> str | None:
        """Its ARN, if it has one."""
        ...


class Timepiece(Protocol):
    """A stage's time: virtual and the test's to let pass, or real."""

    def now(self) -> float:
        """Seconds since 1970."""
        ...

    def now_ms(self) -> int:
        """Whole milliseconds since 1970, as AWS's timestamps have them."""
        ...

    def iso(self) -> str:
        """Now as AWS writes it: ISO 8601, UTC, milliseconds."""
        ...

    def advance(self, span: Span) -> None:
        """Let the stage run for a span ("1h", or seconds); real time cannot be hurried, so a deployed stage refuses."""
        ...


def is_local(stage: Stage) -> TypeGuard[LocalStage]:
    """Whether a stage is played in this process, and so has what `LocalStage` has besides."""
    return not stage.is_deployed


def is_deployed(stage: Stage) -> TypeGuard[DeployedStage]:
    """Whether a stage is outside this process, and so has what `DeployedStage` has besides."""
    return stage.is_deployed
