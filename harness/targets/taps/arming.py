"""Which tap observes what a listener asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from stagefright.targets.stack import StackResource
from stagefright.targets.taps.bucket import bucket_tap
from stagefright.targets.taps.bus import BusTap
from stagefright.targets.taps.consumers import Consumers
from stagefright.targets.taps.ground import Ground
from stagefright.targets.taps.log import LogTap
from stagefright.targets.taps.queue import QueueTap
from stagefright.targets.taps.stream import StreamTap
from stagefright.targets.taps.table import TableTap
from stagefright.targets.taps.tap import Tap
from stagefright.targets.taps.topic import TopicTap

Pattern = Mapping[str, Any] | None


class Site(Protocol):
    """A deployed stage, as far as taps are concerned."""

    @property
    def ground(self) -> Ground:
        """The account as taps use it."""
        ...

    @property
    def resources(self) -> Mapping[str, StackResource]:
        """Its resources, by logical id."""
        ...

    @property
    def began_at(self) -> float:
        """When the test began, by the account's clock."""
        ...


def make_tap(site: Site, resource: str, verb: str, pattern: Pattern) -> Tap:
    """The tap for `listen.<verb>(resource, pattern)`."""
    return _MAKERS[verb](site, resource, pattern)


def _topic(site: Site, resource: str, _pattern: Pattern) -> Tap:
    return TopicTap(site.ground, resource, site.resources[resource].physical_id)


def _bus(site: Site, resource: str, pattern: Pattern) -> Tap:
    known = site.resources.get(resource)
    return BusTap(site.ground, resource, resource if known is None else known.physical_id, pattern)


def _stream(site: Site, resource: str, _pattern: Pattern) -> Tap:
    return StreamTap(site.ground, resource, site.resources[resource].physical_id)


def _table(site: Site, resource: str, _pattern: Pattern) -> Tap:
    return TableTap(site.ground, resource, site.resources[resource].physical_id)


def _queue(site: Site, resource: str, _pattern: Pattern) -> Tap:
    url, consumers = site.resources[resource].physical_id, Consumers(site.ground, site.resources)
    receives_max = consumers.check_observable(resource, consumers.attributes(url))
    return QueueTap(site.ground, resource, url, receives_max=receives_max, name_of=consumers.name_of)


def _bucket(site: Site, resource: str, _pattern: Pattern) -> Tap:
    return bucket_tap(site.ground, resource, site.resources[resource].physical_id)


def _log(site: Site, resource: str, _pattern: Pattern) -> Tap:
    return LogTap(site.ground, resource, site.resources[resource].physical_id, since=site.began_at)


_MAKERS: Mapping[str, Callable[[Site, str, Pattern], Tap]] = {
    "sns": _topic,
    "sqs": _queue,
    "kinesis": _stream,
    "dynamodb": _table,
    "eventbridge": _bus,
    "s3": _bucket,
    "logs": _log,
}
