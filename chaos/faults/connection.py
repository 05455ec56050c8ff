"""
Connections as fault points: each host that the function's code is about to connect to.

While a function with such faults runs, Python's look-ups of host names are watched, and `HTTPConnection.connect` and its like in
httpx and aiohttp, since a local stage answers for its own hosts without a look-up. SDK calls are points of their own (`sdk_call`).
"""

from __future__ import annotations

import http.client
import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Self

from stagefright.chaos.faults.points import FunctionPoint, Outcome, Reach
from stagefright.chaos.faults.replacements import Replacements
from stagefright.late_imports import LateImports


class Connection(FunctionPoint):
    """A host that the function is about to connect to."""

    host: str = ""
    number: int = 0
    """How many connections to it the invocation has opened before."""

    @property
    def identity(self) -> tuple[object, ...]:
        """Each connection is one more."""
        return (*super().identity, self.host, self.number)

    @classmethod
    def within(cls, point: FunctionPoint, **more: Any) -> Self:
        """The next connection to the host."""
        number = point.memory.count(("connection", point.request_id, point.nth, more["host"]))
        return super().within(point, number=number, **more)

    @classmethod
    @contextmanager
    def watch(cls, reach: Reach) -> Iterator[None]:
        """Ask `reach` at each connection that is opened anywhere in this process."""
        _reaches.append(reach)
        imports = LateImports(dict.fromkeys(("httpcore", "aiohttp"), _hook))
        try:
            _hook()
            imports.start()
            yield
        finally:
            imports.stop()
            _reaches.remove(reach)
            if not _reaches:
                _replacements.take_back()


_reaches: list[Reach] = []
_replacements = Replacements()
_asked: ContextVar[bool] = ContextVar("stagefright_asked", default=False)
"""Whether this thread's look-up belongs to a connection that was asked about already."""

_asked_about: Counter[str] = Counter()
"""Hosts to which a connection is made just now that was asked about already; an event loop looks names up in threads of their own."""


@contextmanager
def asked_about(host: str) -> Iterator[None]:
    """While this holds, look-ups of the host are no points of their own."""
    _asked_about[host] += 1
    try:
        yield
    finally:
        _asked_about[host] -= 1


def ask(host: str) -> Outcome:
    """What the faults of the function that connects to a host want of it."""
    for reach in tuple(_reaches):
        outcome = reach(host=host)
        if outcome is not None:
            return outcome
    return None


def _look_up(original: Callable[..., Any]) -> Callable[..., Any]:
    def look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        name = host.decode(errors="replace") if isinstance(host, bytes) else host
        is_new = isinstance(name, str) and name and not _asked.get() and not _asked_about[name]
        outcome = ask(name) if is_new else None
        if isinstance(outcome, Exception):
            raise outcome
        return original(host, *args, **kwargs)

    return look_up


def _connect(original: Callable[[Any], None]) -> Callable[[Any], None]:
    def connect(connection: Any) -> None:
        outcome = None if _asked.get() else ask(connection.host)
        if isinstance(outcome, Exception):
            raise _as_its_client_has_it(connection, outcome)
        token = _asked.set(True)
        try:
            original(connection)
        finally:
            _asked.reset(token)

    return connect


def _as_its_client_has_it(connection: Any, error: Exception) -> Exception:
    """urllib3, and with it requests, gives the resolver's error as its own."""
    if not type(connection).__module__.startswith(("urllib3.", "botocore.")):
        return error
    from urllib3.exceptions import NewConnectionError

    try:
        from urllib3.exceptions import NameResolutionError
    except ImportError:  # urllib3 1.x
        return NewConnectionError(connection, f"Failed to resolve {connection.host!r} ({error})")
    return NameResolutionError(connection.host, connection, error)  # type: ignore[arg-type]


def _hooks() -> Iterator[tuple[Any, str, Callable[[Any], Any]]]:
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
        yield socket, name, _look_up
    for module in (http.client, sys.modules.get("urllib3.connection")):
        for name in ("HTTPConnection", "HTTPSConnection"):
            found = getattr(module, name, None)
            if isinstance(found, type) and "connect" in vars(found):
                yield found, "connect", _connect
    from stagefright.chaos.faults import client_connections

    yield from client_connections.targets()


def _hook() -> None:
    """Replace what is there and not replaced yet."""
    for target, name, wrapper in _hooks():
        _replacements.put(target, name, wrapper)
