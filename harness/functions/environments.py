"""
The execution environments of all functions: which are warm, which is taken next, and when they end.

A version's environments are its own. A change of code or settings ends those of `$LATEST` that are idle; one that is running an invocation
ends with it. Provisioned ones are in a pool of their own (`provisioning`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from stagefright.functions.code import import_roots
from stagefright.functions.environment import Environment
from stagefright.functions.log import FunctionLog
from stagefright.functions.variables import ON_DEMAND, PROVISIONED, environment_variables
from stagefright.services.function import LATEST

if TYPE_CHECKING:
    from stagefright.services.function import FunctionVersion
    from stagefright.world import World


class Environments:
    """The pool that invocations take their environment from, and put it back into."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._warm: dict[tuple[str, bool], list[Environment]] = {}
        """Those that wait for an invocation, by version and whether they are provisioned."""
        self._made: Counter[str] = Counter()
        self._all: dict[Environment, FunctionVersion] = {}
        self._outdated: set[Environment] = set()
        """Running an invocation just now, with code that has changed meanwhile: they end with it."""
        self.on_drop: list[Callable[[Environment, FunctionVersion], None]] = []
        """Called when an environment has ended, unless all have."""

    def has_warm(self, version: FunctionVersion, *, provisioned: bool = False) -> bool:
        """Whether an invocation of the version would find an initialised environment."""
        return bool(self._warm.get((version.arn, provisioned)))

    def take(self, version: FunctionVersion, *, provisioned: bool = False) -> tuple[Environment, bool]:
        """An environment for one invocation, and whether it is a new one that must be initialised first."""
        warm = self._warm.get((version.arn, provisioned))
        if warm:
            return warm.pop(), False
        return self.make(version, provisioned=provisioned), True

    def make(self, version: FunctionVersion, *, provisioned: bool = False) -> Environment:
        """A new environment, not yet initialised."""
        environment = self._new(version, provisioned)
        self._all[environment] = version
        return environment

    def put_back(self, environment: Environment, version: FunctionVersion) -> None:
        """The invocation is over: the environment waits for the next one, unless its code has changed meanwhile."""
        if environment in self._outdated:
            self.drop(environment)
            return
        environment.freeze()
        self._warm.setdefault((version.arn, environment.provisioned), []).append(environment)

    def drop(self, environment: Environment) -> None:
        """End an environment: nothing of its code ever runs again."""
        version = self._end(environment)
        if version is not None:
            for hook in self.on_drop:
                hook(environment, version)

    def drop_of(self, function_name: str) -> None:
        """End the environments whose code or settings changed; one that runs ends with its invocation."""
        for environment, version in list(self._all.items()):
            if version.function_name != function_name or not self._is_stale(version):
                continue
            if self._is_warm(environment):
                self.drop(environment)
            else:
                self._outdated.add(environment)

    def retire(self, version: FunctionVersion) -> None:
        """End the environments of a version that wait for an invocation, so that the next one is cold."""
        for environment in [*self.idle(version, provisioned=False), *self.idle(version, provisioned=True)]:
            self.drop(environment)

    def drop_all(self) -> None:
        """End every environment, whatever it does."""
        for environment in list(self._all):
            self._end(environment)
        self._made.clear()

    def of(self, version: FunctionVersion, *, provisioned: bool) -> list[Environment]:
        """All environments of a version, warm or not, oldest first."""
        return [e for e, owner in self._all.items() if owner.arn == version.arn and e.provisioned is provisioned]

    def idle(self, version: FunctionVersion, *, provisioned: bool) -> list[Environment]:
        """Those that wait for an invocation."""
        return list(self._warm.get((version.arn, provisioned), ()))

    def roots(self, version: FunctionVersion) -> tuple[Path, ...]:
        """The directories that the version's code is imported from."""
        layers = [layer.code for layer in version.layers if layer.code is not None]
        return import_roots(version.code, layers, version.runtime)

    def _is_stale(self, version: FunctionVersion) -> bool:
        """A published version never changes; it can only go."""
        if version.version == LATEST:
            return True
        function = next((f for f in self._world.functions.all() if f.name == version.function_name), None)
        return function is None or function.version(version.version) is None

    def _is_warm(self, environment: Environment) -> bool:
        return any(environment in warm for warm in self._warm.values())

    def _end(self, environment: Environment) -> FunctionVersion | None:
        version = self._all.pop(environment, None)
        self._outdated.discard(environment)
        for warm in self._warm.values():
            if environment in warm:
                warm.remove(environment)
        environment.drop()
        return version

    def _new(self, version: FunctionVersion, provisioned: bool) -> Environment:
        world = self._world
        self._made[version.function_name] += 1
        name = f"{version.function_name}#{self._made[version.function_name]}"
        day = world.clock.iso()[:10].replace("-", "/")
        stream = f"{day}/[{version.version}]{world.chance.hex(32, 'log stream', name)}"
        log = FunctionLog(
            world.logs,
            function=world.name_of(version.function_arn),
            group=version.log_group,
            stream=stream,
            settings=version.logging,
        )
        kind = PROVISIONED if provisioned else ON_DEMAND
        return Environment(
            world.kernel,
            name,
            roots=self.roots(version),
            sources=_sources(version),
            shown_as=_paths_on_lambda(version),
            environ=environment_variables(version, region=world.region, log_stream=stream, initialization_type=kind),
            log=log,
            provisioned=provisioned,
            runtime_id=world.chance.hex(64, "runtime", version.runtime),
        )


def _sources(version: FunctionVersion) -> dict[str, str]:
    """Where packaged code was made from, by the directory that it lies in."""
    codes = [version.code, *(layer.code for layer in version.layers)]
    return {str(code.root): str(code.source) for code in codes if code is not None and code.source is not None}


def _paths_on_lambda(version: FunctionVersion) -> dict[str, str]:
    """
    How error payloads call the folders of unpacked code: as Lambda does, for they are temporary and never twice the same.

    A local directory keeps its own name, so that a trace leads into the user's own file.
    """
    places = [(version.code, "/var/task"), *((layer.code, "/opt") for layer in version.layers)]
    return {str(code.root): place for code, place in places if code is not None and not code.in_place}
