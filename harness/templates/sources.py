"""
Where packaged code was made from, so that it can run as the user's own files.

The package decides what runs, as it does on AWS: what is not in it cannot be imported. But a file of it that is equal to the user's
stands for the user's, and breakpoints and coverage find it there.
"""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from stagefright.templates.assets import Assets

_CODE = (".py", ".js", ".mjs", ".cjs")
_FOREIGN = frozenset({"node_modules", "site-packages", "build", "dist", "__pycache__", "cdk.out"})
_ENTRIES_MAX = 20_000
"""So many entries of a project are looked at in search of a source; a larger one has its code run from the package."""


def source_of(package: Path, assets: Assets) -> Path | None:
    """
    The directory that a package was made from: that of a Serverless Framework project, or the one whose files CDK copied.

    CDK does not note which one that was. It is the one that has all code of the package, equal to the byte.
    """
    if assets.sources is None:
        return None
    if package.is_file():
        return assets.sources
    files = {name: size for name, size, _ in _directory_files(package)}
    if not files:
        return None
    largest = max(files, key=lambda name: (files[name], name))
    return next((d for d in _directories_with(assets.sources, largest) if _has_all(d, package, files)), None)


def _has_all(directory: Path, package: Path, files: dict[str, int]) -> bool:
    return all(is_equal(package / name, directory / name) for name in files)


def is_equal(one: Path, other: Path) -> bool:
    """Whether two files have the same content; one that is not there is equal to none."""
    try:
        return one.stat().st_size == other.stat().st_size and one.read_bytes() == other.read_bytes()
    except OSError:
        return False


def _directories_with(project: Path, name: str) -> Iterator[Path]:
    """The project's directories that have a file of that relative name, in order."""
    return (directory for directory in _directories(project) if (directory / name).is_file())


@lru_cache(maxsize=8)
def _directories(project: Path) -> tuple[Path, ...]:
    found: list[Path] = []
    entries = 0
    for directory, names, files in os.walk(project):
        entries += len(names) + len(files)
        if entries > _ENTRIES_MAX:
            break
        names[:] = sorted(name for name in names if not name.startswith(".") and name not in _FOREIGN)
        found.append(Path(directory))
    return tuple(found)


def stale_files(package: Path, source: Path) -> list[str]:
    """The code in a zip that the project has with another content: it was edited since."""
    if not package.is_file():
        return []
    return [name for name, size, checksum in _zipped_files(package) if _differs(source / name, size, checksum)]


def _differs(path: Path, size: int, checksum: int) -> bool:
    try:
        return path.stat().st_size != size or zlib.crc32(path.read_bytes()) != checksum
    except OSError:
        return False


def stale_warning(package: Path, names: list[str], command: str) -> str:
    """What to say of a package that is older than the files it was made of."""
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"{package.name} is older than your {shown}, and runs as it was packaged. Run `{command}` again."


def _is_code(name: str) -> bool:
    return name.endswith(_CODE) and not _FOREIGN.intersection(name.split("/"))


def _zipped_files(package: Path) -> Iterator[tuple[str, int, int]]:
    try:
        with zipfile.ZipFile(package) as bundle:
            entries = bundle.infolist()
    except (OSError, zipfile.BadZipFile):
        return
    yield from ((one.filename, one.file_size, one.CRC) for one in entries if _is_code(one.filename))


def _directory_files(package: Path) -> Iterator[tuple[str, int, int]]:
    for directory, names, files in os.walk(package):
        names[:] = sorted(name for name in names if name not in _FOREIGN)
        for name in sorted(files):
            path = Path(directory, name)
            if _is_code(name):
                yield path.relative_to(package).as_posix(), path.stat().st_size, 0
