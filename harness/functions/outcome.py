"""What an invocation came to, as everybody who asked for it learns it."""

from __future__ import annotations

from dataclasses import dataclass, field

from stagefright.functions.payloads import Payload


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an invocation came to."""

    request_id: str
    payload: bytes
    executed_version: str
    duration_s: float = 0.0
    error: Payload | None = None
    """The error payload, if the function failed; `payload` is then its JSON."""
    log: str = ""
    record: int = field(default=-1, compare=False)
    """The number of the journal's `outcome` record."""

    @property
    def failed(self) -> bool:
        return self.error is not None

    @property
    def error_type(self) -> str | None:
        return None if self.error is None else str(self.error.get("errorType"))

    @property
    def error_message(self) -> str | None:
        return None if self.error is None else str(self.error.get("errorMessage"))
