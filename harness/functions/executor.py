"""
Runs Python functions in this process: takes an execution environment, warm if there is one, and plays one invocation in it.

Breakpoints, coverage and `monkeypatch` work in a handler because nothing is remote. Time in a handler is the world's: when its deadline
comes while it waits, the environment is dropped where it stands, and nothing after that point of its code ever runs.
"""

from __future__ import annotations

import asyncio
import bdb
import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from stagefright.aws_api.errors import ApiError
from stagefright.errors import UnsupportedOperation, nearest
from stagefright.functions import loops, payloads
from stagefright.functions.code import import_roots
from stagefright.functions.context import LambdaContext
from stagefright.functions.environment import Environment
from stagefright.functions.log import FunctionLog
from stagefright.functions.modules import own_names
from stagefright.functions.variables import environment_variables
from stagefright.services import lambda_limits as limits
from stagefright.tasks import Future, ThreadEnds

if TYPE_CHECKING:
    from stagefright.services.function import FunctionVersion, Resolved
    from stagefright.world import World

Handler = Callable[[Any, Any], Any]
Instrument = Callable[[Handler, Mapping[str, str], str], Handler]
"""Wraps a handler for one invocation, given its variables and its function's logical id."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an invocation came to."""

    request_id: str
    payload: bytes
    executed_version: str
    duration_s: float = 0.0
    error: payloads.Payload | None = None
    """The error payload, if the function failed; `payload` is then its JSON."""
    log: str = ""
    record: int = field(default=-1, compare=False)
    """The number of the journal's `outcome` record."""

    @property
    def failed(self) -> bool:
        return self.error is not None

    @property
    def error_type(self) -> str | None:
        return None if self.error is None else str(self.error.get("errorType"))

    @property
    def error_message(self) -> str | None:
        return None if self.error is None else str(self.error.get("errorMessage"))


@dataclass(slots=True)
class _Invocation:
    """One invocation on its way."""

    resolved: Resolved
    event: bytes
    request_id: str
    client_context: str | None
    record: int = -1
    started: float = 0.0
    lines: list[str] = field(default_factory=list)

    @property
    def version(self) -> FunctionVersion:
        return self.resolved.version


class Executor:
    """Runs invocations of Python functions, and keeps their warm environments."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._kernel = world.kernel
        self.instruments: list[Instrument] = []
        self.running: Counter[str] = Counter()
        """Invocations under way, by function name: what counts against concurrency."""
        self._warm: dict[str, list[Environment]] = {}
        self._made: Counter[str] = Counter()
        self._environments: dict[Environment, None] = {}
        self._shown: dict[str, ModuleType] = {}
        """Functions' modules that the test has imported by name."""
        self._outdated: set[Environment] = set()
        """Running an invocation just now, with code that has changed meanwhile: they end with it."""

    async def run(
        self,
        resolved: Resolved,
        event: bytes,
        *,
        request_id: str,
        cause: int | None,
        attempt: int = 1,
        client_context: str | None = None,
    ) -> Outcome:
        """
        Play one invocation to its end.

        Raises `ApiError` `TooManyRequestsException` if the function has no concurrency left, before anything runs.
        """
        self._check_runtime(resolved.version)
        self._admit(resolved)
        name = resolved.function.name
        invocation = _Invocation(resolved, event, request_id, client_context)
        self.running[name] += 1
        try:
            environment, cold = self._take(resolved)
            invocation.record = self._note(invocation, cause, attempt, cold)
            return await self._play(environment, invocation, cold)
        finally:
            self.running[name] -= 1

    def _note(self, invocation: _Invocation, cause: int | None, attempt: int, cold: bool) -> int:
        """Write the `invocation` record, unless the function goes round in circles: then the world stops."""
        journal, name = self._world.journal, self._world.name_of(invocation.resolved.function.arn)
        ancestors = loops.ancestors(journal, name, cause)
        if ancestors > loops.ANCESTORS_MAX:
            self._kernel.fail(loops.endless_loop(journal, name, cause, ancestors))
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
        ).n

    def drop_environments(self, function_name: str | None = None) -> None:
        """End the warm environments of a function (its code or settings changed), or of all, whatever they do."""
        for environment in list(self._environments):
            if function_name not in (None, environment.name.partition("#")[0]):
                continue
            if function_name is None or self._is_warm(environment):
                self._drop(environment)
            else:
                self._outdated.add(environment)
        if function_name is None:
            self._made.clear()
            self.running.clear()

    def module(self, resolved: Resolved, name: str | None = None) -> ModuleType:
        """
        A module of the function's next environment, initialised first if there is none warm.

        Called by the test, so that what it patches there is what the next invocation sees.
        """
        function = self._world.name_of(resolved.function.arn)
        environment, cold = self._take(resolved)
        if cold:
            failure = self._kernel.wait(self._initialise(environment, resolved.version, limits.INIT_PHASE_S))
            if failure is not None:
                self._drop(environment)
                raise ImportError(f"{function} cannot be initialised: {failure['errorMessage']}")
        self._put_back(environment, resolved)
        wanted = name or (environment.split_handler(resolved.version.handler) or ("", ""))[0]
        if not environment.modules.owns(wanted):
            raise ImportError(
                f"{function} has no module {wanted!r} of its own. {nearest(wanted, environment.modules.imported)}",
                name=wanted,
            )
        return environment.modules.owned(wanted) or self._import(environment, wanted)

    def _import(self, environment: Environment, name: str) -> ModuleType:
        """Let an environment import a module of its own that it has not needed so far."""
        done: Future[ModuleType | Exception] = Future(f"the import of {name}")

        def load() -> None:
            try:
                done.set_result(environment.modules.load(name))
            except Exception as error:  # noqa: BLE001 - it is raised in the test
                done.set_result(error)

        environment.run(load, cause=None)
        module = self._kernel.wait(done)
        environment.freeze()
        if isinstance(module, Exception):
            raise module
        return module

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

    def _has_module(self, version: FunctionVersion, name: str) -> bool:
        return version.runtime.startswith("python") and own_names(self._roots(version)).issuperset(
            {name.partition(".")[0]}
        )

    def _hide_modules(self, environment: Environment) -> None:
        """Take modules of an ended environment out of the test's sight."""
        for name, module in list(self._shown.items()):
            if environment.modules.owned(name) is module:
                del self._shown[name]
                if sys.modules.get(name) is module:
                    del sys.modules[name]

    # -- admission ---------------------------------------------------------------------------------------------------

    def _check_runtime(self, version: FunctionVersion) -> None:
        if not version.runtime.startswith("python"):
            raise UnsupportedOperation(
                f"{self._world.name_of(version.function_arn)} has the runtime {version.runtime or 'none (an image)'!r}, and this "
                "version runs Python functions only. Test what leads to it without it: leave its trigger out with a Condition "
                "that a parameter of the template decides."
            )

    def _admit(self, resolved: Resolved) -> None:
        """Refuse what is over the reserved or the account's concurrency (aws-semantics §1.8)."""
        reserved = resolved.function.reserved_concurrency
        if reserved is not None and self.running[resolved.function.name] >= reserved:
            raise throttled("ReservedFunctionConcurrentInvocationLimitExceeded")
        if reserved is None and sum(self.running.values()) >= limits.ACCOUNT_CONCURRENCY:
            raise throttled("ConcurrentInvocationLimitExceeded")

    # -- environments ------------------------------------------------------------------------------------------------

    def _take(self, resolved: Resolved) -> tuple[Environment, bool]:
        warm = self._warm.get(resolved.version.arn)
        if warm:
            return warm.pop(), False
        environment = self._make(resolved.version)
        self._environments[environment] = None
        return environment, True

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
            self._kernel,
            name,
            roots=self._roots(version),
            shown_as=_paths_on_lambda(version),
            environ=environment_variables(version, region=world.region, log_stream=stream),
            log=log,
        )

    def _roots(self, version: FunctionVersion) -> tuple[Path, ...]:
        layers = [layer.code for layer in version.layers if layer.code is not None]
        return import_roots(version.code, layers, version.runtime)

    def _is_warm(self, environment: Environment) -> bool:
        return any(environment in warm for warm in self._warm.values())

    def _put_back(self, environment: Environment, resolved: Resolved) -> None:
        environment.freeze()
        self._warm.setdefault(resolved.version.arn, []).append(environment)

    def _drop(self, environment: Environment) -> None:
        self._environments.pop(environment, None)
        self._outdated.discard(environment)
        for warm in self._warm.values():
            if environment in warm:
                warm.remove(environment)
        self._hide_modules(environment)
        environment.drop()

    # -- playing an invocation ---------------------------------------------------------------------------------------

    async def _play(self, environment: Environment, invocation: _Invocation, cold: bool) -> Outcome:
        version = invocation.version
        environment.request_id = invocation.request_id
        environment.log.tail = invocation.lines
        environment.invocations += 1
        self._platform(environment, invocation, f"START RequestId: {invocation.request_id} Version: {version.version}")
        invocation.started = self._kernel.now()
        deadline: float | None = None
        if cold:
            environment, failure, deadline = await self._cold_start(environment, invocation)
            if failure is not None:
                return self._finish(environment, invocation, failure, keep=False)
        if deadline is None:
            invocation.started = self._kernel.now()
            deadline = invocation.started + version.timeout_s
        answer = await self._call(environment, invocation, deadline)
        if answer is None:
            timeout = payloads.timed_out(invocation.request_id, version.timeout_s)
            return self._finish(environment, invocation, timeout, keep=False)
        body, error, keep = answer
        return self._finish(environment, invocation, error, body, keep=keep)

    async def _cold_start(
        self, environment: Environment, invocation: _Invocation
    ) -> tuple[Environment, payloads.Payload | None, float | None]:
        """
        The init phase: 10 s; on an overrun it runs again, inside the invocation and under the function's timeout (§1.6).

        Returns the environment, the failure if there is one, and the deadline if the invocation's time already runs.
        """
        version = invocation.version
        environment.actor.cause = invocation.record
        failure = await self._initialise(environment, version, limits.INIT_PHASE_S, invocation.record)
        if failure is None or failure["errorType"] != payloads.TIMED_OUT:
            return environment, failure, None
        self._drop(environment)
        environment, _ = self._take(invocation.resolved)
        environment.request_id = invocation.request_id
        environment.log.tail = invocation.lines
        invocation.started = self._kernel.now()
        deadline = invocation.started + version.timeout_s
        failure = await self._initialise(environment, version, version.timeout_s, invocation.record)
        return environment, failure, deadline

    async def _initialise(
        self,
        environment: Environment,
        version: FunctionVersion,
        limit_s: float,
        cause: int | None = None,
    ) -> payloads.Payload | None:
        """Import the handler's module; the error payload if that fails or takes longer than `limit_s`."""
        done: Future[payloads.Payload | None] = Future(f"init of {environment.name}")
        environment.run(lambda: done.set_result(_load_handler(environment, version.handler)), cause=cause)
        if not await self._kernel.first(done, deadline=self._kernel.now() + limit_s):
            return payloads.timed_out(environment.request_id, version.timeout_s)
        return done.result()

    async def _call(
        self, environment: Environment, invocation: _Invocation, deadline: float
    ) -> tuple[bytes, payloads.Payload | None, bool] | None:
        """Run the handler; None if the deadline came first."""
        version = invocation.version
        context = LambdaContext(
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
        environment.environ["_X_AMZN_TRACE_ID"] = self._trace_header(invocation)
        handler = self._instrumented(environment, version)
        done: Future[tuple[bytes, payloads.Payload | None, bool]] = Future(f"the handler of {environment.name}")
        environment.run(
            lambda: done.set_result(
                _call_handler(handler, invocation.event, context, version.runtime, environment.shown_as)
            ),
            cause=invocation.record,
        )
        in_time = await self._kernel.first(done, deadline=deadline)
        return done.result() if in_time else None

    def _instrumented(self, environment: Environment, version: FunctionVersion) -> Handler:
        handler = environment.handler
        assert handler is not None
        for instrument in self.instruments:
            handler = instrument(handler, environment.environ, self._world.name_of(version.function_arn))
        return handler

    def _trace_header(self, invocation: _Invocation) -> str:
        chance = self._world.chance
        started = f"{int(invocation.started):08x}"
        root = chance.hex(24, "trace root", invocation.request_id)
        return f"Root=1-{started}-{root};Parent={chance.hex(16, 'trace parent', invocation.request_id)};Sampled=0"

    def _finish(
        self,
        environment: Environment,
        invocation: _Invocation,
        error: payloads.Payload | None,
        body: bytes | None = None,
        *,
        keep: bool,
    ) -> Outcome:
        version = invocation.version
        duration_s = self._kernel.now() - invocation.started
        if body is None:
            body = payloads.marshal_error(error or {}, runtime=version.runtime)
        if payloads.is_too_large(body):
            error = payloads.response_too_large()
            body = payloads.marshal_error(error)
        self._write_end(environment, invocation, error, duration_s)
        detail: dict[str, Any] = {"request_id": invocation.request_id, "duration_ms": round(duration_s * 1000, 3)}
        if error is not None:
            detail |= {"error_type": error.get("errorType"), "error_message": error.get("errorMessage")}
        record = self._world.journal.write(
            "outcome",
            self._world.name_of(version.function_arn),
            cause=invocation.record,
            **detail,
            payload=payloads.readable(body),
        )
        self._world.log_groups.deliver_pending(environment.log.group, environment.log.stream, record.n)
        if keep and environment not in self._outdated:
            self._put_back(environment, invocation.resolved)
        else:
            self._drop(environment)
        return Outcome(
            invocation.request_id, body, version.version, duration_s, error, "\n".join(invocation.lines), record.n
        )

    # -- log lines ---------------------------------------------------------------------------------------------------

    def _platform(self, environment: Environment, invocation: _Invocation, line: str) -> None:
        environment.log.write(line, cause=invocation.record, platform=True)

    def _write_end(
        self, environment: Environment, invocation: _Invocation, error: payloads.Payload | None, duration_s: float
    ) -> None:
        """END and REPORT, and the runtime's account of an exception before them (aws-semantics §1.5)."""
        environment.flush()
        if error is not None and "stackTrace" in error:
            environment.log.write(_error_line(error), cause=invocation.record)
        request_id = invocation.request_id
        self._platform(environment, invocation, f"END RequestId: {request_id}")
        duration_ms = duration_s * 1000
        report = (
            f"REPORT RequestId: {request_id}\tDuration: {duration_ms:.2f} ms\tBilled Duration: {-(-duration_ms // 1):.0f} ms"
            f"\tMemory Size: {invocation.version.memory_mb} MB\tMax Memory Used: {MEMORY_USED_MB} MB\t"
        )
        if environment.invocations == 1:
            report += "Init Duration: 0.00 ms\t"
        if error is not None and error.get("errorType") == payloads.TIMED_OUT:
            report += "Status: timeout"
        elif error is not None and str(error.get("errorType")).startswith("Runtime."):
            report += f"Status: error\tError Type: {error['errorType']}"
        self._platform(environment, invocation, report)


MEMORY_USED_MB = 64
"""What REPORT lines say; a function in this process has no memory of its own to measure."""


def _paths_on_lambda(version: FunctionVersion) -> dict[str, str]:
    """
    How error payloads call the folders of unpacked code: as Lambda does, for they are temporary and never twice the same.

    A local directory keeps its own name, so that a trace leads into the user's own file.
    """
    places = [(version.code, "/var/task"), *((layer.code, "/opt") for layer in version.layers)]
    return {str(code.root): place for code, place in places if code is not None and not code.in_place}


def throttled(reason: str) -> ApiError:
    """Lambda's refusal of an invocation that is over a concurrency limit (aws-semantics §1.3)."""
    return ApiError("TooManyRequestsException", "Rate Exceeded.", status=429, Type="User", Reason=reason)


def _load_handler(environment: Environment, setting: str) -> payloads.Payload | None:
    """Import the handler, on the environment's thread; returns the error payload if that fails."""
    names = environment.split_handler(setting)
    if names is None:
        return payloads.malformed_handler_name(setting)
    module_name, function_name = names
    try:
        module = environment.modules.load(module_name)
    except ThreadEnds:
        raise
    except ImportError as error:
        return payloads.import_module_error(module_name, error)
    except SyntaxError as error:
        return payloads.syntax_error(module_name, error)
    except SystemExit:
        return payloads.runtime_exited(environment.request_id)
    except BaseException as error:
        if _is_for_the_test(error):
            raise
        return payloads.handler_error(error, "", environment.shown_as)
    if getattr(module, function_name, None) is None:
        return payloads.handler_not_found(function_name, module_name)

    # Looked up anew for each invocation, so that a test may patch the handler itself.
    def handle(event: Any, context: Any) -> Any:
        return getattr(module, function_name)(event, context)

    environment.handler = handle
    return None


def _call_handler(
    handler: Handler, event: bytes, context: LambdaContext, runtime: str, shown_as: Mapping[str, str]
) -> tuple[bytes, payloads.Payload | None, bool]:
    """Call the handler, on the environment's thread: the answer, the error payload, whether the environment lives on."""
    request_id = context.aws_request_id
    keep = True
    try:
        answer = handler(json.loads(event), context)
        return payloads.marshal_response(answer, runtime=runtime, request_id=request_id), None, True
    except ThreadEnds:
        raise
    except payloads.MarshalError as error:
        payload = error.payload
    except SystemExit:
        payload, keep = payloads.runtime_exited(request_id), False
    except BaseException as error:
        if _is_for_the_test(error):
            raise
        payload = payloads.handler_error(error, request_id, shown_as)
    return payloads.marshal_error(payload, runtime=runtime), payload, keep


def _is_for_the_test(error: BaseException) -> bool:
    """Whether an exception speaks to the test and not to Lambda: `pytest.fail()` in a stub, or leaving the debugger."""
    if isinstance(error, bdb.BdbQuit) or type(error).__module__.startswith("_pytest."):
        return True
    return not isinstance(error, Exception | KeyboardInterrupt | GeneratorExit | asyncio.CancelledError)


def _error_line(error: payloads.Payload) -> str:
    """The runtime client's account of an exception; its indents are no-break spaces, which keep it one log event."""
    trace = "".join(error["stackTrace"]).rstrip("\n").split("\n")
    lines = ["\N{NO-BREAK SPACE}" * (len(line) - len(line.lstrip(" "))) + line.lstrip(" ") for line in trace]
    head = f"[ERROR] {error['errorType']}: {error['errorMessage']}"
    return "\n".join([head, "Traceback (most recent call last):", *lines]) if error["stackTrace"] else head
