"""All taps of a stage: armed once each, polled together, and closed at the end of a test."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from stagefright.targets.taps.ground import CONNECTIONS_MAX
from stagefright.targets.taps.tap import Sighting, Tap


class Taps:
    """The taps of one stage."""

    def __init__(self) -> None:
        self._taps: dict[Hashable, Tap] = {}
        self._names: dict[Hashable, str] = {}
        self._seen: set[tuple[str, str]] = set()
        self._unread: list[Sighting] = []
        self._pool: ThreadPoolExecutor | None = None

    def __contains__(self, key: Hashable) -> bool:
        return key in self._taps

    def __len__(self) -> int:
        return len(self._taps)

    def arm(self, key: Hashable, name: str, make: Callable[[], Tap]) -> None:
        """Arm the tap of that key unless it is; `name` tells people what it observes."""
        if key in self._taps:
            return
        tap = make()
        try:
            tap.arm()
        except BaseException:
            # What was made before it failed, or was interrupted, goes again.
            tap.close()
            raise
        self._taps[key], self._names[key] = tap, name

    @property
    def behind(self) -> list[str]:
        """The names of those that have more to read."""
        return [self._names[key] for key, tap in self._taps.items() if tap.is_behind]

    def poll(self) -> list[Sighting]:
        """What all of them saw since the last poll, in the order in which it happened, each event once."""
        polls = self._start_polls()
        errors = [error for poll in polls if (error := self._note(poll)) is not None]
        if errors:
            # What the others saw is kept for the next poll.
            raise errors[0]
        found, self._unread = sorted(self._unread, key=lambda sighting: sighting.at), []
        return found

    def _start_polls(self) -> list[Callable[[], list[Sighting]]]:
        taps = list(self._taps.values())
        if len(taps) <= 1:
            return [tap.poll for tap in taps]
        if self._pool is None:
            self._pool = ThreadPoolExecutor(CONNECTIONS_MAX, thread_name_prefix="stagefright-tap")
        futures: list[Future[list[Sighting]]] = [self._pool.submit(tap.poll) for tap in taps]
        return [future.result for future in futures]

    def _note(self, poll: Callable[[], list[Sighting]]) -> Exception | None:
        try:
            self._unread += [sighting for sighting in poll() if self._is_new(sighting)]
        except Exception as error:  # noqa: BLE001 - raised by the caller, when all have been asked
            return error
        return None

    def _is_new(self, sighting: Sighting) -> bool:
        """Two taps may see the same event: one with a pattern, one without."""
        if not sighting.id:
            return True
        key = (sighting.resource, sighting.id)
        is_new = key not in self._seen
        self._seen.add(key)
        return is_new

    def close(self) -> None:
        """Close all, each whatever becomes of the others; the first error is raised at the end."""
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None
        errors: list[Exception] = []
        for key in reversed(list(self._taps)):
            try:
                self._taps[key].close()
            except Exception as error:  # noqa: BLE001 - raised below
                errors.append(error)
            del self._taps[key]
        self._names.clear()
        self._seen.clear()
        self._unread.clear()
        if errors:
            raise errors[0]


Key = tuple[Any, ...]
"""What tells taps apart: the resource, the verb, and the pattern."""
