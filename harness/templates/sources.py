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
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

from stagefright.templates.assets import Assets

_CODE = (".py", ".js", ".mjs", ".cjs")
_FOREIGN = frozenset({"node_modules", "site-packages", "build", "dist", "__pycache__", "cdk.out"})
_ENTRIES_MAX = 20_000
"""So many entries of a project are looked at in search of a source; a larger one has its code run from the package."""

_SIMILAR = 0.5
"""The share of lines that an edited file still has in common with the packaged one."""

_COMPARED_CHARACTERS_MAX = 200_000


@dataclass(frozen=True)
class Source:
    """The directory that a package was made from."""

    directory: Path | None = None
    edited: tuple[Path, ...] = ()
    """Its files that are not as they were packaged."""


def source_of(package: Path, assets: Assets) -> Source:
    """
    Where a package was made from: in a Serverless Framework project its names are those of the project, and CDK copied a directory.

    CDK does not note which one that was. It is the one that has all code of the package, equal to the byte.
    """
    if assets.sources is None:
        return Source()
    if package.is_dir():
        return _copied_from(package, assets)
    if not assets.mirrors:
        return Source()
    edited = (
        assets.sources / name for name, size, crc in _zipped(package) if _differs(assets.sources / name, size, crc)
    )
    return Source(assets.sources, tuple(edited))


def stale_warning(package: Path, source: Source, assets: Assets) -> str:
    """What to say of a package that is older than the files it was made of."""
    project = assets.sources or package.parent
    names = [path.relative_to(project).as_posix() for path in source.edited]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"{package.name} is older than your {shown}, and runs as it was packaged. Run `{assets.command}` again."


# -- copied directories ------------------------------------------------------------------------------------------------


def _copied_from(package: Path, assets: Assets) -> Source:
    names = [*_code_in(package)]
    if not names or assets.sources is None:
        return Source()
    candidates = [one for one in _directories(assets.sources) if all((one / name).is_file() for name in names)]
    equal = next((one for one in candidates if _is_copy(package, one, names)), None)
    if equal is not None:
        return Source(equal)
    others = [path for path in assets.by_key.values() if path != package and path.is_dir()]
    free = [one for one in candidates if not any(_is_copy(other, one, [*_code_in(other)]) for other in others)]
    edited = [tuple(one / name for name in names if not is_equal(package / name, one / name)) for one in free]
    likely = [paths for one, paths in zip(free, edited, strict=True) if _are_similar(package, one, paths)]
    return Source(None, likely[0]) if len(likely) == 1 else Source()


def _is_copy(package: Path, directory: Path, names: list[str]) -> bool:
    return bool(names) and all(is_equal(package / name, directory / name) for name in names)


def is_equal(one: Path, other: Path) -> bool:
    """Whether two files have the same content; one that is not there is equal to none."""
    try:
        return one.stat().st_size == other.stat().st_size and one.read_bytes() == other.read_bytes()
    except OSError:
        return False


def _are_similar(package: Path, directory: Path, paths: tuple[Path, ...]) -> bool:
    return all(_is_similar(package / path.relative_to(directory), path) for path in paths)


def _is_similar(one: Path, other: Path) -> bool:
    packaged, mine = (path.read_text("utf-8", "replace") for path in (one, other))
    if max(len(packaged), len(mine)) > _COMPARED_CHARACTERS_MAX:
        return False
    return SequenceMatcher(None, packaged.splitlines(), mine.splitlines()).ratio() >= _SIMILAR


def _directories(project: Path) -> list[Path]:
    found: list[Path] = []
    entries = 0
    for directory, names, files in os.walk(project):
        entries += len(names) + len(files)
        if entries > _ENTRIES_MAX:
            return found
        names[:] = sorted(name for name in names if not name.startswith(".") and name not in _FOREIGN)
        found.append(Path(directory))
    return found


def _code_in(package: Path) -> Iterator[str]:
    for directory, names, files in os.walk(package):
        names[:] = sorted(name for name in names if name not in _FOREIGN)
        yield from (Path(directory, name).relative_to(package).as_posix() for name in sorted(files) if _is_code(name))


# -- zips ----------------------------------------------------------------------------------------------------------------


def _differs(path: Path, size: int, checksum: int) -> bool:
    try:
        return path.stat().st_size != size or zlib.crc32(path.read_bytes()) != checksum
    except OSError:
        return False


def _zipped(package: Path) -> Iterator[tuple[str, int, int]]:
    """The code in a zip that can be the project's own: name, size and checksum."""
    try:
        with zipfile.ZipFile(package) as bundle:
            entries = bundle.infolist()
    except (OSError, zipfile.BadZipFile):
        return
    for entry in entries:
        if _is_code(entry.filename) and not _FOREIGN.intersection(entry.filename.split("/")):
            yield entry.filename, entry.file_size, entry.CRC


def _is_code(name: str) -> bool:
    return name.endswith(_CODE)
