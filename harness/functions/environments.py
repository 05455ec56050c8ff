"""
The execution environments of all functions: which are warm, which is taken next, and when they end.

A version's environments are its own. A change of code or settings ends those of `$LATEST` that are idle; one that is running an invocation
ends with it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from stagefright.functions.code import import_roots
from stagefright.functions.environment import Environment
from stagefright.functions.log import FunctionLog
from stagefright.functions.variables import environment_variables

if TYPE_CHECKING:
    from stagefright.services.function import FunctionVersion, Resolved
    from stagefright.world import World


class Environments:
    """The pool that invocations take their environment from, and put it back into."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._warm: dict[str, list[Environment]] = {}
        self._made: Counter[str] = Counter()
        self._all: dict[Environment, None] = {}
        self._outdated: set[Environment] = set()
        """Running an invocation just now, with code that has changed meanwhile: they end with it."""
        self.on_drop: Callable[[Environment], None] = lambda environment: None

    def take(self, resolved: Resolved) -> tuple[Environment, bool]:
        """An environment for one invocation, and whether it is a new one that must be initialised first."""
        warm = self._warm.get(resolved.version.arn)
        if warm:
            return warm.pop(), False
        environment = self._make(resolved.version)
        self._all[environment] = None
        return environment, True

    def put_back(self, environment: Environment, resolved: Resolved) -> None:
        """The invocation is over: the environment waits for the next one, unless its code has changed meanwhile."""
        if environment in self._outdated:
            self.drop(environment)
            return
        environment.freeze()
        self._warm.setdefault(resolved.version.arn, []).append(environment)

    def drop(self, environment: Environment) -> None:
        """End an environment: nothing of its code ever runs again."""
        self._all.pop(environment, None)
        self._outdated.discard(environment)
        for warm in self._warm.values():
            if environment in warm:
                warm.remove(environment)
        self.on_drop(environment)
        environment.drop()

    def drop_of(self, function_name: str) -> None:
        """End the environments of a function whose code or settings changed; one that runs ends with its invocation."""
        for environment in list(self._all):
            if environment.name.partition("#")[0] != function_name:
                continue
            if self._is_warm(environment):
                self.drop(environment)
            else:
                self._outdated.add(environment)

    def drop_all(self) -> None:
        """End every environment, whatever it does."""
        for environment in list(self._all):
            self.drop(environment)
        self._made.clear()

    def roots(self, version: FunctionVersion) -> tuple[Path, ...]:
        """The directories that the version's code is imported from."""
        layers = [layer.code for layer in version.layers if layer.code is not None]
        return import_roots(version.code, layers, version.runtime)

    def _is_warm(self, environment: Environment) -> bool:
        return any(environment in warm for warm in self._warm.values())

    def _make(self, version: FunctionVersion) -> Environment:
        world = self._world
        self._made[version.function_name] += 1
        name = f"{version.function_name}#{self._made[version.function_name]}"
        day = world.clock.iso()[:10].replace("-", "/")
        stream = f"{day}/[{version.version}]{world.chance.hex(32, 'log stream', name)}"
        log = FunctionLog(
            world.logs, function=world.name_of(version.function_arn), group=version.log_group, stream=stream
        )
        return Environment(
            world.kernel,
            name,
            roots=self.roots(version),
            shown_as=_paths_on_lambda(version),
            environ=environment_variables(version, region=world.region, log_stream=stream),
            log=log,
        )


def _paths_on_lambda(version: FunctionVersion) -> dict[str, str]:
    """
    How error payloads call the folders of unpacked code: as Lambda does, for they are temporary and never twice the same.

    A local directory keeps its own name, so that a trace leads into the user's own file.
    """
    places = [(version.code, "/var/task"), *((layer.code, "/opt") for layer in version.layers)]
    return {str(code.root): place for code, place in places if code is not None and not code.in_place}
