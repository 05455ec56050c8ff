"""
A stage on the target `docker` or `aws`.

It has the face of a local stage. Its time is real, and its journal holds what could be observed: what taps on its resources saw, and
what its functions logged. Nothing in the account changes by looking.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, Self, TypeVar

from stagefright.errors import (
    ConditionNeverHeld,
    EmulatorError,
    OnlyLocal,
    StillMoving,
    UnknownResource,
    UnsupportedOperation,
    UsageError,
    nearest,
)
from stagefright.flow import Flow, record_of
from stagefright.http_session import StageSession
from stagefright.invoking import FUNCTION_TYPE, INVOCABLE_TYPES, Invocation, event_bytes, read_invocation
from stagefright.ledger.ledger import Ledger
from stagefright.settings import Settings
from stagefright.shared.tenancy import Tenancy
from stagefright.spans import Span, format_span, parse_span
from stagefright.targets.account import Account
from stagefright.targets.api_endpoints import Apis
from stagefright.targets.arns import asked_arn
from stagefright.targets.claims import Claims
from stagefright.targets.docker.workers import name_account
from stagefright.targets.escape_guard import EscapeGuard
from stagefright.targets.evidence.account_wiring import AccountWiring
from stagefright.targets.evidence.acts import note_acts, note_request
from stagefright.targets.evidence.arrangement import Arranged
from stagefright.targets.evidence.correlation import arrange
from stagefright.targets.evidence.log_reader import LogReader
from stagefright.targets.evidence.observed_journal import ObservedJournal
from stagefright.targets.function_probe import is_no_answer, runs_functions
from stagefright.targets.presence import Presence
from stagefright.targets.run import Run
from stagefright.targets.stack import Stack, StackResource
from stagefright.targets.taps.arming import make_tap
from stagefright.targets.taps.ground import Ground
from stagefright.targets.taps.log import Running
from stagefright.targets.taps.motion import CAVEAT, Queues, quiet_s, still_s
from stagefright.targets.taps.tap import Sighting
from stagefright.targets.taps.taps import Taps
from stagefright.targets.wall_clock import WallClock
from stagefright.wording import name_of_condition, plural

if TYPE_CHECKING:
    from stagefright.event import Event

T = TypeVar("T")

FIRST_PAUSE_S = 0.1
PAUSE_MAX_S = 2.0
"""How long, in real time, it waits between two looks: at first, and at most; each pause is half as long again as the one before."""

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

    is_deployed = True
    """Its time is real, and it knows no more than was observed."""

    def __init__(
        self,
        name: str,
        settings: Settings,
        account: Account,
        stack: Stack,
        *,
        run: Run,
        ledger: Ledger | None = None,
        shared: Tenancy | None = None,
    ) -> None:
        self.name = name
        origins = {"region": "where it is", **settings.origins}
        self.settings = replace(settings, region=account.region, origins=origins)
        self.target = settings.target
        self.account = account
        self.stack = stack
        self.run = run
        self.ledger = ledger or Ledger(Path(settings.directory), run=run, stage=name, account=account)
        """Where everything is written down before it is made in the account."""
        self.shared = shared or Tenancy({})
        """The stage's part of each server that the settings share, by name: `stage.shared["Orders"].url`."""
        self.is_kept = True
        """Whether its stack stays when the stage is closed: it was there before, or is to be kept."""
        self.clock = WallClock()
        self.journal = ObservedJournal(self.clock, lambda since: self._arranged().of_journal_since(since))
        """What was observed since the test began, in the order in which it was; `arranged()` puts it in the order of its causes."""
        self.logs = LogReader(self.journal, self._runtime_of, has_bare_tracebacks=account.is_emulator)
        """Makes records of what its functions log."""
        self.watchers: list[Callable[[], None]] = []
        """Called at each look, when the journal has what was observed."""
        self.presence = Presence(account, EscapeGuard(name, settings.allow_hosts, self.journal))
        """What holds in this process while the stage is here."""
        self._wiring = AccountWiring(self)
        self._clients: dict[str, Any] = {}
        self._runtimes: dict[str, str] = {}
        self.ground = Ground(account, self.ledger, run, name)
        apis = Apis(account, self.resources)
        self.http = StageSession(
            apis.endpoints,
            on_answer=note_request(self.journal, api_of=apis.asked_by, now=self.ground.now),
            reroute=apis.reroute,
            prepare=partial(name_account, account),
        )
        """A `requests` session; a relative URL goes to the stage's API."""
        self.closers: list[Callable[[], None]] = []
        """What is to be done when the stage is closed, the last first."""
        self.claims = self._claims() if settings.claims else None
        """What keeps other runs and workers from the data of this one's tests; None where nobody else is."""
        self.left: dict[str, str] = {}
        """What the test's data left on purpose, by its line in the ledger: in words, with the reason."""
        self.taps = Taps()
        """What observes its resources."""
        self._began = time.time()
        self._sighted = 0
        self._running = Running()
        self._settled_at = 0
        self._is_here = True

    def _claims(self) -> Claims:
        return Claims(
            lambda: self.account.client("ssm"),
            ledger=self.ledger,
            run=self.run,
            stage=self.name,
            project=Path(self.settings.directory),
            wait_s=parse_span(self.settings.claim_wait),
            now=self.ground.now,
            tell=lambda name, text: self.journal.write("warning", name, message=text),
        )

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
        """A boto3 client for the stage's account and region; the journal has the calls through it that set something in motion."""
        if service not in self._clients:
            self._clients[service] = note_acts(
                self.account.client(service), self.journal, name_of=self._wiring.name_of, now=self.ground.now
            )
        return self._clients[service]

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
        found = read_invocation(answer)
        if self.account.is_emulator and is_no_answer(found):
            raise EmulatorError(
                f"The emulator at {self.account.endpoint_url} keeps {function}, and did not run it. It answered: {found.payload}\n"
                "A moto server runs functions in Docker only. To see them run: --stage-target=local, or docker. "
                "What the template says can be tested here all the same; stage.runs_functions tells where you are."
            )
        return found

    @property
    def runs_functions(self) -> bool:
        """
        Whether functions run here, as they do on AWS; an emulator may only keep them.

        An emulator is asked once, by a function that is made there and deleted at once. On AWS nothing is made.
        """
        functions = self._functions()
        if not functions or not self.account.is_emulator:
            return True
        role = self.account.client("lambda").get_function_configuration(FunctionName=self.ref(functions[0]))["Role"]
        return runs_functions(self.account, name=f"stagefright-probe-{self.run.id}-{os.getpid()}", role=role)

    def _function_name(self, asked: str) -> str:
        if any(asked in (one.physical_id, one.arn) for one in self.resources.values() if one.type in INVOCABLE_TYPES):
            return asked
        resource = self._resource(asked)
        if resource.type not in INVOCABLE_TYPES:
            raise UsageError(
                f"{asked} is an {resource.type}; only functions can be invoked. Functions: {', '.join(self._functions()) or 'none'}."
            )
        return resource.physical_id

    # -- observing ---------------------------------------------------------------------------------------------------

    def has_stream(self, table: str) -> bool:
        """Whether the changes of a table, given by its logical id, can be observed."""
        found = self.client("dynamodb").describe_table(TableName=self.ref(table))["Table"]
        return bool(found.get("StreamSpecification", {}).get("StreamEnabled"))

    def observe(self, resource: str, verb: str, pattern: Mapping[str, Any] | None = None) -> None:
        """
        Let the journal have, from now on, the events of a resource, as `listen.<verb>` sees them.

        Returns when what happens next will be seen. What that took in the account is taken away at the end of the test.
        """
        # What happened before is journaled before, so that a listener does not take it for news.
        self.look()
        self._arm(resource, verb, pattern)
        if verb == "logs":
            # A log can be read from the test's beginning on; its past is no news either.
            self.look()

    @property
    def began_at(self) -> float:
        """When the test began, by the account's clock."""
        return self.ground.there(self._began)

    def tail(self) -> None:
        """Let the journal have what all functions log, since the test began."""
        for function in self._functions():
            self._arm(function, "logs", None)

    def _arm(self, resource: str, verb: str, pattern: Mapping[str, Any] | None) -> None:
        key = (resource, verb, json.dumps(pattern, sort_keys=True))
        with self.account.explained(f"observe {resource} (listen.{verb})"):
            self.taps.arm(key, f"listen.{verb}({resource!r})", lambda: make_tap(self, resource, verb, pattern))

    def look(self) -> None:
        """Take in what has been observed since the last look."""
        with self.account.explained("look at what is observed"):
            sightings = self.taps.poll()
        for sighting in sightings:
            self._sighted += 1
            if sighting.kind == "log":
                self._running.note(sighting.resource, sighting.detail["line"])
            self._take_in(sighting)
        for watch in list(self.watchers):
            watch()

    def _take_in(self, sighting: Sighting) -> None:
        """Journal one thing that was observed, and what it proves."""
        if sighting.kind == "log":
            self.logs.take(sighting.at, sighting.resource, sighting.origin, sighting.detail["line"])
        else:
            self.journal.write_past(sighting.at, sighting.kind, sighting.resource, sighting.detail)

    def _runtime_of(self, function: str) -> str:
        """The runtime of a function, such as `python3.12`; "" for an image, or if the account does not say."""
        if function not in self._runtimes:
            from botocore.exceptions import BotoCoreError, ClientError

            try:
                answer = self.account.client("lambda").get_function_configuration(FunctionName=self.ref(function))
            except (BotoCoreError, ClientError):
                answer = {}
            self._runtimes[function] = answer.get("Runtime", "")
        return self._runtimes[function]

    # -- time --------------------------------------------------------------------------------------------------------

    def run_until(self, condition: Callable[[], T], within_s: float) -> T:
        """
        Let real time pass until `condition()` is true or the span is over; returns its last value.

        A span without end is over when the stage is quiet; see `settle`.
        """
        if math.isinf(within_s):
            return self._until_quiet(condition)
        until, pause_s = time.monotonic() + within_s, FIRST_PAUSE_S
        while True:
            self.look()
            value = condition()
            left_s = until - time.monotonic()
            if value or left_s <= 0:
                return value
            time.sleep(min(pause_s, left_s))
            pause_s = min(pause_s * 1.5, PAUSE_MAX_S)

    def _until_quiet(self, condition: Callable[[], T]) -> T:
        """The same, until nothing was seen to move for a while; `StillMoving` if that does not come in time."""
        self.tail()
        queues, limit_s = Queues(self.ground, self.resources), parse_span(self.settings.settle_within)
        began = quiet_since = time.monotonic()
        pause_s = min(self._quiet_s / 4, PAUSE_MAX_S)
        while True:
            moving = self._moving(queues)
            value, now = condition(), time.monotonic()
            if moving:
                quiet_since = now
            if value or now - quiet_since >= self.still_s:
                return value
            if now - began > limit_s:
                raise StillMoving(self._restless(moving, limit_s))
            time.sleep(pause_s)

    @property
    def _quiet_s(self) -> float:
        return quiet_s(self.settings.quiet, is_emulator=self.account.is_emulator)

    @property
    def still_s(self) -> float:
        """How long nothing may move until it is taken for quiet, by what was seen so far."""
        took = (record.detail["duration_ms"] / 1_000 for record in self.journal.of_kind("outcome"))
        return still_s(self._quiet_s, max(took, default=0.0)) if self.account.is_emulator else self._quiet_s

    @property
    def behind(self) -> list[str]:
        """The taps that have more to read than they read at the last look."""
        return self.taps.behind

    def _moving(self, queues: Queues) -> list[str]:
        """What was seen to move, in words."""
        before = self._sighted
        self.look()
        news = [plural(self._sighted - before, "new observation")] if self._sighted > before else []
        running = [f"{name} is running" for name in self._running.names]
        behind = [f"{name} has more to read" for name in self.taps.behind]
        with self.account.explained("see what is in the stage's queues"):
            return [*news, *running, *behind, *queues.moving()]

    def _restless(self, moving: list[str], limit_s: float) -> str:
        moves = "; ".join(moving) or f"it was never quiet for {format_span(self._quiet_s)}"
        return (
            f"{self.name} did not settle within {format_span(limit_s)} (settle_within): {moves}.\n{self._flow_since(0)}\n"
            "Try next: a message that is never worked off needs a redrive policy; what recurs by itself (a schedule) never settles: use "
            "wait_until(...) or expect(...) instead."
        )

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
        """
        Wait until nothing was seen to move for a while; returns the flow of what was observed since the test began or last settled.

        How long that while is, the setting `quiet` says. It proves less than on a local stage, as the flow's text says.
        """
        self._until_quiet(lambda: None)
        since, self._settled_at = self._settled_at, len(self.journal)
        flow = self._flow_since(since)
        flow.caveat = CAVEAT.format(quiet=format_span(self._quiet_s))
        return flow

    def flow(self, event: Event | int) -> Flow:
        """
        The flow of one stimulus, as far as the evidence allows: what its functions logged, and what was observed.

        An edge that is only likely has a "?" in the tree, and `unproved` lists it.
        """
        record = record_of(event)
        self.tail()
        self.look()
        arranged = self._arranged()
        place = arranged.places.get(record)
        if place is None:
            raise UsageError(
                f"flow({record}): the journal of this test has the records 0 to {len(self.journal) - 1}. The event that "
                "listener.expect() returns knows its own."
            )
        return Flow.of(arranged, place, known=self.resources.keys(), functions=self._functions(), name_of=self.name_of)

    def _flow_since(self, since: int) -> Flow:
        records = self._arranged().of_journal_since(since)
        return Flow(records, known=self.resources.keys(), functions=self._functions(), name_of=self.name_of)

    def _arranged(self) -> Arranged:
        return arrange(list(self.journal), keys=self.settings.correlation_keys, wiring=self._wiring)

    def _functions(self) -> list[str]:
        return [name for name, resource in self.resources.items() if resource.type == FUNCTION_TYPE]

    # -- life --------------------------------------------------------------------------------------------------------

    @property
    def is_here(self) -> bool:
        """Whether it can be reached: it was not closed."""
        return self._is_here

    def reset(self, seed: int | str | None = None) -> None:  # noqa: ARG002 - chance is AWS's own here
        """Begin a test: forget what was observed, and be where SDK clients lead. What the account holds stays as it is."""
        self._close_taps()
        self.presence.begin()
        self.left.clear()
        self.journal.clear()
        self._began = time.time()
        self.logs.forget()
        self._running = Running()
        self._settled_at = 0

    def step_aside(self) -> None:
        """End a test: stop observing, take away what observing took, and let the environment be what it was."""
        try:
            self._close_taps()
        finally:
            self.presence.end()

    def _close_taps(self) -> None:
        with self.account.explained("take away what the test's listeners made (`stagefright sweep` will)"):
            self.taps.close()

    def close(self) -> None:
        """Let go of the stage, and take away what this run made, unless it is to be kept."""
        self._is_here = False
        self.presence.end()
        with ExitStack() as closing:  # whatever goes wrong with one, the others have their turn
            closing.callback(self.ledger.close)
            if self.claims is not None:
                closing.callback(self.claims.abandon, self.claims.held)
            while self.closers:
                closing.callback(self.closers.pop(0))
            closing.callback(self._close_taps)

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
