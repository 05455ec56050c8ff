"""
Functions' modules that the test gets hold of, to patch or to look at.

What it patches there is what the next invocation sees, because it is the module of the environment that the next invocation takes.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

from stagefright.errors import nearest
from stagefright.functions.modules import own_names
from stagefright.services import lambda_limits as limits
from stagefright.tasks import Future

if TYPE_CHECKING:
    from stagefright.functions.environment import Environment
    from stagefright.functions.environments import Environments
    from stagefright.functions.performance import Performance
    from stagefright.services.function import FunctionVersion, Resolved
    from stagefright.world import World


class ShownModules:
    """Finds the module that a test means, and remembers which ones it has imported by name."""

    def __init__(self, world: World, environments: Environments, performance: Performance) -> None:
        self._world = world
        self._environments = environments
        self._performance = performance
        self._shown: dict[str, ModuleType] = {}

    def module(self, resolved: Resolved, name: str | None = None) -> ModuleType:
        """A module of the function's next environment, initialised first if there is none warm."""
        function = self._world.name_of(resolved.function.arn)
        environment = self._initialised(resolved, function)
        self._environments.put_back(environment, resolved.version)
        wanted = name or (environment.split_handler(resolved.version.handler) or ("", ""))[0]
        if not environment.modules.owns(wanted):
            raise ImportError(
                f"{function} has no module {wanted!r} of its own. {nearest(wanted, environment.modules.imported)}",
                name=wanted,
            )
        return environment.modules.owned(wanted) or self._import(environment, wanted)

    def module_for_test(self, name: str) -> ModuleType | None:
        """The module that the test means by a name which it cannot import itself, if one function alone has it."""
        owners = [function for function in self._world.functions.all() if self._has_module(function.latest, name)]
        if not owners:
            return None
        if len(owners) > 1:
            names = ", ".join(sorted(self._world.name_of(function.arn) for function in owners))
            raise ModuleNotFoundError(
                f"{len(owners)} functions have a module {name!r} of their own: {names}. "
                f"Say which: stage.module({self._world.name_of(owners[0].arn)!r}, {name!r}).",
                name=name,
            )
        module = self.module(self._world.functions.find(owners[0].arn), name)
        self._shown[name] = module
        return module

    def shows(self, top: str) -> bool:
        """Whether the test has got a package of a function under this top-level name."""
        return top in self._shown

    def hide(self, environment: Environment) -> None:
        """Take modules of an ended environment out of the test's sight."""
        for name, module in list(self._shown.items()):
            if environment.modules.owned(name) is module:
                del self._shown[name]
                if sys.modules.get(name) is module:
                    del sys.modules[name]

    def hide_all(self) -> None:
        """All environments have ended."""
        for name, module in self._shown.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]
        self._shown.clear()

    def _initialised(self, resolved: Resolved, function: str) -> Environment:
        environment, cold = self._environments.take(resolved.version)
        if cold:
            starting = self._performance.initialise(environment, resolved.version, limits.INIT_PHASE_S)
            failure = self._world.kernel.wait(starting)
            if failure is not None:
                self._environments.drop(environment)
                raise ImportError(f"{function} cannot be initialised: {failure['errorMessage']}")
        return environment

    def _import(self, environment: Environment, name: str) -> ModuleType:
        """Let an environment import a module of its own that it has not needed so far."""
        done: Future[ModuleType | Exception] = Future(f"the import of {name}")

        def load() -> None:
            try:
                done.set_result(environment.modules.load(name))
            except Exception as error:  # noqa: BLE001 - it is raised in the test
                done.set_result(error)

        environment.run(load, cause=None)
        module = self._world.kernel.wait(done)
        environment.freeze()
        if isinstance(module, Exception):
            raise module
        return module

    def _has_module(self, version: FunctionVersion, name: str) -> bool:
        return version.runtime.startswith("python") and own_names(self._environments.roots(version)).issuperset(
            {name.partition(".")[0]}
        )
