"""
HTTP requests of a function as fault points, at the level of `http.client`, on which urllib, urllib3 and requests stand.

While a function with such faults runs, these methods are replaced:

    HTTPConnection.connect      is put off until the request is known, for a fault may answer before anything connects
    HTTPConnection.putrequest   method and path are known: here the faults are asked
    HTTPConnection.getresponse  here an answer comes late, slowly or not at all

SDK calls go the same way and are left alone: they have faults of their own. What does not stand on `http.client` is replaced
elsewhere: stubs of requests (`http_stubs`), httpx (`httpx_requests`), aiohttp (`aiohttp_requests`).
"""

from __future__ import annotations

import http.client
import io
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple, Self

from stagefright.chaos.faults import http_stubs
from stagefright.chaos.faults.points import Answer, FunctionPoint, Reach, fresh
from stagefright.late_imports import LateImports

EXCHANGE = "stagefright_exchange"
"""The attribute of a connection that holds the exchange that is under way."""


class Exchange:
    """One request and its response; a fault says here what becomes of them."""

    def __init__(self, connection: Any = None) -> None:
        self._connection = connection
        self.late_s = 0.0
        """How much later the response comes."""
        self.is_lost = False
        """Whether the connection breaks when the response is due."""
        self.drip: tuple[int, float] | None = None
        """How many bytes of the body come at a time, and the seconds before each."""

    def refusal(self) -> Exception:
        """What the client meets when nobody listens, in the words of its library."""
        error = ConnectionRefusedError(111, "Connection refused")
        if type(self._connection).__module__.startswith("urllib3"):
            from urllib3.exceptions import NewConnectionError

            return NewConnectionError(self._connection, f"Failed to establish a new connection: {error}")
        return error


class Canned(NamedTuple):
    """What the client reads in place of a response: bytes, or an error."""

    content: bytes = b""
    error: OSError | None = None


class HttpRequest(FunctionPoint):
    """One HTTP request that the function makes, about to be sent."""

    host: str = ""
    method: str = ""
    path: str = ""
    request: int = 0
    """How many requests of this method to this host the invocation has made before."""

    exchange: Exchange = fresh(default_factory=Exchange)

    @property
    def identity(self) -> tuple[object, ...]:
        return (*super().identity, self.host, self.method, self.request)

    @classmethod
    def within(cls, point: FunctionPoint, **more: Any) -> Self:
        """The next request of the invocation of `point`."""
        what = ("request", point.request_id, point.nth, more["host"], more["method"])
        return super().within(point, request=point.memory.count(what), **more)

    @classmethod
    @contextmanager
    def watch(cls, reach: Reach) -> Iterator[None]:
        """Ask `reach` at each HTTP request that anything in this process makes."""
        _reaches.append(reach)
        imports = LateImports(dict.fromkeys(("httpx", "aiohttp", "requests"), _hook))
        try:
            _hook()
            imports.start()
            yield
        finally:
            imports.stop()
            _reaches.remove(reach)
            if not _reaches:
                _unhook()


_reaches: list[Reach] = []

asked: ContextVar[bool] = ContextVar("stagefright_http_asked", default=False)
"""Whether the request that this thread makes was asked about already, before a stub let it pass through."""


def ask(host: str, method: str, path: str, exchange: Exchange) -> Any:
    """What the faults of the function that makes a request want of it."""
    for reach in tuple(_reaches):
        outcome = reach(host=host, method=method, path=path, exchange=exchange)
        if outcome is not None:
            return outcome
    return None


# -- http.client's methods, replaced -----------------------------------------------------------------------------------


def _targets() -> Iterator[tuple[Any, str, Callable[..., Any]]]:
    yield http.client.HTTPConnection, "putrequest", _asking
    yield http.client.HTTPConnection, "getresponse", _as_the_faults_want
    yield http.client.HTTPConnection, "connect", _putting_off
    yield http.client.HTTPSConnection, "connect", _putting_off
    urllib3 = sys.modules.get("urllib3.connection")
    if urllib3 is not None:
        yield urllib3.HTTPConnection, "connect", _putting_off
        yield urllib3.HTTPSConnection, "connect", _putting_off
    sessions = sys.modules.get("requests.sessions")
    if sessions is not None:
        yield sessions.Session, "get_adapter", http_stubs.seeing_stubs
    yield from _of_other_clients()


def _of_other_clients() -> Iterator[tuple[Any, str, Callable[..., Any]]]:
    # Imported if they are of use: asyncio alone costs 30 ms.
    if "httpx" in sys.modules:
        from stagefright.chaos.faults import httpx_requests

        yield from httpx_requests.targets()
    if "aiohttp" in sys.modules:
        from stagefright.chaos.faults import aiohttp_requests

        yield from aiohttp_requests.targets()


def _hook() -> None:
    """Replace the methods, unless they are; whoever else replaces them may have put back what was there before us."""
    for target, name, wrapper in _targets():
        current = getattr(target, name)
        if not hasattr(current, "stagefright_hooks"):
            replaced: Any = wrapper(current)
            replaced.stagefright_hooks = current
            setattr(target, name, replaced)


def _unhook() -> None:
    for target, name, _ in _targets():
        original = getattr(getattr(target, name), "stagefright_hooks", None)
        if original is not None:
            setattr(target, name, original)


def _is_an_sdks(connection: Any) -> bool:
    return any(kind.__module__.startswith("botocore") for kind in type(connection).__mro__)


def _putting_off(original: Callable[[Any], None]) -> Callable[[Any], None]:
    def connect(connection: Any) -> None:
        put_off = connection.sock is None and not hasattr(connection, EXCHANGE) and not connection._tunnel_host
        if not put_off or not _reaches or _is_an_sdks(connection):
            original(connection)
            return
        connection.sock = _NotYet(connection, original)
        for mark in ("is_verified", "proxy_is_verified"):
            if hasattr(connection, mark):
                setattr(connection, mark, True)

    return connect


def _asking(original: Callable[..., None]) -> Callable[..., None]:
    def putrequest(connection: Any, method: str, url: str, *args: Any, **kwargs: Any) -> None:
        if not _is_an_sdks(connection):
            _decide(connection, method, url)
        original(connection, method, url, *args, **kwargs)

    return putrequest


def _decide(connection: Any, method: str, url: str) -> None:
    exchange = Exchange(connection)
    host = getattr(connection, "_tunnel_host", None) or connection.host
    outcome = None if asked.get() else ask(str(host), method, url, exchange)
    setattr(connection, EXCHANGE, exchange)
    if outcome is None:
        _connect_at_last(connection)
    elif isinstance(outcome, Answer):
        _drop(connection)
        connection.sock = _Stub(outcome.value)
    else:
        _forget(connection)
        _drop(connection)
        raise outcome


def _connect_at_last(connection: Any) -> None:
    not_yet = connection.sock
    if isinstance(not_yet, _NotYet):
        connection.sock = None
        not_yet.connect()


def _drop(connection: Any) -> None:
    """Give up a connection that was kept alive, or that was never made."""
    if connection.sock is not None:
        connection.sock.close()
        connection.sock = None


def _forget(connection: Any) -> Exchange:
    return connection.__dict__.pop(EXCHANGE, None) or Exchange()


def _as_the_faults_want(original: Callable[..., Any]) -> Callable[..., Any]:
    def getresponse(connection: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = _forget(connection)
        patience_s = None if connection.sock is None else connection.sock.gettimeout()
        began = time.monotonic()
        response = original(connection, *args, **kwargs)
        if exchange.late_s:
            _wait(exchange.late_s, patience_s, time.monotonic() - began, response)
        if exchange.is_lost:
            response.close()
            raise ConnectionResetError(104, "Connection reset by peer")
        if exchange.drip is not None and response.fp is not None:
            response.fp = io.BufferedReader(_Drip(response.fp, *exchange.drip, patience_s))
        return response

    return getresponse


def _wait(late_s: float, patience_s: float | None, waited_s: float, response: Any) -> None:
    """Let a response be late; the client gives up on it when its own timeout says so."""
    if patience_s is None or waited_s + late_s < patience_s:
        time.sleep(late_s)
        return
    response.close()
    time.sleep(max(0.0, patience_s - waited_s))
    raise TimeoutError("timed out")


# -- sockets -----------------------------------------------------------------------------------------------------------


class _Socket:
    """What a client may ask of a socket that is none."""

    _timeout_s: float | None = None

    def settimeout(self, timeout: float | None) -> None:
        self._timeout_s = timeout

    def gettimeout(self) -> float | None:
        return self._timeout_s

    def setsockopt(self, *_: Any) -> None:
        """Options mean nothing here."""

    def shutdown(self, _how: int) -> None:
        """Nothing to shut down."""

    def close(self) -> None:
        """Nothing to close."""

    def fileno(self) -> int:
        return -1


class _NotYet(_Socket):
    """Stands for a connection that is made once the faults have been asked."""

    def __init__(self, connection: Any, connect: Callable[[Any], None]) -> None:
        self._connection = connection
        self._connect = connect

    def connect(self) -> None:
        self._connect(self._connection)


class _Stub(_Socket):
    """Takes any request, and answers as a fault says."""

    def __init__(self, canned: Canned) -> None:
        self._canned = canned

    def sendall(self, _data: bytes, _flags: int = 0) -> None:
        """It goes nowhere."""

    def send(self, data: bytes, _flags: int = 0) -> int:
        return len(data)

    def makefile(self, *_: Any, **__: Any) -> io.BufferedReader:
        return io.BufferedReader(_Reading(self._canned))


class _Reading(io.RawIOBase):
    def __init__(self, canned: Canned) -> None:
        self._error = canned.error
        self._content = io.BytesIO(canned.content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._error is not None:
            raise self._error
        return self._content.readinto(buffer)


class _Drip(io.RawIOBase):
    """A body that comes a few bytes at a time; the client's timeout is for each of them, as a socket's is."""

    def __init__(self, body: Any, chunk_bytes: int, delay_s: float, patience_s: float | None) -> None:
        self._body = body
        self._chunk_bytes = chunk_bytes
        self._delay_s = delay_s
        self._patience_s = patience_s

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._body.read1(min(len(buffer), self._chunk_bytes))
        if data:
            self._await_chunk()
        buffer[: len(data)] = data
        return len(data)

    def _await_chunk(self) -> None:
        if self._patience_s is not None and self._delay_s >= self._patience_s:
            time.sleep(self._patience_s)
            raise TimeoutError("timed out")
        time.sleep(self._delay_s)

    def close(self) -> None:
        self._body.close()
        super().close()
