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
    try:
        client = docker.from_env(environment=dict(environ), timeout=ANSWER_WITHIN_S, use_ssh_client=True)
        client.ping()
    except (docker.errors.DockerException, OSError, ValueError) as error:
        raise EmulatorError(_why_not(error, environ)) from None
    return Engine(client, environ.get("DOCKER_HOST"))


def import_docker() -> Any:
    """The package `docker`, which is an extra."""
    try:
        import docker
    except ImportError:
        docker = None  # type: ignore[assignment]
    # A folder of that name in the project is taken for a (namespace) package where the real one is missing.
    if not hasattr(docker, "from_env"):
        raise EmulatorError(
            f"The target `docker` needs the package docker, which is not installed: {INSTALL}\n{ATTACH}"
        )
    return docker


def _why_not(error: Exception, environ: Mapping[str, str]) -> str:
    asked = environ.get("DOCKER_HOST")
    host = asked or DEFAULT_HOST
    origin = f"DOCKER_HOST={asked}" if asked else host
    cause = _system_error(error)
    if host.startswith("unix://"):
        return f"{_why_not_socket(Path(host.removeprefix('unix://')), origin, cause, error)}\n{ATTACH}"
    if isinstance(cause, socket.gaierror):
        reason = "the name of its host is unknown"
    elif isinstance(cause, ConnectionRefusedError):
        reason = "nothing listens there"
    elif isinstance(cause, TimeoutError) or "timed out" in str(error).lower():
        reason = "it does not answer"
    else:
        reason = f"{error}"
    return (
        f"There is no Docker engine at {origin}: {reason}.\n"
        f"DOCKER_HOST is unix:///path/to/docker.sock, tcp://host:port or ssh://user@host; unset, it is {DEFAULT_HOST}.\n{ATTACH}"
    )


def _why_not_socket(path: Path, origin: str, cause: OSError | None, error: Exception) -> str:
    number = cause.errno if cause is not None else None
    if number in (errno.EACCES, errno.EPERM):
        group = group_of(path)
        return (
            f"You may not use the Docker engine at {origin}: its socket belongs to the group {group!r}, which you are not in.\n"
            f"Join it with `sudo usermod -aG {group} $USER`, and log in again; or use a rootless engine and set DOCKER_HOST to its socket."
        )
    if number == errno.ENOENT:
        reason = "there is no such socket"
    elif number == errno.ECONNREFUSED:
        reason = "its socket is there, but nobody listens"
    elif number == errno.ENOTSOCK or path.is_dir():
        reason = "that is no socket"
    else:
        reason = str(error)
    return (
        f"No Docker engine runs at {origin}: {reason}.\n"
        "Start it (`sudo systemctl start docker`, or Docker Desktop), or set DOCKER_HOST to where yours is (`docker context ls`)."
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
