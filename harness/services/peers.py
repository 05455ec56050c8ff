"""What the fan-out services (topics and buses) need of their world: the doors of those they hand events to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from stagefright.assumptions import Assumptions
from stagefright.chance import Chance
from stagefright.clock import Clock
from stagefright.delivery.at_least_once import AtLeastOnce
from stagefright.delivery.backoff import Backoff
from stagefright.journal import Journal
from stagefright.tasks import Kernel

if TYPE_CHECKING:
    from stagefright.services.apis.message import HttpRequest, HttpResponse
    from stagefright.services.archives import Archive


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


class EndpointsPeer(Protocol):
    """The APIs and function URLs of the world."""

    def serves_host(self, host: str, /) -> bool:
        """Whether a host is one of them."""

    async def handle(self, host: str, request: HttpRequest, /) -> HttpResponse:
        """Answer a request."""


class ArchivesPeer(Protocol):
    """The archives of the world, as buses and replays see them."""

    def keep(self, managed_rule: str, event: Mapping[str, Any], /) -> None:
        """Keep an event that the managed rule of an archive has picked."""

    def find(self, arn: str, /) -> Archive | None:
        """The archive of an ARN."""

    def events_of(self, archive: Archive, /) -> list[Mapping[str, Any]]:
        """What the archive holds now."""


class BusesPeer(Protocol):
    """The buses of the world, as a replay sees them."""

    def replay(self, bus_arn: str, event: Mapping[str, Any], rule_arns: Sequence[str], /) -> None:
        """Send an event through a bus's rules once more, or through some of them."""


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
    @property
    def endpoints(self) -> EndpointsPeer: ...
    @property
    def archives(self) -> ArchivesPeer: ...
    @property
    def buses(self) -> BusesPeer: ...

    def name_of(self, arn_or_name: str, /) -> str:
        """The logical id of a resource if a template gave one, else its physical name."""

    def logs_put(self, group_name: str, message: str, /) -> Any:
        """Write a line into a log group."""
