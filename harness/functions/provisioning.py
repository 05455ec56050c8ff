"""
Provisioned concurrency: environments of a version that are initialised ahead of any invocation (aws-semantics §1.8).

Their init phase runs in the background, after the configuration was set and again after each reset of the world. An invocation that finds all
of them busy runs on demand. One that ends (a timeout, an exit) is made anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stagefright.services import lambda_limits as limits
from stagefright.services.function_concurrency import Provisioned
from stagefright.tasks import Task

if TYPE_CHECKING:
    from stagefright.functions.environment import Environment
    from stagefright.functions.environments import Environments
    from stagefright.functions.performance import Performance
    from stagefright.services.function import Function, FunctionVersion
    from stagefright.world import World

AHEAD_MAX = 10
"""How many environments of a version are really made ahead; what is provisioned beyond that is initialised when first needed, at no charge."""

INIT_FAILURE = "FUNCTION_ERROR_INIT_FAILURE"
"""The `StatusReason` of a configuration whose environments cannot be initialised."""


class Provisioning:
    """Keeps as many environments initialised as each function's configuration says."""

    def __init__(self, world: World, environments: Environments, performance: Performance) -> None:
        self._world = world
        self._environments = environments
        self._performance = performance
        self._starting: dict[Environment, Task[None]] = {}
        self._failed: set[str] = set()
        """The versions whose environments cannot be initialised."""
        world.functions.on_provisioned.append(self.provide)
        world.functions.provisioned_so_far = self.so_far
        environments.on_drop.append(self._replace)

    def clear(self) -> None:
        """All environments are gone."""
        self._starting.clear()
        self._failed.clear()

    def provide_all(self) -> None:
        """Make what all configurations ask for, and wait until it is there, as a deployment does."""
        for function in self._world.functions.all():
            if function.provisioned:
                self.provide(function)
        for task in list(self._starting.values()):
            self._world.kernel.wait(task)

    def provide(self, function: Function) -> None:
        """Make or end environments until there are as many as the function's configuration says."""
        for version in function.published.values():
            self._failed.discard(version.arn)
            self._provide(function, version)

    def has_place(self, function: Function, version: FunctionVersion) -> bool:
        """Whether an invocation of the version would run in a provisioned environment."""
        if not function.provisioned or version.arn in self._failed:
            return False
        if self._environments.has_warm(version, provisioned=True):
            return True
        made = len(self._environments.of(version, provisioned=True))
        return AHEAD_MAX <= made < function.provisioned_for(version.version)

    def so_far(self, function: Function, qualifier: str) -> Provisioned:
        """How far a version's or alias' environments are."""
        requested = function.provisioned[qualifier].requested
        alias = function.aliases.get(qualifier)
        numbers = (alias.version, *alias.weights) if alias else (qualifier,)
        versions = [version for number in numbers if (version := function.version(number)) is not None]
        if any(version.arn in self._failed for version in versions):
            return Provisioned(0, INIT_FAILURE)
        starting = sum(1 for v in versions for e in self._environments.of(v, provisioned=True) if e in self._starting)
        return Provisioned(max(0, requested - starting))

    def _provide(self, function: Function, version: FunctionVersion) -> None:
        wanted = function.provisioned_for(version.version)
        present = len(self._environments.of(version, provisioned=True))
        for environment in self._environments.idle(version, provisioned=True)[: max(0, present - wanted)]:
            self._environments.drop(environment)
        for _ in range(min(wanted, AHEAD_MAX) - present):
            self._start(version)

    def _start(self, version: FunctionVersion) -> None:
        environment = self._environments.make(version, provisioned=True)
        self._starting[environment] = self._world.kernel.spawn(
            self._initialise(environment, version), name=f"provisioning of {environment.name}", cause=None
        )

    async def _initialise(self, environment: Environment, version: FunctionVersion) -> None:
        limit_s = max(limits.PROVISIONED_INIT_S, version.timeout_s)
        failure = await self._performance.initialise(environment, version, limit_s)
        self._starting.pop(environment, None)
        if failure is not None:
            self._failed.add(version.arn)
            self._environments.drop(environment)
            return
        self._environments.put_back(environment, version)

    def _replace(self, environment: Environment, version: FunctionVersion) -> None:
        """One has ended: make another, unless that would end the same way or is not wanted any more."""
        if not environment.provisioned or version.arn in self._failed:
            return
        function = next((f for f in self._world.functions.all() if f.name == version.function_name), None)
        if function is not None and function.version(version.version) is not None:
            self._provide(function, version)
