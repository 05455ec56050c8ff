"""What a flow tells of single happenings: the attempts of a function, failures, and events that were given up."""

from __future__ import annotations

from dataclasses import dataclass

from stagefright.journal import Record
from stagefright.wording import clip, offset, plural


@dataclass(frozen=True, slots=True)
class Attempts:
    """The invocations of one function: seconds since the first, and how each ended (an error type, or None)."""

    function: str
    at: list[int | float]
    outcomes: list[str | None]

    @property
    def count(self) -> int:
        """How many there were."""
        return len(self.at)


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event that was given up and kept; `at` in seconds since the flow began."""

    resource: str
    source: str
    condition: str
    ids: list[str]
    at: int | float

    @classmethod
    def of(cls, record: Record, at: float) -> DeadLetter:
        """What a `dead_letter` record says."""
        source, condition = record.detail.get("source", ""), record.detail.get("condition", "")
        return cls(record.resource, source, condition, record.detail.get("ids", []), at)


@dataclass(frozen=True, slots=True)
class Dropped:
    """
    An event that was given up and lost; `at` in seconds since the flow began.

    `status` is what the client of an HTTP request that failed was told.
    """

    resource: str
    reason: str
    ids: list[str]
    at: int | float
    status: int | None = None

    @classmethod
    def of(cls, record: Record, at: float) -> Dropped:
        """What a `dropped` record says."""
        reason, ids, status = (record.detail.get(name) for name in ("reason", "ids", "status"))
        return cls(record.resource, reason or "", ids or [], at, status)

    @property
    def told(self) -> str:
        """
        The same in words.

        >>> Dropped("Worker", "retention", ["1"], 0).told, Dropped("Worker", "KeyError: 'id'", [], 0, status=500).told
        ('Worker lost 1 event: retention', "Worker's request was answered 500: KeyError: 'id'")
        """
        if self.status is not None:
            return f"{self.resource}'s request was answered {self.status}: {clip(self.reason)}"
        if self.reason == "duplicate":
            return f"{self.resource} dropped a duplicate"
        lost = plural(len(self.ids), "event") if self.ids else "an event"
        return f"{self.resource} lost {lost}: {clip(self.reason)}"


@dataclass(frozen=True, slots=True)
class FlowError:
    """An invocation that failed; `at` in seconds since the flow began."""

    function: str
    type: str
    message: str
    at: int | float

    @classmethod
    def of(cls, outcome: Record, at: float) -> FlowError:
        """What an `outcome` record says that failed."""
        return cls(outcome.resource, error_type(outcome), outcome.detail.get("error_message") or "", at)

    def __str__(self) -> str:
        return f"{self.function} failed at {offset(self.at)} with {self.type}: {self.message}"


def failed(outcome: Record) -> bool:
    """Whether an invocation ended badly."""
    return "error_type" in outcome.detail


def error_type(outcome: Record) -> str:
    """The type of the error that it ended with; Lambda calls one that has none `Unhandled`."""
    return str(outcome.detail["error_type"] or "Unhandled")
