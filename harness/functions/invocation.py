"""One invocation on its way: what was asked, and what is known of it so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from stagefright.services.function import FunctionVersion, Resolved


@dataclass(slots=True)
class Invocation:
    """One invocation on its way."""

    resolved: Resolved
    event: bytes
    request_id: str
    client_context: str | None
    record: int = -1
    """The number of the journal's `invocation` record."""
    started: float = 0.0
    lines: list[str] = field(default_factory=list)
    """What it has written to the log."""

    @property
    def version(self) -> FunctionVersion:
        return self.resolved.version
