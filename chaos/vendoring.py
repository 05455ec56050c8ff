"""
Vendoring: the in-function runtime as a package among a function's own code, for a handler with the decorator.

    stagefright vendor .aws-sam/build/Worker

What is written is `stagefright/`, some sixty files of text, and nothing that it needs but boto3. A copy that was written before is brought up to date; a
directory of that name that is not such a copy is never touched.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from stagefright.chaos.carried import PACKAGE, files, version
from stagefright.errors import UsageError
from stagefright.wording import plural

MARK = "VENDORED"
"""The file that tells a copy from everything else of that name; it holds the version."""

_CACHE = "__pycache__"


@dataclass(frozen=True)
class Vendored:
    """What was done in one directory."""

    package: Path
    before: str | None
    """The version that was there; None if there was none."""
    written: int
    """How many files are new or have changed."""
    removed: int

    def __str__(self) -> str:
        now = version()
        if self.before is None:
            return f"{self.package}: written, version {now} ({plural(self.written, 'file')})"
        if not self.written and not self.removed:
            return f"{self.package}: is up to date, version {now}"
        change = f"version {now}" if self.before == now else f"version {self.before} to {now}"
        return f"{self.package}: brought up to date, {change} ({self.written} written, {self.removed} removed)"


def vendor(directory: Path) -> Vendored:
    """Put the runtime into a directory of code, or bring the copy there up to date. Raises `UsageError`."""
    if not directory.is_dir():
        raise UsageError(
            f"{directory} is no directory: name the one in which the handler's module lies, or that a build has made of it."
        )
    package = directory / PACKAGE
    before = _version_of(package)
    try:
        return _written(package, before)
    except OSError as error:
        raise UsageError(f"The runtime cannot be written to {package}: {error.strerror}.") from None


def _version_of(package: Path) -> str | None:
    """The version of the copy that is there; what is there and is no copy is refused."""
    mark = package / MARK
    if mark.is_file():
        return mark.read_text("utf-8").strip()
    for other in (package, package.with_suffix(".py")):
        if other.exists():
            raise UsageError(
                f"{other} is there already, and is no copy that `stagefright vendor` has made, so it was left alone. If it is an installed "
                "Stagefright, the decorator finds the runtime in it; if not, the function cannot import ours beside it."
            )
    return None


def _written(package: Path, before: str | None) -> Vendored:
    wanted = {package.parent / name: text.encode() for name, text in files().items()}
    wanted[package / MARK] = f"{version()}\n".encode()
    stale = [path for path in package.rglob("*") if path.is_file() and path not in wanted and _CACHE not in path.parts]
    changed = [path for path, content in wanted.items() if not path.is_file() or path.read_bytes() != content]
    for path in stale:
        path.unlink()
    for path in changed:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(wanted[path])
    _drop_caches_if(bool(stale or changed), package)
    return Vendored(package, before, len(changed), len(stale))


def _drop_caches_if(is_changed: bool, package: Path) -> None:
    """Bytecode of what was there before is of no use, and would travel along."""
    for cache in [*package.rglob(_CACHE)] if is_changed else ():
        shutil.rmtree(cache, ignore_errors=True)
