"""The way to a Docker engine, and what is said when there is none."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from stagefright.errors import EmulatorError

INSTALL = "pip install 'stagefright[docker]'"

UNIX = "unix://"

DEFAULT_HOST = "unix:///var/run/docker.sock"

LOOPBACK = (None, "localhost", "127.0.0.1", "::1")

ANSWER_WITHIN_S = 60
"""How long the engine may take to answer a call."""

ATTACH = 'Or attach to an emulator that already runs: endpoint_url = "http://127.0.0.1:4566".'


class Engine:
    """A Docker engine that answers."""

    def __init__(self, client: Any, asked: str | None) -> None:
        self.client = client
        self.asked = asked
        """What `DOCKER_HOST` says."""
        self.address = asked or str(client.api.base_url).replace("http+docker://localhost", DEFAULT_HOST)
        """Where it was reached, for people."""

    @property
    def ports_at(self) -> str:
        """
        The host at which the published ports of its containers are found: this machine, unless the engine is on another.

        In many build pipelines the engine is a service beside the job: `DOCKER_HOST=tcp://docker:2375`.
        """
        parts = urlsplit(self.address)
        is_elsewhere = parts.scheme in ("tcp", "http", "https", "ssh") and parts.hostname not in LOOPBACK
        return str(parts.hostname) if is_elsewhere else "127.0.0.1"

    def close(self) -> None:
        """Let go of the connection."""
        self.client.close()


def connect(environ: Mapping[str, str]) -> Engine:
    """
    The engine that `DOCKER_HOST` names, else that of the current Docker context, else the one on this machine.

    Raises `EmulatorError`, which says why there is none, and what to do.
    """
    docker = import_docker()
    host = environ.get("DOCKER_HOST") or _host_of_context(environ)
    if host.startswith(UNIX):
        _check_socket(host, environ)
    try:
        client = docker.from_env(environment=dict(environ), timeout=ANSWER_WITHIN_S, use_ssh_client=True)
        client.ping()
    except (docker.errors.DockerException, OSError, ValueError) as error:
        raise EmulatorError(_why_not(error, host, environ)) from None
    return Engine(client, environ.get("DOCKER_HOST"))


def import_docker() -> Any:
    """The package `docker`, which is an extra."""
    try:
        import docker
    except ImportError:
        docker = None
    # A folder of that name in the project is taken for a (namespace) package where the real one is missing.
    if not hasattr(docker, "from_env"):
        raise EmulatorError(
            f"The target `docker` needs the package docker, which is not installed: {INSTALL}\n{ATTACH}"
        )
    return docker


def _host_of_context(environ: Mapping[str, str]) -> str:
    """Where the Docker command line would look: Docker Desktop and others have contexts of their own."""
    from docker.context import ContextAPI
    from docker.errors import DockerException

    try:
        return str(ContextAPI.kwargs_from_context(environment=environ).get("base_url") or DEFAULT_HOST)
    except (DockerException, OSError, ValueError):
        return DEFAULT_HOST


def _said(host: str, environ: Mapping[str, str]) -> str:
    return f"DOCKER_HOST={host}" if environ.get("DOCKER_HOST") else host


def _check_socket(host: str, environ: Mapping[str, str]) -> None:
    """Raise unless somebody listens on the socket, and we may talk to them."""
    path = Path(host.removeprefix(UNIX))
    try:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(ANSWER_WITHIN_S)
            probe.connect(str(path))
    except PermissionError:
        group = group_of(path)
        raise EmulatorError(
            f"You may not use the Docker engine at {_said(host, environ)}: its socket belongs to the group {group!r}, which you are not in.\n"
            f"Join it with `sudo usermod -aG {group} $USER`, and log in again; or use a rootless engine and set DOCKER_HOST to its "
            f"socket.\n{ATTACH}"
        ) from None
    except OSError as error:
        reasons = {errno.ENOENT: "there is no such socket", errno.ECONNREFUSED: "nobody listens on it"}
        reason = reasons.get(error.errno or 0, str(error))
        raise EmulatorError(
            f"No Docker engine runs at {_said(host, environ)}: {reason}.\nStart it (`sudo systemctl start docker`, or Docker Desktop), or set "
            f"DOCKER_HOST to where yours is (`docker context ls`).\n{ATTACH}"
        ) from None


def _why_not(error: Exception, host: str, environ: Mapping[str, str]) -> str:
    cause = _system_error(error)
    if isinstance(cause, socket.gaierror):
        reason = "the name of its host is unknown"
    elif isinstance(cause, ConnectionRefusedError):
        reason = "nothing listens there"
    elif isinstance(cause, TimeoutError) or "timed out" in str(error).lower():
        reason = "it does not answer"
    else:
        reason = f"{error}"
    return (
        f"There is no Docker engine at {_said(host, environ)}: {reason}.\n"
        f"DOCKER_HOST is unix:///path/to/docker.sock, tcp://host:port or ssh://user@host; unset, it is {DEFAULT_HOST}.\n{ATTACH}"
    )


def group_of(path: Path) -> str:
    """The name of the group that a file belongs to."""
    try:
        return path.group()
    except (KeyError, OSError):
        return str(path.stat().st_gid) if os.access(path, os.F_OK) else "docker"


def _system_error(error: BaseException) -> OSError | None:
    """What the system said, below what HTTP clients have made of it."""
    # `requests.ConnectionError` is an OSError too, with no number of its own.
    found = (one for one in _below(error, set()) if isinstance(one, OSError) and isinstance(one.errno, int))
    return next(found, None)


def _below(error: BaseException, seen: set[int]) -> Iterator[BaseException]:
    if id(error) in seen:
        return
    seen.add(id(error))
    yield error
    for inner in (error.__cause__, error.__context__, *error.args, getattr(error, "reason", None)):
        if isinstance(inner, BaseException):
            yield from _below(inner, seen)
