"""
How the in-function runtime gets around a handler on Lambda with no change to its code.

The layer's `sitecustomize` calls `start` when the interpreter starts, before Lambda's bootstrap imports the function's module; where there
is no layer, `redirection.py` calls `watch`. From then on one import is watched, that of the module with the function's handler; when its code
has run, the handler is wrapped in place. Nothing else is touched: the bootstrap finds, imports and calls the handler as ever, and words its
own errors, so a module that cannot be imported fails as it always did.

Whatever goes wrong here is a line in the function's log, and the function runs without faults. This file runs inside deployed functions,
so it imports the standard library, and the runtime when there is a handler to wrap.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

HANDLER_VARIABLE = "_HANDLER"
"""Where Lambda says which handler it will call: `module.function`, with slashes or dots between packages."""


def start(site: str) -> None:
    """Watch for the handler's module, then run the `sitecustomize` that ours, in the directory `site`, has hidden."""
    try:
        watch(os.environ.get(HANDLER_VARIABLE, ""))
    except Exception as problem:  # noqa: BLE001 (nothing of ours may keep a function from starting)
        complain(problem)
    _run_hidden(site)


def watch(handler: str) -> None:
    """Wrap this handler when its module is imported; a name that Lambda itself refuses is left to Lambda."""
    module, _, function = handler.rpartition(".")
    if module and function:
        sys.meta_path.insert(0, _Watch(module.replace("/", "."), function))


def obey(module: ModuleType, function: str) -> None:
    """Wrap a module's handler in place, if it has one that can be called."""
    try:
        from stagefright.chaos.runtime import wrap

        handler = getattr(module, function, None)
        if callable(handler):
            setattr(module, function, wrap(handler))
    except Exception as problem:  # noqa: BLE001 (nothing of ours may keep a function from running)
        complain(problem)


def complain(problem: Exception) -> None:
    """One line in the function's log, in the shape of the runtime's own."""
    message = f"the runtime could not get around the handler, so no fault strikes: {type(problem).__name__}: {problem}"
    line = {"source": "stagefright", "level": "error", "action": "config", "message": message}
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


class _Watch:
    """A finder that finds nothing by itself: it asks the others for one module, and wraps its handler once its code has run."""

    def __init__(self, module: str, function: str) -> None:
        self._module = module
        self._function = function

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        if name != self._module or self not in sys.meta_path:
            return None
        sys.meta_path.remove(self)  # the others are asked as if this one had never been there
        spec = _found_by_others(name, path, target)
        if spec is None:
            sys.meta_path.insert(0, self)  # the module may turn up on a later try
        elif spec.loader is not None:
            self._follow(spec.loader)
        return spec

    def _follow(self, loader: Any) -> None:
        run = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            del loader.exec_module
            run(module)
            obey(module, self._function)

        loader.exec_module = exec_module


def _found_by_others(name: str, path: Sequence[str] | None, target: Any) -> ModuleSpec | None:
    for finder in list(sys.meta_path):
        spec = finder.find_spec(name, path, target)
        if spec is not None:
            return spec
    return None


def _run_hidden(site: str) -> None:
    """Python runs one `sitecustomize`, the first on the path; another layer's, or the image's, must not be lost to ours."""
    others = [entry for entry in sys.path if os.path.realpath(entry or ".") != os.path.realpath(site)]
    spec = PathFinder.find_spec("sitecustomize", others)
    if spec is None or spec.loader is None:
        return
    module = importlib.util.module_from_spec(spec)
    sys.modules["sitecustomize"] = module
    spec.loader.exec_module(module)
