"""Strikes lines out of the ledgers of a run's other processes, when one of them takes away what another made."""

from __future__ import annotations

import json
from pathlib import Path

from stagefright.ledger import files
from stagefright.ledger.reading import Unreadable, read
from stagefright.ledger.sweep import CONTAINER, ELSEWHERE, run_of


def strike_out(project: Path, run: str) -> None:
    """
    Note that an emulator is gone, and with it all that a run made there, in the ledgers of its processes, which have ended.

    A ledger in which nothing stands any more is removed.
    """
    for path in files.ledgers_of(project):
        file = files.take(path) if run_of(path) == run else None
        if file is None:
            continue
        with file:
            try:
                written = read(path)
            except Unreadable:
                continue
            files.cut_torn_line(file)
            stands = written.open_entries if written is not None else []
            gone = [entry for entry in stands if entry.kind not in ELSEWHERE or entry.kind == CONTAINER]
            for entry in gone:
                files.append(file, path, (json.dumps({"struck": entry.number}) + "\n").encode(), must_last=False)
            if len(gone) == len(stands) and not (written and written.broken_lines):
                files.remove(path)
