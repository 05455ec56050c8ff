"""A stage on the target `local`: a system that runs in this process, in virtual time, on a simulated AWS."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from stagefright.clock import StageClock
from stagefright.delivery.interference import Interference
from stagefright.deployment import DeployedResource, DeployedStacks
from stagefright.deployment.endpoints import api_endpoints
from stagefright.errors import ConditionNeverHeld, NotInWorld, UsageError, nearest
from stagefright.flow import Flow, record_of
from stagefright.functions.executor import Arrival
from stagefright.functions.performance import Instrument
from stagefright.http_session import StageSession
from stagefright.invoking import FUNCTION_TYPE, INVOCABLE_TYPES, Invocation, event_bytes, read_invocation
from stagefright.journal import Journal
from stagefright.outputs import Outputs
from stagefright.settings import Settings
from stagefright.shared.tenancy import Tenancy
from stagefright.spans import Span, format_span, parse_span
from stagefright.templates import Template
from stagefright.travellers import refuse_travellers
from stagefright.wording import name_of_condition
from stagefright.world import World

if TYPE_CHECKING:
    from stagefright.event import Event

T = TypeVar("T")

SERVE_UNTIL_S = 30.0
"""How long `serve` waits for its condition, in real time, unless told."""


class LocalStage:
    """
    A system that is up, on the local target.

    Made by `open_stage`; usable as a context manager, which closes it.
    """

    is_deployed = False
    """Its time is virtual, and it knows all that happens."""

    runs_functions = True
    """Whether functions run here; some emulators only keep them."""

    target = "local"

    def __init__(self, name: str, settings: Settings, world: World, deployed: DeployedStacks, shared: Tenancy) -> None:
        self.name = name
        self.settings = settings
        self.world = world
        self.deployed = deployed
        self.shared = shared
        """The stage's part of each server that the settings share, by name: `stage.shared["Orders"].url`."""
        self.http = StageSession(self._api_endpoints)
        """A `requests` session; a relative URL goes to the stage's API."""
        self._settled_at = 0
        self._closed = False
        self._clients: dict[str, Any] = {}

    # -- what it consists of -----------------------------------------------------------------------------------------

    @property
    def template(self) -> Template:
        """The template that it was deployed from; of several stacks that of the last."""
        return self.deployed.template

    @property
    def resources(self) -> Mapping[str, DeployedResource]:
        """Its resources, by logical id (of CDK without the hash); those of a nested stack are called `Nested.Inner`."""
        return self.deployed.resources

    @property
    def outputs(self) -> dict[str, str]:
        """The outputs of its stacks; one that several stacks have is called `Stack.Output`."""
        return Outputs(self.deployed.outputs)

    def ref(self, logical_id: str) -> str:
        """
        The physical id of a resource: what `Ref` gives in the template.

        Raises `UnknownResource`, which lists the known ones.
        """
        return self.deployed.resource(logical_id).physical_id

    def arn(self, logical_id: str) -> str:
        """The ARN of a resource."""
        resource = self.deployed.resource(logical_id)
        if resource.arn is None:
            raise UsageError(f"{logical_id} ({resource.type}) has no ARN; its physical id is {resource.physical_id!r}.")
        return resource.arn

    def name_of(self, spelling: str) -> str:
        """What the stage calls the resource that a logical id or a path of constructs stands for; an unknown name as it is."""
        return self.deployed.name_of(spelling)

    def client(self, service: str) -> Any:
        """A boto3 client whose calls stay in the stage; a name that boto3 does not know is a `UsageError`."""
        if service not in self._clients:
            self._clients[service] = self._new_client(service)
        return self._clients[service]

    def _new_client(self, service: str) -> Any:
        from botocore.exceptions import UnknownServiceError

        try:
            return self.world.make_client(service)
        except UnknownServiceError:
            import boto3

            known = boto3.Session().get_available_services()
            raise UsageError(f"boto3 has no service {service!r}. {nearest(service, known)}") from None

    def has_stream(self, table: str) -> bool:
        """Whether the changes of a table, given by its logical id, can be observed."""
        return self.world.is_streaming(self.ref(table))

    @property
    def journal(self) -> Journal:
        """Everything that happened since the last reset."""
        return self.world.journal

    @property
    def clock(self) -> StageClock:
        """The stage's virtual time; `stage.clock.advance("1h")` lets the stage run, as `time.sleep` does."""
        return StageClock(self.world.clock, self._advance)

    def observe(self, resource: str, verb: str, pattern: Mapping[str, Any] | None = None) -> None:
        """Nothing to arm: the journal of a local stage has every event anyway."""

    # -- acting ------------------------------------------------------------------------------------------------------

    def invoke(self, function: str, event: Any = None, *, qualifier: str | None = None) -> Invocation:
        """
        Invoke a function, by logical id or name, and wait for its answer.

        `event` is anything that JSON can say, or JSON text as bytes. An error of the function is in the answer; a
        refusal of Lambda is raised as botocore's `ClientError`.
        """
        refuse_travellers()
        name = self._function_name(function)
        given = {"Qualifier": qualifier} if qualifier else {}
        answer = self.world.internal_client("lambda").invoke(
            FunctionName=name, Payload=event_bytes(function, event), LogType="Tail", **given
        )
        return read_invocation(answer)

    def _function_name(self, asked: str) -> str:
        if any(asked in (function.name, function.arn) for function in self.world.functions.all()):
            return asked
        resource = self.deployed.resource(asked)
        if resource.type not in INVOCABLE_TYPES:
            functions = self._functions()
            raise UsageError(
                f"{asked} is an {resource.type}; only functions can be invoked. Functions: {', '.join(functions) or 'none'}."
            )
        return resource.physical_id

    def _api_endpoints(self) -> dict[str, str]:
        """The URLs of the stage's APIs, by logical id."""
        made = {logical_id: resource.made for logical_id, resource in self.resources.items()}
        types = {logical_id: resource.type for logical_id, resource in self.resources.items()}
        return api_endpoints(made, types, self.world.region)

    # -- time --------------------------------------------------------------------------------------------------------

    def _advance(self, seconds: float) -> None:
        refuse_travellers()
        self.world.kernel.advance(seconds)

    def settle(self) -> Flow:
        """
        Run the world until nothing is due: nothing more can happen.

        Returns the flow of all that happened since the test began or last settled.
        """
        refuse_travellers()
        self.world.kernel.settle()
        since, self._settled_at = self._settled_at, len(self.journal)
        return Flow(
            self.journal, since=since, known=self.resources.keys(), functions=self._functions(), name_of=self.name_of
        )

    def flow(self, event: Event | int) -> Flow:
        """The flow of one stimulus: the tree that an event, or a journal record by its number, belongs to."""
        record = record_of(event)
        return Flow.of(
            self.journal, record, known=self.resources.keys(), functions=self._functions(), name_of=self.name_of
        )

    def _functions(self) -> list[str]:
        return [name for name, resource in self.resources.items() if resource.type == FUNCTION_TYPE]

    def wait_until(self, condition: Callable[[], T], within: Span = "30s") -> T:
        """
        Run the world until `condition()` is true, and return what it returned.

        Raises `ConditionNeverHeld` when the span is over, or at once when nothing is due that could change it.
        """
        value = self.run_until(condition, parse_span(within))
        if value:
            return value
        kernel = self.world.kernel
        is_quiet = kernel.next_due() is None and not kernel.recurs
        why = "and nothing is due any more" if is_quiet else f"within {format_span(parse_span(within))}"
        hint = "" if kernel.gate is None else " To wait for another process, use stage.serve(until=...)."
        raise ConditionNeverHeld(
            f"The condition {name_of_condition(condition)} did not hold {why}; it last returned {value!r}.{hint}\n{Flow(self.journal)}"
        )

    def run_until(self, condition: Callable[[], T], within_s: float) -> T:
        """Run the world until `condition()` is true, nothing is due, or the span is over; returns its last value."""
        refuse_travellers()
        return self.world.kernel.run_until(condition, self.clock.now() + within_s)

    # -- other processes ---------------------------------------------------------------------------------------------

    @property
    def endpoint_url(self) -> str:
        """
        Where any AWS SDK and the AWS CLI, in another process, reach this stage: `http://127.0.0.1:...`.

        Asking for it opens the stage to other processes, until the next reset. Their calls are worked on while the test waits:
        in `subprocess.run` and its like, in `time.sleep`, `settle` and `wait_until`, and in `serve`.
        """
        self._refuse_absence("stage.endpoint_url")
        return self.world.endpoint().url

    def serve(self, until: Callable[[], T] | None = None, *, within: Span | None = None, pace: float = 1.0) -> T | None:
        """
        Let other processes in, in real time, until `until()` is true (and return what it returned), or for the span `within`.

        With a condition the span is 30 s unless given; without either, it serves until Ctrl-C. Meanwhile virtual time passes `pace`
        times as fast as real time, and jumps ahead for a call that waits. Raises `ConditionNeverHeld` if `until()` is not true in time.
        """
        self._refuse_absence("stage.serve()")
        refuse_travellers()
        if until is not None and not callable(until):
            raise UsageError(
                f"serve(until={until!r}): until is a function that is asked again and again; a span of time is within=..."
            )
        if not pace >= 0:
            raise UsageError(f"serve(pace={pace!r}): the pace is how fast virtual time passes, 0 (not at all) or more.")
        default_s = math.inf if until is None else SERVE_UNTIL_S
        within_s = default_s if within is None else parse_span(within)
        try:
            value = self.world.endpoint().serve_until(until or _never, within_s, pace)
        except KeyboardInterrupt:
            if until is None and within is None:
                return None
            raise
        if until is not None and not value:
            raise ConditionNeverHeld(
                f"The condition {name_of_condition(until)} did not hold within {format_span(within_s)} of real time; it last returned "
                f"{value!r}.\n{Flow(self.journal)}"
            )
        return value

    def _refuse_absence(self, asked: str) -> None:
        if not self.is_here:
            raise NotInWorld(
                f"{asked} was asked for while the stage {self.name!r} is not there: it was closed, or another stage was opened "
                "since, or no test that uses it is running. Ask for it in a test or fixture that depends on `stage`."
            )

    # -- life --------------------------------------------------------------------------------------------------------

    @property
    def is_here(self) -> bool:
        """Whether the test is in the stage: it was neither closed nor stepped aside from."""
        return self.world.is_here

    def reset(self, seed: int | str | None = None) -> None:
        """Go back to the freshly deployed state, in milliseconds; all chance depends on `seed` from here on."""
        refuse_travellers()
        self.world.reset(self.settings.seed if seed is None else seed)
        self.shared.reset()
        self._settled_at = 0

    def step_aside(self) -> None:
        """Let the calling thread out of the stage, into real time, until the next `reset`; the stage stays up."""
        self.world.step_aside()

    def close(self) -> None:
        """Drop the stage."""
        if not self._closed:
            self._closed = True
            try:
                self.world.close()
            finally:
                self.shared.close()

    def __repr__(self) -> str:
        return f"<stage {self.name!r} on {self.target}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    # -- what faults need --------------------------------------------------------------------------------------------

    def instrument(self, wrapper: Instrument) -> int:
        """Put a wrapper around every invocation of every function, until the next reset; gives how many there are."""
        self.world.executor.instruments.append(wrapper)
        return len(self.world.executor.instruments)

    def on_arrival(self, hook: Arrival) -> None:
        """Tell `hook`, and no other, of every invocation before it gets its environment, until the next reset."""
        self.world.executor.on_arrival = hook

    def ephemeral_storage_mb(self, function: str) -> int:
        """The size of a function's /tmp, by its logical id."""
        name = self.name_of(function)
        found = (f for f in self.world.functions.all() if self.world.name_of(f.arn) == name)
        return next(found).latest.ephemeral_storage_mb

    @property
    def interference(self) -> Interference:
        """Where faults reach into deliveries, until the next reset."""
        return self.world.interference

    def has_parameter(self, name: str) -> bool:
        """Whether an SSM parameter exists; costs nothing while nobody has used SSM."""
        return self.world.has_parameter(name)

    def module(self, function: str, name: str | None = None) -> ModuleType:
        """
        A function's own copy of a module (its handler's, unless named), for a test to patch.

        A name that is no module of the function is an `ImportError`, which lists those that it has imported.
        The next invocation of the function runs in that copy.
        """
        resolved = self.world.functions.find(self.ref(function))
        return self.world.executor.module(resolved, name)


def _never() -> None:
    """The condition of whoever serves until interrupted."""
