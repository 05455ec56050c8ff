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
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

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


def zip_bytes(path: Path | None, more: Mapping[str, bytes] = MappingProxyType({})) -> bytes:
    """A directory, a single file, or what a zip file holds, as a zip file; with more files in it, by their names."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as package:
        for entry, content in _contents(path, is_repacked=bool(more)):
            package.writestr(entry, content, zipfile.ZIP_DEFLATED)
        for name, content in sorted(more.items()):
            package.writestr(_entry(name, _FILE), content, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def _contents(path: Path | None, *, is_repacked: bool) -> Iterator[tuple[zipfile.ZipInfo, bytes]]:
    if path is None:
        return
    if is_repacked and is_zip(path):
        yield from _entries_of(path)
        return
    for name, file in files_of(path) if path.is_dir() else [(path.name, path)]:
        yield _entry(name, _mode(file)), file.read_bytes()


def _entries_of(package: Path) -> Iterator[tuple[zipfile.ZipInfo, bytes]]:
    """What is in a package, with the rights that it gives, and without its times."""
    with zipfile.ZipFile(package) as archive:
        for one in archive.infolist():
            # The upper half are Unix's rights; a package that was made elsewhere has none.
            yield _entry(one.filename, one.external_attr >> 16 or _FILE), archive.read(one)


def names_in(path: Path) -> set[str]:
    """The names of the files and directories that a package has at its top."""
    if path.is_dir():
        return {entry.name for entry in path.iterdir()}
    if not is_zip(path):
        return {path.name}
    with zipfile.ZipFile(path) as archive:
        return {name.partition("/")[0] for name in archive.namelist()}


def is_zip(path: Path) -> bool:
    """Whether a file is a package already, by its content."""
    return path.is_file() and zipfile.is_zipfile(path)


def _entry(name: str, mode: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, BEGINNING)
    entry.create_system = _UNIX
    entry.external_attr = mode << 16
    return entry


def _mode(file: Path) -> int:
    """Lambda's user is another one, so a package's files are for everybody; only what runs is told apart."""
    return _PROGRAM if os.access(file, os.X_OK) else _FILE
