"""
HTTP requests of httpx as fault points, the blocking client's and the asynchronous one's: it does not stand on `http.client`.

While a function with HTTP faults runs, the transports' `handle_request` and `handle_async_request` are replaced. That is above a
pool of connections and above what `respx`, `pytest_httpx` and httpx's own `MockTransport` answer for, so stubbed hosts are struck too.
"""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from stagefright.chaos.faults import http_exchange
from stagefright.chaos.faults.http_stubs import read_response
from stagefright.chaos.faults.points import Answer

Target = tuple[Any, str, Callable[..., Any]]


def targets() -> Iterator[Target]:
    """What to replace, if httpx is there."""
    httpx = sys.modules.get("httpx")
    for name, method, wrapper in (
        ("HTTPTransport", "handle_request", _asking),
        ("AsyncHTTPTransport", "handle_async_request", _asking_in_loop),
        ("MockTransport", "handle_request", _asking),
        ("MockTransport", "handle_async_request", _asking_in_loop),
    ):
        transport = getattr(httpx, name, None)
        if transport is not None:
            yield transport, method, wrapper


def _asking(original: Callable[..., Any]) -> Callable[..., Any]:
    def handle_request(transport: Any, request: Any) -> Any:
        exchange, canned = _ask(request)
        if canned is not None:
            return canned
        began = time.monotonic()
        response = original(transport, request)
        wait_s, problem = _what_becomes(exchange, request, time.monotonic() - began)
        if wait_s:
            time.sleep(wait_s)
        if problem is not None:
            response.close()
            raise problem
        if exchange.drip is not None:
            response.stream = _dripping(response.stream, *exchange.drip, request)
        return response

    return handle_request


def _asking_in_loop(original: Callable[..., Any]) -> Callable[..., Any]:
    async def handle_async_request(transport: Any, request: Any) -> Any:
        import anyio

        exchange, canned = _ask(request)
        if canned is not None:
            return canned
        began = time.monotonic()
        response = await original(transport, request)
        wait_s, problem = _what_becomes(exchange, request, time.monotonic() - began)
        if wait_s:
            await anyio.sleep(wait_s)
        if problem is not None:
            await response.aclose()
            raise problem
        if exchange.drip is not None:
            response.stream = _dripping_in_loop(response.stream, *exchange.drip, request)
        return response

    return handle_async_request


def _ask(request: Any) -> tuple[http_exchange.Exchange, Any]:
    """What the faults want of a request, and the response in the host's stead if they give one; raises httpx's errors."""
    import httpx

    exchange = http_exchange.Exchange()
    path = request.url.raw_path.decode("ascii", "replace")
    outcome = http_exchange.ask(request.url.host, request.method, path, exchange)
    if isinstance(outcome, Answer) and outcome.value.error is None:
        return exchange, _response(outcome.value.content, request)
    if isinstance(outcome, Answer):
        raise httpx.ReadError(str(outcome.value.error), request=request)
    if outcome is not None:
        raise httpx.ConnectError(str(outcome), request=request)
    return exchange, None


def _patience_s(request: Any) -> float | None:
    limit: float | None = (request.extensions.get("timeout") or {}).get("read")
    return limit


def _what_becomes(exchange: http_exchange.Exchange, request: Any, waited_s: float) -> tuple[float, Exception | None]:
    """How long to wait with a response that is there, and what befalls the client then."""
    import httpx

    patience_s = _patience_s(request)
    if exchange.late_s and patience_s is not None and waited_s + exchange.late_s >= patience_s:
        return max(0.0, patience_s - waited_s), httpx.ReadTimeout("timed out", request=request)
    lost = httpx.ReadError(str(ConnectionResetError(104, "Connection reset by peer")), request=request)
    return exchange.late_s, lost if exchange.is_lost else None


def _response(content: bytes, request: Any) -> Any:
    import httpx

    parsed = read_response(content, request.method)
    return httpx.Response(parsed.status, headers=parsed.getheaders(), content=parsed.read(), request=request)


# -- bodies that come piece by piece -----------------------------------------------------------------------------------


def _pieces(data: bytes, size: int) -> Iterator[bytes]:
    yield from (data[start : start + size] for start in range(0, len(data), size))


def _pause(delay_s: float, request: Any) -> tuple[float, Exception | None]:
    """How long to wait before a piece, and the error of a client that does not wait so long."""
    import httpx

    patience_s = _patience_s(request)
    if patience_s is not None and delay_s >= patience_s:
        return patience_s, httpx.ReadTimeout("timed out", request=request)
    return delay_s, None


def _dripping(stream: Any, chunk_bytes: int, delay_s: float, request: Any) -> Any:
    import httpx

    class Drip(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            for data in stream:
                for piece in _pieces(data, chunk_bytes):
                    wait_s, problem = _pause(delay_s, request)
                    time.sleep(wait_s)
                    if problem is not None:
                        raise problem
                    yield piece

        def close(self) -> None:
            stream.close()

    return Drip()


def _dripping_in_loop(stream: Any, chunk_bytes: int, delay_s: float, request: Any) -> Any:
    import anyio
    import httpx

    class Drip(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            async for data in stream:
                for piece in _pieces(data, chunk_bytes):
                    wait_s, problem = _pause(delay_s, request)
                    await anyio.sleep(wait_s)
                    if problem is not None:
                        raise problem
                    yield piece

        async def aclose(self) -> None:
            await stream.aclose()

    return Drip()
