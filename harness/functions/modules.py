"""
Each execution environment has its own copy of its function's modules.

While code of an environment runs, the modules that lie under its import roots stand in `sys.modules` and the roots on `sys.path`; when it
waits or ends they give way to what the test had there. Only one actor runs at a time, so to each function it looks like
a process of its own, lazy imports and `importlib` included. Packages that are installed in the test's own environment (boto3, Powertools) are shared.
"""

from __future__ import annotations

import _imp
import filecmp
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib.machinery import SourceFileLoader
from importlib.metadata import Distribution, distributions, packages_distributions
from pathlib import Path
from types import CodeType, MappingProxyType, ModuleType
from typing import Any

from stagefright.tasks import current_actor

ALWAYS_SHARED = frozenset({"boto3", "botocore", "s3transfer", "urllib3", "stagefright"})
"""Libraries that the world reaches into; a copy that is bundled with a function is passed over for the installed one."""

_import_locks: dict[str, Any] = importlib._bootstrap._module_locks  # type: ignore[attr-defined]
"""
The import system's lock of each module that is being imported just now.

They are kept per environment, for two may import their own modules of one name at once, and one that was abandoned in the middle of an import holds its
lock for ever.
"""


COMPILED_MAX = 2_048
"""Of how many files the compiled code is kept."""

_compiled: dict[str, tuple[tuple[int, int, int], CodeType | None]] = {}
"""By path: what tells one state of a file from another, and its code."""


class ModuleSpace:
    """
    The modules of one execution environment, found under `roots`.

    A file below a directory of `sources` that is equal to the user's below the directory that it was packaged from is run as the user's.
    """

    def __init__(self, roots: Sequence[Path], sources: Mapping[str, str] = MappingProxyType({})) -> None:
        self._sources = sources
        self.roots = [str(root) for root in roots]
        self._tops = set(own_names(roots))
        self._own: dict[str, ModuleType] = {}
        self._names: set[str] = set()
        self._locks: dict[str, Any] = {}
        self._path: list[str] = []
        self._hidden: dict[str, ModuleType] = {}
        self._hidden_locks: dict[str, Any] = {}
        self._outer_path: list[str] = []
        self._inside = False

    def enter(self) -> None:
        """Make this environment's modules the ones that `import` sees."""
        self._inside = True
        for name in self._foreign():
            self._hidden[name] = sys.modules.pop(name)
        self._hidden_locks = {name: _import_locks.pop(name) for name in list(_import_locks) if self.owns(name)}
        sys.modules.update(self._own)
        _import_locks.update(self._locks)
        self._outer_path = sys.path[:]
        sys.path[:] = self._path or [*self.roots, *self._outer_path]
        _OwnFinder.current = self

    def leave(self) -> None:
        """Give way to the modules of the test."""
        self._inside = False
        _OwnFinder.current = None
        self._path, sys.path[:] = sys.path[:], self._outer_path
        self._own = {name: sys.modules.pop(name) for name in self._names if name in sys.modules}
        self._locks = {name: _import_locks.pop(name) for name in self._names if name in _import_locks}
        _import_locks.update(self._hidden_locks)
        sys.modules.update(self._hidden)
        self._hidden.clear()

    def load(self, name: str) -> ModuleType:
        """Import a module; call it between `enter` and `leave`."""
        return importlib.import_module(name)

    def owned(self, name: str) -> ModuleType | None:
        """The module of that name, if the function has imported its own."""
        return sys.modules.get(name) if self._inside and name in self._names else self._own.get(name)

    @property
    def imported(self) -> list[str]:
        """The function's own modules that it has imported so far."""
        return [name for name in self._own if self.owns(name)]

    def owns(self, name: str) -> bool:
        """Whether a top-level name lies under the roots, and is not an installed package."""
        return name.partition(".")[0] in self._tops

    def find(self, name: str, path: Sequence[str] | None) -> importlib.machinery.ModuleSpec | None:
        """Find one of our own modules; called by the import system."""
        if self.owns(name):
            spec = importlib.machinery.PathFinder.find_spec(name, self.roots if path is None else path)
        elif path is None and name not in ALWAYS_SHARED:
            spec = self._find_on_added_path(name)
        else:
            return None
        if spec is not None:
            self._names.add(name)
            spec = self._at_source(spec)
            if type(spec.loader) is SourceFileLoader:
                spec.loader = _CompilingOnce(spec.loader.name, spec.loader.path)
        return spec

    def _at_source(self, spec: importlib.machinery.ModuleSpec) -> importlib.machinery.ModuleSpec:
        """The same module in the user's file, where breakpoints and coverage look for it; its package stays what was packaged."""
        source = (
            _twin(spec.origin, self._sources) if spec.origin and isinstance(spec.loader, SourceFileLoader) else None
        )
        if source is None:
            return spec
        found = importlib.util.spec_from_file_location(
            spec.name, source, submodule_search_locations=spec.submodule_search_locations
        )
        return found or spec

    def _find_on_added_path(self, name: str) -> importlib.machinery.ModuleSpec | None:
        """A module in a folder of its own that the function has put on `sys.path` itself (`vendored/`)."""
        added = [entry for entry in sys.path if self._is_added(entry)]
        spec = importlib.machinery.PathFinder.find_spec(name, added) if added else None
        if spec is None or name in _installed():
            return None
        self._tops.add(name)
        return spec

    def _is_added(self, entry: str) -> bool:
        if entry in self._outer_path or entry in self.roots:
            return False
        return any(os.path.abspath(entry).startswith(root + os.sep) for root in self.roots)  # noqa: PTH100

    def _foreign(self) -> list[str]:
        present = [top for top in self._tops if top in sys.modules]
        if not present:
            return []
        prefixes = tuple(f"{top}." for top in present)
        return [name for name in list(sys.modules) if name in present or name.startswith(prefixes)]


class _CompilingOnce(SourceFileLoader):
    """
    Loads a module anew for each environment, but compiles its source once for all of them.

    Python's own cache of compiled code does that only if it may write into the function's folder, which is often forbidden to it
    (`PYTHONDONTWRITEBYTECODE`); then compiling can be most of a cold start.
    """

    def get_code(self, fullname: str) -> CodeType | None:
        """The module's code, from memory if its file is the same as the last time."""
        stats = Path(self.path).stat()
        stamp = stats.st_mtime_ns, stats.st_size, stats.st_ino
        known = _compiled.get(self.path)
        if known is None or known[0] != stamp:
            known = _compiled[self.path] = stamp, super().get_code(fullname)
            if len(_compiled) > COMPILED_MAX:
                del _compiled[next(iter(_compiled))]
        return known[1]


def _twin(file: str, sources: Mapping[str, str]) -> str | None:
    """The user's file that a packaged one was made from, if they are equal."""
    for root, source in sources.items():
        if file.startswith(root + os.sep):
            candidate = source + file[len(root) :]
            return candidate if os.path.isfile(candidate) and filecmp.cmp(file, candidate, shallow=False) else None  # noqa: PTH113
    return None


class _OwnFinder:
    """The import hook of functions: first in line, and only for code of the environment that runs just now."""

    current: ModuleSpace | None = None

    @classmethod
    def find_spec(
        cls, name: str, path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        space, actor = cls.current, current_actor()
        if actor is None:
            return None
        if space is not None:
            return space.find(name, path)
        if (
            path is not None
            and actor.kernel.world is not None
            and actor.kernel.world.executor.shows(name.partition(".")[0])
        ):
            return _TestFinder.find_spec(name)
        return None


class _TestFinder:
    """
    The import hook of the test: it finds modules that only a function has.

    So `monkeypatch.setattr("app.table", ...)` reaches the copy that the function's next invocation runs in. It is last in line, for what the
    test can import by itself is the test's own; but submodules of a package that it found are its business too.
    """

    @classmethod
    def find_spec(
        cls, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        actor = current_actor()
        if actor is None or actor is not actor.kernel.root or actor.kernel.is_stepping or actor.kernel.world is None:
            return None
        with _import_lock_released():
            module = actor.kernel.world.executor.module_for_test(name)
        if module is None:
            return None
        return importlib.machinery.ModuleSpec(name, _Existing(module), is_package=hasattr(module, "__path__"))


@contextmanager
def _import_lock_released() -> Iterator[None]:
    """Finders are asked under the one lock of the whole import system, which the function's own imports need meanwhile."""
    held = _imp.lock_held()
    if held:
        _imp.release_lock()
    try:
        yield
    finally:
        if held:
            _imp.acquire_lock()


class _Existing(importlib.abc.Loader):
    """A loader whose module is there already; the import system only writes a new `__spec__` into it, which is put right."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._spec = module.__spec__

    def create_module(self, _spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return self._module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


def install_finders() -> None:
    """Put the import hooks in place."""
    finders: Any = sys.meta_path
    if _OwnFinder not in finders:
        finders.insert(0, _OwnFinder)
        finders.append(_TestFinder)


def remove_finders() -> None:
    """Take the import hooks away."""
    finders: Any = sys.meta_path
    for finder in (_OwnFinder, _TestFinder):
        if finder in finders:
            finders.remove(finder)


def own_names(roots: Sequence[Path]) -> frozenset[str]:
    """The top-level names that the roots offer, less those that are bundled copies of installed packages."""
    names: set[str] = set()
    bundled: set[str] = set()
    for root in map(str, roots):
        names |= {name for entry in _entries(root) if (name := _importable(root, entry))}
        bundled |= _bundled(root)
    # Reading what is installed costs a twentieth of a second, so only a function that bundles libraries pays for it.
    shared = bundled & _installed() if bundled else bundled
    return frozenset(names - shared - ALWAYS_SHARED)


def _bundled(root: str) -> set[str]:
    """The top-level names that distributions unpacked in this folder brought along."""
    return {name for distribution in distributions(path=[root]) for name in _top_levels(distribution)}


def _top_levels(distribution: Distribution) -> set[str]:
    listed = (distribution.read_text("top_level.txt") or "").split()
    files = {file.parts[0].partition(".")[0] for file in distribution.files or () if file.suffix in (".py", ".so")}
    # A package that was stripped of its records still has its name.
    # None at all if its metadata were stripped too.
    metadata: Any = distribution.metadata or {}
    name = metadata.get("Name")
    return {*listed, *files} or ({re.sub(r"[-.]+", "_", name).lower()} if name else set())


def _entries(root: str) -> list[str]:
    return sorted(path.name for path in Path(root).iterdir()) if Path(root).is_dir() else []


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
