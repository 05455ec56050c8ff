"""
A world for queues that tests can see through: real clock, chance and journal, and a kernel that only moves time.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import pytest

from stagefright.assumptions import Assumptions
from stagefright.chance import Chance
from stagefright.clock import Clock
from stagefright.delivery.at_least_once import AtLeastOnce
from stagefright.delivery.interference import Interference
from stagefright.journal import Journal
from stagefright.services.queue import Queue
from stagefright.services.queues import QueueService
from stagefright.tasks import Future

T = TypeVar("T")


class FakeKernel:
    """Runs one coroutine at a time; `at` plans what happens to the world while that one waits."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.spawned: list[Coroutine[Any, Any, None]] = []
        self._planned: list[tuple[float, int, Callable[[], object]]] = []
        self._sequence = itertools.count()

    def at(self, when: float, action: Callable[[], object]) -> None:
        """Do something when time comes to `when`."""
        heapq.heappush(self._planned, (when, next(self._sequence), action))

    async def first(self, awaitable: Future[Any], *, deadline: float) -> bool:
        """Let time pass until the future is settled or the deadline is there."""
        while not awaitable.done() and self._planned and self._planned[0][0] <= deadline:
            when, _, action = heapq.heappop(self._planned)
            self.clock.move_to(when)
            action()
        if not awaitable.done():
            self.clock.move_to(deadline)
        return awaitable.done()

    def sleep(self, seconds: float) -> Future[None]:
        """Let time pass."""
        self.clock.move_to(self.clock.now() + seconds)
        slept: Future[None] = Future()
        slept.set_result(None)
        return slept

    def spawn(self, coroutine: Coroutine[Any, Any, None], *, name: str, cause: int | None = None) -> None:
        """Keep a task for the test to run."""
        self.spawned.append(coroutine)


class FakeWorld:
    """What a queue service asks of a world."""

    def __init__(self, seed: int = 0) -> None:
        self.account = "123456789012"
        self.region = "eu-west-1"
        self.clock = Clock()
        self.chance = Chance(seed)
        self.journal = Journal(self.clock)
        self.kernel = FakeKernel(self.clock)
        self.assumptions = Assumptions()
        self.at_least_once = AtLeastOnce(self.chance, self.journal, self.kernel)
        self.interference = Interference(self.at_least_once.deciders)
        self.start = self.clock.now()

    def name_of(self, arn_or_name: str) -> str:
        """The physical name, in upper case so that tests see that it was asked for."""
        return arn_or_name.rsplit(":", 1)[-1].upper()

    def pass_time(self, seconds: float) -> None:
        """Move the clock."""
        self.clock.move_to(self.clock.now() + seconds)


class Sqs:
    """A queue service with short verbs, so that a test reads like its promise."""

    def __init__(self) -> None:
        self.world = FakeWorld()
        self.service = QueueService(self.world)

    def queue(self, name: str = "orders", **attributes: str) -> Queue:
        """Make a queue; a name with `.fifo` makes a FIFO queue."""
        fifo = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
        url = self.service.create_queue({"QueueName": name, "Attributes": {**fifo, **attributes}})["QueueUrl"]
        queue = self.service.by_url(url)
        assert queue is not None
        return queue

    def receive(self, queue: Queue, **params: Any) -> list[dict[str, Any]]:
        """Receive through the API."""
        return run(self.service.receive_message({"QueueUrl": queue.url, **params})).get("Messages", [])

    def call(self, operation: str, queue: Queue, **params: Any) -> dict[str, Any]:
        """Call an operation on a queue."""
        found: dict[str, Any] = getattr(self.service, operation)({"QueueUrl": queue.url, **params})
        return found

    def run_moves(self) -> None:
        """Run the message move tasks that were started."""
        while self.world.kernel.spawned:
            run(self.world.kernel.spawned.pop(0))

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.world.pass_time(seconds)


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never really waits, because the fake kernel moves time instead."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("the coroutine waits for something that the fake kernel does not give")


@pytest.fixture
def sqs() -> Sqs:
    """A queue service in a world of its own."""
    return Sqs()


@pytest.fixture(scope="session")
def loose() -> Callable[..., Sqs]:
    """Makes queue services in worlds with settings of `at_least_once`."""

    def make(**settings: Any) -> Sqs:
        sqs = Sqs()
        world = sqs.world
        world.at_least_once = AtLeastOnce(world.chance, world.journal, world.kernel, settings)
        return sqs

    return make


@pytest.fixture
def make_sqs() -> type[Sqs]:
    """Makes queue services, for tests that need several worlds."""
    return Sqs
