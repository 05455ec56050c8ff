"""Which tap observes what a listener asks for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from stagefright.targets.stack import StackResource
from stagefright.targets.taps.ground import Ground
from stagefright.targets.taps.log import LogTap
from stagefright.targets.taps.tap import Tap

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
    def began_at(self) -> float | None:
        """When the test began."""
        ...


def make_tap(site: Site, resource: str, verb: str, pattern: Pattern) -> Tap:
    """The tap for `listen.<verb>(resource, pattern)`."""
    return _MAKERS[verb](site, resource, pattern)


def _log(site: Site, resource: str, _pattern: Pattern) -> Tap:
    if site.began_at is None:
        since = site.ground.now()
    else:
        since = site.began_at
    return LogTap(site.ground, resource, site.resources[resource].physical_id, since=since)


_MAKERS: Mapping[str, Callable[[Site, str, Pattern], Tap]] = {
    "logs": _log,
}
