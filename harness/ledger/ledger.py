"""
The ledger: one file of JSON lines per run, in which a thing stands before it is made.

Each line reaches the disk before the call that it announces is sent, so whatever kills the run, the file knows more than the
account, never less. A line that strikes out another says that the thing is gone again, or never came to be.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stagefright.targets.account import Account
from stagefright.targets.run import Run

DIRECTORY = Path(".stagefright") / "ledger"
"""Where ledgers lie, below the project."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that a run made or overwrote."""

    number: int
    kind: str
    """What it is, and so how it is undone: `parameter`, `item`, `queue`, `stack`, ..."""
    name: str
    """What AWS knows it by."""
    stage: str
    at: float
    """Epoch seconds."""
    before: Any = None
    """What was there before, as JSON can say it; None: nothing, so undoing it is deleting it."""
    detail: Mapping[str, Any] | None = None
    """What else undoing it needs."""


class Ledger:
    """What one run has made for one stage; several processes of a run each have a file of their own."""

    def __init__(self, project: Path, *, run: Run, stage: str, account: Account) -> None:
        self._path = project / DIRECTORY / f"{run.id}-{os.getpid()}.jsonl"
        self._run = run
        self._stage = stage
        self._account = account
        self._count = 0
        self._file: Any = None

    def note(self, kind: str, name: str, *, before: Any = None, **detail: Any) -> Callable[[], None]:
        """
        Write down, durably, that something is about to be made or overwritten; call it before the act.

        Returns what strikes it out; to be called once the thing is gone, or as it was, again.
        """
        self._count += 1
        entry = Entry(self._count, kind, name, self._stage, time.time(), before, detail or None)
        self._append(asdict(entry))
        return lambda: self._append({"struck": entry.number})

    def _append(self, row: Mapping[str, Any]) -> None:
        if self._file is None:
            self._file = self._open()
        self._file.write((json.dumps(row) + "\n").encode())
        self._file.flush()
        os.fsync(self._file.fileno())

    def _open(self) -> Any:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        file = self._path.open("ab")
        head = {
            "run": self._run.id,
            "owner": self._run.owner,
            "created": self._run.created,
            "expires": self._run.expires,
            "account": self._account.id,
            "region": self._account.region,
            "profile": self._account.profile,
            "endpoint_url": self._account.endpoint_url,
        }
        file.write((json.dumps(head) + "\n").encode())
        return file
