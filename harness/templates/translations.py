"""
What SAM's translator made of a template, kept on disk: importing it and translating take longer than all the rest of a stage's deployment.

A translation depends on the document, the parameters, the region and the translator's version, and on nothing else; all of that is in
the name of its file. Files lie in the user's cache directory (`XDG_CACHE_HOME`, else `~/.cache`), where anybody may delete them at any
time. A directory that cannot be written, or a file that cannot be read, costs the time and no more.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

FILES_MAX = 200
"""How many are kept; each is some ten kilobytes. The ones that were not used for longest go first."""

SHAPE = 1
"""Counts up when what is asked of the translator, or kept of its answer, changes."""


def kept(
    document: Mapping[str, Any],
    parameters: Mapping[str, Any],
    region: str,
    translate: Callable[[], dict[str, Any]],
) -> dict[str, Any]:
    """The translation of these, from disk if it is there; `translate` makes it, and what it raises is not kept."""
    file = _file(document, parameters, region)
    if file is None:
        return translate()
    found = _read(file)
    if found is not None:
        return found
    made = translate()
    _write(file, made)
    return made


def _file(*asked: Any) -> Path | None:
    """
    Where the translation would lie; None for a template with values that JSON does not have (YAML's dates, say).

    None, too, for a user without a home, whose "~" would be a directory of that name wherever the tests run.
    """
    if not directory().is_absolute():
        return None
    try:
        text = json.dumps([SHAPE, version("aws-sam-translator"), *asked])
    except (TypeError, ValueError):
        return None
    return directory() / f"{hashlib.sha256(text.encode()).hexdigest()}.json"


def directory() -> Path:
    """Where translations lie."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 (Path raises without a home)
    return Path(home) / "stagefright" / "sam"


def _read(file: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(file.read_bytes())
        os.utime(file)
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _write(file: Path, made: dict[str, Any]) -> None:
    """Atomically, as several processes may do so at once; not at all if JSON would not give the same back."""
    with contextlib.suppress(OSError, TypeError, ValueError):
        text = json.dumps(made)
        if json.loads(text) != made:
            return
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, suffix=".new", delete=False) as new:
            new.write(text)
        Path(new.name).replace(file)
        _prune(file.parent)


def _prune(place: Path) -> None:
    by_age = sorted(place.iterdir(), key=lambda one: one.stat().st_mtime)
    for old in by_age[:-FILES_MAX]:
        old.unlink(missing_ok=True)
