"""
The simulated AWS of a local stage: clock, chance, journal, services, deliveries and functions, wired together.

A world is made empty, filled by a deployment, and then marked (`mark_deployed`); `reset` brings it back to that mark in milliseconds. moto's
state is one per process, so the test is in one world at a time: stepping into another steps aside from this one.
"""

from __future__ import annotations

import logging
import random
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from stagefright.assumptions import Assumptions
from stagefright.aws_api import door, moto_hooks, moto_state, sessions
from stagefright.aws_api.account_contents import AccountContents
from stagefright.aws_api.invoke import Invoke
from stagefright.aws_api.table_lifetimes import TableLifetimes
from stagefright.aws_api.table_pasts import TablePasts
from stagefright.chance import Chance
from stagefright.clock import Clock
from stagefright.delivery.async_invoke import AsyncInvoke
from stagefright.delivery.at_least_once import AtLeastOnce
from stagefright.delivery.backoff import Backoff
from stagefright.delivery.destinations import Destinations
from stagefright.delivery.interference import Interference
from stagefright.delivery.mappings import Mappings
from stagefright.errors import EndlessLoop, UnsupportedOperation
from stagefright.functions import modules
from stagefright.functions.executor import Executor
from stagefright.functions.log import LogSink
from stagefright.functions.output import RuntimeLogHandler
from stagefright.hosts import may_reach
from stagefright.journal import Journal
from stagefright.outside import Outside
from stagefright.services.apis.endpoints import EndpointService
from stagefright.services.archives import ArchiveService
from stagefright.services.buckets import BucketService, is_bucket_host
from stagefright.services.buses import BusService
from stagefright.services.functions import FunctionService
from stagefright.services.lambda_limits import ACCOUNT_CONCURRENCY
from stagefright.services.log_groups import LogGroupService
from stagefright.services.pipes import PipeService
from stagefright.services.queues import QueueService
from stagefright.services.replays import ReplayService
from stagefright.services.scheduled_rules import ScheduledRules
from stagefright.services.scheduler import SchedulerService
from stagefright.services.streams import StreamService
from stagefright.services.topics import TopicService
from stagefright.tasks import Actor, Kernel
from stagefright.virtual import close_doors, entropy, open_doors

if TYPE_CHECKING:
    from stagefright.endpoint.endpoint import Endpoint

T = TypeVar("T")

ATTEMPTS_MAX = 2_000
"""How often one event may be tried before the world calls it endless; a day of a stream's retries needs about 1,450."""


@dataclass(slots=True)
class _Deployed:
    """The mark that `reset` goes back to."""

    at: float
    moto: moto_state.State
    services: dict[str, Any]
    names: dict[str, str]


class World:
    """A simulated AWS account in one region."""

    def __init__(
        self,
        *,
        account: str = "123456789012",
        region: str = "us-east-1",
        seed: int | str = 0,
        assumptions: Assumptions | None = None,
        account_concurrency: int = ACCOUNT_CONCURRENCY,
        at_least_once: Mapping[str, Any] | None = None,
    ) -> None:
        self.account = account
        self.account_concurrency = account_concurrency
        self.region = region
        self.clock = Clock()
        self.chance = Chance(seed)
        self.assumptions = assumptions or Assumptions()
        self.backoff = Backoff(self.assumptions, self.chance)
        self.kernel = Kernel(self.clock, self.chance)
        self.kernel.world = self
        self.journal = Journal(self.clock, self.kernel.cause)
        self.journal.names = self.names
        self.at_least_once = AtLeastOnce(self.chance, self.journal, self.kernel, at_least_once)
        self.interference = Interference(self.at_least_once.deciders)
        self.logs = LogSink(self.journal, self.clock.now_ms)
        self.logs.deliver = lambda lines: moto_hooks.deliver_logs(self, lines)
        self.allow_hosts: tuple[str, ...] = ()
        self.code_dir = Path(tempfile.mkdtemp(prefix="stagefright-code-"))
        self._names: dict[str, str] = {}
        self._moto: moto_state.State = []
        self._deployed: _Deployed | None = None
        self._clients: dict[str, Any] = {}
        self._session: Any = None
        self._outside: Outside | None = None
        self._opened_within: World | None = None
        self._root = Actor(self.kernel, "the deployment")
        self._log_handler = RuntimeLogHandler()
        self._file_names = entropy.FileNames(self.chance)
        self._contents = AccountContents(self)
        self._endpoint: Endpoint | None = None
        self._make_services()
        self._connect_http()

    def _make_services(self) -> None:
        """What answers for AWS's services, and what delivers between them."""
        self.queues: QueueService = QueueService(self)
        self.topics: TopicService = TopicService(self)
        self.buses: BusService = BusService(self)
        self.archives: ArchiveService = ArchiveService(self)
        self.replays: ReplayService = ReplayService(self)
        self.scheduled_rules: ScheduledRules = ScheduledRules(self)
        self.scheduler: SchedulerService = SchedulerService(self)
        self.streams: StreamService = StreamService(self)
        self.table_lifetimes: TableLifetimes = TableLifetimes(self)
        self.functions: FunctionService = FunctionService(self)
        self.endpoints: EndpointService = EndpointService(self)
        self.buckets: BucketService = BucketService(self)
        self.log_groups: LogGroupService = LogGroupService(self)
        self.pipes: PipeService = PipeService(self)
        self.executor: Executor = Executor(self)
        self.invoke: Invoke = Invoke(self)
        self.async_invoke: AsyncInvoke = AsyncInvoke(self)
        self.destinations: Destinations = Destinations(self)
        self.mappings: Mappings = Mappings(self)
        self._apis: dict[str, list[Any]] = {
            "sqs": [self.queues],
            "sns": [self.topics, self.topics.confirmations],
            "events": [self.buses, self.archives, self.replays],
            "lambda": [self.invoke, self.functions],
            "s3": [self.buckets],
            "logs": [self.log_groups],
            "pipes": [self.pipes],
        }

    def _connect_http(self) -> None:
        """Whom the hosts of HTTP requests belong to."""
        self.kernel.serves_host = lambda host: self.endpoints.serves_host(host) or is_bucket_host(host)
        self.kernel.serve_http = self._serve_http
        self.kernel.serve_endpoint = self._serve_aws
        self.kernel.allows_host = lambda host, port: may_reach(self.allow_hosts, host, port)

    # -- life --------------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Open the doors and step in."""
        open_doors()
        door.install()
        sessions.install()
        modules.install_finders()
        self._opened_within = _Presence.here
        _Presence.open.append(self)
        self.step_in()

    def close(self) -> None:
        """Drop everything; a world within which this one was opened is stepped into again."""
        self.step_in()
        self.kernel.reset()
        self.executor.drop_environments()
        self.journal.clear()
        self.step_aside()
        if self._endpoint is not None:
            self._endpoint.close()
            self._endpoint = None
        _Presence.open.remove(self)
        if self._opened_within in _Presence.open:
            self._opened_within.step_in()
        sessions.remove()
        door.remove()
        close_doors()
        if not _Presence.open:
            modules.remove_finders()
        shutil.rmtree(self.code_dir, ignore_errors=True)

    @property
    def is_here(self) -> bool:
        """Whether the test is in this world just now."""
        return _Presence.here is self

    def step_in(self) -> None:
        """Let the calling thread be this world's test, and moto hold this world's state, until it steps aside."""
        if _Presence.here is self:
            return
        if _Presence.here is not None:
            _Presence.here.step_aside()
        _Presence.here = self
        self._outside = Outside(self._file_names)
        moto_state.take_over(self._moto)
        logging.getLogger().addHandler(self._log_handler)
        self.kernel.hold(self._root)

    def step_aside(self) -> None:
        """Let the calling thread be an ordinary one again: real time, its own AWS, and moto as it was outside."""
        if _Presence.here is not self:
            return
        _Presence.here = None
        self._shut_endpoint()
        self._root.release_current_thread()
        logging.getLogger().removeHandler(self._log_handler)
        self._moto = moto_state.current()
        if self._outside is not None:
            self._outside.restore()

    # -- HTTP --------------------------------------------------------------------------------------------------------

    def _serve_http(self, host: str, raw: bytes) -> Coroutine[Any, Any, bytes]:
        return self._serve_aws(host, raw) if is_bucket_host(host) else self.endpoints.serve(host, raw)

    def _serve_aws(self, _host: str, raw: bytes) -> Coroutine[Any, Any, bytes]:
        from stagefright.endpoint import inside

        return inside.serve(self, raw)

    # -- other processes ---------------------------------------------------------------------------------------------

    def endpoint(self) -> Endpoint:
        """The way in for other processes, open until the next reset; its server starts when first asked for."""
        if self._endpoint is None:
            from stagefright.endpoint.endpoint import Endpoint

            self._endpoint = Endpoint(self)
        self._endpoint.open()
        return self._endpoint

    def _shut_endpoint(self) -> None:
        if self._endpoint is not None:
            self._endpoint.shut()

    # -- deployed state ----------------------------------------------------------------------------------------------

    @property
    def is_deployed(self) -> bool:
        """Whether the deployment is over: what is made from now on, a test or a handler makes."""
        return self._deployed is not None

    def mark_deployed(self) -> None:
        """Remember the present state as the one that `reset` goes back to."""
        self.kernel.settle()
        self._deployed = _Deployed(
            self.clock.now(),
            moto_state.copy_of(moto_state.current()),
            {name: service.snapshot() for name, service in self._stateful().items()},
            dict(self._names),
        )

    def reset(self, seed: int | str | None = None) -> None:
        """
        Go back to the deployed state: no work under way, cold functions, an empty journal, the deployment's time.

        Everything random depends on `seed` from here on.
        """
        assert self._deployed is not None
        self.step_in()
        if seed is not None:
            self.chance.seed = seed
        # The name is part of what its draws depend on: those of the test must not repeat the deployment's.
        self._root.name = "the test"
        self.mappings.stop_all()
        self._shut_endpoint()
        self.kernel.reset()
        self.executor.drop_environments()
        self.executor.instruments.clear()
        self.executor.on_arrival = None
        self.at_least_once.reset()
        self.interference.reset()
        self.logs.clear()
        self.journal.clear()
        self.clock.reset(self._deployed.at)
        self._names = dict(self._deployed.names)
        moto_state.take_over(moto_state.copy_of(self._deployed.moto))
        for name, service in self._stateful().items():
            service.restore(self._deployed.services[name])
        for counter in (self.invoke, self.async_invoke):
            counter.reset()
        self._file_names.restart()
        self._seed_streams()
        self.executor.provision_all()
        self.table_lifetimes.restart()
        self.table_pasts.clear()
        self.mappings.start_all()

    @cached_property
    def table_pasts(self) -> TablePasts:
        """What items were before their last write."""
        return TablePasts(self)

    def _stateful(self) -> dict[str, Any]:
        return {
            "queues": self.queues,
            "topics": self.topics,
            "buses": self.buses,
            "archives": self.archives,
            "replays": self.replays,
            "scheduled_rules": self.scheduled_rules,
            "scheduler": self.scheduler,
            "streams": self.streams,
            "functions": self.functions,
            "endpoints": self.endpoints,
            "buckets": self.buckets,
            "log_groups": self.log_groups,
            "pipes": self.pipes,
            "mappings": self.mappings,
        }

    def seed_user_code(self, *phase: str) -> None:
        """Let `random`, which all user code shares, start from the world's chance, anew for a phase of the test."""
        random.seed(self.chance.hex(32, "user code", *phase))

    def _seed_streams(self) -> None:
        """The two shared streams that we do not own, user code's and moto's, start from the world's chance."""
        self.seed_user_code()
        moto_state.seed(int(self.chance.hex(8, "moto"), 16))

    # -- what the parts ask of the world -----------------------------------------------------------------------------

    def name_of(self, arn_or_name: str) -> str:
        """The logical id of a resource, or its physical name if no template gave it one."""
        name = self._names.get(arn_or_name)
        if name is not None:
            return name
        physical = arn_or_name.split(":", 5)[-1] if arn_or_name.startswith("arn:") else arn_or_name
        for prefix in ("function:", "stream/", "table/", "event-bus/", "rule/", "schedule/", "log-group:", "pipe/"):
            physical = physical.removeprefix(prefix)
        return self._names.get(physical, physical)

    def names(self) -> frozenset[str]:
        """What journal and flows call the resources of the template, and the functions and queues that were made besides."""
        made = [*(function.arn for function in self.functions.all()), *(queue.arn for queue in self.queues.all())]
        return frozenset({*self._names.values(), *map(self.name_of, made)})

    def give_name(self, logical_id: str, *physical: str) -> None:
        """From now on journal and flows call these ARNs and names by their logical id."""
        for identity in physical:
            self._names[identity] = logical_id

    def operation(self, service: str, name: str) -> Callable[[Mapping[str, Any]], Any] | None:
        """Our own implementation of an API operation; None if moto answers for it."""
        apis = self._apis.get(service)
        if apis is None:
            return None
        method = _snake_case(name)
        for api in apis:
            found = getattr(api, method, None)
            if found is not None:
                return found  # type: ignore[no-any-return]
        if service in ("sqs", "lambda", "pipes"):
            raise UnsupportedOperation(
                f"The local stage does not have {service}.{name}. It answers for the emulated {service} only."
            )
        return None

    def internal_client(self, service: str) -> Any:
        """A boto3 client for the world's own errands; never handed to a test, which may do to its clients what it likes."""
        if service not in self._clients:
            self._clients[service] = self.make_client(service)
        return self._clients[service]

    def make_client(self, service: str) -> Any:
        """A new boto3 client with the world's credentials."""
        if self._session is None:
            self._session = sessions.session_for(self.region)
        return self._session.client(service)

    def read_s3(self, bucket: str, key: str, version: str | None) -> bytes:
        """The bytes of an object, for code that lies in a bucket."""
        return self._contents.read_object(bucket, key, version)

    def write_s3(self, bucket: str, key: str, body: bytes) -> None:
        """Write an object, as Lambda does for a destination."""
        self._contents.write_object(bucket, key, body)

    def has_stream(self, arn: str) -> bool:
        """Whether there is a Kinesis stream, or a table's stream, of this ARN."""
        return self._contents.has_stream(arn)

    def is_streaming(self, table: str) -> bool:
        """Whether the table of this name has a stream just now."""
        return self._contents.is_streaming(table)

    def has_parameter(self, name: str) -> bool:
        """Whether an SSM parameter exists."""
        return self._contents.has_parameter(name)

    def logs_put(self, group: str, message: str, stream: str = "stagefright") -> None:
        """Write a line into a log group, as a rule's target does."""
        self.logs.append(group, stream, message)
        self.log_groups.deliver_pending(group, stream, self.kernel.cause())

    def _how_it_failed(self, record: int) -> str:
        detail = self.journal[record].detail
        return (
            f", the last time with {detail['error_type']}: {detail.get('error_message')}"
            if "error_type" in detail
            else ""
        )

    def limit_attempts(
        self, attempts: int, arn: str, cause: int | None, *, limit: int = ATTEMPTS_MAX, how: str = ""
    ) -> None:
        """Stop a world in which one event is tried again and again for ever; `how` it failed, if its cause does not say so."""
        if attempts < limit:
            return
        origin = "" if cause is None else f" (journal record {cause}){self._how_it_failed(cause) or how}"
        self.kernel.fail(
            EndlessLoop(
                f"{self.name_of(arn)} was tried {attempts} times with the same event{origin}, and nothing will ever end that: "
                "its retries have no limit, or none that comes soon. Give the queue a dead-letter queue, or the mapping "
                "MaximumRetryAttempts or MaximumRecordAgeInSeconds."
            )
        )


class _Presence:
    """Which worlds are open in this process, and in which of them the test is just now."""

    open: ClassVar[list[World]] = []
    here: ClassVar[World | None] = None


def step_out() -> None:
    """Leave whatever world the thread is in: a stage that nobody closed must not keep the end of the process."""
    if _Presence.here is not None:
        _Presence.here.step_aside()


def _snake_case(name: str) -> str:
    from botocore import xform_name

    return xform_name(name)
