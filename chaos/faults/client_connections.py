"""Connections that httpx (by way of httpcore) and aiohttp make: they are asked about where they are made, since a local stage answers for its hosts without a look-up."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

from stagefright.chaos.faults import connection


def targets() -> Iterator[tuple[Any, str, Callable[..., Any]]]:
    """What to replace, if these clients are there."""
    httpcore, aiohttp = sys.modules.get("httpcore"), sys.modules.get("aiohttp")
    for target, name, wrapper in (
        (getattr(httpcore, "SyncBackend", None), "connect_tcp", _blocking),
        (getattr(httpcore, "AnyIOBackend", None), "connect_tcp", _in_loop),
        (getattr(httpcore, "TrioBackend", None), "connect_tcp", _in_loop),
        (getattr(aiohttp, "TCPConnector", None), "_create_connection", _of_aiohttp),
    ):
        if hasattr(target, name):
            yield target, name, wrapper


def _refuse(host: str) -> None:
    import httpcore

    outcome = connection.ask(host)
    if isinstance(outcome, Exception):
        raise httpcore.ConnectError(str(outcome))


def _blocking(original: Callable[..., Any]) -> Callable[..., Any]:
    def connect_tcp(backend: Any, host: str, *args: Any, **kwargs: Any) -> Any:
        _refuse(host)
        with connection.asked_about(host):
            return original(backend, host, *args, **kwargs)

    return connect_tcp


def _in_loop(original: Callable[..., Any]) -> Callable[..., Any]:
    async def connect_tcp(backend: Any, host: str, *args: Any, **kwargs: Any) -> Any:
        _refuse(host)
        with connection.asked_about(host):
            return await original(backend, host, *args, **kwargs)

    return connect_tcp


def _of_aiohttp(original: Callable[..., Any]) -> Callable[..., Any]:
    async def create_connection(connector: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        host = request.url.raw_host or ""
        outcome = connection.ask(host)
        if isinstance(outcome, Exception):
            raise _unresolved(request, outcome)
        with connection.asked_about(host):
            return await original(connector, request, *args, **kwargs)

    return create_connection


def _unresolved(request: Any, error: Exception) -> Exception:
    import aiohttp

    kind: Any = getattr(aiohttp, "ClientConnectorDNSError", aiohttp.ClientConnectorError)  # its own kind since 3.11
    found: Exception = kind(request.connection_key, error) if isinstance(error, socket.gaierror) else error
    return found
