"""Reads a ledger that another process wrote: whose it is, and what of it still stands."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from stagefright.ledger import files
from stagefright.ledger.values import unpack

FORMAT = 1
"""The version of the lines; a ledger of another is told of and left alone."""


@dataclass(frozen=True, slots=True)
class Head:
    """The first line: whose the ledger is, until when, and how its account is reached."""

    run: str
    owner: str
    created: float
    """Epoch seconds."""
    expires: float
    """Epoch seconds; a later line may have renewed it."""
    region: str
    pid: int
    host: str
    account: str | None = None
    """The 12 digits; None for an emulator, which may not have been up when the ledger began."""
    profile: str | None = None
    endpoint_url: str | None = None
    access_key: str | None = None
    """What an emulator was asked with; never a key of AWS."""
    is_locked: bool = True
    """Whether its process holds a lock on it while it lives."""
    format: int = FORMAT


@dataclass(frozen=True)
class Entry:
    """One thing that a run made or overwrote."""

    number: int
    kind: str
    """What it is, and so how it is undone: see `kinds.py`."""
    name: str
    """What AWS knows it by."""
    stage: str
    at: float
    """Epoch seconds."""
    before: Any = None
    """What was there before; None: nothing, so undoing it is deleting it."""
    wrote: str | None = None
    """The fingerprint of what was written."""
    detail: Mapping[str, Any] = field(default_factory=dict)
    run: str = ""
    """The run that wrote it."""
    is_kept: bool = False
    """Whether the run left it on purpose, as `--keep-stage` does."""

    def __str__(self) -> str:
        inside = self.detail.get("key", self.detail.get("endpoint"))
        return f"{self.kind} {self.name}" + ("" if inside is None else f" {plain_key(inside)}")


def plain_key(value: Any) -> str:
    """
    A key as messages show it.

    >>> plain_key({"id": {"S": "7"}})
    'id=7'
    """
    if not isinstance(value, Mapping):
        return str(value)
    plain = {name: next(iter(typed.values())) if isinstance(typed, Mapping) else typed for name, typed in value.items()}
    return ", ".join(f"{name}={item}" for name, item in plain.items())


class Unreadable(ValueError):
    """A file that is no ledger, or one of another version."""


@dataclass(frozen=True)
class Written:
    """A ledger as it lies on the disk."""

    path: Path
    head: Head
    rows: tuple[Mapping[str, Any], ...]
    broken_lines: tuple[int, ...] = ()
    """Lines before the last that cannot be read. They were whole once, so what they said is lost."""

    @cached_property
    def open_entries(self) -> list[Entry]:
        """What stands: what was made or overwritten and not struck out, oldest first."""
        struck = {row["struck"] for row in self.rows if "struck" in row}
        kept = {row["kept"] for row in self.rows if "kept" in row}
        return [
            _entry(row, self.head.run, self.path.parent, is_kept=row["number"] in kept)
            for row in self.rows
            if "number" in row and row["number"] not in struck
        ]


def read(path: Path) -> Written | None:
    """
    Read a ledger; None if its process died before the first line was whole, so that nothing was made.

    Raises `Unreadable` for a file whose first line is none of ours.
    """
    *whole, _torn = path.read_bytes().split(b"\n")
    if not whole:
        return None
    parsed = [_parsed(line) for line in whole]
    broken = tuple(n for n, row in enumerate(parsed, 1) if row is None)
    first, *rows = parsed
    head, rest = _head(first), tuple(row for row in rows if row is not None)
    renewed = [row["expires"] for row in rest if isinstance(row.get("expires"), int | float)]
    return Written(path, replace(head, expires=max([head.expires, *renewed])), rest, broken)


def read_if_dead(path: Path) -> Written | None:
    """Read the ledger of a process that is gone; None if it lives, or if this is no ledger that can be read."""
    if files.is_held(path):
        return None
    try:
        written = read(path)
    except (Unreadable, OSError):
        return None
    if written is not None and not written.head.is_locked and files.lives(written.head.host, written.head.pid):
        return None
    return written


def is_of_dead_process(path: Path, *, run: str) -> bool:
    """Whether a ledger lies here, and is that of a process of a run that is gone. Of one that lies elsewhere nobody knows."""
    written = read_if_dead(path) if path.exists() else None
    return written is not None and written.head.run == run


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None


_HEAD_TYPES = {
    "run": str,
    "owner": str,
    "created": int | float,
    "expires": int | float,
    "region": str,
    "pid": int,
    "host": str,
}


def _head(row: Mapping[str, Any] | None) -> Head:
    if row is None:
        raise Unreadable("its first line is not JSON")
    if row.get("format") != FORMAT:
        raise Unreadable(f"its format is {row.get('format')!r}, and this version reads {FORMAT}")
    missing = [name for name, kind in _HEAD_TYPES.items() if not isinstance(row.get(name), kind) or row[name] == ""]
    if missing:
        raise Unreadable(f"its first line does not say its {', '.join(missing)}")
    known = {one.name for one in fields(Head)}
    return Head(**{name: value for name, value in row.items() if name in known})


def _entry(row: Mapping[str, Any], run: str, directory: Path, *, is_kept: bool) -> Entry:
    return Entry(
        number=row["number"],
        kind=row["kind"],
        name=row["name"],
        stage=row["stage"],
        at=row["at"],
        before=unpack(row.get("before"), directory),
        wrote=row.get("wrote"),
        detail=unpack(row.get("detail") or {}, directory),
        run=run,
        is_kept=is_kept,
    )
