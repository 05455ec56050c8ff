"""
Tells when a module is imported, now or later, for those who patch a library that they must not import themselves.

It also runs inside deployed functions (the layer carries it), so it imports the standard library only.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class LateImports:
    """
    From `start` to `stop`, each function among `reactions` is called when the module of that name is there.

    That is at once if it is imported already, and else when its code has run. A function may be called again: an execution
    environment that brings its own copy of a library imports it for itself.
    """

    def __init__(self, reactions: Mapping[str, Callable[[], None]]) -> None:
        self._reactions = reactions
        self._looking = False

    def start(self) -> None:
        """Stand first in line of those who find modules."""
        for name, react in self._reactions.items():
            if name in sys.modules:
                react()
        finders: Any = sys.meta_path
        finders.insert(0, self)

    def stop(self) -> None:
        """Look on no more."""
        finders: Any = sys.meta_path
        if self in finders:
            finders.remove(self)

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        """Let the others find it, and follow what they found."""
        if name not in self._reactions or self._looking:
            return None
        self._looking = True
        try:
            spec = next(filter(None, (_ask(finder, name, path, target) for finder in tuple(sys.meta_path))), None)
        finally:
            self._looking = False
        if spec is not None and spec.loader is not None:
            _follow(spec.loader, self._reactions[name])
        return spec


def _ask(finder: Any, name: str, path: Sequence[str] | None, target: Any) -> ModuleSpec | None:
    spec: ModuleSpec | None = finder.find_spec(name, path, target)
    return spec


def _follow(loader: Any, react: Callable[[], None]) -> None:
    run = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        loader.exec_module = run
        run(module)
        react()

    loader.exec_module = exec_module
