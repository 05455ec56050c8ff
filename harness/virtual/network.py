"""
HTTP and sockets of user code.

A connection to the host of a stage's own API gets a socket of ours, at the level of `http.client`, on which urllib, urllib3 and requests
all stand. What is written to it is parsed as an HTTP request when the client reads the answer; the call then runs in the world, and the
socket's timeout is virtual. httpx and aiohttp are reached in their own ways (`http_clients`). A connection from the world to any other host is refused, unless it is loopback or allowed.
"""

from __future__ import annotations

import asyncio
import functools
import http.client
import io
import socket
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

from stagefright.call_site import call_site
from stagefright.errors import NotInWorld
from stagefright.hosts import is_local
from stagefright.tasks import Actor, Kernel, current_actor, refuse_the_abandoned
from stagefright.virtual import http_clients
from stagefright.virtual.patching import Patches

_DEFAULT_TIMEOUT: Any = socket._GLOBAL_DEFAULT_TIMEOUT  # type: ignore[attr-defined]
"""What a connection has for a timeout if it was given none."""


Server = Callable[[str, bytes], Coroutine[Any, Any, bytes]]
"""Who answers the requests to a host, as bytes on the wire."""


class WorldSocket:
    """The client's end of a connection to a stage's API."""

    def __init__(self, actor: Actor, host: str, timeout: Any, serve: Server) -> None:
        self._actor = actor
        self._host = host
        self._serve = serve
        if timeout is _DEFAULT_TIMEOUT:
            timeout = socket.getdefaulttimeout()
        self._timeout = timeout if isinstance(timeout, int | float) else None
        self._sent = bytearray()

    def settimeout(self, timeout: float | None) -> None:
        self._timeout = timeout

    def gettimeout(self) -> float | None:
        return self._timeout

    def setsockopt(self, *_: Any) -> None:
        """Options of a TCP connection mean nothing here."""

    def sendall(self, data: bytes, _flags: int = 0) -> None:
        self._sent += data

    def send(self, data: bytes, _flags: int = 0) -> int:
        self._sent += data
        return len(data)

    def makefile(self, _mode: str = "r", *_: Any, **__: Any) -> io.BufferedReader:
        return io.BufferedReader(_Answer(self))

    def answer(self) -> bytes:
        """Play the request that was written; a read timeout fires when it would."""
        refuse_the_abandoned(current_actor())
        kernel = self._actor.kernel
        request, self._sent = bytes(self._sent), bytearray()
        task = kernel.spawn(self._serve(self._host, request), name=f"HTTP to {self._host}", cause=kernel.cause())
        if self._timeout is None:
            return kernel.wait(task)
        if not kernel.wait(kernel.first(task, deadline=kernel.now() + self._timeout)):
            raise TimeoutError("timed out")
        return task.result()

    def close(self) -> None:
        """Nothing to close: the connection was never there."""

    def shutdown(self, _how: int) -> None:
        """Nothing to shut down."""

    def fileno(self) -> int:
        return -1


class _Answer(io.RawIOBase):
    """The answer to a request, asked for at the first read."""

    def __init__(self, connection: WorldSocket) -> None:
        self._connection = connection
        self._body: io.BytesIO | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._body is None:
            self._body = io.BytesIO(self._connection.answer())
        return self._body.readinto(buffer)


def _server_of(kernel: Kernel, host: str, port: int) -> Server | None:
    """Who in the world answers for a host; its own endpoint is reached without the detour through a real connection."""
    if kernel.serves_host(host):
        return kernel.serve_http
    if port == kernel.endpoint_port and (is_local(host) or host.endswith(".localhost")):
        return kernel.serve_endpoint
    return None


def _connect_http(original: Callable[[Any], None]) -> Callable[[Any], None]:
    """`HTTPConnection.connect` that gives hosts of the stage a socket of ours."""

    def connect(connection: Any) -> None:
        actor = current_actor()
        serve = None if actor is None else _server_of(actor.kernel, connection.host, connection.port)
        if actor is None or serve is None:
            original(connection)
            return
        connection.sock = WorldSocket(actor, connection.host, connection.timeout, serve)
        for mark in ("is_verified", "proxy_is_verified"):
            if hasattr(connection, mark):
                setattr(connection, mark, True)

    return connect


def _refuse(actor: Actor, host: str, port: int | None) -> None:
    """Raise unless the host is this machine or allowed; the journal keeps it, for user code may swallow the error."""
    refuse_the_abandoned(actor)
    kernel = actor.kernel
    names = _looked_up.get(host, {host})
    if is_local(host) or any(kernel.allows_host(name, port) for name in names):
        return
    if kernel.serves_host(host):
        reason = (
            f"{actor.name} tried to reach {host!r}, which is part of the stage, with a client that the stage does not know.\n"
            f"It was called from:\n{call_site()}"
            "Use one that it knows: requests, urllib3, urllib.request, httpx (with asyncio), aiohttp."
        )
    else:
        asked = f"{host}:{port}" if any(kernel.allows_host(name, None) for name in names) else host
        reason = (
            f"{actor.name} tried to reach {asked!r}, which is not part of the stage.\nIt was called from:\n{call_site()}"
            f'Stub the call, or allow the host: [tool.stagefright] allow_hosts = ["{asked}"].'
        )
    if kernel.world is not None:
        kernel.world.journal.write(
            "warning", getattr(getattr(actor.owner, "log", None), "function", "test"), message=reason
        )
    raise NotInWorld(reason)


def _guard_connection(native: Callable[[socket.socket, Any], Any]) -> Callable[[socket.socket, Any], Any]:
    """`socket.connect`: refuses hosts outside the stage to threads of the world."""

    @functools.wraps(native)
    def connect(sock: socket.socket, address: Any) -> Any:
        _check(sock, address)
        actor = current_actor()
        if actor is not None and actor.owner is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            actor.owner.sockets.add(sock)
        return native(sock, address)

    return connect


def _guard_datagram(native: Callable[..., Any], at: int) -> Callable[..., Any]:
    """`socket.sendto` and `sendmsg`, which need no connection; the address is the last argument, after `at` others or more."""

    @functools.wraps(native)
    def send(sock: socket.socket, *args: Any) -> Any:
        if len(args) > at and args[-1] is not None:
            _check(sock, args[-1])
        return native(sock, *args)

    return send


def _check(sock: socket.socket, address: Any) -> None:
    actor = current_actor()
    if actor is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
        _refuse(actor, str(address[0]), address[1])


def _guard_lookup(native: Callable[..., Any]) -> Callable[..., Any]:
    """`socket.getaddrinfo` and its like: refuse to look up hosts outside the stage for threads of the world."""

    @functools.wraps(native)
    def look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
        actor = current_actor()
        if actor is None or not host:
            return native(host, *args, **kwargs)
        asked = _text(host)
        _refuse(actor, asked, _port(args[0] if args else kwargs.get("port")))
        found = native(host, *args, **kwargs)
        for address in _addresses(found):
            _looked_up.setdefault(address, set()).add(asked)
        return found

    return look_up


def _guard_loop(native: Callable[..., Any]) -> Callable[..., Any]:
    """A look-up of asyncio, which another thread will make: refused here, where it is seen who asks."""

    @functools.wraps(native)
    async def getaddrinfo(loop: Any, host: Any, port: Any, **kwargs: Any) -> Any:
        actor = current_actor()
        if actor is not None and host:
            _refuse(actor, _text(host), _port(port))
        return await native(loop, host, port, **kwargs)

    return getaddrinfo


def _text(host: Any) -> str:
    return host.decode() if isinstance(host, bytes) else str(host)


def _port(asked: Any) -> int | None:
    """A port as a number; one that is asked for by the name of its service is any."""
    return int(asked) if str(asked).isdigit() else None


_looked_up: dict[str, set[str]] = {}
"""What the addresses of allowed hosts are called: clients look a name up first, and then connect to a number."""


def _addresses(found: Any) -> Iterator[str]:
    """The addresses in the answer of one of the look-up functions."""
    if isinstance(found, str):
        yield found
    elif isinstance(found, tuple):
        yield from found[2]
    else:
        yield from (str(entry[4][0]) for entry in found)


def install() -> Callable[[], None]:
    """Bring HTTP into the world and keep everything else in; returns what undoes it."""
    import urllib3.connection as urllib3_connection

    patches = Patches()
    _looked_up.clear()
    for cls in (
        http.client.HTTPConnection,
        http.client.HTTPSConnection,
        urllib3_connection.HTTPConnection,
        urllib3_connection.HTTPSConnection,
    ):
        patches.set(cls, "connect", _connect_http(cls.connect))
    for name in ("connect", "connect_ex"):
        patches.set(socket.socket, name, _guard_connection(getattr(socket.socket, name)))
    patches.set(socket.socket, "sendto", _guard_datagram(socket.socket.sendto, at=1))
    if hasattr(socket.socket, "sendmsg"):
        patches.set(socket.socket, "sendmsg", _guard_datagram(socket.socket.sendmsg, at=3))
    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "gethostbyaddr"):
        patches.set(socket, name, _guard_lookup(getattr(socket, name)))
    patches.set(asyncio.BaseEventLoop, "getaddrinfo", _guard_loop(asyncio.BaseEventLoop.getaddrinfo))
    forget_clients = http_clients.install(lambda actor, host, port: _server_of(actor.kernel, host, port))

    def restore() -> None:
        forget_clients()
        patches.restore()

    return restore
