"""
The ledger: a file of JSON lines per process of a run, in which a thing stands before it is made.

Each line reaches the disk before the call that it announces is sent, so whatever kills the run, the file knows more than the
account, never less. A line that strikes out another says that the thing is gone again, or never came to be; one that is lost with
the machine's power does no harm, because undoing what is gone is nothing. `reading.py` has the lines' contents.

What was overwritten may be secret, so the directory is its owner's alone (0700, the files 0600) and Git never takes it.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, BinaryIO

from stagefright.ledger import files
from stagefright.ledger.reading import Entry, Head
from stagefright.ledger.values import pack, side_files, unpack
from stagefright.targets.account import Account
from stagefright.targets.run import Run


class Line:
    """One line of the ledger; called, it is struck out: the thing is gone, or as it was, again."""

    def __init__(self, ledger: Ledger, entry: Entry) -> None:
        self._ledger = ledger
        self.entry = entry

    def __call__(self) -> None:
        """Strike the line out; once is enough."""
        self._ledger.strike(self.entry)

    def keep(self) -> None:
        """The thing is left on purpose (`--keep-stage`): nobody is offered to sweep it while its lease runs."""
        self._ledger.keep(self.entry)


class Unwritten:
    """What stands in place of a line on a stage that has no ledger."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry

    @classmethod
    def of(cls, kind: str, name: str, before: Any, wrote: str | None, detail: Mapping[str, Any]) -> Unwritten:
        """A line that nobody reads but who takes the thing away again; large bodies are kept in memory."""
        kept = before
        if isinstance(before, Mapping) and hasattr(before.get("Body"), "read"):
            kept = {**before, "Body": before["Body"].read()}
        return cls(Entry(0, kind, name, "", 0.0, kept, wrote, detail))

    def __call__(self) -> None:
        """Nothing."""


class Ledger:
    """What one process has made for one stage."""

    def __init__(self, project: Path, *, run: Run, stage: str, account: Account) -> None:
        self._project = project
        self._run = run
        self._stage = stage
        self._account = account
        self._lock = threading.RLock()
        self._forget()

    def _forget(self) -> None:
        self._pid = os.getpid()
        self._path: Path | None = None
        self._file: BinaryIO | None = None
        self._open: dict[int, Entry] = {}
        self._beside: dict[int, list[str]] = {}
        self.count = 0
        """How many lines were noted."""

    def note(self, kind: str, name: str, *, before: Any = None, wrote: str | None = None, **detail: Any) -> Line:
        """
        Write down, durably, that something is about to be made or overwritten; call it before the act.

        `kinds.py` says what each kind needs. `before` and `detail` may hold bytes, and `before` a stream. `wrote` is the fingerprint
        of what is written, by which a sweep knows whether somebody changed it since. Returns what strikes the line out.
        """
        with self._lock:
            if self._pid != os.getpid():  # a forked child has its parent's object, and must not write into its file
                self._forget()
            self.count += 1
            entry = Entry(self.count, kind, name, self._stage, time.time(), before, wrote, detail, self._run.id)
            row = self._row(entry)
            self._append(row)
            # What was large lies on the disk now, and a stream was read: the entry has it from there.
            entry = replace(entry, before=unpack(row["before"], self._path_now().parent))
            self._open[entry.number] = entry
            self._beside[entry.number] = list(side_files(row))
            return Line(self, entry)

    def strike(self, entry: Entry) -> None:
        """Strike a line out."""
        with self._lock:
            if self._stands(entry):
                del self._open[entry.number]
                self._append({"struck": entry.number}, must_last=False)
                for name in self._beside.pop(entry.number):
                    self._path_now().with_name(name).unlink(missing_ok=True)

    def keep(self, entry: Entry) -> None:
        """Mark a line as left on purpose."""
        with self._lock:
            if self._stands(entry):
                self._append({"kept": entry.number})

    def renew(self) -> None:
        """Let the file say that the run's lease ends later, for who cannot see its lock."""
        with self._lock:
            if self._file is not None and self._pid == os.getpid():
                self._append({"expires": self._run.expires})

    def _stands(self, entry: Entry) -> bool:
        """Whether a line is in this process's file; one of the process that forked it has the number of another."""
        return self._pid == os.getpid() and self._open.get(entry.number) is entry

    @property
    def file_name(self) -> str:
        """What the file is called, whose lock tells whether this process lives; "" before the first line."""
        return "" if self._path is None else self._path.name

    def open_entries(self, since: int = 0) -> list[Entry]:
        """What stands, of the lines after the first `since` ones."""
        return [entry for number, entry in self._open.items() if number > since]

    def close(self) -> None:
        """Let go of the file, and remove it if nothing in it stands; what stands is a sweep's from now on."""
        with self._lock:
            if self._file is None or self._pid != os.getpid():
                return
            if not self._open:
                files.remove(self._path_now())
            self._file.close()
            self._forget()

    def _row(self, entry: Entry) -> dict[str, Any]:
        self._open_file()
        beside: list[str] = []

        def keep(chunks: Iterator[bytes]) -> str:
            beside.append(files.write_beside(self._path_now(), entry.number * 100 + len(beside), chunks))
            return beside[-1]

        row: dict[str, Any] = {"number": entry.number, "kind": entry.kind, "name": entry.name, "stage": entry.stage}
        row |= {"at": entry.at, "before": pack(entry.before, keep), "wrote": entry.wrote}
        return row | {"detail": pack(entry.detail, keep)}

    def _append(self, row: Mapping[str, Any], *, must_last: bool = True) -> None:
        file = self._open_file()
        files.append(file, self._path_now(), (json.dumps(row) + "\n").encode(), must_last=must_last)

    def _path_now(self) -> Path:
        assert self._path is not None
        return self._path

    def _open_file(self) -> BinaryIO:
        if self._file is None:
            directory = files.directory_of(self._project)
            self._path, self._file, is_locked = files.create(directory, f"{self._run.id}-{self._pid}")
            head = json.dumps(asdict(self._head(is_locked=is_locked))) + "\n"
            files.append(self._file, self._path, head.encode())
        return self._file

    def _head(self, *, is_locked: bool) -> Head:
        account = self._account
        return Head(
            run=self._run.id,
            owner=self._run.owner,
            created=self._run.created,
            expires=self._run.expires,
            region=account.region,
            pid=self._pid,
            host=socket.gethostname(),
            # An emulator may not be up yet: its container stands in the ledger before it is started.
            account=None if account.is_emulator else account.id,
            profile=account.profile,
            endpoint_url=account.endpoint_url,
            access_key=account.access_key if account.is_emulator else None,
            is_locked=is_locked,
        )
