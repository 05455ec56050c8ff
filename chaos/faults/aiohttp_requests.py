"""
HTTP requests of aiohttp as fault points: it does not stand on `http.client`.

While a function with HTTP faults runs, `BaseConnector.connect` is replaced, through which each request gets its connection, a pooled one or
a new one. A fault that answers gives a connection with nobody behind it; one that makes the answer late, slow or lost stands between the
transport and aiohttp's protocol until the connection is given back. Parsing, timeouts, errors and repeats are aiohttp's own.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from stagefright.chaos.faults import http_exchange
from stagefright.chaos.faults.points import Answer

Target = tuple[Any, str, Callable[..., Any]]


def targets() -> Iterator[Target]:
    """What to replace, if aiohttp is there."""
    connector = getattr(sys.modules.get("aiohttp"), "BaseConnector", None)
    if connector is not None:
        yield connector, "connect", _asking


def _asking(original: Callable[..., Any]) -> Callable[..., Any]:
    async def connect(connector: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        exchange = http_exchange.Exchange()
        url = request.url
        outcome = http_exchange.ask(url.host or "", request.method, url.raw_path_qs, exchange)
        if isinstance(outcome, Answer):
            return _canned(connector, request, outcome.value)
        if outcome is not None:
            raise _refusal(request, outcome)
        connection = await original(connector, request, *args, **kwargs)
        if exchange.late_s or exchange.is_lost or exchange.drip is not None:
            _stand_between(connection, exchange)
        return connection

    return connect


def _refusal(request: Any, error: Any) -> Exception:
    from aiohttp import ClientConnectorError

    return ClientConnectorError(request.connection_key, error) if isinstance(error, OSError) else error


# -- in the host's stead -----------------------------------------------------------------------------------------------


def _canned(connector: Any, request: Any, canned: http_exchange.Canned) -> Any:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection

    loop = asyncio.get_running_loop()
    protocol = ResponseHandler(loop=loop)
    protocol.connection_made(_Nobody(loop, protocol, canned))
    return Connection(connector, request.connection_key, protocol, loop)


class _Nobody(asyncio.Transport):
    """Takes any request, and answers its first bytes as a fault says."""

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: Any, canned: http_exchange.Canned) -> None:
        super().__init__()
        self._loop = loop
        self._protocol = protocol
        self._canned: http_exchange.Canned | None = canned
        self._closing = False

    def write(self, data: Any) -> None:  # noqa: ARG002 (it goes nowhere)
        canned, self._canned = self._canned, None
        if canned is None:
            return
        if canned.error is None:
            self._loop.call_soon(self._answer, canned.content)
        else:
            self._closing = True
            self._loop.call_soon(self._protocol.connection_lost, canned.error)

    def _answer(self, content: bytes) -> None:
        if not self._closing:
            self._protocol.data_received(content)

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._loop.call_soon(self._protocol.connection_lost, None)

    def abort(self) -> None:
        self.close()

    def pause_reading(self) -> None:
        """Its answer is there at once."""

    def resume_reading(self) -> None:
        """As above."""


# -- between host and client -------------------------------------------------------------------------------------------


def _stand_between(connection: Any, exchange: http_exchange.Exchange) -> None:
    protocol, transport = connection.protocol, connection.transport
    between = _Between(protocol, transport, exchange)
    transport.set_protocol(between)
    connection.add_callback(between.step_aside)


class _Between(asyncio.Protocol):
    """Hands on what the host sends, as late, slowly or incompletely as the faults want."""

    def __init__(self, protocol: Any, transport: Any, exchange: http_exchange.Exchange) -> None:
        self._protocol = protocol
        self._transport = transport
        self._exchange = exchange
        self._loop = asyncio.get_running_loop()
        self._due: deque[tuple[float, Callable[[], None]]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._head: bytes | None = b""
        """What came of the response's head so far; None when it is over, and the body comes."""
        self._delay_s = exchange.late_s

    def step_aside(self) -> None:
        """The response is over, or nobody waits for it."""
        if self._timer is not None:
            self._timer.cancel()
        self._due.clear()
        if self._transport.get_protocol() is self:
            self._transport.set_protocol(self._protocol)

    def data_received(self, data: bytes) -> None:
        if self._exchange.is_lost:
            self._later(self._break)
        elif self._exchange.drip is None:
            self._hand_on(data)
        else:
            self._drip(data, *self._exchange.drip)

    def _drip(self, data: bytes, chunk_bytes: int, delay_s: float) -> None:
        if self._head is not None:
            self._head += data
            head, end, data = self._head.partition(b"\r\n\r\n")
            if not end:
                return
            self._head = None
            self._hand_on(head + end)
        for start in range(0, len(data), chunk_bytes):
            self._delay_s += delay_s
            self._hand_on(data[start : start + chunk_bytes])

    def _hand_on(self, data: bytes) -> None:
        self._later(lambda: self._protocol.data_received(data))

    def _break(self) -> None:
        self._transport.set_protocol(self._protocol)
        self._transport.abort()
        self._protocol.connection_lost(ConnectionResetError(104, "Connection reset by peer"))

    def eof_received(self) -> bool | None:
        self._later(self._protocol.eof_received)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._later(lambda: self._protocol.connection_lost(exc))

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def _later(self, action: Callable[[], None]) -> None:
        """Do it after the delay that is due, and after all that came before."""
        delay_s, self._delay_s = self._delay_s, 0.0
        self._due.append((delay_s, action))
        if self._timer is None:
            self._wait()

    def _wait(self) -> None:
        self._timer = self._loop.call_later(self._due[0][0], self._do_next) if self._due else None

    def _do_next(self) -> None:
        _, action = self._due.popleft()
        action()
        self._wait()
