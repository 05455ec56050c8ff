"""
The part of Stagefright that runs inside a function: it reads the function's flag and strikes.

    from stagefright.chaos.runtime import inject_faults

    @inject_faults
    def handler(event, context): ...

It needs boto3 and the standard library. A function or a layer carries this file and what it imports in the course of things
(`carried.py`). The flag is read from the SSM parameter that `parameter_name` finds, at every invocation unless
`STAGEFRIGHT_FLAG_TTL` says for how many seconds a reading may be kept: a test that sets a flag wants it felt by the very next
invocation, and only a busy function has reason to save the read.

A fault of ours never breaks a function. A flag that cannot be read, is malformed or has run out is off, which is logged
once; a fault that fails by itself is logged and skipped; and the handler runs. Each strike is one line of JSON on
standard output, in the shape that failure-lambda logs:

    {"source": "stagefright", "level": "warn", "mode": "latency", "action": "inject", "latency_ms": 400.0, ...}

The faults are imported when a flag is first found, so a function without one pays next to nothing for its cold start.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stagefright.chaos.faults.fault import AnyFault, Harm
    from stagefright.chaos.faults.points import Answer, Invocation, Memory
    from stagefright.chaos.flags import Flag

STAGE_VARIABLE = "STAGEFRIGHT_STAGE"
FUNCTION_VARIABLE = "STAGEFRIGHT_FUNCTION"
TTL_VARIABLE = "STAGEFRIGHT_FLAG_TTL"
NAME_VARIABLES = ("FAILURE_INJECTION_PARAM", "STAGEFRIGHT_FLAG_PARAM")
"""The variables that name the flag's parameter, strongest first."""

AFTER_ERROR_S = 60
"""After a read that failed the flag stays off for so long, so a function that cannot reach SSM is slowed down once."""

Handler = Callable[[Any, Any], Any]
"""A Lambda handler: event and context in, response out."""

Reading = Callable[[str], str | None]
"""How a parameter is read: its name in, its value out, None if there is no such parameter."""

StrikeListener = Callable[["AnyFault", "Harm"], None]
"""Told of each strike just before it lands; a timeout, for one, leaves no time after."""

Scope = Callable[[], Callable[[], bool]]
"""
Asked when an invocation begins; what it gives says later whether the code that runs just then is of that function. A
deployed function has its process for itself.
"""

_obeying: ContextVar[object] = ContextVar("stagefright_obeying")
"""The context object of the invocation that this thread is in, if its handler obeys a flag."""


def inject_faults(handler: Handler) -> Handler:
    """Decorate a handler so that it obeys the flag that its environment names."""
    return wrap(handler)


def parameter_name(environment: Mapping[str, str]) -> str | None:
    """
    The parameter that holds the flag of a function with this environment; None if the environment names none.

    >>> parameter_name({"STAGEFRIGHT_STAGE": "my-feature", "STAGEFRIGHT_FUNCTION": "Worker"})
    '/stagefright/my-feature/Worker'
    """
    for variable in NAME_VARIABLES:
        if environment.get(variable):
            return environment[variable]
    stage, function = environment.get(STAGE_VARIABLE), environment.get(FUNCTION_VARIABLE)
    return f"/stagefright/{stage}/{function}" if stage and function else None


def read_parameter(name: str) -> str | None:
    """The value of an SSM parameter, or None if there is no such parameter."""
    client = _ssm()
    try:
        return str(client.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])
    except client.exceptions.ParameterNotFound:
        return None


@functools.cache
def _ssm() -> Any:
    import boto3
    from botocore.config import Config

    # botocore's defaults would spend minutes of the function's time on an endpoint that cannot be reached.
    return boto3.client(
        "ssm", config=Config(connect_timeout=1, read_timeout=1, retries={"mode": "standard", "total_max_attempts": 2})
    )


def wrap(
    handler: Handler,
    *,
    name: str | None = None,
    environment: Mapping[str, str] | None = None,
    read: Reading = read_parameter,
    strike_listener: StrikeListener | None = None,
    scope: Scope = lambda: lambda: True,
    progress: Progress | None = None,
    storage_mb: int | None = None,
) -> Handler:
    """
    A handler that obeys its flag.

    `name` is the parameter (default: `parameter_name` of the environment), `environment` the function's variables
    (default: the process's, looked at again at each invocation), `progress` what its faults remember;
    `scope` and `storage_mb` are for a function that shares its process and its disk.
    """
    source = FlagSource(read)
    remembered = progress or Progress()

    @functools.wraps(handler)
    def obedient(event: Any, context: Any) -> Any:
        # A handler may be wrapped twice: by its own decorator, and by a layer or a local stage. The outer wrap acts.
        if _obeying.get(None) is context and context is not None:
            return handler(event, context)
        token = _obeying.set(context)
        try:
            flag = source.current(name, os.environ if environment is None else environment)
            if flag is None:
                remembered.forget()
                return handler(event, context)
            place = {"is_inside": scope(), "storage_mb": storage_mb}
            point = _invocation(flag, remembered.of(flag), event, context, **place)
            return _run(handler, flag, point, strike_listener)
        finally:
            _obeying.reset(token)

    return obedient


def _invocation(flag: Flag, memory: Memory, event: Any, context: Any, **place: Any) -> Invocation:
    from stagefright.chaos.faults.points import Invocation

    nth = memory.count(("request", getattr(context, "aws_request_id", "")))
    return Invocation(seed=flag.seed, memory=memory, event=event, context=context, nth=nth, **place)


class FlagSource:
    """Reads the flag of one handler, keeps it for as long as allowed, and says once what is wrong with it."""

    def __init__(self, read: Reading) -> None:
        self._read = read
        self._flag: Flag | None = None
        self._good_until = float("-inf")
        self._said: set[str] = set()

    def current(self, name: str | None, environment: Mapping[str, str]) -> Flag | None:
        """The flag if it is on; None if nothing names it, if there is none, and if anything is wrong with it."""
        name = name or parameter_name(environment)
        if name is None:
            return None
        now = time.time()
        if now >= self._good_until:
            self._flag, self._good_until = self._fresh(name, now, _ttl_s(environment))
        is_live = self._flag is not None and now < self._flag.expires  # a kept flag must not outlive its lease
        return self._flag if is_live else None

    def _fresh(self, name: str, now: float, ttl_s: float) -> tuple[Flag | None, float]:
        try:
            text = self._read(name)
        except Exception as problem:  # noqa: BLE001 (whatever fails here must not fail the function)
            self._say(f"{name} could not be read, so no fault strikes: {type(problem).__name__}: {problem}")
            return None, now + max(ttl_s, AFTER_ERROR_S)
        return None if text is None else self._parsed(name, text, now), now + ttl_s

    def _parsed(self, name: str, text: str, now: float) -> Flag | None:
        from stagefright.chaos.flags import parse

        flag = parse(text, now)
        if flag.is_on:
            return flag
        self._say(f"{name} is off: {flag.reason}")
        return None

    def _say(self, message: str) -> None:
        if message not in self._said:
            self._said.add(message)
            log("error", "config", message=message)


def _ttl_s(environment: Mapping[str, str]) -> float:
    try:
        return max(0.0, float(environment.get(TTL_VARIABLE, "0")))
    except ValueError:
        return 0.0


def _run(handler: Handler, flag: Flag, point: Invocation, listener: StrikeListener | None) -> Any:
    from stagefright.chaos.strikes import Strikes

    strikes = Strikes(flag, point, listener=listener)
    try:
        outcome = strikes.before()
        if outcome is not None:
            return _given(outcome)
        with strikes.during():
            response = handler(point.event, point.context)
        outcome = strikes.after(response)
        return response if outcome is None else _given(outcome)
    finally:
        strikes.heal()


def _given(outcome: Answer | Exception) -> Any:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome.value


class Progress:
    """What the run of the present flag remembers; another run starts afresh, and so does one after the flag was gone."""

    def __init__(self) -> None:
        self._run: tuple[str, str] | None = None
        self._memory: Memory | None = None

    def of(self, flag: Flag) -> Memory:
        """The memory of the flag's run."""
        from stagefright.chaos.faults.points import Memory

        if self._memory is None or self._run != (flag.owner, flag.run):
            self._run, self._memory = (flag.owner, flag.run), Memory()
        return self._memory

    def forget(self) -> None:
        """There is no flag: the next one starts afresh."""
        self._memory = None


def log(level: str, action: str, **details: Any) -> None:
    """Write one line in failure-lambda's shape to the function's log."""
    with suppress(Exception):  # a closed standard output must not break the function
        line = json.dumps({"source": "stagefright", "level": level, "action": action, **details}, default=str)
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
