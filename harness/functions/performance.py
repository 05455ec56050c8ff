"""
Plays one invocation in its environment: init phase, handler, deadline, and what is left of the environment afterwards.

When the deadline comes while the handler waits, the environment is dropped where it stands, and nothing after that point of its code ever runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from stagefright.functions import payloads, reported_lines
from stagefright.functions.context import LambdaContext
from stagefright.functions.lineage import header_of
from stagefright.functions.outcome import Outcome
from stagefright.functions.runtime_client import Answer, Handler, call_handler, load_handler
from stagefright.services import lambda_limits as limits
from stagefright.tasks import Future

if TYPE_CHECKING:
    from stagefright.functions.environment import Environment
    from stagefright.functions.environments import Environments
    from stagefright.functions.invocation import Invocation
    from stagefright.services.function import FunctionVersion
    from stagefright.world import World

Instrument = Callable[[Handler, Mapping[str, str], str], Handler]
"""Wraps a handler for one invocation, given its variables and its function's logical id."""


class Performance:
    """Plays invocations, one per call of `play`."""

    def __init__(self, world: World, environments: Environments) -> None:
        self._world = world
        self._kernel = world.kernel
        self._environments = environments
        self.instruments: list[Instrument] = []

    async def play(self, environment: Environment, invocation: Invocation, cold: bool) -> Outcome:
        """Play one invocation to its end; the environment goes back to the pool, or is dropped."""
        version = invocation.version
        failure: payloads.Payload | None = None
        _prepare(environment, invocation)
        if cold:
            environment.actor.cause = invocation.record
            failure = await self.initialise(environment, version, limits.INIT_PHASE_S, invocation.record)
        overran = failure is not None and failure["errorType"] == payloads.TIMED_OUT
        if overran:
            self._environments.drop(environment)
            environment = self._environments.make(version, provisioned=environment.provisioned)
            _prepare(environment, invocation)
        invocation.started = self._kernel.now()
        deadline = invocation.started + version.timeout_s
        reported_lines.write_start(environment, invocation)
        if overran:
            # The init phase runs again, inside the invocation and under the function's timeout (§1.6).
            failure = await self.initialise(environment, version, version.timeout_s, invocation.record, phase="invoke")
        if failure is not None:
            return self._finish(environment, invocation, failure, keep=False, is_told=True)
        answer = await self._call(environment, invocation, deadline)
        if answer is None:
            timeout = payloads.timed_out(invocation.request_id, version.timeout_s)
            return self._finish(environment, invocation, timeout, keep=False)
        return self._finish(environment, invocation, answer.error, answer.body, keep=answer.keep)

    async def initialise(
        self,
        environment: Environment,
        version: FunctionVersion,
        limit_s: float,
        cause: int | None = None,
        *,
        phase: str = "init",
    ) -> payloads.Payload | None:
        """Import the handler's module; the error payload if that fails or takes longer than `limit_s`."""
        began, killed = self._kernel.now(), self._world.assumptions.out_of_memory_error
        done: Future[payloads.Payload | None] = Future(f"init of {environment.name}")
        environment.ends = lambda reason: done.set_result(payloads.runtime_exited(environment.request_id, reason))
        if phase == "init":
            reported_lines.write_init_start(environment, version)
        environment.run(
            lambda: done.set_result(load_handler(environment, version.handler, out_of_memory=killed)), cause=cause
        )
        in_time = await self._kernel.first(done, deadline=began + limit_s)
        failure = done.result() if in_time else payloads.timed_out(environment.request_id, version.timeout_s)
        duration_s = self._kernel.now() - began
        if phase == "init" and failure is None:
            environment.init_s = duration_s
        reported_lines.write_init_end(environment, failure, duration_s, phase=phase)
        return failure

    async def _call(self, environment: Environment, invocation: Invocation, deadline: float) -> Answer | None:
        """Run the handler; None if the deadline came first."""
        version = invocation.version
        context = self._context(environment, invocation, deadline)
        header = header_of(self._world.chance, self._world.journal[invocation.record])
        environment.environ["_X_AMZN_TRACE_ID"] = header
        environment.trace = invocation.record, header
        handler = self._instrumented(environment, version)
        done: Future[Answer] = Future(f"the handler of {environment.name}")
        killed = self._world.assumptions.out_of_memory_error
        environment.ends = lambda reason: done.set_result(_exited(invocation.request_id, reason))
        environment.run(
            lambda: done.set_result(
                call_handler(
                    handler, invocation.event, context, version.runtime, environment.shown_as, out_of_memory=killed
                )
            ),
            cause=invocation.record,
        )
        in_time = await self._kernel.first(done, deadline=deadline)
        return done.result() if in_time else None

    def _context(self, environment: Environment, invocation: Invocation, deadline: float) -> LambdaContext:
        version = invocation.version
        return LambdaContext(
            request_id=invocation.request_id,
            function_name=version.function_name,
            function_version=version.version,
            invoked_function_arn=invocation.resolved.invoked_arn,
            memory_mb=version.memory_mb,
            log_group_name=environment.log.group,
            log_stream_name=environment.log.stream,
            deadline=deadline,
            now=self._kernel.now,
            write=environment.print,
            client_context=invocation.client_context,
        )

    def _instrumented(self, environment: Environment, version: FunctionVersion) -> Handler:
        handler = environment.handler
        assert handler is not None
        for instrument in self.instruments:
            handler = instrument(handler, environment.environ, self._world.name_of(version.function_arn))
        return handler

    def _finish(
        self,
        environment: Environment,
        invocation: Invocation,
        error: payloads.Payload | None,
        body: bytes | None = None,
        *,
        keep: bool,
        is_told: bool = False,
    ) -> Outcome:
        version = invocation.version
        duration_s = self._kernel.now() - invocation.started
        if body is None:
            body = payloads.marshal_error(error or {}, runtime=version.runtime)
        if payloads.is_too_large(body):
            error = payloads.response_too_large()
            body = payloads.marshal_error(error)
        reported_lines.write_end(environment, invocation, error, duration_s, produced_bytes=len(body), is_told=is_told)
        record = self._note(invocation, error, body, duration_s)
        self._world.log_groups.deliver_pending(environment.log.group, environment.log.stream, record)
        if keep:
            self._environments.put_back(environment, version)
        else:
            self._environments.drop(environment)
        return Outcome(
            invocation.request_id, body, version.version, duration_s, error, "\n".join(invocation.lines), record
        )

    def _note(self, invocation: Invocation, error: payloads.Payload | None, body: bytes, duration_s: float) -> int:
        """Write the `outcome` record."""
        detail: dict[str, Any] = {"request_id": invocation.request_id, "duration_ms": round(duration_s * 1000, 3)}
        if error is not None:
            detail |= {"error_type": error.get("errorType"), "error_message": error.get("errorMessage")}
        return self._world.journal.write(
            "outcome",
            self._world.name_of(invocation.version.function_arn),
            cause=invocation.record,
            **detail,
            payload=payloads.readable(body),
        ).n


def _prepare(environment: Environment, invocation: Invocation) -> None:
    """Let what the environment does from now on belong to the invocation."""
    environment.request_id = invocation.request_id
    environment.log.tail = invocation.lines
    environment.invocations += 1


def _exited(request_id: str, reason: str | None) -> Answer:
    payload = payloads.runtime_exited(request_id, reason)
    return Answer(payloads.marshal_error(payload), payload, keep=False)
