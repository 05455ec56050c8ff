"""
Tumbling windows: a function that sums up what a stream brought between two instants, and hands its state from one invocation to the next
(aws-semantics §4.7).

Which window a record belongs to is decided by when it arrived in the stream, not by when it is read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stagefright.services.streams import StreamRecord

STATE_BYTES_MAX = 1024 * 1024
"""What a window's state may measure as JSON; one that grows beyond it ends the window early (§4.7)."""


@dataclass(slots=True)
class Window:
    """
    The window that a lane of a shard is in, from `start` up to, but without, `end`.

    >>> window = Window.around(1_000.0, 60, offset_s=0.0)
    >>> (window.start, window.end, window.holds(1_019.9), window.holds(1_020.0))
    (960.0, 1020.0, True, False)
    """

    start: float
    end: float
    state: dict[str, Any] = field(default_factory=dict)
    causes: list[int] = field(default_factory=list)
    """The journal's numbers of the records that were summed up: its end is their doing."""

    @classmethod
    def around(cls, instant: float, length_s: float, *, offset_s: float) -> Window:
        """The window that an instant lies in; windows follow each other from the epoch, or from `offset_s` after it."""
        start = instant - (instant - offset_s) % length_s
        return cls(start, start + length_s)

    def holds(self, instant: float) -> bool:
        """Whether a record that arrived then belongs to this window."""
        return self.start <= instant < self.end

    @property
    def is_full(self) -> bool:
        """Whether the state has outgrown what Lambda keeps."""
        return len(json.dumps(self.state, separators=(",", ":"), ensure_ascii=False).encode()) > STATE_BYTES_MAX

    def note(self, records: Sequence[StreamRecord]) -> None:
        """These records were handed over."""
        known = set(self.causes)
        self.causes += [record.record for record in records if record.record not in known]

    def restart(self) -> None:
        """Go on in the same window with a fresh state, as after an early end."""
        self.state = {}
        self.causes.clear()

    def event_part(self, shard_id: str, source_arn: str, end: WindowEnd | None) -> dict[str, Any]:
        """What a function is told besides the records."""
        return {
            "window": {"start": _text(self.start), "end": _text(self.end)},
            "state": self.state,
            "shardId": shard_id,
            "eventSourceARN": source_arn,
            "isFinalInvokeForWindow": end is not None and end.is_final,
            "isWindowTerminatedEarly": end is not None and end.is_early,
        }


@dataclass(frozen=True, slots=True)
class WindowEnd:
    """That an invocation is the one that ends its window: because the time is over, or early, for its state is too big."""

    is_final: bool = True
    is_early: bool = False


def answered_state(payload: bytes) -> dict[str, Any] | None:
    """
    The state that a function returned; None if its answer has none, which makes the invocation a failed one.

    >>> answered_state(b'{"state": {"a": 1}, "batchItemFailures": []}')
    {'a': 1}
    >>> answered_state(b'{"state": 5}'), answered_state(b'null')
    (None, None)
    """
    try:
        answer = json.loads(payload)
    except ValueError:
        return None
    state = answer.get("state") if isinstance(answer, dict) else None
    return state if isinstance(state, dict) else None


def _text(instant: float) -> str:
    return datetime.fromtimestamp(instant, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
