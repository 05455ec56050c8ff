"""
Requests that a test has stubbed with `responses`, which answers in place of requests' adapter: they never come to `http.client`.

A fault strikes them before the stub is asked, or makes its answer late; what requests raises for a real connection is
raised here.
"""

from __future__ import annotations

import http.client
import io
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from stagefright.chaos.faults.points import Answer


def seeing_stubs(original: Callable[..., Any]) -> Callable[..., Any]:
    """`Session.get_adapter` whose adapters ask the faults, if the real one was replaced by a stub."""

    def get_adapter(session: Any, url: str, *args: Any, **kwargs: Any) -> Any:
        adapter = original(session, url, *args, **kwargs)
        genuine = sys.modules["requests.adapters"].HTTPAdapter
        if not isinstance(adapter, genuine) or type(adapter).send.__module__ == "requests.adapters":
            return adapter
        return _Asking(adapter)

    return get_adapter


class _Asking:
    """An adapter around one that a stub answers for."""

    def __init__(self, adapter: Any) -> None:
        self._adapter = adapter

    def __getattr__(self, name: str) -> Any:
        return getattr(self._adapter, name)

    def send(self, request: Any, **kwargs: Any) -> Any:
        from requests.exceptions import ConnectionError as RequestsConnectionError

        from stagefright.chaos.faults import http_exchange

        exchange = http_exchange.Exchange()
        url = urlsplit(request.url)
        outcome = http_exchange.ask(url.hostname or "", request.method, request.path_url, exchange)
        error = outcome.value.error if isinstance(outcome, Answer) else outcome
        if error is not None:
            raise RequestsConnectionError(error, request=request)
        if isinstance(outcome, Answer):
            return _response(outcome.value.content, request)
        token = http_exchange.asked.set(True)
        try:
            response = self._adapter.send(request, **kwargs)
        finally:
            http_exchange.asked.reset(token)
        return _received(response, exchange, kwargs.get("timeout"))


def _received(response: Any, exchange: Any, timeout: Any) -> Any:
    """The stub's response, as late as the faults want it; the body of one is there at once, so it only takes its time."""
    from requests.exceptions import ConnectionError as RequestsConnectionError
    from requests.exceptions import ReadTimeout

    patience_s = timeout[1] if isinstance(timeout, tuple) else timeout
    if exchange.late_s:
        time.sleep(exchange.late_s if patience_s is None else min(exchange.late_s, patience_s))
        if patience_s is not None and exchange.late_s >= patience_s:
            raise ReadTimeout("timed out", request=response.request)
    if exchange.is_lost:
        raise RequestsConnectionError(ConnectionResetError(104, "Connection reset by peer"), request=response.request)
    if exchange.drip is not None:
        chunk_bytes, delay_s = exchange.drip
        _drip(-(-len(response.content) // chunk_bytes), delay_s, patience_s)
    return response


def _drip(chunks: int, delay_s: float, patience_s: float | None) -> None:
    from requests.exceptions import ConnectionError as RequestsConnectionError

    if chunks and patience_s is not None and delay_s >= patience_s:
        time.sleep(patience_s)
        raise RequestsConnectionError("Read timed out.")
    time.sleep(chunks * delay_s)


class _Wire:
    """Bytes, as a socket for `http.client` to parse."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def makefile(self, *_: Any) -> io.BytesIO:
        return io.BytesIO(self._content)


def read_response(content: bytes, method: str) -> http.client.HTTPResponse:
    """A response from its bytes on the wire, ready for its body to be read."""
    wire: Any = _Wire(content)
    parsed = http.client.HTTPResponse(wire, method=method)
    parsed.begin()
    return parsed


def _response(content: bytes, request: Any) -> Any:
    import requests

    parsed = read_response(content, request.method)
    response = requests.Response()
    response.status_code, response.reason, response.url = parsed.status, parsed.reason, request.url
    response.headers.update(parsed.getheaders())
    response.encoding = requests.utils.get_encoding_from_headers(response.headers)
    response._content = parsed.read()
    response.request = request
    return response
