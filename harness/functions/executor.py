"""
Runs Python functions in this process: takes an execution environment, warm if there is one, and plays one invocation in it.

Breakpoints, coverage and `monkeypatch` work in a handler because nothing is remote. Time in a handler is the world's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from stagefright.errors import UnsupportedOperation
from stagefright.functions import loops, payloads
from stagefright.functions.concurrency import Concurrency
from stagefright.functions.environments import Environments
from stagefright.functions.invocation import Invocation
from stagefright.functions.lineage import Lineage
from stagefright.functions.performance import Instrument, Performance
from stagefright.functions.provisioning import Provisioning
from stagefright.functions.shown_modules import ShownModules

if TYPE_CHECKING:
    from stagefright.functions.outcome import Outcome
    from stagefright.services.function import FunctionVersion, Resolved
    from stagefright.world import World


Arrival = Callable[[str, Mapping[str, str], bytes, str, Callable[[], None]], None]
"""
Given an invocation's function by its logical id, with its variables, the event, the request id, and what ends the
environments that it could be given.
"""


class Executor:
    """Runs invocations of Python functions: admission, environment, performance."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.on_arrival: Arrival | None = None
        """Told of each invocation before it gets its environment."""
        self._lineage = Lineage(world)
        self._concurrency = Concurrency(world)
        self._environments = Environments(world)
        self._performance = Performance(world, self._environments)
        self._modules = ShownModules(world, self._environments, self._performance)
        self._provisioning = Provisioning(world, self._environments, self._performance)
        self._environments.on_drop.append(lambda environment, version: self._modules.hide(environment))

    @property
    def instruments(self) -> list[Instrument]:
        """What wraps every handler, in the order of the list."""
        return self._performance.instruments

    async def run(
        self,
        resolved: Resolved,
        event: bytes,
        *,
        request_id: str,
        cause: int | None,
        attempt: int = 1,
        client_context: str | None = None,
        trace_headers: Sequence[str] | None = None,
    ) -> Outcome:
        """
        Play one invocation to its end.

        `trace_headers` are those that came with the event, if its source keeps them; else the one of the call behind `cause` counts.
        Raises `ApiError` before anything runs: `RecursiveInvocationException` if this would go on with a loop that Lambda stops,
        `TooManyRequestsException` if there is no concurrency left.
        """
        self._check_runtime(resolved.version)
        lineage = self._lineage.follow(resolved, trace_headers, cause)
        invocation = Invocation(resolved, event, request_id, client_context)
        function, version = resolved.function, resolved.version
        if self.on_arrival is not None:
            name, variables = self._world.name_of(version.function_arn), version.environment or {}
            self.on_arrival(name, variables, event, request_id, lambda: self._environments.retire(version))
        provisioned = self._provisioning.has_place(function, version)
        grows = not self._environments.has_warm(version, provisioned=provisioned)
        with self._concurrency.admitted(function, provisioned=provisioned, grows=grows):
            environment, cold = self._environments.take(version, provisioned=provisioned)
            invocation.record = self._note(invocation, cause, attempt, cold and not provisioned, lineage)
            return await self._performance.play(environment, invocation, cold)

    def drop_environments(self, function_name: str | None = None) -> None:
        """End the warm environments of a function (its code or settings changed), or of all, whatever they do."""
        if function_name is not None:
            self._environments.drop_of(function_name)
            return
        self._environments.drop_all()
        self._modules.hide_all()
        self._provisioning.clear()
        self._concurrency.clear()
        self._lineage.clear()

    def provision_all(self) -> None:
        """Initialise the environments that provisioned concurrency asks for."""
        self._provisioning.provide_all()

    # -- what the test reaches ---------------------------------------------------------------------------------------

    def module(self, resolved: Resolved, name: str | None = None) -> ModuleType:
        """A module of the function's next environment, for the test to patch."""
        return self._modules.module(resolved, name)

    def module_for_test(self, name: str) -> ModuleType | None:
        """The module that the test means by a name which it cannot import itself, if one function alone has it."""
        return self._modules.module_for_test(name)

    def shows(self, top: str) -> bool:
        """Whether the test has got a package of a function under this top-level name."""
        return self._modules.shows(top)

    # -- before anything runs ----------------------------------------------------------------------------------------

    def _check_runtime(self, version: FunctionVersion) -> None:
        if not version.runtime.startswith("python"):
            raise UnsupportedOperation(
                f"{self._world.name_of(version.function_arn)} has the runtime {version.runtime or 'none (an image)'!r}, and this "
                "version runs Python functions only. Test what leads to it without it: leave its trigger out with a Condition "
                "that a parameter of the template decides."
            )

    def _note(
        self, invocation: Invocation, cause: int | None, attempt: int, cold: bool, lineage: dict[str, Any] | None
    ) -> int:
        """Write the `invocation` record, unless the function goes round in circles: then the world stops."""
        journal, name = self._world.journal, self._world.name_of(invocation.resolved.function.arn)
        ancestors = loops.ancestors(journal, name, cause)
        if ancestors > loops.ANCESTORS_MAX:
            self._world.kernel.fail(loops.endless_loop(journal, name, cause, ancestors))
        return journal.write(
            "invocation",
            name,
            cause=cause,
            request_id=invocation.request_id,
            attempt=attempt,
            cold=cold,
            executed_version=invocation.resolved.executed_version,
            event=payloads.readable(invocation.event),
            **({"ancestors": ancestors} if ancestors else {}),
            **({"lineage": lineage} if lineage else {}),
        ).n
