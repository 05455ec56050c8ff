"""What a tap is, and what it sees."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Sighting:
    """One thing that a tap saw: what the journal is to say of it, and by what it is told from others."""

    at: float
    """When it happened, in epoch seconds by the account's clock."""
    kind: str
    """The kind of record: `event`, `dead_letter`, `log`, `warning`."""
    resource: str
    """The logical id of the resource."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    """What the record of a local stage would say."""
    id: str = ""
    """What names it for good: an event is journaled once, whoever saw it and how often. Empty: it has no name."""
    origin: str = ""
    """Where in the resource it was: the log stream of a line, the shard of a record."""


class Tap(Protocol):
    """A way to see what happens to one resource."""

    @property
    def is_behind(self) -> bool:
        """Whether it knows that there is more to be read than it read in its last poll."""
        ...

    def arm(self) -> None:
        """Begin: what happens after this returned will be seen. Made in the account is what that needs."""
        ...

    def poll(self) -> list[Sighting]:
        """What happened since the last poll."""
        ...

    def close(self) -> None:
        """End: take away what was made in the account. May be called at any time, and more than once."""
        ...
