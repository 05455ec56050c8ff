"""A world for topics and buses whose consumers only take notes."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError

from stagefright.assumptions import Assumptions
from stagefright.aws_api.errors import ApiError
from stagefright.chance import Chance
from stagefright.clock import Clock
from stagefright.delivery.at_least_once import AtLeastOnce
from stagefright.delivery.backoff import Backoff
from stagefright.journal import Journal, Record
from stagefright.services.archives import ArchiveService
from stagefright.services.buses import BusService
from stagefright.services.replays import ReplayService
from stagefright.services.topics import TopicService
from stagefright.tasks import Future

ACCOUNT, REGION = "123456789012", "eu-west-1"


class FakeKernel:
    """Keeps spawned tasks until the test lets them run; sleeping only moves the clock."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.spawned: list[Coroutine[Any, Any, Any]] = []

    def spawn(self, coroutine, *, name, cause=None):
        self.spawned.append(coroutine)

    def cause(self) -> int | None:
        return None

    def blame(self, cause: int | None) -> AbstractContextManager[None]:
        return nullcontext()

    def sleep(self, seconds: float) -> Future[None]:
        self.clock.move_to(self.clock.now() + seconds)
        slept: Future[None] = Future()
        slept.set_result(None)
        return slept

    def drop(self) -> None:
        """Forget the tasks that a test left."""
        for coroutine in self.spawned:
            coroutine.close()

    def run(self) -> None:
        """Run every task to its end."""
        while self.spawned:
            with pytest.raises(StopIteration):
                self.spawned.pop(0).send(None)


class FakeQueue:
    """Accepts what it is sent, or refuses it as it is told."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.refusals: list[ApiError] = []

    def send(self, body, *, attributes=None, group_id=None, dedup_id=None, cause=None):
        if self.refusals:
            raise self.refusals.pop(0)
        message = {"body": body, "attributes": attributes, "group": group_id, "dedup": dedup_id, "cause": cause}
        self.sent.append(message)

    @property
    def bodies(self) -> list[Any]:
        """What was sent, parsed."""
        return [json.loads(message["body"]) for message in self.sent]


class FakeFunctions:
    """The asynchronous invocation queue: accepts events for functions that exist."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.events: list[Any] = []
        self.refusals: list[ApiError] = []

    def submit(self, function_arn, event, *, cause=None):
        if function_arn not in self.known:
            raise ApiError("ResourceNotFoundException", f"Function not found: {function_arn}", status=404)
        if self.refusals:
            raise self.refusals.pop(0)
        self.events.append(event)


class FanOutWorld:
    """Topics and buses over moto's control plane."""

    account, region = ACCOUNT, REGION

    def __init__(self) -> None:
        self.clock = Clock()
        self.chance = Chance(1)
        self.assumptions = Assumptions()
        self.backoff = Backoff(self.assumptions, self.chance)
        self.journal = Journal(self.clock)
        self.kernel = FakeKernel(self.clock)
        self.at_least_once = AtLeastOnce(self.chance, self.journal, self.kernel)
        self.async_invoke = FakeFunctions()
        self.endpoints = SimpleNamespace(serves_host=lambda host: False)
        self.queues = self
        self.streams = self
        self.known_queues: dict[str, FakeQueue] = {}
        self.put_records: list[tuple[str, bytes, str]] = []
        self.log_lines: list[tuple[str, str]] = []
        self.topics = TopicService(self)
        self.buses = BusService(self)
        self.archives = ArchiveService(self)
        self.replays = ReplayService(self)

    def name_of(self, arn_or_name: str) -> str:
        return arn_or_name.rsplit(":", maxsplit=1)[-1].removeprefix("event-bus/")

    def by_arn(self, arn: str) -> FakeQueue | None:
        return self.known_queues.get(arn)

    def put(self, arn: str, data: bytes, partition_key: str) -> None:
        if arn.endswith("/gone"):
            error = {"Code": "ResourceNotFoundException", "Message": "Stream gone under account 1 not found."}
            raise ClientError({"Error": error, "ResponseMetadata": {"HTTPStatusCode": 400}}, "PutRecord")
        self.put_records.append((arn, data, partition_key))

    def logs_put(self, group_name: str, message: str) -> None:
        self.log_lines.append((group_name, message))

    # What tests build

    def queue(self, name: str = "jobs") -> tuple[str, FakeQueue]:
        """A queue, and its ARN."""
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
        return arn, self.known_queues.setdefault(arn, FakeQueue())

    def function(self, name: str = "worker") -> str:
        """The ARN of a function that exists."""
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
        self.async_invoke.known.add(arn)
        return arn

    def topic(self, name: str = "feed", **attributes: str) -> str:
        """The ARN of a topic in moto's control plane."""
        return self.sns.create_topic(name, attributes).arn

    def subscribe(self, topic_arn: str, endpoint: str, **attributes: Any) -> str:
        """Subscribe a queue or a function; attributes as `Subscribe` takes them."""
        protocol = endpoint.split(":")[2] if endpoint.startswith("arn:") else "https"
        subscription = self.sns.subscribe(topic_arn, endpoint, protocol)
        subscription.attributes.update(
            {name: value if isinstance(value, str) else json.dumps(value) for name, value in attributes.items()}
        )
        return subscription.arn

    def rule(self, *targets: dict[str, Any], pattern: Any = None, bus: str = "default", name: str = "rule") -> Any:
        """A rule in moto's control plane."""
        text = json.dumps({"source": ["shop"]} if pattern is None else pattern)
        self.buses.validate_rule({"Name": name, "EventBusName": bus, "EventPattern": text})
        rule = self.events.put_rule(name, event_pattern=text, event_bus_arn=bus)
        settings = [{"Id": f"t{number}", **target} for number, target in enumerate(targets, 1)]
        self.buses.validate_targets({"Rule": name, "EventBusName": bus, "Targets": settings})
        self.events.put_targets(name, bus, settings)
        return rule

    def archive(self, name: str = "all", bus: str = "default", **settings: Any) -> str:
        """The ARN of a new archive of a bus."""
        source = self.events.describe_event_bus(bus).arn
        given = {"ArchiveName": name, "EventSourceArn": source, **settings}
        return str(self.archives.create_archive(given)["ArchiveArn"])

    def replay(self, archive_arn: str, name: str = "again", *, rules: Sequence[str] = (), **settings: Any) -> Any:
        """Start a replay of all that an archive holds, or of what the settings say."""
        source = self.archives.find(archive_arn).source_arn
        period = {"EventStartTime": 0, "EventEndTime": 4_000_000_000}
        to = {"Arn": source} | ({"FilterArns": list(rules)} if rules else {})
        given = {"ReplayName": name, "EventSourceArn": archive_arn, "Destination": to, **period, **settings}
        return self.replays.start_replay(given)

    def put_event(self, detail: Any = None, **entry: Any) -> dict[str, Any]:
        """Put one event of the shop; the reply's only entry."""
        full = {"Source": "shop", "DetailType": "order", "Detail": json.dumps(detail or {}), **entry}
        return self.buses.put_events({"Entries": [full]})["Entries"][0]

    @property
    def sns(self) -> Any:
        from moto.sns.models import sns_backends

        return sns_backends[ACCOUNT][REGION]

    @property
    def events(self) -> Any:
        from moto.events.models import events_backends

        return events_backends[ACCOUNT][REGION]

    def records(self, kind: str) -> list[Record]:
        """The journal's records of a kind."""
        return self.journal.of_kind(kind)


@pytest.fixture
def world() -> Iterator[FanOutWorld]:
    """A world, over moto's SNS and EventBridge, that is empty before and after."""
    made = FanOutWorld()
    made.sns.reset()
    made.events.reset()
    yield made
    made.kernel.drop()
    made.sns.reset()
    made.events.reset()


@pytest.fixture
def refusal() -> Callable[..., tuple[str, str]]:
    """Call something that AWS refuses; code and message of the refusal."""

    def call(operation: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[str, str]:
        with pytest.raises(ApiError) as caught:
            operation(*args, **kwargs)
        return caught.value.code, caught.value.message

    return call
