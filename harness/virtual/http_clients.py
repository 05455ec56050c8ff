"""
HTTP clients that do not stand on `http.client`: httpx (by way of httpcore) and aiohttp.

A connection of theirs to a host of the stage is one of ours. Each is replaced where it makes a connection, so what it does with one
(pooling, parsing, timeouts, its own errors) is its own. An event loop goes on while the world answers: requests that a handler
makes at the same time are under way at the same time.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from stagefright.late_imports import LateImports
from stagefright.tasks import Actor, current_actor, refuse_the_abandoned
from stagefright.virtual.patching import Patches

if TYPE_CHECKING:
    from stagefright.virtual.network import Server

WhoServes = Callable[[Actor, str, int], "Server | None"]
"""Who in the world answers for a host and port; None if nobody does."""


class Peer:
    """The world, at the other end of a connection of the calling thread's actor."""

    def __init__(self, actor: Actor, host: str, serve: Server) -> None:
        self._actor = actor
        self._host = host
        self._serve = serve

    def _play(self, request: bytes) -> Any:
        refuse_the_abandoned(current_actor())
        kernel = self._actor.kernel
        return kernel.spawn(self._serve(self._host, request), name=f"HTTP to {self._host}", cause=kernel.cause())

    def answer(self, request: bytes, timeout_s: float | None) -> bytes:
        """Play a request; `TimeoutError` if it takes longer than so many virtual seconds."""
        kernel, task = self._actor.kernel, self._play(request)
        if timeout_s is not None and not kernel.wait(kernel.first(task, deadline=kernel.now() + timeout_s)):
            raise TimeoutError("timed out")
        return bytes(kernel.wait(task))

    async def answer_in_loop(self, request: bytes) -> bytes:
        """Play a request while the event loop goes on."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[None] = loop.create_future()
        task = self._play(request)

        def settle() -> None:
            if not answered.done():
                answered.set_result(None)

        def wake() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle)

        task.when_done(wake)
        await answered
        return bytes(task.result())


def peer_of(host: str, port: int | None, who_serves: WhoServes) -> Peer | None:
    """The world as peer of a connection from the calling thread, if the host is the world's."""
    actor = current_actor()
    serve = None if actor is None else who_serves(actor, host, port or 0)
    return None if actor is None or serve is None else Peer(actor, host, serve)


# -- httpcore ----------------------------------------------------------------------------------------------------------


class _Stream:
    """What httpcore's two kinds of streams have in common; TLS is of no use within one process."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._sent = bytearray()
        self._unread = b""

    def get_extra_info(self, _info: str) -> Any:
        return None

    def _take_request(self) -> bytes:
        request, self._sent = bytes(self._sent), bytearray()
        return request

    def _take(self, max_bytes: int) -> bytes:
        data, self._unread = self._unread[:max_bytes], self._unread[max_bytes:]
        return data


class BlockingStream(_Stream):
    """httpcore's `NetworkStream`, with the world behind it."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        import httpcore

        if self._sent:
            try:
                self._unread = self._peer.answer(self._take_request(), timeout)
            except TimeoutError as error:
                raise httpcore.ReadTimeout(str(error)) from error
        return self._take(max_bytes)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002 (httpcore's signature)
        self._sent += buffer

    def start_tls(self, *_: Any, **__: Any) -> BlockingStream:
        return self

    def close(self) -> None:
        """Nothing to close: the connection was never there."""


class AsyncStream(_Stream):
    """httpcore's `AsyncNetworkStream`, with the world behind it."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 (httpcore's signature)
        import httpcore

        if self._sent:
            try:
                self._unread = await asyncio.wait_for(self._peer.answer_in_loop(self._take_request()), timeout)
            except TimeoutError as error:
                raise httpcore.ReadTimeout(str(error)) from error
        return self._take(max_bytes)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109 (httpcore's)
        self._sent += buffer

    async def start_tls(self, *_: Any, **__: Any) -> AsyncStream:
        return self

    async def aclose(self) -> None:
        """Nothing to close: the connection was never there."""


def _connect_blocking(original: Callable[..., Any], who_serves: WhoServes) -> Callable[..., Any]:
    def connect_tcp(backend: Any, host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        peer = peer_of(host, port, who_serves)
        return original(backend, host, port, *args, **kwargs) if peer is None else BlockingStream(peer)

    return connect_tcp


def _connect_async(original: Callable[..., Any], who_serves: WhoServes) -> Callable[..., Any]:
    async def connect_tcp(backend: Any, host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        peer = peer_of(host, port, who_serves)
        if peer is None or asyncio._get_running_loop() is None:  # trio's loops have sockets of their own
            return await original(backend, host, port, *args, **kwargs)
        return AsyncStream(peer)

    return connect_tcp


# -- aiohttp -----------------------------------------------------------------------------------------------------------


class WorldTransport(asyncio.Transport):
    """The client's end of a connection; a request is played as soon as it has been written."""

    def __init__(self, peer: Peer, loop: asyncio.AbstractEventLoop, protocol: Any) -> None:
        super().__init__()
        self._peer = peer
        self._loop = loop
        self._protocol = protocol
        self._sent = Written()
        self._playing: asyncio.Task[None] | None = None
        self._closing = False

    def write(self, data: Any) -> None:
        if self._sent.add(data):
            request, self._sent = bytes(self._sent), Written()
            self._playing = self._loop.create_task(self._play(request))
        elif self._sent.waits_to_continue():
            self._loop.call_soon(self._receive, b"HTTP/1.1 100 Continue\r\n\r\n")

    async def _play(self, request: bytes) -> None:
        self._receive(await self._peer.answer_in_loop(request))

    def _receive(self, data: bytes) -> None:
        if not self._closing:
            self._protocol.data_received(data)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()

    def pause_reading(self) -> None:
        """What the world answers is there at once."""

    def resume_reading(self) -> None:
        """As above."""

    def get_write_buffer_size(self) -> int:
        return 0

    def can_write_eof(self) -> bool:
        return False


class Written:
    r"""
    A request as far as it has been written.

    >>> request = Written()
    >>> [request.add(data) for data in (b"POST / HTTP/1.1\r\nContent-Length: 2\r\n", b"\r\na", b"b")]
    [False, False, True]
    """

    def __init__(self) -> None:
        self._raw = bytearray()
        self._body_at = 0
        """Where the body begins, and in a chunked one the chunk that has not been seen whole; 0 before the head is there."""
        self._headers: dict[str, str] = {}

    def add(self, data: Any) -> bool:
        """Take more of it; says whether that was all."""
        self._raw += data
        if not self._body_at:
            self._read_head()
        if not self._body_at:
            return False
        if "chunked" in self._headers.get("transfer-encoding", ""):
            return self._has_last_chunk()
        return len(self._raw) - self._body_at >= int(self._headers.get("content-length", "0"))

    def _read_head(self) -> None:
        head, end, _ = bytes(self._raw).partition(b"\r\n\r\n")
        if end:
            self._body_at = len(head) + len(end)
            lines = head.decode("latin-1").lower().split("\r\n")[1:]
            self._headers = {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def _has_last_chunk(self) -> bool:
        while (end := self._raw.find(b"\r\n", self._body_at)) >= 0:
            size = int(self._raw[self._body_at : end].partition(b";")[0], 16)
            if size == 0:
                return self._raw.endswith(b"\r\n\r\n")
            if len(self._raw) < end + 2 + size + 2:
                return False
            self._body_at = end + 2 + size + 2
        return False

    def waits_to_continue(self) -> bool:
        """Whether the client wants to hear `100 Continue` before it goes on."""
        return self._headers.get("expect") == "100-continue" and len(self._raw) == self._body_at

    def __bytes__(self) -> bytes:
        return bytes(self._raw)


def _create_connection(original: Callable[..., Any], who_serves: WhoServes) -> Callable[..., Any]:
    async def create_connection(connector: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        peer = None if request.proxy else peer_of(request.url.host or "", request.url.port, who_serves)
        if peer is None:
            return await original(connector, request, *args, **kwargs)
        protocol = connector._factory()
        protocol.connection_made(WorldTransport(peer, asyncio.get_running_loop(), protocol))
        return protocol

    return create_connection


# -- installation ------------------------------------------------------------------------------------------------------


def _targets() -> list[tuple[Any, str, Callable[..., Any]]]:
    httpcore, aiohttp = sys.modules.get("httpcore"), sys.modules.get("aiohttp")
    found = [
        (getattr(httpcore, "SyncBackend", None), "connect_tcp", _connect_blocking),
        (getattr(httpcore, "AnyIOBackend", None), "connect_tcp", _connect_async),
        (getattr(aiohttp, "TCPConnector", None), "_create_connection", _create_connection),
    ]
    return [(target, name, wrap) for target, name, wrap in found if hasattr(target, name)]


def install(who_serves: WhoServes) -> Callable[[], None]:
    """Bring these clients into the world, those that are imported later too; returns what undoes it."""
    patches = Patches()
    patched: set[Any] = set()

    def patch() -> None:
        for target, name, wrap in _targets():
            if target not in patched:
                patched.add(target)
                patches.set(target, name, wrap(getattr(target, name), who_serves))

    imports = LateImports({"httpcore": patch, "aiohttp": patch})
    imports.start()

    def restore() -> None:
        imports.stop()
        patches.restore()

    return restore
