"""
The escape guard of a stage in an emulator: no call reaches the real AWS by accident.

A client that was made before the stage was there, or that names its own endpoint, would go to AWS with whatever credentials it has
found. An SDK call is refused before it is signed; any other client when it looks the host up. Child processes are out of reach.
Threads of a local stage that is open at the same time have a guard of their own (`virtual/network.py`).
"""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from stagefright.call_site import call_site
from stagefright.errors import NotInWorld
from stagefright.hosts import may_reach, normal_host
from stagefright.journal import Journal
from stagefright.tasks import current_actor
from stagefright.virtual.patching import Patches

AWS_SUFFIXES = (
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "api.aws",
    "api.amazonwebservices.com.cn",
    "on.aws",
    "on.amazonwebservices.com.cn",
    "api.amazonwebservices.eu",
    "c2s.ic.gov",
    "sc2s.sgov.gov",
    "cloud.adc-e.uk",
    "csp.hci.ic.gov",
    "api.aws.ic.gov",
    "api.aws.scloud",
    "api.cloud-aws.adc-e.uk",
    "api.aws.hci.ic.gov",
)
"""Where AWS's own hosts are, in all its partitions."""

CREDENTIAL_HOSTS = ("169.254.169.254", "169.254.170.2", "169.254.170.23", "fd00:ec2::254", "fd00:ec2::23")
"""Where machines and containers on AWS are given credentials."""


def is_aws(host: str) -> bool:
    """
    Whether a host is AWS's own.

    >>> is_aws("sqs.eu-west-1.amazonaws.com"), is_aws("amazonaws.com.example.com"), is_aws("127.0.0.1")
    (True, False, False)
    """
    host = normal_host(host)
    return host in CREDENTIAL_HOSTS or host.endswith(tuple(f".{suffix}" for suffix in AWS_SUFFIXES))


class EscapeGuard:
    """Refuses what would reach the real AWS, while it is up."""

    def __init__(self, stage: str, allowed: tuple[str, ...], journal: Journal) -> None:
        self._stage = stage
        self._allowed = allowed
        self._journal = journal
        self._patches = Patches()

    def up(self) -> Callable[[], None]:
        """Put it up; returns what takes it down."""
        from botocore.endpoint import Endpoint

        self._patches.set(Endpoint, "make_request", self._guard_call(Endpoint.make_request))
        for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex"):
            self._patches.set(socket, name, self._guard_lookup(getattr(socket, name)))
        loop = asyncio.BaseEventLoop
        self._patches.set(loop, "getaddrinfo", self._guard_loop(loop.getaddrinfo))
        for name in ("connect", "connect_ex"):
            self._patches.set(socket.socket, name, self._guard_connection(getattr(socket.socket, name)))
        return self._patches.restore

    def _guard_call(self, native: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(native)
        def make_request(endpoint: Any, operation_model: Any, request: Any) -> Any:
            parts = urlsplit(request["url"])
            if current_actor() is None and self._refuses(parts.hostname or "", parts.port or 443):
                service = operation_model.service_model.service_name
                self._refuse(
                    f"The SDK call {service} {operation_model.name} would have gone to {parts.hostname}, the real AWS, and not to the stage "
                    f"{self._stage!r}.",
                    f"Use stage.client({service!r}); or make the client while the stage is here, without an endpoint of its own: "
                    f"boto3.client({service!r}) in a test or fixture that uses `stage`, not when a module is imported.",
                    parts.hostname or "",
                )
            return native(endpoint, operation_model, request)

        return make_request

    def _guard_lookup(self, native: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(native)
        def look_up(host: Any, *args: Any, **kwargs: Any) -> Any:
            self._check(host, args[0] if args else kwargs.get("port"))
            return native(host, *args, **kwargs)

        return look_up

    def _guard_loop(self, native: Callable[..., Any]) -> Callable[..., Any]:
        """asyncio has another thread look hosts up, where it is not seen who asks."""

        @functools.wraps(native)
        async def getaddrinfo(loop: Any, host: Any, port: Any, **kwargs: Any) -> Any:
            self._check(host, port)
            return await native(loop, host, port, **kwargs)

        return getaddrinfo

    def _guard_connection(self, native: Callable[..., Any]) -> Callable[..., Any]:
        """Credentials are given at addresses that nobody needs to look up."""

        @functools.wraps(native)
        def connect(sock: socket.socket, address: Any) -> Any:
            if sock.family in (socket.AF_INET, socket.AF_INET6):
                self._check(address[0], address[1])
            return native(sock, address)

        return connect

    def _check(self, host: Any, port: Any) -> None:
        asked = host.decode() if isinstance(host, bytes) else str(host or "")
        if current_actor() is None and self._refuses(asked, int(port) if str(port).isdigit() else None):
            self._refuse(
                f"A connection would have been made to {asked}, the real AWS, and not to the stage {self._stage!r}.",
                "Use stage.client(...) or stage.http.",
                asked,
            )

    def _refuses(self, host: str, port: int | None) -> bool:
        return is_aws(host) and not may_reach(self._allowed, host, port)

    def _refuse(self, what: str, instead: str, host: str) -> None:
        """Raise, and keep it in the journal: user code may swallow the error."""
        reason = (
            f"{what}\nIt was called from:\n{call_site()}{instead}\n"
            f'If it is meant, allow the host: [tool.stagefright] allow_hosts = ["{host}"].'
        )
        self._journal.write("warning", "test", message=reason)
        raise NotInWorld(reason)
