"""
A ledger's file: born locked, written through to the disk, read by others only when its process is gone.

A process holds its file with `flock` as long as it lives; the kernel lets go when it dies, however it dies. Where a file system has no
locks, the file says so, and the process's id stands in for the lock. `flock` belongs to the open file, so a forked child would hold
it on: a child that writes gets a file of its own, and one that only lives on keeps its parent's run alive until its lease is over.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from stagefright.errors import StagefrightError

DIRECTORY = Path(".stagefright") / "ledger"
"""Where ledgers lie, below the project."""

SUFFIX = ".jsonl"

_UNBORN = ".new"
"""The suffix of a file that is not locked yet, or whose process died before it was."""

_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}


class LedgerLost(StagefrightError):
    """The ledger cannot be written, so nothing may be made that it should hold."""


def directory_of(project: Path) -> Path:
    """The directory of a project's ledgers, made if need be: for its owner's eyes only, and nothing that Git would take."""
    found = project / DIRECTORY
    if not found.is_dir():
        found.mkdir(mode=0o700, parents=True, exist_ok=True)
        # What is shared with other users of the machine is the project, and never the secrets that stood in it before.
        found.chmod(0o700)
        for made in (found, found.parent, project):
            sync_directory(made)
    ignore = found.parent / ".gitignore"
    if not ignore.exists():
        ignore.write_text("# Made by Stagefright; what lies here belongs to this machine.\n*\n")
    return found


def create(directory: Path, stem: str) -> tuple[Path, BinaryIO, bool]:
    """A new file, its path, and whether it is locked. It gets its name once it is, so nobody meets it unlocked."""
    while True:
        path = _free_path(directory, stem)
        unborn = path.with_suffix(_UNBORN)
        file = os.fdopen(os.open(unborn, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600), "ab", buffering=0)
        is_locked = _lock(file)
        try:
            unborn.rename(path)
        except FileNotFoundError:
            is_locked = False
        if is_locked is False:  # a sweep has just met it unlocked, and tidies it away
            path.unlink(missing_ok=True)
            file.close()
            continue
        sync_directory(directory)
        return path, file, bool(is_locked)


def _free_path(directory: Path, stem: str) -> Path:
    count = 0
    while (path := directory / f"{stem}-{count}{SUFFIX}").exists():
        count += 1
    return path


def take(path: Path) -> BinaryIO | None:
    """Open and lock a file that another process wrote; None if that process lives, or another sweep is at it."""
    try:
        file = path.open("r+b", buffering=0)
    except FileNotFoundError:
        return None
    if _lock(file) is False or not path.exists():
        file.close()
        return None
    return file


def is_held(path: Path) -> bool:
    """Whether its process lives, or somebody sweeps it just now."""
    file = take(path)
    if file is None:
        return path.exists()
    file.close()
    return False


def _lock(file: BinaryIO) -> bool | None:
    """True: locked; False: another has it; None: there are no locks here."""
    try:
        import fcntl
    except ImportError:
        return None
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        return False
    return True


def lives(host: str, pid: int) -> bool:
    """Whether a process runs; one of another machine cannot be asked, and counts as gone."""
    if host != socket.gethostname():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def append(file: BinaryIO, path: Path, line: bytes, *, must_last: bool = True) -> None:
    """Write a whole line; it is on the disk when this returns, if it `must_last`."""
    try:
        file.write(line)
        if must_last:
            os.fsync(file.fileno())
    except OSError as error:
        raise LedgerLost(
            f"The ledger {path} cannot be written: {error.strerror}. Nothing was made. Free some space, or mend the directory."
        ) from None


def cut_torn_line(file: BinaryIO) -> None:
    """Take away what a process began to write as it died, so that the next line begins at its start."""
    file.seek(0)
    content = file.read()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        file.truncate(whole)
    file.seek(0, os.SEEK_END)


def write_beside(path: Path, number: int, chunks: Iterator[bytes]) -> str:
    """Write bytes into a file beside a ledger, durably; its name."""
    beside = path.with_name(f"{path.name}.{number}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise LedgerLost(
            f"What is there now cannot be kept in {beside}: {error.strerror}. Nothing was overwritten. Free some space."
        ) from None
    sync_directory(path.parent)
    return beside.name


def remove(path: Path) -> None:
    """Remove a ledger and what lies beside it; the ledger last, so that nothing is ever beside nothing."""
    for beside in path.parent.glob(f"{path.name}.*"):
        beside.unlink(missing_ok=True)
    path.unlink(missing_ok=True)


def ledgers_of(project: Path) -> list[Path]:
    """The ledgers of a project, by name; what a process left unborn is tidied away."""
    directory = project / DIRECTORY
    for unborn in directory.glob(f"*{_UNBORN}"):
        file = take(unborn)
        if file is not None:
            unborn.unlink(missing_ok=True)
            file.close()
    return sorted(directory.glob(f"*{SUFFIX}"))


def sync_directory(directory: Path) -> None:
    """Let a name that was made or removed in a directory last."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some file systems have nothing to sync here
            raise
    finally:
        os.close(handle)
