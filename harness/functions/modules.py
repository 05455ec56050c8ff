"""
Each execution environment has its own copy of its function's modules.

While code of an environment runs, the modules that lie under its import roots stand in `sys.modules` and the roots on `sys.path`; when it
waits or ends they give way to what the test had there. Only one actor runs at a time, so to each function it looks like
a process of its own, lazy imports and `importlib` included. Packages that are installed in the test's own environment (boto3, Powertools) are shared.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType

from stagefright.tasks import current_actor

ALWAYS_SHARED = frozenset({"boto3", "botocore", "s3transfer", "urllib3", "stagefright"})
"""Libraries that the world reaches into; a copy that is bundled with a function is passed over for the installed one."""


class ModuleSpace:
    """The modules of one execution environment, found under `roots`."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self.roots = [str(root) for root in roots]
        self._tops = _own_names(tuple(self.roots))
        self._own: dict[str, ModuleType] = {}
        self._names: set[str] = set()
        self._hidden: dict[str, ModuleType] = {}

    def enter(self) -> None:
        """Make this environment's modules the ones that `import` sees."""
        for name in self._foreign():
            self._hidden[name] = sys.modules.pop(name)
        sys.modules.update(self._own)
        sys.path[:0] = self.roots
        _OwnFinder.current = self

    def leave(self) -> None:
        """Give way to the modules of the test."""
        _OwnFinder.current = None
        for root in self.roots:
            if root in sys.path:
                sys.path.remove(root)
        for name in self._names:
            module = sys.modules.pop(name, None)
            if module is not None:
                self._own[name] = module
        sys.modules.update(self._hidden)
        self._hidden.clear()

    def load(self, name: str) -> ModuleType:
        """Import a module; call it between `enter` and `leave`."""
        return importlib.import_module(name)

    def owned(self, name: str) -> ModuleType | None:
        """The module of that name, if the function has imported its own."""
        return self._own.get(name)

    def owns(self, name: str) -> bool:
        """Whether a top-level name lies under the roots, and is not an installed package."""
        return name.partition(".")[0] in self._tops

    def find(self, name: str, path: Sequence[str] | None) -> importlib.machinery.ModuleSpec | None:
        """Find one of our own modules; called by the import system."""
        if not self.owns(name):
            return None
        spec = importlib.machinery.PathFinder.find_spec(name, self.roots if path is None else path)
        if spec is not None:
            self._names.add(name)
        return spec

    def _foreign(self) -> list[str]:
        present = [top for top in self._tops if top in sys.modules]
        if not present:
            return []
        prefixes = tuple(f"{top}." for top in present)
        return [name for name in list(sys.modules) if name in present or name.startswith(prefixes)]


class _OwnFinder:
    """The import hook: first in line, and only for code of the environment that runs just now."""

    current: ModuleSpace | None = None

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        space = cls.current
        if space is None or current_actor() is None:
            return None
        return space.find(name, path)


def install_finder() -> None:
    """Put the import hook in place."""
    if _OwnFinder not in sys.meta_path:
        sys.meta_path.insert(0, _OwnFinder)  # type: ignore[arg-type]


def remove_finder() -> None:
    """Take the import hook away."""
    if _OwnFinder in sys.meta_path:
        sys.meta_path.remove(_OwnFinder)  # type: ignore[arg-type]


def _own_names(roots: tuple[str, ...]) -> frozenset[str]:
    """The top-level names that the roots offer, less those that are bundled copies of installed packages."""
    names: set[str] = set()
    bundled: set[str] = set()
    for root in roots:
        entries = _entries(root)
        names |= {name for entry in entries if (name := _importable(root, entry))}
        if any(entry.endswith(".dist-info") for entry in entries):
            bundled |= names & _installed()
    return frozenset(names - bundled - ALWAYS_SHARED)


def _entries(root: str) -> list[str]:
    return sorted(os.listdir(root)) if Path(root).is_dir() else []


def _importable(root: str, entry: str) -> str | None:
    name, dot, suffix = entry.partition(".")
    if not name.isidentifier():
        return None
    if not dot:
        return name if (Path(root) / entry).is_dir() else None
    return name if suffix == "py" or suffix.endswith(("so", "pyc")) else None


@lru_cache(maxsize=1)
def _installed() -> frozenset[str]:
    return frozenset(packages_distributions())


def module_file(roots: Iterable[str], name: str) -> str | None:
    """The file of a module under the roots, without importing it."""
    spec = importlib.machinery.PathFinder.find_spec(name, list(roots))
    return spec.origin if spec is not None else None
