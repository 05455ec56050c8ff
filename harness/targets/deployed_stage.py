"""
A stage on the target `docker` or `aws`.

It has the face of a local stage. Its time is real, and its journal holds what could be observed: what taps on its resources saw, and
what its functions logged. Nothing in the account changes by looking.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

from stagefright.errors import ConditionNeverHeld, OnlyLocal, UnknownResource, UnsupportedOperation, UsageError, nearest
from stagefright.flow import Flow
from stagefright.http_session import StageSession
from stagefright.invoking import Invocation, event_bytes, read_invocation
from stagefright.journal import Journal
from stagefright.ledger.ledger import Ledger
from stagefright.settings import Settings
from stagefright.spans import Span, format_span, parse_span
from stagefright.targets.account import Account
from stagefright.targets.api_endpoints import api_endpoints, reroute
from stagefright.targets.arns import asked_arn
from stagefright.targets.run import Run
from stagefright.targets.stack import Stack, StackResource
from stagefright.targets.wall_clock import WallClock
from stagefright.wording import name_of_condition

if TYPE_CHECKING:
    from stagefright.event import Event

T = TypeVar("T")

FIRST_PAUSE_S = 0.1
PAUSE_MAX_S = 2.0
"""How long, in real time, it waits between two looks: at first, and at most; each pause is half as long again as the one before."""

FUNCTION_TYPE = "AWS::Lambda::Function"
INVOCABLE_TYPES = (FUNCTION_TYPE, "AWS::Lambda::Alias", "AWS::Lambda::Version")

LOCAL_ONLY = {
    "deployed": "its resources are stage.resources.",
    "has_parameter": "ask stage.client('ssm').",
    "interference": "deliveries between services cannot be hurt from outside.",
    "module": "its functions run in other processes. Hurt them with chaos flags, or change the data that they read.",
    "on_arrival": "its functions run in other processes.",
    "instrument": "its functions run in other processes.",
    "ephemeral_storage_mb": "ask stage.client('lambda').",
    "serve": "other processes reach it at any time; wait for them with stage.wait_until(...).",
    "template": "what is deployed are stage.resources and stage.outputs.",
    "world": "what is in the account is reached with stage.client(...).",
}
"""What a local stage has besides, and what to do on a deployed one instead."""


class DeployedStage:
    """A system that is up in an account. Made by `open_stage`; usable as a context manager, which closes it."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        account: Account,
        stack: Stack,
        *,
        run: Run,
        ledger: Ledger | None = None,
    ) -> None:
        self.name = name
        self.settings = settings
        self.target = settings.target
        self.account = account
        self.stack = stack
        self.run = run
        self.ledger = ledger or Ledger(Path(settings.directory), run=run, stage=name, account=account)
        """Where everything is written down before it is made in the account."""
        self.is_kept = True
        """Whether its stack stays when the stage is closed: it was there before, or is to be kept."""
        self.clock = WallClock()
        self.journal = Journal(self.clock)
        """What was observed since the test began."""
        self.http = StageSession(self._api_endpoints, reroute=self._reroute)
        """A `requests` session; a relative URL goes to the stage's API."""
        self.closers: list[Callable[[], None]] = []
        """What is to be done when the stage is closed, the last first."""
        self._settled_at = 0
        self._is_here = True
        self._endpoints: dict[str, str] | None = None

    # -- what it consists of -----------------------------------------------------------------------------------------

    @property
    def resources(self) -> Mapping[str, StackResource]:
        """Its resources, by logical id."""
        return self.stack.resources

    @property
    def outputs(self) -> Mapping[str, str]:
        """The stack's outputs."""
        return self.stack.outputs

    def ref(self, logical_id: str) -> str:
        """The physical id of a resource. Raises `UnknownResource`, which lists the known ones."""
        return self._resource(logical_id).physical_id

    def arn(self, logical_id: str) -> str:
        """The ARN of a resource."""
        resource = self._resource(logical_id)
        arn = resource.arn or asked_arn(self.account, resource.type, resource.physical_id)
        if arn is None:
            raise UsageError(f"{logical_id} ({resource.type}) has no ARN; its physical id is {resource.physical_id!r}.")
        return arn

    def _resource(self, logical_id: str) -> StackResource:
        try:
            return self.resources[self.name_of(logical_id)]
        except KeyError:
            raise UnknownResource(
                f"The stage has no resource {logical_id!r}. {nearest(logical_id, self.resources)}"
            ) from None

    def name_of(self, spelling: str) -> str:
        """What the stage calls the resource that a logical id, with CDK's hash or without, stands for; an unknown name as it is."""
        if spelling in self.resources:
            return spelling
        return next((one.logical_id for one in self.resources.values() if one.written_as == spelling), spelling)

    def client(self, service: str) -> Any:
        """A boto3 client for the stage's account and region."""
        return self.account.client(service)

    # -- acting ------------------------------------------------------------------------------------------------------

    def invoke(self, function: str, event: Any = None, *, qualifier: str | None = None) -> Invocation:
        """Invoke a function, by logical id or name, and wait for its answer; see `Stage.invoke`."""
        given = {"Qualifier": qualifier} if qualifier else {}
        answer = self.client("lambda").invoke(
            FunctionName=self._function_name(function),
            Payload=event_bytes(function, event),
            LogType="Tail",
            **given,
        )
        return read_invocation(answer)

    def _function_name(self, asked: str) -> str:
        if any(asked in (one.physical_id, one.arn) for one in self.resources.values() if one.type in INVOCABLE_TYPES):
            return asked
        resource = self._resource(asked)
        if resource.type not in INVOCABLE_TYPES:
            raise UsageError(
                f"{asked} is an {resource.type}; only functions can be invoked. Functions: {', '.join(self._functions()) or 'none'}."
            )
        return resource.physical_id

    def _reroute(self, url: str) -> str:
        return reroute(self.account, self.resources, url)

    def _api_endpoints(self) -> dict[str, str]:
        """The URLs of the stage's APIs, by logical id; asked for once."""
        if self._endpoints is None:
            with self.account.explained("find the stage's APIs"):
                self._endpoints = api_endpoints(self.account, self.resources)
        return self._endpoints

    # -- observing ---------------------------------------------------------------------------------------------------

    def has_stream(self, table: str) -> bool:
        """Whether the changes of a table, given by its logical id, can be observed."""
        found = self.client("dynamodb").describe_table(TableName=self.ref(table))["Table"]
        return bool(found.get("StreamSpecification", {}).get("StreamEnabled"))

    def observe(self, resource: str, verb: str, pattern: Mapping[str, Any] | None = None) -> None:
        """Let the journal have, from now on, the events of a resource, as `listen.<verb>` sees them; at once, if it has them already."""

    def look(self) -> None:
        """Take in what has been observed since the last look."""

    # -- time --------------------------------------------------------------------------------------------------------

    def run_until(self, condition: Callable[[], T], within_s: float) -> T:
        """Let real time pass until `condition()` is true or the span is over; returns its last value."""
        until, pause_s = time.monotonic() + within_s, FIRST_PAUSE_S
        while True:
            self.look()
            value = condition()
            left_s = until - time.monotonic()
            if value or left_s <= 0:
                return value
            time.sleep(min(pause_s, left_s))
            pause_s = min(pause_s * 1.5, PAUSE_MAX_S)

    def wait_until(self, condition: Callable[[], T], within: Span = "30s") -> T:
        """
        Let real time pass until `condition()` is true, and return what it returned.

        Raises `ConditionNeverHeld` when the span is over.
        """
        value = self.run_until(condition, parse_span(within))
        if value:
            return value
        raise ConditionNeverHeld(
            f"The condition {name_of_condition(condition)} did not hold within {format_span(parse_span(within))}; it last returned "
            f"{value!r}.\n{self._flow_since(0)}"
        )

    def settle(self) -> Flow:
        """Wait until nothing moved for a while; returns the flow of what was observed since the test began or last settled."""
        since, self._settled_at = self._settled_at, len(self.journal)
        return self._flow_since(since)

    def flow(self, event: Event | int) -> Flow:
        """The flow of one stimulus, as far as the evidence allows."""
        record = getattr(event, "record", event)
        assert isinstance(record, int)
        return Flow.of(self.journal, record, known=self.resources.keys(), functions=self._functions())

    def _flow_since(self, since: int) -> Flow:
        return Flow(self.journal, since=since, known=self.resources.keys(), functions=self._functions())

    def _functions(self) -> list[str]:
        return [name for name, resource in self.resources.items() if resource.type == FUNCTION_TYPE]

    # -- life --------------------------------------------------------------------------------------------------------

    @property
    def is_here(self) -> bool:
        """Whether it can be reached: it was not closed."""
        return self._is_here

    def reset(self, seed: int | str | None = None) -> None:  # noqa: ARG002 - chance is AWS's own here
        """Begin a test: forget what was observed. What the account holds stays as it is."""
        self.journal.clear()
        self._settled_at = 0

    def step_aside(self) -> None:
        """End a test: stop observing."""

    def close(self) -> None:
        """Let go of the stage, and take away what this run made, unless it is to be kept."""
        self._is_here = False
        with ExitStack() as closing:  # whatever goes wrong with one, the others have their turn
            while self.closers:
                closing.callback(self.closers.pop(0))
        self.ledger.close()

    # -- what only a local stage has ---------------------------------------------------------------------------------

    @property
    def endpoint_url(self) -> str:
        """Where other processes reach the emulator that the stage is in; on AWS itself there is no such thing to tell them."""
        if self.account.endpoint_url is None:
            raise UnsupportedOperation(
                f"stage.endpoint_url: {self!r} is on AWS itself, where other processes find it without a URL: give them the region "
                f"{self.account.region} and credentials (stage.account.environment())."
            )
        return self.account.endpoint_url

    def __getattr__(self, name: str) -> NoReturn:
        if name in LOCAL_ONLY:
            raise OnlyLocal(
                f"stage.{name} is there on the target local only; {self!r} is deployed: {LOCAL_ONLY[name]} A test that needs it is marked "
                '@pytest.mark.only_on("local").'
            )
        raise AttributeError(f"A stage has no {name!r}.")

    def __repr__(self) -> str:
        return f"<stage {self.__dict__.get('name')!r} on {self.__dict__.get('target')}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()
