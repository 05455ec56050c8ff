"""What the fan-out services (topics and buses) need of their world: the doors of those they hand events to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from stagefright.assumptions import Assumptions
from stagefright.chance import Chance
from stagefright.clock import Clock
from stagefright.delivery.at_least_once import AtLeastOnce
from stagefright.delivery.backoff import Backoff
from stagefright.journal import Journal
from stagefright.tasks import Kernel


class QueuePeer(Protocol):
    """A queue that messages are sent to."""

    def send(
        self,
        body: str,
        *,
        attributes: Mapping[str, Mapping[str, Any]] | None = None,
        group_id: str | None = None,
        dedup_id: str | None = None,
        cause: int | None = None,
    ) -> Any:
        """Accept a message, or refuse it with an `ApiError`."""


class QueuesPeer(Protocol):
    """The queues of the world."""

    def by_arn(self, arn: str, /) -> QueuePeer | None:
        """The queue with an ARN, or None."""


class AsyncInvokePeer(Protocol):
    """The asynchronous invocation queue of Lambda."""

    def submit(self, function_arn: str, event: Any, /, *, cause: int | None) -> Any:
        """Accept an event for a function and return at once, or refuse it with an `ApiError`."""


class StreamsPeer(Protocol):
    """The Kinesis streams of the world."""

    def put(self, arn: str, data: bytes, partition_key: str, /) -> Any:
        """Put a record, or refuse it with an `ApiError`."""


class TopicsPeer(Protocol):
    """The topics of the world, as a bus sees them."""

    def deliver(self, topic_arn: str, message: str, *, cause: int | None = None) -> str:
        """Publish a message and return its id, or refuse it with an `ApiError`."""


class World(Protocol):
    """The parts of the world that topics and buses use."""

    @property
    def account(self) -> str: ...
    @property
    def region(self) -> str: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def chance(self) -> Chance: ...
    @property
    def assumptions(self) -> Assumptions: ...
    @property
    def backoff(self) -> Backoff: ...
    @property
    def at_least_once(self) -> AtLeastOnce: ...
    @property
    def journal(self) -> Journal: ...
    @property
    def kernel(self) -> Kernel: ...
    @property
    def queues(self) -> QueuesPeer: ...
    @property
    def topics(self) -> TopicsPeer: ...
    @property
    def streams(self) -> StreamsPeer: ...
    @property
    def async_invoke(self) -> AsyncInvokePeer: ...

    def name_of(self, arn_or_name: str, /) -> str:
        """The logical id of a resource if a template gave one, else its physical name."""

    def logs_put(self, group_name: str, message: str, /) -> Any:
        """Write a line into a log group."""
