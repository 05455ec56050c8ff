"""Server processes for tests and benchmarks: one on a port of its own, up when the block begins, gone with all it started when it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import requests

PORTS = range(20_000, 32_000)
"""Below those that the system gives to whoever asks for any port, so that no client takes one between our look and the server's."""

STARTS_MAX = 5
UP_WITHIN_S = 120
"""How long a server may take, on a machine that has much else to do."""


class NotUp(AssertionError):
    """A server did not start."""


@contextlib.contextmanager
def running(
    command: Callable[[int], Sequence[str | Path]],
    *,
    health: str = "/",
    environment: Callable[[int], Mapping[str, str]] | None = None,
    folder: Path | None = None,
) -> Iterator[str]:
    """
    A server that answers at `health`; gives its URL.

    `command` and `environment` are asked with the port. A server that ends before it answers found its port taken, or has a
    trouble that is there again at the next port: then its last words are the error.
    """
    with contextlib.ExitStack() as ending:
        home = folder or Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="server-")))
        for start in range(1, STARTS_MAX + 1):
            attempt = ending.enter_context(contextlib.ExitStack())
            port = attempt.enter_context(_reserved_port())
            log = home / f"server-{start}.log"
            variables = None if environment is None else dict(environment(port))
            server = attempt.enter_context(_process(command(port), variables, home, log))
            url = f"http://127.0.0.1:{port}"
            if _comes_up(server, url + health):
                yield url
                return
            attempt.close()
        raise NotUp(f"{command(0)} did not start: {log.read_text(errors='replace')[-2000:]}")


@contextlib.contextmanager
def _reserved_port() -> Iterator[int]:
    """A port that nobody has, and that no other process of ours will choose while the block lasts."""
    with contextlib.ExitStack() as claims:
        yield next(port for port in random.sample(PORTS, len(PORTS)) if _claim(port, claims) and _is_free(port))


def _claim(port: int, claims: contextlib.ExitStack) -> bool:
    file = Path(tempfile.gettempdir(), f"stagefright-test-port-{port}")
    claim = claims.enter_context(file.open("a"))
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    claims.callback(file.unlink, missing_ok=True)
    return True


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


@contextlib.contextmanager
def _process(
    command: Sequence[str | Path], variables: Mapping[str, str] | None, home: Path, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """In a process group of its own, so that what it starts ends with it."""
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, env=variables, stdout=output, stderr=output, start_new_session=True, cwd=home
        )
    try:
        yield server
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _comes_up(server: subprocess.Popen[bytes], url: str) -> bool:
    """Whether it answers in time; false as soon as it has ended."""
    until = time.monotonic() + UP_WITHIN_S
    while time.monotonic() < until and server.poll() is None:
        with contextlib.suppress(requests.RequestException):
            if requests.get(url, timeout=5).status_code < 500:
                return True
        time.sleep(0.05)
    return False
