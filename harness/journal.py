"""
The append-only record of everything that happened in a world.

Listeners, flows, verdicts and reports are views of it. The newest records stay in memory; older ones move to a
temporary file, so a long run costs disk and not memory.
"""

from __future__ import annotations

import json
import pickle
import tempfile
import weakref
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

from stagefright.clock import Clock

IN_MEMORY_MAX = 8_192
"""How many of the newest records stay in memory; half of them move to disk when there are more."""

CURRENT = -1
"""As a cause: whatever the running task does now."""

OBSERVED = "observed"
"""The key in the detail of a record that was observed from outside, so that others like it may have gone unseen."""

UNPROVED = "unproved"
"""The key in the detail of a record whose cause is not known, or is only likely; its value says why."""

CANDIDATES = "candidates"
"""The key in the detail of such a record whose cause is one of several; its value are their numbers."""

UNSURE = "unsure"
"""The key in the detail of an outcome of which it was seen that it came, and not whether it was a good one; its value says why."""


@dataclass(frozen=True, slots=True)
class Record:
    """
    One thing that happened.

    `n` counts from 0, `at` is virtual epoch seconds, `resource` a logical id (or a physical name), `cause` the `n` of
    the record that led to this one, `detail` JSON-like data whose keys depend on `kind`.
    """

    n: int
    at: float
    kind: str
    resource: str
    cause: int | None
    detail: dict[str, Any]

    def to_json(self) -> str:
        """The record as one line of JSON, the same bytes for the same record."""
        row = {"n": self.n, "at": self.at, "kind": self.kind, "resource": self.resource, "cause": self.cause}
        text = json.dumps({**row, "detail": self.detail}, default=_plain, ensure_ascii=False)
        # Half a surrogate pair is no text that a file can hold; its escape is.
        return text if text.isascii() else text.encode(errors="backslashreplace").decode()


def _plain(value: object) -> object:
    """Payloads may hold bytes, sets or user objects; evidence keeps their text, the same text in every process."""
    if isinstance(value, set | frozenset):
        return sorted(str(member) for member in value)
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)


class Journal:
    """
    Records in the order in which they happened.

    >>> journal = Journal(Clock())
    >>> first = journal.write("event", "Orders", cause=None, id="1")
    >>> journal.write("delivery", "Worker", cause=first.n).cause
    0
    """

    def __init__(self, clock: Clock, current_cause: Callable[[], int | None] = lambda: None) -> None:
        self._clock = clock
        self.names: Callable[[], frozenset[str]] = frozenset
        """What records may be about: the names that the world's resources go by."""
        self._current_cause = current_cause
        self._recent: list[Record] = []
        self._on_disk = 0
        """How many records the file holds; the next one is the first in memory."""
        self._spilled = _Spill()

    def write(self, kind: str, resource: str, *, cause: int | None = CURRENT, **detail: Any) -> Record:
        """Append a record; `cause` is what the running task does unless given."""
        return self._append(Record(len(self), self._clock.now(), kind, resource, self.meant(cause), detail))

    def write_past(
        self, at: float, kind: str, resource: str, detail: Mapping[str, Any], *, cause: int | None = None
    ) -> Record:
        """Append a record of what was observed only after it had happened, as it is on a deployed stage."""
        return self._append(Record(len(self), at, kind, resource, cause, dict(detail)))

    def _append(self, record: Record) -> Record:
        self._recent.append(record)
        if len(self._recent) > IN_MEMORY_MAX:
            self._spilled.extend(self._recent[: IN_MEMORY_MAX // 2])
            del self._recent[: IN_MEMORY_MAX // 2]
            self._on_disk = len(self._spilled)
        return record

    def amend(self, record: Record, **detail: Any) -> None:
        """Add to a record what was not known when it was written."""
        record.detail.update(detail)
        if record.n < self._on_disk:
            self._spilled.replace(record)

    def _replace(self, record: Record) -> None:
        """Put another record in the place of the one with its number."""
        on_disk = len(self._spilled)
        if record.n < on_disk:
            self._spilled.replace(record)
        else:
            self._recent[record.n - on_disk] = record

    def meant(self, cause: int | None) -> int | None:
        """The record that a `cause` stands for: what the running task does, for `CURRENT`."""
        return self._current_cause() if cause == CURRENT else cause

    def __len__(self) -> int:
        return self._on_disk + len(self._recent)

    def __getitem__(self, n: int) -> Record:
        if n < 0 or n >= len(self):
            raise IndexError(f"The journal has records 0 to {len(self) - 1}, not {n}.")
        return self._spilled[n] if n < self._on_disk else self._recent[n - self._on_disk]

    def __iter__(self) -> Iterator[Record]:
        return self.since(0)

    def since(self, n: int) -> Iterator[Record]:
        """The records from number `n` on, including those that are written while you read."""
        while n < len(self):
            yield self[n]
            n += 1

    def arranged(self, since: int = 0) -> list[Record]:
        """The records from a number on, causes before their effects: here they were written in that order."""
        return list(self.since(since))

    def of_kind(self, *kinds: str, resource: str | None = None) -> list[Record]:
        """The records of some kinds, optionally of one resource."""
        return [r for r in self if r.kind in kinds and (resource is None or r.resource == resource)]

    def dump(self, file: IO[str]) -> None:
        """Write all records as JSON Lines."""
        for record in self:
            file.write(record.to_json() + "\n")

    def text(self) -> str:
        """All records as JSON Lines; two runs with the same seed give the same text."""
        return "".join(record.to_json() + "\n" for record in self)

    def clear(self) -> None:
        """Forget everything; numbering starts at 0 again."""
        self._recent.clear()
        self._spilled.clear()
        self._on_disk = 0


def first_difference(one: Iterable[Record], other: Iterable[Record]) -> tuple[Record | None, Record | None] | None:
    """The first pair of records in which two journals differ, or None if they are the same."""
    left, right = iter(one), iter(other)
    while True:
        a, b = next(left, None), next(right, None)
        if a is None and b is None:
            return None
        if a is None or b is None or a.to_json() != b.to_json():
            return a, b


class _Spill:
    """
    The older records, in a temporary file that is made when first needed.

    Pickled and not as JSON, so that a record is the same wherever it lies; nobody else ever reads the file.
    """

    def __init__(self) -> None:
        self._file: IO[bytes] | None = None
        self._offsets = array("Q")

    def __len__(self) -> int:
        return len(self._offsets)

    def extend(self, records: Iterable[Record]) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="stagefright-journal-")  # noqa: SIM115
            # A journal may be read after its world was closed, so nobody else can say when the file is done with. (In a
            # cycle of garbage the file may go before a `__del__` of this object, and warn.)
            weakref.finalize(self, self._file.close)
        position = self._file.seek(0, 2)
        for record in records:
            self._offsets.append(position)
            position += self._file.write(_frozen(record))

    def replace(self, record: Record) -> None:
        """Write a record anew; the old bytes stay where they are, unread."""
        assert self._file is not None
        self._offsets[record.n] = self._file.seek(0, 2)
        self._file.write(_frozen(record))

    def __getitem__(self, n: int) -> Record:
        assert self._file is not None
        self._file.seek(self._offsets[n])
        return Record(*pickle.load(self._file))  # noqa: S301 - our own file, which has no name

    def clear(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        self._offsets = array("Q")


def _frozen(record: Record) -> bytes:
    fields = (record.n, record.at, record.kind, record.resource, record.cause)
    try:
        return pickle.dumps((*fields, record.detail))
    except (TypeError, AttributeError, pickle.PicklingError):
        # A user's object that cannot be pickled: its text is kept, as in the journal's own text.
        return pickle.dumps((*fields, json.loads(record.to_json())["detail"]))
