"""
Deployment packages: a directory as a zip file, the same bytes for the same content on every machine and at every time.

What no function ever needs, and what changes by itself, stays out: bytecode, caches, version control, virtual environments, and the
output of the tools that deploy.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path

LEFT_OUT = frozenset(
    {
        "__pycache__",
        ".aws-sam",
        ".coverage",
        ".DS_Store",
        ".git",
        ".hypothesis",
        ".mypy_cache",
        ".pytest_cache",
        ".ruff_cache",
        ".serverless",
        ".stagefright",
        ".tox",
        "cdk.out",
    }
)
"""Names of files and directories that are not packaged, wherever they are."""

ENVIRONMENT_MARK = "pyvenv.cfg"
"""A directory with this file is a virtual environment."""

BEGINNING = (1980, 1, 1, 0, 0, 0)
"""The date of every file: the earliest that a zip file can say."""

_UNIX = 3
_FILE, _PROGRAM = 0o100644, 0o100755
_BLOCK = 1 << 20


def files_of(directory: Path) -> Iterator[tuple[str, Path]]:
    """The files of a package with their names in it, in order; links are followed, as `sam package` does."""
    found: list[tuple[str, Path]] = []
    for where, directories, names in os.walk(directory, followlinks=True):
        here = Path(where)
        directories[:] = [
            one for one in directories if one not in LEFT_OUT and not (here / one / ENVIRONMENT_MARK).is_file()
        ]
        for name in names:
            path = here / name
            if name not in LEFT_OUT and not name.endswith((".pyc", ".pyo")) and path.is_file():
                found.append((path.relative_to(directory).as_posix(), path))
    return iter(sorted(found))


def digest_of(path: Path) -> str:
    """What a package would hold, as a number: of a file, or of all files of a directory."""
    total = hashlib.sha256()
    for name, file in files_of(path) if path.is_dir() else [(path.name, path)]:
        total.update(f"{name}\0{_mode(file):o}\0{file.stat().st_size}\0".encode())
        _add(total, file)
    return total.hexdigest()


def _add(total: hashlib._Hash, file: Path) -> None:
    with file.open("rb") as source:
        while block := source.read(_BLOCK):
            total.update(block)


def zip_bytes(path: Path) -> bytes:
    """A directory, or a single file, as a zip file."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        for name, file in files_of(path) if path.is_dir() else [(path.name, path)]:
            package.writestr(_entry(name, file), file.read_bytes(), zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def is_zip(path: Path) -> bool:
    """Whether a file is a package already, by its content."""
    return path.is_file() and zipfile.is_zipfile(path)


def _entry(name: str, file: Path) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, BEGINNING)
    entry.create_system = _UNIX
    entry.external_attr = _mode(file) << 16
    return entry


def _mode(file: Path) -> int:
    """Lambda's user is another one, so a package's files are for everybody; only what runs is told apart."""
    return _PROGRAM if os.access(file, os.X_OK) else _FILE
